--- Parts of an import that were begun before: by another process, of which the journal tells, or under the same run key, of which
--- the service tells.
local errors = require "upjob.errors"
local fingerprint = require "upjob.fingerprint"
local input = require "upjob.source"
local json = require "upjob.json"
local lookup = require "upjob.lookup"
local native = require "upjob.native.task"
local part = require "upjob.part"
local parts_mend = require "upjob.parts_mend"
local parts_plan = require "upjob.parts_plan"
local replies = require "upjob.replies"

local parts_earlier = {}

local PAGE = 500 -- runs that are asked for at a time

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- ---- in the journal ----

-- Of each part the last of its runs, by its number.
local function rows_of(store, id)
  local rows, last = {}, nil
  repeat
    local page = must(store:runs { parent = id, kind = "part", before_id = last, limit = PAGE })
    for _, row in ipairs(page) do
      if row.ordinal and not rows[row.ordinal] then rows[row.ordinal] = row end
    end
    last = page[#page] and page[#page].id
  until #page < PAGE
  return rows
end

local OPEN = { queued = true, running = true, lost = true, interrupted = true }

--- Whether a run in the journal has not ended for good.
function parts_earlier.is_open(row)
  return OPEN[row.state] or false
end

--- The parts that an import in the journal has, each as its last run: a list in the order of their numbers | nil, err
function parts_earlier.rows(store, import)
  local ok, rows = pcall(rows_of, store, import.id)
  if not ok then return nil, rows end
  local numbers, list_of = {}, json.array {}
  for number in pairs(rows) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for i, number in ipairs(numbers) do list_of[i] = rows[number] end
  return list_of
end

local function digits_of(row)
  local digest = fingerprint.parts(row.file_fingerprint)
  return digest and part.digits(digest), digest
end

-- What the journal and the service say of a part.
local function look_at(run, item, row)
  if row.result and not OPEN[row.state] then
    item.state, item.result, item.is_started = "ended", row.result, true
    item.expected = digits_of(row)
    return
  end
  if not OPEN[row.state] then return end -- it failed, or was stopped: it is made anew
  local digits, digest = digits_of(row)
  item.row, item.expected, item.md5 = row, digits, digest
  if not row.job_id then return end
  local job = must(replies.get_upload_job(run.client, { DomainName = run.domain, JobId = row.job_id }))
  local steps = must(run.record.store:run { id = row.id }).steps
  local known = require("upjob.recorded").known { steps = steps }
  if job.Status == "CREATED" and known.stopping or job.Status == "STOPPED" and not known.starting then return end
  item.is_started = job.Status ~= "CREATED"
  if item.is_started or known.uploaded and not known.yielding then item.state = "ready" end
end

-- Whether something of it is still to be made of its file.
local function has_planned(run, source)
  for _, item in ipairs(run.parts) do
    if item.state == "planned" and (not source or item.source == source) then return true end
  end
  return false
end

--- Takes the parts of a run that another process began from the journal, and looks where each stands. prepare() gets what is
--- needed to send something, and raises when that cannot be.
function parts_earlier.restore(run, prepare)
  parts_plan.restore(run, run.known.split)
  local rows = rows_of(run.record.store, run.record.id)
  for _, item in ipairs(run.parts) do
    if rows[item.number] then look_at(run, item, rows[item.number]) end
  end
  if has_planned(run) then prepare() end
  for _, source in ipairs(run.sources) do source.changed = source.look ~= input.now(run, source.file) end
end

-- ---- on the service ----

-- The jobs of the domain that are parts of the import: by number, a list of { JobId, Status, digits }.
local function list(run)
  local found, any = {}, false
  for item in run.client:pages("list_upload_jobs", lookup.request(run)) do
    local job = replies.job(item)
    local number, digits = part.of_name(run, job.DisplayName)
    if number and type(job.JobId) == "string" then
      found[number] = found[number] or {}
      table.insert(found[number], { JobId = job.JobId, Status = job.Status, digits = digits })
      any = true
    end
  end
  return found, any
end

--- Of an import that cannot go on, as another one has sent some of what it was to send: no job is left waiting for its file, as
--- far as the service lets itself be asked.
function parts_earlier.let_go(run)
  local ok, found = pcall(list, run)
  for _, item in ipairs(ok and run.parts or {}) do
    for _, job in ipairs(found[item.number] or {}) do
      if job.Status == "CREATED" then
        item.is_stopped = run.client:stop_upload_job { DomainName = run.domain, JobId = job.JobId } ~= nil or item.is_stopped
      end
    end
  end
end

-- A job of other content: it has been started, or it waits for a file that will not come.
local function set_other(run, item, job)
  if lookup.is_lost(job) then return end
  if job.Status ~= "CREATED" then
    error(errors.new { code = "UsageError", job_id = job.JobId, message =
      ("%s was started with other content under the run key %s (job %s, %s; the digest of its bytes was %s, and is %s): nothing "
      .. "more is started; give another run key"):format(part.title(run, item), run.run_key, job.JobId, job.Status, job.digits,
        part.digits(item.md5)) }, 0)
  end
  must(run.client:stop_upload_job { DomainName = run.domain, JobId = job.JobId })
  part.tell("job %s has the run key of %s, and other content, and waited for its file: it was stopped", job.JobId,
    part.title(run, item))
end

-- Parts whose jobs were found are compared with what the file has now.
local function compare(run, item, jobs)
  for _, job in ipairs(jobs) do
    if job.digits == part.digits(item.md5) then
      item.may_be_there = true
      item.is_started = item.is_started or job.Status ~= "CREATED" and not lookup.is_lost(job)
    else
      set_other(run, item, job)
    end
  end
end

-- Makes those of the given parts again of which it is not known what their content is, several in one pass, and keeps nothing.
local function make_again(run, wanted)
  local by_source = {}
  for _, item in ipairs(run.parts) do
    if wanted(item) then
      local items = by_source[item.source] or {}
      by_source[item.source], items[#items + 1] = items, item
    end
  end
  for _, source in ipairs(run.sources) do
    local items = by_source[source] or {}
    for first = 1, #items, run.parallel do
      local some = table.move(items, first, math.min(first + run.parallel - 1, #items), 1, {})
      parts_mend.verify(run, source, some)
    end
  end
end

-- Under a key that was given the parts may be there, though this journal does not know them.
local function find_by_key(run)
  local found, any = list(run)
  if not any and not run.client.embedded then
    native.sleep(lookup.AGAIN_AFTER)
    found, any = list(run)
  end
  if not any then return end
  make_again(run, function(item) return found[item.number] and not item.md5 end)
  for _, item in ipairs(run.parts) do
    if found[item.number] then compare(run, item, found[item.number]) end
    local has_content = item.fd or item.as_it_stands or item.is_started
    item.state = has_content and "ready" or "planned"
  end
end

-- What was started of a file that has been changed since is made again and compared, where more of that file is to be sent.
local function verify_changed(run)
  local function is_in_question(item)
    return item.source.changed and item.is_started and item.expected and has_planned(run, item.source)
  end
  local states = {}
  for _, item in ipairs(run.parts) do states[item] = item.state end
  make_again(run, is_in_question)
  for item, state in pairs(states) do item.state = state end
end

--- Before anything is sent: what there is of the parts already. Raises when one that was started has other content.
function parts_earlier.find(run)
  if run.known and run.known.split then return verify_changed(run) end
  if run.key_given then find_by_key(run) end
end

return parts_earlier
