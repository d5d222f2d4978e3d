--- Finds the job of a run on the service by the run's key, which ends the job's DisplayName: when the job's id is not known.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local replies = require "upjob.replies"
local report = require "upjob.report"
local run_key = require "upjob.run_key"

local lookup = {}

local AGAIN_AFTER = 5 -- seconds: a job that was just made may be missing in the list

-- What is made of a job of each status: the lower, the better it is as the run's job. CREATED: it waits for its file.
local RANK = { IN_PROGRESS = 1, SUCCEEDED = 2, PARTIALLY_SUCCEEDED = 2, CREATED = 3, STOPPED = 4, FAILED = 4 }

--- Whether a job has ended without having imported what it was for.
function lookup.is_lost(job)
  return RANK[job.Status] == RANK.FAILED
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

-- Of two jobs of one rank the one that is found by every other program too: the first that was made, but the last that ended.
local function is_better(job, other)
  if job.JobId == other.JobId then return false end
  local rank, others = RANK[job.Status] or RANK.IN_PROGRESS, RANK[other.Status] or RANK.IN_PROGRESS
  if rank ~= others then return rank < others end
  local a, b = { job.CreatedAt or 0, job.JobId }, { other.CreatedAt or 0, other.JobId }
  local before = a[1] < b[1] or a[1] == b[1] and a[2] < b[2]
  return (rank == RANK.CREATED) == before
end

--- What is asked for: as much of the list at once as the service gives.
function lookup.request(run)
  return { DomainName = run.domain, MaxResults = 100 }
end

-- All jobs that have the run's key, the best first.
local function list(run, any_mapping)
  local jobs = {}
  for item in run.client:pages("list_upload_jobs", lookup.request(run)) do
    local listed = replies.job(item)
    if run_key.is_of(listed.DisplayName, run.run_key) and type(listed.JobId) == "string" then
      jobs[#jobs + 1] = look_at(run, listed.JobId, any_mapping)
    end
  end
  table.sort(jobs, is_better)
  return jobs
end

--- Tells a person, unless errors alone are told.
function lookup.tell(format, ...)
  if log.level() ~= "error" then report.say(format:format(...)) end
end

-- A second job that was made for one run imports nothing: it is not left behind. With a key that was given, it may be that of
-- another program, which is about to start it: that is left alone.
local function stop_others(run, jobs)
  for i = 2, #jobs do
    if jobs[i].Status == "CREATED" and run.key_given then
      lookup.tell("job %s has the run key %s as well, and waits: another program may be at work on it", jobs[i].JobId,
        run.run_key)
    elseif jobs[i].Status == "CREATED" then
      local stopped, err = run.client:stop_upload_job { DomainName = run.domain, JobId = jobs[i].JobId }
      lookup.tell("job %s has the run key %s as well: %s", jobs[i].JobId, run.run_key, stopped and "it was stopped"
        or "it waits, and could not be stopped: " .. tostring(err))
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
    native.sleep(AGAIN_AFTER)
    jobs = list(run, any_mapping)
  end
  stop_others(run, jobs)
  return jobs[1]
end

return lookup
