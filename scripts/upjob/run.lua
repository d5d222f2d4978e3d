--- A run: an import, or the watch of a job, from its first step to its end.
local aftermath = require "upjob.aftermath"
local errors = require "upjob.errors"
local events = require "upjob.events"
local exit = require "upjob.exit"
local native = require "upjob.native.task"
local report = require "upjob.report"
local system = require "upjob.native.system"

local DEFAULT_EXPIRY = 14 -- days, when DataExpiry is not given: the service's documentation

local run = { on = events.on, events = events.iterate }
run.__index = run

local function close_outgoing(self)
  if self.outgoing_fd then
    require("upjob.native.check").close_fd(self.outgoing_fd)
    self.outgoing_fd = nil
  end
end

-- To a millisecond: more is noise.
local function rounded(seconds)
  return seconds and math.floor(seconds * 1000 + 0.5) / 1000
end

local function result_of(self, reply)
  local sent = self.sent or {}
  return {
    JobId = self.job_id, DomainName = self.domain, DisplayName = reply.DisplayName, Status = reply.Status,
    StatusReason = reply.StatusReason, ResultsSummary = reply.ResultsSummary or {},
    DataExpiry = reply.DataExpiry or DEFAULT_EXPIRY, CreatedAt = reply.CreatedAt, CompletedAt = reply.CompletedAt,
    file = self.file, rows = self.checked and self.checked.rows, rejected = self.rejected or 0,
    rejects = self.checked and self.checked.rejects_written and self.rejects or nil,
    bytes = sent.bytes, upload_seconds = rounded(sent.seconds), seconds = rounded(system.time() - self.began),
  }
end

-- Before the start the job is stopped on the service; after it, or when it is another's, the job is left as it is.
local function given_up(self)
  if self.attached then return end
  if self.job_id and self.starting and not self.started then
    local reply = self.client:get_upload_job { DomainName = self.domain, JobId = self.job_id }
    self.started = reply ~= nil and reply.Status ~= "CREATED"
  end
  if self.job_id and not self.started then
    local _, err = self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id }
    self.stopped, self.stop_error = err == nil, err
  end
end

local function finish(self, result, err)
  close_outgoing(self)
  self.unhook()
  self.result, self.error, self.ended = result, err, true
  if result then events.emit(self, "done", result) else events.emit(self, "error", err) end
  for _, queue in ipairs(self.queues) do queue.changed:set() end
  self.ended_signal:set()
end

-- A program that ends before the run has ended gives it up, and says what is left.
local function end_with_program(self, reason)
  if reason == "done" then return end
  self:interrupt()
  local left = self:left()
  if left and not self.result then report.say(left) end
end

--- Starts a run that takes these steps: functions of the run; what the last one returns is the job as the service tells it.
local function begin(self, steps)
  self.handlers, self.queues, self.ended_signal = {}, {}, native.signal()
  self.began = system.time()
  setmetatable(self, run)
  self.unhook = exit.add(function(reason) end_with_program(self, reason) end)
  self.task = native.spawn(function()
    local reply
    local ok, err = pcall(function()
      for _, step in ipairs(steps) do reply = step(self) end
    end)
    if ok then
      finish(self, result_of(self, reply))
    else
      if errors.has_code(err, "Cancelled") then given_up(self) end
      if not errors.is(err) then
        finish(self, nil, errors.new { code = "InternalError", message = tostring(err) })
        error(err, 0)
      end
      finish(self, nil, err)
    end
  end)
  return self
end

--- Waits until the job has ended: its result, FAILED too; nil, err when the outcome is not known (the file cannot be sent,
-- the service refuses, TimeoutError after `timeout` seconds, while the run goes on).
function run:wait(options)
  if options ~= nil then errors.check_options("wait", options, { timeout = "number" }) end
  local timeout = options and options.timeout
  if timeout and (timeout < 0 or timeout ~= timeout) then error("wait: option \"timeout\" is in seconds, 0 or more", 2) end
  if not self.ended then
    if timeout then
      local task = native.spawn(function()
        while not self.ended do self.ended_signal:wait() end
      end)
      task:wait(timeout)
      task:cancel()
    else
      while not self.ended do self.ended_signal:wait() end
    end
  end
  if not self.ended then
    return nil, errors.new { code = "TimeoutError", job_id = self.job_id, step = self.step, retryable = true, message =
      ("job %s has not ended after %g s"):format(self.job_id or "(not yet created)", timeout) }
  end
  return self.result, self.error
end

--- Gives the import up: a job that was not started is stopped on the service; one that was started, too.
function run:stop()
  if (self.started or self.attached) and not self.ended then
    return self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id }
  end
  return self:interrupt()
end

--- Ends this run as an interrupted program does: before the start the job is stopped, after it is left running.
function run:interrupt()
  if self.ended then return true end
  self.task:cancel("the import was given up")
  self.task:wait()
  if not self.ended then -- it had not begun
    finish(self, nil, errors.new { code = "Cancelled", message = "the import was given up" })
  end
  return true
end

--- The command that goes on with a job where this program left it; nil when nothing can.
function run:resume_command()
  return aftermath.command(self, "watch")
end

--- What is left of a run that was given up: a sentence, nil when it is nothing.
function run:left()
  return aftermath.left(self)
end

return { begin = begin }
