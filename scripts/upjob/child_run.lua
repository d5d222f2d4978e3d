--- upjob child run: one run of an automation, in a process of its own: holds the run's lease, calls the automation's function or
-- runs its script, and says in the journal what came of it.
local cli = require "upjob.cli"
local defaults = require "upjob.defaults"
local errors = require "upjob.errors"
local exit = require "upjob.exit"
local journal = require "upjob.journal"
local json = require "upjob.json"
local log = require "upjob.log"
local native = require "upjob.native.task"
local report = require "upjob.report"
local run_log = require "upjob.run_log"
local system = require "upjob.native.system"

local child_run = {}

local RESULT_MOST = 65536 -- bytes of JSON; of a longer result nothing is kept
local RESERVE = 32000000  -- bytes of memory beyond the limit in which the end of a run is told

local function parser()
  local p = cli.parser("child run", "Runs an automation for the daemon.")
  cli.number_option(p, "--run", "The run's id.", "ID", "a number", { integer = true, least = 1 })
  p:option("--file", "The file that declares it.")
  cli.number_option(p, "--text", "Standard input has so many bytes: what was in the file when it was loaded.", "SIZE", "a number",
    { integer = true })
  p:option("--schedule", "Its schedule.")
  p:option("--hook", "Call this function of it instead: failure or recovery.")
  cli.number_option(p, "--lease", "Seconds.", "S", "seconds", { least = 0.1 })
  return p
end

-- ---- what is run ----

-- Functions of the automation: { run =, on_failure =, on_recovery = }, and its definition | nil, err
local function automation(options)
  local found, err = require("upjob.declaring").load(options.file, options.content)
  if not found then return nil, err end
  for _, definition in ipairs(found.definitions) do
    if definition.id == options.schedule then return found.functions[definition.id] or {}, definition end
  end
  return nil, errors.new { code = "InvalidAutomation", file = options.file, message =
    ("declares no \"%s\" any more"):format(options.schedule) }
end

-- The script as `upjob run` would run it: a function of the event.
local function script(definition, options)
  local chunk, message = loadfile(definition.script)
  if not chunk then return nil, errors.new { code = "InvalidAutomation", file = definition.script, message = message } end
  return function(event)
    local arguments = table.move(definition.args or {}, 1, #(definition.args or {}), 1, {})
    for i, value in ipairs(arguments) do arguments[i] = tostring(value) end
    arguments[0], arguments.event, arguments.options = definition.script, event, options
    _G.arg = arguments
    return chunk(table.unpack(arguments))
  end
end

-- The function of this run and its definition | nil, err
local function what_is_run(options)
  local functions, definition = automation(options)
  if not functions then return nil, definition end
  if options.hook then
    local hook = functions["on_" .. options.hook]
    if hook then return hook, definition end
    return nil, errors.new { code = "InvalidAutomation", file = options.file, message =
      ("\"%s\" has no on_%s any more"):format(options.schedule, options.hook) }
  end
  if functions.run then return functions.run, definition end
  local fn, err = script(definition, options)
  return fn, fn and definition or err
end

-- ---- what came of it ----

local function failure(code, message)
  return { state = "failed", exit_status = cli.FAILED, error = errors.new { code = code, message = message } }
end

-- A script may have caught what interrupted it, and return it.
local function of_error(err)
  local state = errors.has_code(err, "Interrupted") and "interrupted" or "failed"
  return { state = state, exit_status = cli.status_of(err), error = err }
end

-- What a function, or a script, means by what it returns: as upjob run takes it, and a job that has FAILED is a failure.
local function outcome_of(first, second)
  if errors.is(first) then return of_error(first) end
  if not first and errors.is(second) then return of_error(second) end
  if not first and second ~= nil then return failure("ScriptError", tostring(second)) end
  if first == false then return failure("ScriptError", "it returned false") end
  local status = type(first) == "number" and math.tointeger(first)
  if status and status ~= 0 then
    local outcome = failure("ScriptError", ("it returned the exit status %d"):format(status))
    outcome.exit_status = status
    return outcome
  end
  if type(first) == "table" and (first.Status == "FAILED" or first.Status == "STOPPED") then
    local what = first.jobs and #first.jobs ~= 1 and "the import" or "the job " .. tostring(first.JobId)
    local outcome = failure("JobFailed", ("%s is %s%s"):format(what, first.Status,
      first.StatusReason and ": " .. tostring(first.StatusReason) or ""))
    outcome.exit_status, outcome.result = cli.JOB_FAILED, first
    return outcome
  end
  return { state = "succeeded", exit_status = cli.OK, result = first }
end

local function result_to_keep(result)
  if type(result) == "function" or type(result) == "userdata" or type(result) == "thread" then return nil end
  local ok, text = pcall(json.encode, journal.plain(result))
  return ok and #text <= RESULT_MOST and result or nil
end

-- A limit is told as one: Lua says only that there is not enough memory.
local function with_limit(raised, definition)
  local limit = definition.limits and definition.limits.memory
  if limit and tostring(raised):find("not enough memory", 1, true) then
    return failure("MemoryLimit", ("the script needed more memory than its limit of %d bytes"):format(limit))
  end
end

-- Raised by what was run: as the program would tell it, with a traceback of what is no error object.
local function traced(raised)
  if errors.is(raised) then return raised end
  local text = errors.text_of(raised)
  return { text = text, traceback = debug.traceback(text, 2) }
end

local function of_raised(raised, definition)
  if errors.is(raised) then
    if not errors.has_code(raised, "Interrupted") then report.fail(raised) end
    return of_error(raised)
  end
  if type(raised) == "string" then raised = { text = raised, traceback = raised } end -- memory was out: nobody could look
  local limited = with_limit(raised.text, definition)
  report.lines(limited and limited.error.message or raised.traceback, nil, "error", "upjob: ")
  return limited or failure("ScriptError", raised.text)
end

-- ---- the run ----

-- What is left of memory when a script has reached its limit is too little to tell that: there is more, once.
local made_room = false
local function make_room()
  if not made_room then system.more_memory(RESERVE) end
  made_room = true
end

local function end_run(store, run, outcome)
  make_room()
  io.stdout:flush()
  local ok, err = store:end_run {
    id = run.id, fence = run.fence, state = outcome.state, error = outcome.error, exit_status = outcome.exit_status,
    result = result_to_keep(outcome.result), output = run_log.tail(run.log),
  }
  if not ok then report.say(("run %d: its end is not recorded: %s"):format(run.id, tostring(err))) end
  return ok
end

-- Calls it: what came of it. Tasks that it has started are part of it.
local function call(fn, definition, event, err)
  local results = table.pack(xpcall(function()
    local found = table.pack(fn(event, err))
    while native.join_any() do end
    return table.unpack(found, 1, found.n)
  end, traced))
  make_room()
  local had_errors, text = native.tell_errors()
  if not results[1] then return of_raised(results[2], definition), results[2] end
  local outcome = outcome_of(results[2], results[3])
  if had_errors and outcome.state == "succeeded" then
    text = text and text:match("^[^\n]*") or "its error was told when it failed"
    return with_limit(text, definition) or failure("ScriptError", "a task of it has failed: " .. text)
  end
  return outcome
end

-- A script that calls os.exit ends its run so, too.
local function catch_exit(finish)
  os.exit = function(code) -- luacheck: ignore 122
    local status = code == nil and 0 or code == true and 0 or code == false and 1 or math.tointeger(code)
    finish(status and status ~= 0 and outcome_of(status) or outcome_of(nil))
    exit.now(code)
  end
end

local function event_of(run, options)
  local event = {}
  for name, value in pairs(run.event or {}) do event[name] = value end
  event.run, event.attempt, event.schedule, event.hook = run.id, run.attempt, options.schedule, options.hook
  return event
end

local function run_hook(store, options)
  local run, err = store:run { id = options.run }
  if not run then return cli.fail(err) end
  local hook, definition = what_is_run(options)
  if not hook then return cli.fail(definition) end
  local cause = options.hook == "failure" and errors.new(run.error or { code = "InternalError", message = "it failed" }) or nil
  local outcome, raised = call(hook, definition, event_of(run, options), cause)
  if outcome.state == "interrupted" then error(outcome.error, 0) end
  if outcome.state == "failed" and not raised then report.say(outcome.error) end
  return outcome.exit_status
end

local function run_automation(store, options)
  local run, err = store:claim_run { id = options.run }
  if not run then return cli.fail(err) end
  run.log = run_log.open(store, run.id)
  local ended = false
  local function finish(outcome)
    -- One that is another process's by now is not ours to end; that was told.
    if ended or errors.has_code(outcome.error, "LeaseLost") then return end
    ended = end_run(store, run, outcome)
  end
  defaults.parent_run = { id = run.id, fence = run.fence, attempt = run.attempt }
  local interrupted = { state = "interrupted", exit_status = cli.FAILED, error =
    errors.new { code = "Interrupted", message = "the run was interrupted" } }
  -- After what its imports do at the end: their hooks come before.
  exit.add(function(reason)
    if reason == "interrupted" then finish(interrupted) end
    if reason == "error" then finish(failure("InternalError", "the program failed before the run was over")) end
  end)
  local fn, definition = what_is_run(options)
  if not fn then
    finish(of_error(definition))
    return cli.fail(definition)
  end
  catch_exit(finish)
  local outcome, raised = call(fn, definition, event_of(run, options))
  if outcome.state == "interrupted" then
    interrupted = outcome
    error(outcome.error, 0)
  end
  if outcome.state == "failed" and not raised then report.say(outcome.error) end
  finish(outcome)
  return ended and outcome.exit_status or math.max(outcome.exit_status, cli.FAILED)
end

function child_run.main(arguments)
  local options, status = cli.parse(parser(), arguments)
  if not options then return status end
  local ok, err = cli.use_service(options)
  if not ok then return cli.fail(err) end
  log.level("info") -- nobody watches: what a run tells is looked up later
  if options.text then
    options.content = io.read("a")
    if #options.content ~= options.text then return cli.fail("the daemon ended before it had said what is run") end
  end
  local store
  store, err = journal.open { lease = options.lease }
  if not store then return cli.fail(err) end
  if options.hook then return run_hook(store, options) end
  return run_automation(store, options)
end

return child_run
