--- A run: an import, or the watch of a job, from its first step to its end.
local aftermath = require "upjob.aftermath"
local agreement = require "upjob.agreement"
local errors = require "upjob.errors"
local events = require "upjob.events"
local exit = require "upjob.exit"
local log = require "upjob.log"
local native = require "upjob.native.task"
local parts = require "upjob.parts"
local parts_result = require "upjob.parts_result"
local recorded = require "upjob.recorded"
local replies = require "upjob.replies"
local report = require "upjob.report"
local source = require "upjob.source"
local system = require "upjob.native.system"
local timeline = require "upjob.timeline"

local STOP_PATIENCE = 10  -- seconds that a run that was given up has to see to its job
local A_MOMENT = 1        -- seconds after which it is told that it takes so long

local GIVEN_UP = "the import was given up"

local run = { on = events.on, events = events.iterate }
run.__index = run

local function close_outgoing(self)
  if self.outgoing_fd then
    require("upjob.native.check").close_fd(self.outgoing_fd)
    self.outgoing_fd = nil
  end
  parts.close(self)
end

-- To a millisecond: more is noise.
local function rounded(seconds)
  return seconds and math.floor(seconds * 1000 + 0.5) / 1000
end

-- Of a run that has sent nothing.
local function dry_result_of(self)
  local checked = self.checked
  local bytes = self.outgoing_fd and checked.outgoing_bytes or checked.bytes
  if self.parts then bytes = parts.bytes(self) end
  return {
    dry_run = true, parts = self.parts and #self.parts, files = checked.files, DomainName = self.domain,
    DisplayName = self.request.DisplayName, file = self.file, rows = checked.rows, rejected = self.rejected, bytes = bytes,
    requests = self.requests,
    DataExpiry = self.request.DataExpiry or report.DEFAULT_EXPIRY, seconds = rounded(system.time() - self.began),
  }
end

local function result_of(self, reply)
  if self.dry_run then return dry_result_of(self) end
  if self.answer then return self.answer end
  if self.parts then return parts_result.of(self, rounded(system.time() - self.began)) end
  local sent = self.sent or {}
  return {
    JobId = self.job_id, DomainName = self.domain, DisplayName = reply.DisplayName, Status = reply.Status,
    StatusReason = reply.StatusReason, ResultsSummary = reply.ResultsSummary or {},
    DataExpiry = reply.DataExpiry or report.DEFAULT_EXPIRY, CreatedAt = reply.CreatedAt, CompletedAt = reply.CompletedAt,
    file = self.file, rows = self.checked and self.checked.rows, rejected = self.rejected or 0,
    blanked = self.checked and self.checked.blanked, unwanted = self.checked and self.checked.unwanted,
    rejects = self.checked and self.checked.rejects_written and self.rejects or nil,
    bytes = sent.bytes, upload_seconds = rounded(sent.seconds), seconds = rounded(system.time() - self.began),
  }
end

-- What is told of all results.
local function with_more(self, result)
  result.segment = result.segment or self.segment_told
  result.changes = result.changes or self.checked and self.checked.changes
  return result
end

-- Says, when the service takes its time, that the program is still there: a function that ends it.
local function tell_stopping(self)
  if log.level() == "error" then return function() end end
  local clock = native.handler(function()
    native.sleep(A_MOMENT)
    report.say(("stopping job %s on the service"):format(self.job_id), { job = self.job_id })
  end)
  return function() clock:cancel() end
end

-- Stops the job on the service, unless it turns out that its start was heard.
local function stop_on_service(self)
  local request, by = { DomainName = self.domain, JobId = self.job_id }, native.now() + STOP_PATIENCE
  if self.starting or agreement.is_needed(self) then -- another program may have found it, and started it
    local found, err = replies.get_upload_job(self.client, request, { timeout = STOP_PATIENCE })
    if not found then return err end
    self.stopped = found.Status == "STOPPED"
    self.started = found.Status ~= "CREATED" and not self.stopped
    self.starting = false
    if self.started or self.stopped then return nil end
  end
  local reply, err = self.client:stop_upload_job(request, { timeout = math.max(by - native.now(), 1) })
  self.stopped = reply ~= nil
  return err
end

-- That the job is being stopped, or was, is in the journal. False when it is another process's by now; a full disk is no reason
-- to leave it behind.
local function record_stop(self, state)
  local ok, err = pcall(recorded.step, self, "stop", state)
  return ok or not errors.has_code(err, "LeaseLost")
end

-- Before the start the job is stopped on the service; after it, or when it is another's or is left to another program, the job is
-- left as it is. Until there is an answer, none is what is told: the program may end before it.
local function give_up_job(self)
  if self.parts then return parts.give_up(self) end
  if self.let_go or self.attached or agreement.is_left(self) or self.started or self.stopped or not self.job_id then return end
  if not record_stop(self, "begin") then return end
  self.stop_error = errors.new { code = "TimeoutError", message = "the service has not answered", retryable = true }
  local told = tell_stopping(self)
  local _, err = pcall(stop_on_service, self)
  told()
  self.stop_error = err
  if self.stopped then record_stop(self, "done") end
end

-- The report that was asked for is there when the end is told, whatever the end is. A report that cannot be written changes
-- nothing of the import.
local function write_report(self)
  if not self.report_file then return end
  local called, ok, err = pcall(self.report, self, self.report_file)
  if called and ok then
    if self.result then self.result.report = self.report_file end
    return
  end
  self.report_error = called and err or tostring(ok)
  log.error("the report was not written: %s", tostring(self.report_error), { file = self.report_file })
end

local function finish(self, result, err)
  close_outgoing(self)
  source.close_all(self)
  self.unhook()
  self.result, self.error, self.ended_at = result, err, system.time()
  recorded.finish(self, result, err)
  self.ended = true
  write_report(self)
  if result then events.emit(self, "done", result) else events.emit(self, "error", err) end
  for _, queue in ipairs(self.queues) do queue.changed:set() end
  self.ended_signal:set()
end

-- A program that ends before the run has ended gives it up, and says what is left; also when it is not to wait for that.
local function end_with_program(self, reason)
  if reason == "done" then return end
  local ok, err = pcall(self.interrupt, self)
  local left = self:left()
  if left and not self.result then report.say(left, { job = self.job_id, domain = self.domain }, "warn") end
  if not ok then error(err, 0) end
end

-- The run ends with an error, or is given up. A job that will have no start is not left behind.
local function fail(self, err, traceback)
  self.ending = true
  -- A signal is raised in whatever runs at the moment, to make way: the program is ending, and has not failed.
  if errors.has_code(err, "Interrupted") then err = errors.new { code = "Cancelled", message = GIVEN_UP } end
  if errors.has_code(err, "Cancelled") then
    give_up_job(self)
    return finish(self, nil, err)
  end
  local fault = not errors.is(err)
  if fault then err = errors.new { code = "InternalError", message = tostring(err) } end
  -- What was only looked at is as it was, and what was taken over by another process is its.
  if not self.starting and self.step ~= "look" and not errors.has_code(err, "LeaseLost") then give_up_job(self) end
  finish(self, nil, aftermath.failure(self, err))
  if fault then error(traceback, 0) end
end

-- Starts a run that takes these steps: functions of the run; what the last of them returns that
-- returns something is the job as the service tells it.
local function begin(self, steps)
  self.handlers, self.queues, self.ended_signal = {}, {}, native.signal()
  self.began = system.time()
  self.timeline = timeline.new(self.attached and "watch begun" or "check begun")
  self.fetched = self.fetched or {}
  setmetatable(self, run)
  -- A part ends with its import.
  self.unhook = self.import and function() end or exit.add(function(reason) end_with_program(self, reason) end)
  self.task = native.spawn(function()
    local reply, traceback
    local ok, err = xpcall(function()
      for _, step in ipairs(steps) do
        reply = step(self) or reply
        if self.answer then break end
      end
      self.ending = true
    end, function(err)
      traceback = not errors.is(err) and debug.traceback(errors.text_of(err), 2)
      return err
    end)
    if ok then finish(self, with_more(self, result_of(self, reply))) else fail(self, err, traceback) end
  end)
  return self
end

-- Of an import that was refused before it was a run: its report, if one was asked for.
local function refused(self, err)
  self.began = system.time()
  self.timeline, self.error, self.step, self.ended_at = timeline.new("check begun"), err, "check", self.began
  write_report(setmetatable(self, run))
  if not self.dry_run then recorded.refused(self, err) end
end

-- ---- what scripts call ----

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
  if self.parts then return parts.stop(self) end
  if (self.started or self.attached) and not self.ended then
    return self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id }
  end
  return self:interrupt()
end

--- Ends this run as an interrupted program does: before the start the job is stopped, after it is left running.
function run:interrupt()
  if self.ended then return true end
  -- What ends it already has its own time limit, and leaves less behind when it is let end.
  if not self.ending then self.task:cancel(GIVEN_UP) end
  self.task:wait()
  if not self.ended then -- it had not begun
    finish(self, nil, errors.new { code = "Cancelled", message = GIVEN_UP })
  end
  return true
end

--- Writes what is known of the run by now to a file, as one HTML page that needs nothing else: true | nil, err. Its mode is 0600:
--- it has values of the file. What is there already is replaced only when it is such a report, which is kept as `path`~ unless it
--- is this run's.
function run:report(path)
  if type(path) ~= "string" then error("report: the name of a file is needed", 2) end
  local ok, err = require("upjob.rejects").check_report(path, { self.file, self.rejects, self.problems,
                                                               self.mapping and self.mapping.file })
  if not ok then return nil, err end
  return require("upjob.import_report").write(self, path)
end

--- The command that goes on with a job where this program left it; nil when nothing can.
function run:resume_command()
  return aftermath.watch_command(self)
end

--- The command that goes on with the run in the journal, whatever is still to be done; nil when nothing can.
function run:continue_command()
  return recorded.resume_command(self)
end

--- What is left of a run that was given up: a sentence, nil when it is nothing.
function run:left()
  return aftermath.left(self)
end

return { begin = begin, refused = refused }
