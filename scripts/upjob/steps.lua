--- The steps of an import: check, create, upload, start, watch. Each is a function of the run; it raises the run's error.
local agreement = require "upjob.agreement"
local changes = require "upjob.changes"
local errors = require "upjob.errors"
local events = require "upjob.events"
local lookup = require "upjob.lookup"
local native = require "upjob.native.task"
local own_domain = require "upjob.own_domain"
local parts = require "upjob.parts"
local recorded = require "upjob.recorded"
local rehearsal = require "upjob.rehearsal"
local replies = require "upjob.replies"
local resuming = require "upjob.resuming"
local segment = require "upjob.segment"
local waiter = require "upjob.waiter"

local steps = { check = require("upjob.steps_check").check, fetch = require "upjob.steps_fetch" }

-- A step that failed for a passing reason is taken again: the service, or the way to it, may be away for a while.
local STEP_ATTEMPTS, FIRST_PAUSE, LAST_PAUSE = 6, 0.5, 10 -- seconds; with jitter, some 15 in all

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- In place of all that sends something.
function steps.rehearse(self)
  local embedded = require("upjob.defaults").embedded
  if self.client then embedded = self.client.embedded end
  self.requests = must(rehearsal.requests(self, embedded))
  return {}
end

-- Takes a step until it succeeds, fails for good, or has been taken often enough: its value | nil, err
local function persist(self, step)
  local pause = FIRST_PAUSE
  for attempt = 1, STEP_ATTEMPTS do
    local value, err = step(self, attempt)
    if value or not err.retryable or attempt == STEP_ATTEMPTS then return value, err end
    local delay = pause * (0.5 + 0.5 * math.random())
    events.emit(self, "retrying", { step = self.step, attempt = attempt, delay = delay, error = err })
    native.sleep(delay)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
end

-- Takes a job that was made for this run, by another process or by a call whose answer was lost.
local function adopt(self, job)
  self.job_id, self.started = job.JobId, job.Status ~= "CREATED"
  self.found = agreement.is_needed(self) -- it may be another program's, which is at work on it
  return job.JobId
end

-- The job that was made for this run before; nil when there is none to go on with.
local function find_earlier(self)
  local job = lookup.find(self)
  if not job then return nil end
  local lost = lookup.is_lost(job)
  local waits = agreement.is_needed(self) and "it is waited for" or "it gets its file"
  local what = lost and "another is made" or job.Status == "CREATED" and waits or "nothing is sent"
  lookup.tell("job %s has the run key %s and is %s: %s", job.JobId, self.run_key, job.Status, what)
  if lost then return nil end
  return adopt(self, job)
end

-- A creation that may have been carried out, which no answer told, is looked for before it is made again: the service would make
-- a second job. Given up while the call is under way, it leaves open whether there is a job: `creating` stays.
local function create_once(self)
  self.creating = true
  local job_id, err = replies.create_upload_job(self.client, self.request, { max_attempts = 1 })
  if err and (err.outcome == "unknown" or (err.status or 0) >= 500) then
    local looked, job = pcall(lookup.find, self)
    if looked and job and not lookup.is_lost(job) then
      job_id, err = adopt(self, job), nil
    elseif looked and err.code ~= "InvalidResponse" then
      err.outcome, err.retryable = nil, true
      err.message = err.message:gsub("; whether it was carried out is not known.*$", "")
    else
      err.outcome, err.retryable = "unknown", false
    end
  end
  self.creating = false
  return job_id, err
end

-- Whether there may be a job with this run's key that this process did not make.
local function may_be_there(self)
  return self.key_given or self.known and self.known.creating
end

local function tell_job(self)
  events.emit(self, "created", { JobId = self.job_id, DisplayName = self.request and self.request.DisplayName,
                                 DomainName = self.domain })
end

function steps.create(self)
  if self.job_id or self.parts then return end
  self.step = "create"
  if not self.import then own_domain.ensure(self) end
  recorded.step(self, "create", "begin")
  self.job_id = may_be_there(self) and find_earlier(self) or must(persist(self, create_once))
  agreement.know(self)
  recorded.done(self, "create", self.found and { found = true } or nil, { job_id = self.job_id })
  tell_job(self)
end

-- Each attempt has a URL and a key of its own, and begins at the first byte: the URL of one that failed may have expired, and
-- what has arrived of it is nothing.
local function put_once(self, attempt)
  self.step = "path"
  local path, err = replies.get_upload_job_path(self.client, { DomainName = self.domain, JobId = self.job_id })
  if not path then return nil, err end
  self.step = "upload"
  local token <close> = path.ClientToken
  local sent
  sent, err = require("upjob.upload").put {
    url = path.Url, key = token, file = self.file, fd = self.outgoing_fd, content_md5 = self.checked.md5,
    identity = self.checked.identity, stall_timeout = self.stall_timeout,
    progress = function(done, total) events.emit(self, "progress", { step = "upload", done = done, total = total }) end,
  }
  if sent then
    sent.attempts = attempt
    return sent
  end
  -- A byte may have fallen over on the way once; twice, the file is not what was checked.
  if err.code == "BadDigest" and attempt > 1 then
    return nil, errors.new { code = "FileError", file = self.file, request_id = err.request_id, message =
      "is not what was checked: what arrived has another MD5; start again when nothing writes to it any more" }
  end
  return nil, replies.upload_error(err)
end

-- Whether the job has been started meanwhile by another program that shares the run's key.
local function is_started_by_another(self)
  local job = agreement.is_needed(self) and replies.get_upload_job(self.client, { DomainName = self.domain, JobId = self.job_id })
  if not job or job.Status == "CREATED" or lookup.is_lost(job) then return false end
  lookup.tell("job %s was started by another program: nothing more is sent", self.job_id)
  self.started = true
  return true
end

-- What is sent is there. Who goes on with a run that had sent it already checks its files anew.
local function see_to_content(self)
  if self.check_content then return self.check_content(self) end
  if self.has_content then return end
  resuming.prepare(self)
  steps.check(self)
end

-- A job that another program made is left to it first.
local function wait_for_another(self)
  while self.found and not self.waited and not self.started do
    self.step = "wait"
    local status = agreement.wait(self)
    if lookup.is_lost { Status = status } then
      agreement.forget(self)
      see_to_content(self)
      steps.create(self)
    else
      self.started = status ~= "CREATED"
    end
  end
end

-- Goes on with another job than that of another program, when that was given up: whether it does.
local function replace_lost(self)
  local job = self.found and replies.get_upload_job(self.client, { DomainName = self.domain, JobId = self.job_id })
  if not job or not lookup.is_lost(job) then return false end
  agreement.forget(self)
  see_to_content(self)
  steps.create(self)
  steps.upload(self)
  return true
end

-- The job that goes before the run's own, as { job= }. The service may be away for a while.
local function look_before(self)
  local ok, job = pcall(agreement.first, self)
  if not ok and not errors.is(job) then error(job, 0) end
  if not ok then return nil, job end
  return { job = job }
end

-- Goes on with the job that all programs with the run's key go on with: sends what it needs, unless it is started. Whether it is
-- another than before.
local function agree(self)
  if not agreement.is_needed(self) then return false end
  local has_changed = false
  while not self.started do
    self.step = "agree"
    recorded.step(self, "agree", "begin")
    local job = must(persist(self, look_before)).job
    recorded.done(self, "agree")
    if not job then break end
    has_changed = true
    agreement.yield(self, job.JobId)
    tell_job(self)
    steps.upload(self)
  end
  return has_changed
end

function steps.upload(self)
  if self.started or self.uploaded or self.parts then return end
  wait_for_another(self)
  if self.started then return end
  see_to_content(self)
  if self.started then return end -- meanwhile, by another program
  self.step = "upload"
  recorded.step(self, "upload", "begin")
  local sent, err = persist(self, put_once)
  if not sent and is_started_by_another(self) then return end
  -- The job of a program that was slow may have been stopped when the import was done: a refusal, and no passing failure.
  if not sent and not err.retryable and (agree(self) or replace_lost(self)) then return end
  self.sent = must(sent, err)
  recorded.done(self, "upload", { bytes = self.sent.bytes, seconds = self.sent.seconds, attempts = self.sent.attempts })
  events.emit(self, "uploaded", self.sent)
end

-- A start whose reply was lost, or that was answered with a fault, may have been heard: the job says so.
local function start_once(self)
  local request = { DomainName = self.domain, JobId = self.job_id }
  local reply, err = self.client:start_upload_job(request)
  if reply then return reply end
  if err.retryable or err.status == 400 then
    local found = replies.get_upload_job(self.client, request)
    if found and found.Status ~= "CREATED" and found.Status ~= "STOPPED" then return found end
  end
  return nil, err
end

-- That this run is still this process's is written, and so checked, just before.
function steps.start(self)
  if self.started or self.parts then return end
  agree(self)
  if self.started then return end
  self.step = "start"
  recorded.check_parent(self)
  recorded.step(self, "start", "begin")
  self.starting = true
  local reply, err = persist(self, start_once)
  if not reply and replace_lost(self) then
    self.starting = false
    return steps.start(self)
  end
  must(reply, err)
  self.started, self.starting = true, false
  recorded.done(self, "start")
  events.emit(self, "started", { JobId = self.job_id })
end

local function watch(self)
  local request, counted = { DomainName = self.domain, JobId = self.job_id }, nil
  return must(waiter.poll {
    client = self.client,
    look = function(options) return replies.get_upload_job(self.client, request, options) end,
    failed = function(attempt, delay, err)
      events.emit(self, "retrying", { step = "watch", attempt = attempt, delay = delay, error = err })
    end,
    seen = function(reply)
      local from, summary = self.status, reply.ResultsSummary
      if reply.Status ~= from then
        self.status = reply.Status
        events.emit(self, "status", { JobId = self.job_id, from = from, to = reply.Status, StatusReason = reply.StatusReason })
      end
      local counts = summary and ("%d/%d/%d"):format(summary.CreatedRecords, summary.UpdatedRecords, summary.FailedRecords)
      if counts and counts ~= counted then
        counted, self.counted = counts, summary
        events.emit(self, "counts", summary)
      end
      return waiter.has_ended(reply.Status), reply.Status ~= from
    end,
  })
end

-- Looks until the job has ended.
function steps.watch(self)
  if self.parts then return nil end
  self.step = "watch"
  recorded.step(self, "watch", "begin")
  local reply = watch(self)
  recorded.done(self, "watch", { Status = reply.Status, ResultsSummary = reply.ResultsSummary })
  agreement.clear(self, reply)
  return reply
end

--- All that an import takes, in its order.
steps.of_import = { recorded.begin, resuming.locate, segment.look, steps.fetch, steps.check, segment.define, steps.create,
                    steps.upload, steps.start, steps.watch, parts.send, segment.measure, changes.promote }

return steps
