--- Going on with an import that another process began: where its job stands, and what is still to be done.
local agreement = require "upjob.agreement"
local changes = require "upjob.changes"
local errors = require "upjob.errors"
local fingerprint = require "upjob.fingerprint"
local job_request = require "upjob.job_request"
local log = require "upjob.log"
local lookup = require "upjob.lookup"
local mapping = require "upjob.mapping"
local recorded = require "upjob.recorded"
local replies = require "upjob.replies"
local segment = require "upjob.segment"
local source = require "upjob.source"
local system = require "upjob.native.system"

local resuming = {}

local CLOCKS_APART = 0.02 -- seconds by which a file's time may be behind: it is that of the clock's last tick

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- ---- what cannot be gone on with ----

-- Finds the job, unless it is known, or was not made.
local function find_job(run)
  local found = not run.job_id and run.known.creating and lookup.find(run, { any_mapping = true })
  if not found or lookup.is_lost(found) then return end
  run.job_id, run.started, run.found = found.JobId, found.Status ~= "CREATED", agreement.is_needed(run)
end

-- Another program that has the run's key may have started the job meanwhile, or is left some time to do so.
local function look_for_rival(run)
  if run.started or not run.job_id or not agreement.is_needed(run) then return end
  local status = run.found and not run.waited and agreement.wait(run)
    or must(replies.get_upload_job(run.client, { DomainName = run.domain, JobId = run.job_id })).Status
  if run.found and lookup.is_lost { Status = status } then return agreement.forget(run) end
  run.started = status ~= "CREATED"
end

-- Stops the job that waits for its file, so that nothing is left behind: what became of it.
local function stop_job(run)
  if not run.job_id then return "and no job waits for it" end
  recorded.step(run, "stop", "begin")
  must(run.client:stop_upload_job { DomainName = run.domain, JobId = run.job_id })
  run.stopped = true
  recorded.step(run, "stop", "done")
  return ("its job %s was stopped"):format(run.job_id)
end

-- The file cannot be sent. That is no matter where another program has started the job; else the job is stopped, and this raises
-- why the run cannot go on: a sentence.
local function refuse(run, format, ...)
  local why = format:format(...)
  find_job(run)
  look_for_rival(run)
  if run.started then return end
  local left = stop_job(run)
  run.refused = true
  error(errors.new { code = "InvalidFile", file = run.file, job_id = run.job_id, message =
    ("%s: run %d cannot go on, %s"):format(why, run.known.row.id, left) }, 0)
end

-- ---- what is needed to upload ----

-- The mapping of a run in the journal: map | nil, err
local function mapping_of(row)
  if row.mapping_file then return mapping.load(fingerprint.path_of(row.mapping_file)) end
  if row.mapping then return mapping.from_text(row.mapping, ("mapping of run %d"):format(row.id)) end
  return nil, errors.new { code = "InvalidMapping", message =
    ("the mapping of run %d has functions or files of its script%s: run that again"):format(row.id,
      row.script and " " .. row.script or "") }
end

-- Whether its mapping is still to be made of what it was to fetch.
local function is_unmapped(row)
  return not row.mapping_file and not row.mapping and row.options ~= nil and row.options.mapping_made == true
    and source.is_remote(fingerprint.path_of(row.file))
end

--- Gets the mapping, unless there is one or the next step makes it, and sees to it that it and the file are what they were.
function resuming.prepare(run)
  local row = run.known.row
  run.request = run.request or job_request(run, nil, row.display_name)
  if is_unmapped(row) then return end -- nothing was checked yet
  if not run.mapping then
    local map, err = mapping_of(row)
    if map and run.segment then map, err = segment.apply(map, run.segment) end
    if not map then return refuse(run, "%s", tostring(err)) end
    run.mapping, run.request = map, job_request(run, map, row.display_name)
  end
  if not fingerprint.is_of_mapping(row.mapping_fingerprint, run.mapping) then
    return refuse(run, "the mapping%s is not what it was", run.mapping.file and " " .. run.mapping.file or "")
  end
  if run.file == "-" then return refuse(run, "standard input cannot be read a second time") end
  local digest, look = fingerprint.parts(row.file_fingerprint)
  local remote = source.has_remote(run.files)
  if not look and not remote then return refuse(run, "it cannot be read a second time") end
  if (remote or not digest) and source.has_changed(run, look) then
    refuse(run, "%s is not what it was", #run.files == 1 and "it" or table.concat(run.files, " or "))
  end
end

--- Before a check is made once more: the rejected rows that the run's first check wrote give way to those of this one, so that
--- what an earlier run left stays where it was kept.
function resuming.clear_rejects(run)
  local known, info = run.known, system.stat(run.rejects)
  if not info or info.type ~= "file" or info.mtime < known.row.queued_at - CLOCKS_APART then return end
  if not known.checked_at or info.mtime <= known.checked_at then os.remove(run.rejects) end
end

--- After the check: what would be sent now is what was checked then.
function resuming.compare(run, digest)
  local known = run.known
  local before = known and fingerprint.parts(known.row.file_fingerprint)
  if not before or before == digest then return end
  if changes.is_overtaken(run) then
    return refuse(run, "another import has sent some of its rows since (import it again to send the others)")
  end
  refuse(run, "it is not what was checked")
end

--- After the check: when another import has sent all that was to be sent, no job is left waiting for its file.
function resuming.let_go(run)
  if not run.known then return end
  find_job(run)
  look_for_rival(run)
  if run.job_id and not run.started then stop_job(run) end
end

-- ---- where the job stands ----

-- What the check of then found, for the result and the report.
local function take_checked(run)
  local checked = run.known.checked
  if not checked or run.checked then return end
  run.checked, run.rejected = checked, checked.bad_rows
end

-- What was sent is what counts, whatever has become of the file.
local function tell_of_change(run)
  local row = run.known.row
  local _, before = fingerprint.parts(row.file_fingerprint)
  local now = not source.has_remote(run.files) and fingerprint.look_all(run.files) -- else a request, to tell nothing that counts
  if before and now and now ~= before then
    log.warn("%s has been changed since run %d sent it: what is told is of what was sent", table.concat(run.files, " or "),
      row.id)
  end
end

-- A run that was being given up when its process ended is given up.
local function finish_stop(run, job)
  if job.Status == "CREATED" then
    must(run.client:stop_upload_job { DomainName = run.domain, JobId = run.job_id })
  end
  run.stopped = true
  error(errors.new { code = "Cancelled", job_id = run.job_id, message =
    ("run %d was being given up: its job %s was stopped"):format(run.known.row.id, run.job_id) }, 0)
end

local function is_being_stopped(known, job)
  return known.stopping and (job.Status == "STOPPED" or job.Status == "CREATED" and known.was == "lost")
end

-- The run's job. Raises when it cannot be seen; in a domain that is there it is gone then, else it may be another account's.
local function job_of(run)
  local job, err = replies.get_upload_job(run.client, { DomainName = run.domain, JobId = run.job_id })
  if job then return job end
  run.is_gone = err.status == 404 and run.client:get_domain { DomainName = run.domain } ~= nil
  error(err, 0)
end

-- Sees where the run's job stands. One that is to be given up for that of another program is, and one that another program made
-- and has given up is forgotten.
local function look_at_job(run)
  local known = run.known
  agreement.know(run)
  if known.yielding then agreement.yield(run, known.yielding) end
  local job = job_of(run)
  if is_being_stopped(known, job) then finish_stop(run, job) end
  if run.found and lookup.is_lost(job) then return agreement.forget(run) end
  run.started, run.starting = job.Status ~= "CREATED", false
  if run.job_id == known.job_id then run.sent, run.uploaded = known.uploaded, known.uploaded ~= nil end
end

-- Of an import that has parts: each is looked at.
local function restore_parts(run)
  take_checked(run)
  require("upjob.parts_earlier").restore(run, function() resuming.prepare(run) end)
end

--- The step of an import that was begun by another process: looks where its job stands.
function resuming.locate(run)
  local known = run.known
  if not known then return end
  run.step = "look"
  if known.split then return restore_parts(run) end
  if run.job_id then look_at_job(run) end
  if not run.started and not run.uploaded then resuming.prepare(run) end
  if not run.started and not run.uploaded then return end
  take_checked(run)
  tell_of_change(run)
end

--- Whether nothing of the file is needed any more.
function resuming.has_all(run)
  return run.known ~= nil and (run.started or run.uploaded) or false
end

return resuming
