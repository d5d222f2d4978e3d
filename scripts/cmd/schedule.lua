--- upjob schedule: list, next, trigger, pause, resume: the schedules of a daemon.
local cli = require "upjob.cli"
local control = require "upjob.control"
local errors = require "upjob.errors"
local fire_times = require "upjob.fire_times"
local journal = require "upjob.journal"
local json = require "upjob.json"
local overview = require "upjob.overview"
local report = require "upjob.report"
local task = require "upjob.task"

local words, parsers = {}, {}

local command = { name = "schedule", summary = "list, trigger, pause and resume the schedules of a daemon",
                  order = { "list", "next", "trigger", "pause", "resume" }, words = words, parsers = parsers }

-- Options and what there is to tell | nil, exit status
local function open(word, arguments, runs)
  local options, status = cli.parse(parsers[word](), arguments)
  if not options then return nil, status end
  local read, err = overview.read(options.state, runs)
  if not read then return nil, cli.fail(err) end
  return options, read
end

-- ---- list ----

function parsers.list()
  return cli.parser("schedule list", "Lists the schedules, with when they fire and what became of it.")
end

function words.list(arguments)
  local options, read = open("list", arguments, 1)
  if not options then return read end
  if options.json then
    for _, one in ipairs(read.schedules) do print(json.encode(require("upjob.journal").readable(overview.plain(one)))) end
    return cli.OK
  end
  if #read.schedules == 0 then
    if not options.quiet then report.say(("there are no schedules in %s: start upjob daemon DIR"):format(read.directory)) end
    return cli.OK
  end
  local rows, colors, paint = {}, {}, report.painter("stdout", options.color)
  for i, one in ipairs(read.schedules) do
    local outcome
    outcome, colors[i] = overview.outcome(one)
    rows[i] = { one.id, overview.fires(one), overview.next_text(one, read.now),
                overview.moment(one.runs[1] and one.runs[1].ended_at, read.now) or "-", outcome }
  end
  local function paint_outcome(text, i) return colors[i] and paint(colors[i], text) or text end
  for _, line in ipairs(report.table({ { title = "Schedule" }, { title = "Fires" }, { title = "Next", whole = true },
                                       { title = "Last", whole = true },
                                       { title = "Outcome", whole = true, paint = paint_outcome } }, rows)) do
    print(line)
  end
  if not read.daemon and not options.quiet then
    report.say(read.trouble and tostring(read.trouble) or "no daemon is running: nothing fires until one does (upjob daemon DIR)")
  end
  return cli.OK
end

-- ---- next ----

function parsers.next()
  local p = cli.parser("schedule next", "Prints the next times at which a schedule fires.")
  cli.argument(p, "id", "ID", "The schedule.")
  cli.number_option(p, "--count", "So many times (10).", "N", "a whole number from 1 to 10000",
    { integer = true, least = 1, most = 10000 })
  return p
end

function words.next(arguments)
  local options, read = open("next", arguments, 1)
  if not options then return read end
  local one, err = overview.find(read, options.id)
  if not one then return cli.fail(err) end
  local times = one.clock and fire_times.next(one.clock, math.max(read.now, one.since or 0), options.count or 10) or {}
  if options.json then
    local told = json.array {}
    for i, at in ipairs(times) do told[i] = { at = at, ["local"] = fire_times.iso(one.clock, at) } end
    print(json.encode { id = one.id, kind = one.kind, expression = one.expression, tz = one.tz, paused = one.paused,
                        times = told })
    return cli.OK
  end
  for _, at in ipairs(times) do print(("%s  in %s"):format(fire_times.text(one.clock, at), overview.span(at - read.now))) end
  if options.quiet then return cli.OK end
  if one.kind == "on_file" then report.say(("%s fires when a file comes to %s"):format(one.id, one.expression)) end
  if one.kind == "on_event" then report.say(("%s fires when %s ends"):format(one.id, one.expression)) end
  if #times == 0 and one.clock then report.say(one.id .. " fires no more") end
  if one.paused then report.say(one.id .. " is paused: nothing is run at these times until it is resumed") end
  return cli.OK
end

-- ---- trigger ----

function parsers.trigger()
  local p = cli.parser("schedule trigger", "Runs a schedule once, now. The daemon does it; one that runs already "
    .. "runs again after that.")
  cli.argument(p, "id", "ID", "The schedule.")
  p:flag("--wait", "Wait until the run has ended; the exit status is 1 when it failed.")
  cli.number_option(p, "--timeout", "With --wait: so many seconds; the run goes on after that.", "S", "seconds, 0 or more", {})
  return p
end

-- What is asked of a daemon, with what to do when there is none.
local function ask(options, request)
  local result, err = control.ask(options.state, request)
  if result then return result end
  if err.code == "NoDaemon" then
    local message = ("no daemon is running on %s, and one is needed for this: start upjob daemon DIR"):format(
      journal.directory(options.state))
    err = errors.new { code = err.code, message = message }
  elseif err.code == "NotFound" then
    err = errors.new { code = "UsageError", message = err.message }
  end
  return nil, err
end

local ENDED = { succeeded = true, failed = true, cancelled = true }
local LOOK = 0.5 -- seconds between two looks at a run

-- The run when it has ended | nil, err
local function wait_for(store, options, id)
  local run, err
  repeat
    run, err = store:run { id = id }
    if not run or ENDED[run.state] then return run, err end
    if run.state ~= "running" then
      local daemon, gone = control.ask(options.state, { command = "about" })
      if not daemon and gone.code == "NoDaemon" then
        return nil, errors.new { code = gone.code, message =
          ("the daemon has ended: the next one goes on with run %d; to see it: %s"):format(id,
            overview.command(options.state, "runs", "show", ("%d"):format(id))) }
      end
    end
    task.sleep(LOOK)
  until false
end

local function print_end(run, options)
  if options.json then
    local told = overview.plain_run(run)
    told.schedule = options.id
    print(json.encode(told))
  elseif not options.quiet then
    print(("%s  run %d of %s, %s"):format(run.state, run.id, report.safe(options.id),
      report.seconds((run.ended_at or 0) - (run.begun_at or run.ended_at or 0))))
  end
  if run.error and not options.json then report.say(("run %d: %s"):format(run.id, run.error.message or run.error.code)) end
  return run.state == "succeeded" and cli.OK or cli.FAILED
end

function words.trigger(arguments)
  local options, status = cli.parse(parsers.trigger(), arguments)
  if not options then return status end
  if options.timeout and not options.wait then return cli.usage("schedule trigger", "--timeout goes with --wait") end
  local made, err = ask(options, { command = "trigger", schedule = options.id })
  if not made then return cli.fail(err) end
  if not options.wait then
    if options.json then
      print(json.encode { schedule = options.id, run = made.run })
    elseif not options.quiet then
      print(("run %d of %s is queued; to see it: %s"):format(made.run, report.safe(options.id),
        overview.command(options.state, "runs", "show", ("%d"):format(made.run))))
    end
    return cli.OK
  end
  local store, run
  store, err = journal.open { state = options.state }
  if not store then return cli.fail(err) end
  run, err = task.timeout(options.timeout or math.huge, wait_for, store, options, made.run)
  if run then return print_end(run, options) end
  if err.code == "TimeoutError" then
    local message = ("run %d has not ended within %g s, and goes on"):format(made.run, options.timeout)
    err = errors.new { code = err.code, message = message }
  end
  return cli.fail(err)
end

-- ---- pause, resume ----

local function pausing(word, description)
  parsers[word] = function()
    local p = cli.parser("schedule " .. word, description)
    cli.argument(p, "ids", "ID", "A schedule."):args("+")
    return p
  end
end

pausing("pause", "Pauses schedules: when they fire nothing is run, and it is not made up for. They stay paused when the daemon "
  .. "is started again, and can be paused when none is running.")
pausing("resume", "Resumes schedules that were paused. What was due meanwhile is not made up for.")

-- true | nil, err. A daemon that starts meanwhile may have read the journal before: it is told as well.
local function set_paused(read, word, id)
  local request = { command = word, schedule = id }
  if not read.daemon then
    local ok, err = read.store:pause { schedule = id, paused = word == "pause" }
    if not ok then return nil, err end
  end
  local ok, err = control.ask(read.directory, request)
  if ok or (not read.daemon and err.code == "NoDaemon") then return true end
  return nil, err
end

local function change(word, done, arguments)
  local options, read = open(word, arguments, 1)
  if not options then return read end
  if read.trouble then return cli.fail(read.trouble) end
  for _, id in ipairs(options.ids) do
    local one, err = overview.find(read, id)
    if not one then return cli.fail(err) end
  end
  for _, id in ipairs(options.ids) do
    local ok, err = set_paused(read, word, id)
    if not ok then return cli.fail(err) end
    if options.json then
      print(json.encode { schedule = id, paused = word == "pause" })
    elseif not options.quiet then
      print(("%s  %s"):format(done, report.safe(id)))
    end
  end
  return cli.OK
end

function words.pause(arguments) return change("pause", "paused", arguments) end
function words.resume(arguments) return change("resume", "resumed", arguments) end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
