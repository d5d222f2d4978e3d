--- Runs of automations as processes of their own: starts them, ends those whose time is up, and says what became of those that
-- could not say it themselves.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local report = require "upjob.report"
local run_log = require "upjob.run_log"
local system = require "upjob.native.system"

local children = {}

local GRACE = 10      -- seconds between asking a run to end and killing it
local WALL_GRACE = 30 -- seconds after its time at which it ends itself, when the daemon has gone

local SIGNALS = { [4] = "an illegal instruction", [6] = "an abort", [7] = "a bus error", [8] = "an arithmetic error",
                  [9] = "SIGKILL, perhaps because memory was short", [11] = "a segmentation fault", [15] = "SIGTERM",
                  [24] = "having used the CPU time that it may" }

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
  if text_of(definition) then words[#words + 1] = "--text" end
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
  native.sleep(GRACE)
  self.process:kill("KILL")
end

-- Ends a run whose time is up, or that prints without end.
local function watch(self)
  local by = self.definition.timeout and native.now() + self.definition.timeout
  while true do
    local pause = by and math.min(1, by - native.now()) or 1
    native.sleep(math.max(pause, 0.001))
    if by and native.now() >= by then return put_down(self, "timeout") end
    local info = system.stat(self.log)
    if info and info.size > run_log.MOST then return put_down(self, "output") end
  end
end

-- What happened to a process that has not said what came of its run.
local function cause_of(self, ended)
  if self.why == "timeout" then
    return "TimeoutError", ("it did not end within %s"):format(report.seconds(self.definition.timeout))
  end
  if self.why == "output" then
    return "OutputLimit", ("it printed more than %s"):format(report.bytes(run_log.MOST))
  end
  if ended.signal == 24 then return "CpuLimit", "it used more CPU time than its limit" end
  if ended.signal then
    return "Crashed", ("its process was ended by %s (signal %d)"):format(SIGNALS[ended.signal] or "a signal", ended.signal)
  end
  if ended.status == 124 then return "TimeoutError", "it did not end in time" end
  return "Crashed", ("its process ended with the exit status %d before the run was over"):format(ended.status)
end

-- The last line that the process printed.
local function last_words(output)
  local line = output and output:match("([^\n]+)\n*$")
  return line and (": " .. line:gsub("^upjob: ", "")) or ""
end

local function end_for(self, store, run, ended)
  local claimed, err = store:claim_run { id = run.id, to_end = true }
  if not claimed then return nil, err end
  local code, message = cause_of(self, ended)
  local output = run_log.tail(store, run.id)
  if code == "Crashed" then message = message .. last_words(output) end
  local state = self.why == "drain" and "interrupted" or "failed"
  return store:end_run { id = run.id, fence = claimed.fence, state = state, output = output, exit_status = ended.status,
                         error = errors.new { code = code, message = message } }
end

-- What came of the run: told by itself, or else by us.
local function settle(self, ended)
  local store, id = self.store, self.run.id
  local run, err = store:run { id = id }
  if run and (run.state == "queued" or run.state == "lost" or run.state == "running") then
    local ok
    ok, err = end_for(self, store, run, ended)
    run = ok and store:run { id = id }
  elseif run and run.state == "interrupted" and self.why and self.why ~= "drain" then
    -- It has heard that its time was up, and gave way.
    local code, message = cause_of(self, ended)
    local claimed = store:claim_run { id = id, to_end = true }
    if claimed then
      store:end_run { id = id, fence = claimed.fence, state = "failed", error = errors.new { code = code, message = message } }
    end
    run = store:run { id = id }
  end
  if not run then return { state = "failed", error = err } end
  return { state = run.state, error = run.error, result = run.result }
end

--- children.start(run, definition, hook, { store=, service=, lease= }) → handle | nil, err. run: { id= } of one that is queued,
-- lost or interrupted; hook: "failure" or "recovery", which calls that function of the automation for it instead.
function children.start(run, definition, hook, options)
  local ok, err = system.make_directory(options.store.directory .. "/runs", tonumber("700", 8))
  if not ok then return nil, err end
  local self = setmetatable({ run = run, definition = definition, hook = hook, store = options.store,
                              log = options.store:log_file(run.id) }, handle)
  local process
  process, err = require("upjob.native.process").spawn {
    argv = command(run, definition, hook, options), directory = definition.file:match("^(.*)/[^/]*$") or ".",
    output = self.log, input = text_of(definition), limits = limits_of(definition),
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
  local outcome
  if self.hook then
    outcome = { state = ended.status == 0 and not ended.signal and "succeeded" or "failed" }
    if outcome.state == "failed" then
      local code, message = cause_of(self, ended)
      outcome.error = errors.new { code = code, message = message .. last_words(run_log.tail(self.store, self.run.id)) }
    end
  else
    outcome = settle(self, ended)
  end
  outcome.status, outcome.signal = ended.status, ended.signal
  return outcome
end

--- Ends it: "drain" leaves what it was doing to be resumed.
function handle:stop(why)
  native.spawn(put_down, self, why)
end

function handle:kill(name)
  self.why = self.why or "drain"
  self.process:kill(name)
end

return children
