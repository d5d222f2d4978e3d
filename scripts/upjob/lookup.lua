--- Finds the job of a run on the service by the run's key, which ends the job's DisplayName: when the job's id is not known.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local replies = require "upjob.replies"
local report = require "upjob.report"
local run_key = require "upjob.run_key"

local lookup = {}

--- Seconds: a job that was just made may be missing in the list for as long.
lookup.AGAIN_AFTER = 5

-- What is made of a job of each status: the lower, the better it is as the run's job. CREATED: it waits for its file.
local RANK = { IN_PROGRESS = 1, SUCCEEDED = 2, PARTIALLY_SUCCEEDED = 2, CREATED = 3, STOPPED = 4, FAILED = 4 }

--- Whether a job has ended without having imported what it was for.
function lookup.is_lost(job)
  return RANK[job.Status] == RANK.FAILED
end

function lookup.has_ended_well(job)
  return RANK[job.Status] == RANK.SUCCEEDED
end

--- Whether another program may have the run's key: it was given, to the run or to the import that it is a part of.
function lookup.is_shared(run)
  return (run.import or run).key_given or false
end

-- ---- whether it is the same import ----

local function field_text(field)
  return field and ("%s → %s (%s)"):format(field.Source, field.Target, field.ContentType or "STRING") or "none"
end

-- What a job has otherwise than it was asked for: a text, nil when nothing.
local function difference(request, job)
  if job.UniqueKey ~= request.UniqueKey then
    return ("its UniqueKey is \"%s\", not \"%s\""):format(job.UniqueKey, request.UniqueKey)
  end
  local names = {}
  for name in pairs(job.Fields) do names[name] = true end
  for name in pairs(request.Fields) do names[name] = true end
  for _, name in ipairs(errors.names_of(names)) do
    local theirs, ours = field_text(job.Fields[name]), field_text(request.Fields[name])
    if theirs ~= ours then return ("its field \"%s\" is %s, not %s"):format(name, theirs, ours) end
  end
  if request.DataExpiry and job.DataExpiry and job.DataExpiry ~= request.DataExpiry then
    return ("its DataExpiry is %d days, not %d"):format(job.DataExpiry, request.DataExpiry)
  end
end

local function of_mapping(run)
  return run.mapping.file and " of " .. run.mapping.file or ""
end

-- A job with the run's key as GetUploadJob tells it; nil when it is gone. Raises when it is of another import.
local function look_at(run, job_id, any_mapping)
  local job, err = replies.get_upload_job(run.client, { DomainName = run.domain, JobId = job_id })
  if not job and err.status == 404 then return nil end
  if not job then error(err, 0) end
  job.JobId = job_id
  if any_mapping or lookup.is_lost(job) then return job end
  if not job.UniqueKey or not job.Fields then
    error(errors.new { code = "InvalidResponse", operation = "GetUploadJob", message = "the reply does not tell the mapping" }, 0)
  end
  local differs = difference(run.request, job)
  if differs then
    error(errors.new { code = "UsageError", job_id = job_id, message =
      ("job %s (\"%s\", %s) in domain %s has the run key %s and another mapping than this import%s: %s; give another run key")
      :format(job_id, job.DisplayName, job.Status, run.domain, run.run_key, of_mapping(run), differs) }, 0)
  end
  return job
end

-- ---- which job it is ----

-- Whether a job was made before another: the order that all programs see.
local function was_before(job, other)
  local a, b = { job.CreatedAt or 0, job.JobId }, { other.CreatedAt or 0, other.JobId }
  return a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
end

-- Of two jobs of one rank the one that is found by every other program too: the first that was made, but the last that ended.
local function is_better(job, other)
  if job.JobId == other.JobId then return false end
  local rank, others = RANK[job.Status] or RANK.IN_PROGRESS, RANK[other.Status] or RANK.IN_PROGRESS
  if rank ~= others then return rank < others end
  return (rank == RANK.CREATED) == was_before(job, other)
end

--- What is asked for: as much of the list at once as the service gives.
function lookup.request(run)
  return { DomainName = run.domain, MaxResults = 100 }
end

-- The jobs of the domain, as the list tells them, which a function of the DisplayName chooses.
local function listed_where(run, chooses)
  local jobs = {}
  for item in run.client:pages("list_upload_jobs", lookup.request(run)) do
    local job = replies.job(item)
    if type(job.JobId) == "string" and chooses(job.DisplayName) then jobs[#jobs + 1] = job end
  end
  return jobs
end

-- The jobs of all parts of an import. Parts that ask at once share one look, which begins after each of them has asked; in a
-- task of its own, as it goes on when the part that asked first is given up.
local function listed_of_parts(import)
  local function is_of_import(name)
    return type(name) == "string" and name:find(import.run_key .. "-", 1, true) ~= nil
  end
  import.next_listing = import.next_listing or native.spawn(function()
    if import.listing then import.listing:wait() end
    import.listing, import.next_listing = import.next_listing, nil
    local ok, jobs = pcall(listed_where, import, is_of_import)
    return { jobs = ok and jobs or nil, error = not ok and jobs or nil }
  end)
  local listing, err = import.next_listing:wait()
  if not listing or listing.error then error(listing and listing.error or err, 0) end
  return listing.jobs
end

-- All jobs that have the run's key, as the list tells them.
local function listed(run)
  local function is_of_run(name) return run_key.is_of(name, run.run_key) end
  if not run.import then return listed_where(run, is_of_run) end
  local jobs = {}
  for _, job in ipairs(listed_of_parts(run.import)) do
    if is_of_run(job.DisplayName) then jobs[#jobs + 1] = job end
  end
  return jobs
end

-- All jobs that have the run's key, as GetUploadJob tells them, the best first.
local function list(run, any_mapping)
  local jobs = {}
  for _, job in ipairs(listed(run)) do jobs[#jobs + 1] = look_at(run, job.JobId, any_mapping) end
  table.sort(jobs, is_better)
  return jobs
end

--- Tells a person, unless errors alone are told.
function lookup.tell(format, ...)
  if log.level() ~= "error" then report.say(format:format(...)) end
end

local function stop(run, job_id)
  local request = { DomainName = run.domain, JobId = job_id }
  local stopped, err = run.client:stop_upload_job(request)
  local job = not stopped and replies.get_upload_job(run.client, request)
  if job and job.Status ~= "CREATED" then return end -- another program was there first
  lookup.tell("job %s has the run key %s as well: %s", job_id, run.run_key, stopped and "it was stopped"
    or "it waits, and could not be stopped: " .. tostring(err))
end

--- Stops those of some jobs that wait for a file that does not come.
function lookup.stop_left(run, job_ids)
  for _, id in ipairs(job_ids) do
    local job = replies.get_upload_job(run.client, { DomainName = run.domain, JobId = id })
    if job and job.Status == "CREATED" then stop(run, id) end
  end
end

-- A second job that was made for one run imports nothing: it is not left behind. With a key that was given, it may be that of
-- another program, which is about to start it: that is left alone, unless it never will (upjob.agreement, rule 3).
local function stop_others(run, jobs)
  local is_done = jobs[1] and lookup.has_ended_well(jobs[1])
  for i = 2, #jobs do
    if jobs[i].Status == "CREATED" and (not lookup.is_shared(run) or is_done and was_before(jobs[1], jobs[i])) then
      stop(run, jobs[i].JobId)
    elseif jobs[i].Status == "CREATED" then
      lookup.tell("job %s has the run key %s as well, and waits: another program may be at work on it", jobs[i].JobId,
        run.run_key)
    end
  end
end

--- The job of a run that has a run_key and a request: as GetUploadJob tells it; nil when there is none, which in a list that
--- another program keeps is only believed when it says so twice. One that has started, or has ended well, goes before one that
--- waits, and that before one that FAILED or was STOPPED. Raises what the service says, and when the job is of another import;
--- not so with any_mapping in the options.
function lookup.find(run, options)
  local any_mapping = options and options.any_mapping
  local jobs = list(run, any_mapping)
  if not jobs[1] and not run.client.embedded then
    native.sleep(lookup.AGAIN_AFTER)
    jobs = list(run, any_mapping)
  end
  stop_others(run, jobs)
  return jobs[1]
end

-- The run's own job among some, else as GetUploadJob tells it.
local function own_of(run, jobs)
  for _, job in ipairs(jobs) do
    if job.JobId == run.job_id then return job end
  end
  local job, err = replies.get_upload_job(run.client, { DomainName = run.domain, JobId = run.job_id })
  if not job then error(err, 0) end
  job.JobId = run.job_id
  return job
end

--- Of the other jobs with the run's key the best, when it goes before the run's own: as GetUploadJob tells it; else nil. And the
--- ids of those that wait and come after it. Raises what the service says, and when the job is of another import.
function lookup.before(run)
  local jobs = listed(run)
  table.sort(jobs, is_better)
  local first, behind = nil, {}
  local is_alone = not jobs[1] or not jobs[2] and jobs[1].JobId == run.job_id
  if is_alone then return first, behind end
  local own, any_mapping = own_of(run, jobs), not (run.request and run.request.Fields)
  for _, job in ipairs(jobs) do
    if not first and not lookup.is_lost(job) and is_better(job, own) then
      local found = look_at(run, job.JobId, any_mapping)
      first = found and not lookup.is_lost(found) and found or nil
    elseif job.JobId ~= own.JobId and job.Status == "CREATED" then
      behind[#behind + 1] = job.JobId
    end
  end
  return first, behind
end

return lookup
