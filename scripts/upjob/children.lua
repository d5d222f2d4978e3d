--- Runs of automations as processes of their own: starts them, ends those whose time is up, and says what became of those that
-- could not say it themselves.
local errors = require "upjob.errors"
local json = require "upjob.json"
local native = require "upjob.native.task"
local report = require "upjob.report"
local run_log = require "upjob.run_log"
local system = require "upjob.native.system"

local children = {}

-- Seconds between asking a run to end and killing it; less when it fills the disk meanwhile.
local GRACE, GRACE_OF_OUTPUT = 10, 2
-- Seconds in which a process that was killed is gone.
local LAST_MOMENT = 5
-- Seconds after its time at which it ends itself, when the daemon has gone.
local WALL_GRACE = 30

local SIGNALS = { [4] = "an illegal instruction", [6] = "an abort", [7] = "a bus error", [8] = "an arithmetic error",
                  [9] = "SIGKILL, perhaps because memory was short", [11] = "a segmentation fault", [15] = "SIGTERM",
                  [24] = "having used the CPU time that it may" }

-- What concerns the daemon's own process.
local NOT_INHERITED = { NOTIFY_SOCKET = false, WATCHDOG_USEC = false, WATCHDOG_PID = false }

local handle = {}
handle.__index = handle

-- The options of the daemon that its children take over.
local function service_words(service)
  local words = {}
  for option, value in pairs { ["--profile"] = service.profile, ["--region"] = service.region,
                               ["--endpoint-url"] = service.endpoint_url } do
    words[#words + 1], words[#words + 2] = option, value
  end
  return words
end

-- The file of an automation as it was loaded is what its runs take, whatever has become of it since.
local function text_of(definition)
  return require("upjob.loader").text_of(definition)
end

local function command(run, definition, hook, options)
  local words = { "/proc/self/exe", "child", "run", "--state", options.store.directory, "--run", ("%d"):format(run.id),
                  "--file", definition.file, "--schedule", definition.id }
  local text = text_of(definition)
  if text then table.move({ "--text", ("%d"):format(#text) }, 1, 2, #words + 1, words) end
  if hook then table.move({ "--hook", hook }, 1, 2, #words + 1, words) end
  if options.lease then table.move({ "--lease", tostring(options.lease) }, 1, 2, #words + 1, words) end
  local service = service_words(options.service or {})
  return table.move(service, 1, #service, #words + 1, words)
end

local function limits_of(definition)
  local limits = definition.limits or {}
  return { cpu = limits.cpu, files = limits.files, memory = limits.memory,
           wall = definition.timeout and definition.timeout + WALL_GRACE or nil }
end

-- Asks the run to end, and kills it when it does not.
local function put_down(self, why)
  if self.why then return end
  self.why = why
  self.process:kill("TERM")
  native.sleep(math.min(self.grace, why == "output" and GRACE_OF_OUTPUT or GRACE))
  self.process:kill("KILL")
end

-- Ends a run whose time is up, or that prints without end.
local function watch(self)
  local by = self.definition.timeout and native.now() + self.definition.timeout
  while true do
    local pause = by and math.min(1, by - native.now()) or 1
    native.sleep(math.max(pause, 0.001))
    if by and native.now() >= by then return put_down(self, "timeout") end
    if run_log.size(self.store, self.run.id) - self.log_before > run_log.MOST then return put_down(self, "output") end
  end
end

local WORDS_MOST = 300 -- characters of what a process said last that are in the error

-- What a process logged last, if that is its last line. What a script prints may be of customers, and stays in the run's output.
local function last_words(output)
  local line = output and output:match("([^\n]+)\n*$") or ""
  local words = line:match("^upjob: warning: (.*)") or line:match("^upjob: (.*)")
  if not words and line:find("^{") then
    local ok, entry = pcall(json.decode, line)
    words = ok and entry and entry.message
  end
  if type(words) ~= "string" then return "" end
  local cut = utf8.len(words) and utf8.offset(words, WORDS_MOST + 1)
  return ": " .. (cut and words:sub(1, cut - 1) or words)
end

-- What happened to a process that has not said what came of its run.
local function cause_of(self, ended, output)
  local limits = limits_of(self.definition)
  if self.why == "timeout" then
    return "TimeoutError", ("it did not end within %s"):format(report.seconds(self.definition.timeout))
  end
  if self.why == "output" then
    return "OutputLimit", ("it printed more than %s"):format(report.bytes(run_log.MOST))
  end
  if self.why == "drain" and ended.signal == 9 then
    return "Interrupted", "the daemon ended, and it did not end when it was asked to: it was killed"
  end
  if ended.signal == 24 then return "CpuLimit", "it used more CPU time than its limit" end
  if limits.wall and native.now() - self.began >= limits.wall then
    return "TimeoutError", ("it did not end within %s"):format(report.seconds(limits.wall))
  end
  local words = last_words(output)
  if limits.memory and words:find("not enough memory", 1, true) then
    return "MemoryLimit", ("the script needed more memory than its limit of %d bytes"):format(limits.memory)
  end
  if ended.signal then
    local name = SIGNALS[ended.signal] or "a signal"
    return "Crashed", ("its process was ended by %s (signal %d)%s"):format(name, ended.signal, words)
  end
  return "Crashed", ("its process ended with the exit status %d before the run was over%s"):format(ended.status, words)
end

-- As a shell has it.
local function exit_status(ended)
  return ended.signal and 128 + ended.signal or ended.status
end

-- Of one that did not come to claim it, this was an attempt all the same. Where its keeper was killed, its own process, which is
-- killed for that, may go a moment later.
local function claim(store, run, ended)
  local by = native.now() + LAST_MOMENT
  while true do
    local claimed, err = store:claim_run { id = run.id, to_end = run.state ~= "queued" }
    if not errors.has_code(err, "LeaseHeld") or not ended.signal or native.now() >= by then return claimed, err end
    native.sleep(0.02)
  end
end

local function end_for(self, store, run, ended)
  local claimed, err = claim(store, run, ended)
  if not claimed then return nil, err end
  local output = run_log.tail_of(store, run.id)
  local code, message = cause_of(self, ended, output)
  local state = self.why == "drain" and "interrupted" or "failed"
  return store:end_run { id = run.id, fence = claimed.fence, state = state, output = output, exit_status = exit_status(ended),
                         error = errors.new { code = code, message = message } }
end

-- What came of the run: told by itself, or else by us.
local function settle(self, ended)
  local store, id = self.store, self.run.id
  local run, err = store:run { id = id }
  local left_open = run and (run.state == "queued" or run.state == "lost" or run.state == "running")
  -- It has heard that its time was up, and gave way.
  local was_ended = run and run.state == "interrupted" and self.why and self.why ~= "drain"
  if left_open or was_ended then
    local ok
    ok, err = end_for(self, store, run, ended)
    run = ok and store:run { id = id }
  end
  if not run then return { state = "failed", error = err } end
  return { state = run.state, error = run.error, result = run.result }
end

--- children.start(run, definition, hook, { store=, service=, lease=, grace= }) → handle | nil, err. run: { id= } of one that is
-- queued, lost or interrupted; hook: "failure" or "recovery", which calls that function of the automation for it instead; grace:
-- seconds that it has to end when it is asked to, 10 unless given.
function children.start(run, definition, hook, options)
  local ok, err = system.make_directory(options.store.directory .. "/runs", tonumber("700", 8))
  if not ok then return nil, err end
  local self = setmetatable({ run = run, definition = definition, hook = hook, store = options.store, began = native.now(),
                              grace = options.grace or GRACE,
                              log_before = run_log.size(options.store, run.id) }, handle)
  local process
  process, err = require("upjob.native.process").spawn {
    argv = command(run, definition, hook, options), directory = definition.file:match("^(.*)/[^/]*$") or ".",
    output = options.store:log_file(run.id), input = text_of(definition), limits = limits_of(definition), env = NOT_INHERITED,
    kept = true,
  }
  if not process then return nil, err end
  self.process = process
  self.watcher = native.spawn(watch, self)
  return self
end

--- Waits for its end: { state=, error=, result=, status=, signal= }.
function handle:wait()
  local ended = self.process:wait()
  self.watcher:cancel()
  if self.stopper then self.stopper:cancel() end
  local outcome
  if self.hook then
    outcome = { state = ended.status == 0 and not ended.signal and "succeeded" or "failed" }
    if outcome.state == "failed" then
      local output = run_log.tail_of(self.store, self.run.id)
      local code, message = cause_of(self, ended, output)
      local words = last_words(output)
      if not ended.signal and not self.why and words ~= "" then message = words:sub(3) end -- it has said why itself
      outcome.error = errors.new { code = code, message = message }
    end
  else
    outcome = settle(self, ended)
  end
  if self.why == "output" then run_log.cut(self.store, self.run.id, self.log_before + run_log.MOST) end
  outcome.status, outcome.signal = ended.status, ended.signal
  return outcome
end

--- Ends it: "drain" leaves what it was doing to be resumed.
function handle:stop(why)
  self.stopper = self.stopper or native.spawn(put_down, self, why)
end

--- Sends a signal to all of it: "TERM" leaves what it was doing to be resumed.
function handle:kill(name)
  self.why = self.why or "drain"
  self.process:kill(name)
end

return children
