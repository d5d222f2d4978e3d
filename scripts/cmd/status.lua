--- upjob status: whether the daemon is there, and how its schedules fare.
local cli = require "upjob.cli"
local json = require "upjob.json"
local overview = require "upjob.overview"
local report = require "upjob.report"
local sparkline = require "upjob.sparkline"

local command = { summary = "tell whether the daemon is running and how its schedules fare" }

local RUNS = 20 -- of each schedule whose durations are drawn
local DAY = 86400

function command.parser()
  return cli.parser("status", "Tells whether the daemon is running, and of each schedule the next and the last run, how many in "
    .. "a row have ended alike, and how long the last " .. RUNS .. " took. The exit status is 0 when all is well, and 1 when the "
    .. "last run of a schedule has failed, a dropped file cannot be moved away, a file of automations cannot be loaded, the "
    .. "daemon hangs or cannot use its journal, or none is running although there are schedules.")
end

-- ---- what is found ----

-- What is not well, as sentences.
local function problems_of(read)
  local list = json.array {}
  local function add(format, ...) list[#list + 1] = format:format(...) end
  if read.trouble then
    add("the daemon does not answer: %s", read.trouble.message)
  elseif not read.daemon and #read.schedules > 0 then
    add("no daemon is running")
  elseif read.daemon then
    if read.daemon.hangs then add("the daemon hangs: %s", read.daemon.hangs) end
    if read.daemon.journal then add("nothing is run, as the daemon cannot use its journal: %s", read.daemon.journal) end
  end
  for _, err in ipairs(read.daemon and read.daemon.errors or {}) do
    add("%s%s cannot be loaded: %s", err.file or "?", err.line and ":" .. err.line or "", err.message or "?")
  end
  for _, one in ipairs(read.schedules) do
    if one.unmoved then
      add("%s of %s cannot be moved, though %s: %s: %s", report.plural(one.unmoved.count, "file"), one.id,
        one.unmoved.count == 1 and "its run has ended" or "their runs have ended", one.unmoved.file, one.unmoved.error or "?")
    end
  end
  local failing = 0
  for _, one in ipairs(read.schedules) do failing = failing + (one.streak < 0 and 1 or 0) end
  if failing > 0 then add("the last run of %s has failed", failing == 1 and "one schedule" or failing .. " schedules") end
  return list
end

-- Runs that failed within a day, newest first.
local function failed_lately(read)
  local list = {}
  if not read.store then return list end
  local runs = read.store:runs { state = "failed", kind = "automation", limit = 200 }
  for _, run in ipairs(runs or {}) do
    if (run.ended_at or 0) >= read.now - DAY then list[#list + 1] = run end
  end
  return list
end

local function count_letters(read)
  local letters = read.store and read.store:dead_letters()
  return letters and #letters or 0
end

-- How long its last runs took, oldest first.
local function durations(one)
  local list = {}
  for i = #one.runs, 1, -1 do
    local run = one.runs[i]
    list[#list + 1] = math.max(0, run.ended_at - (run.begun_at or run.ended_at))
  end
  return list
end

-- ---- as JSON ----

local function plain_daemon(daemon)
  if not daemon then return json.null end
  return { pid = daemon.pid, since = daemon.since, version = daemon.version, directory = daemon.directory, jobs = daemon.jobs,
           running = daemon.running, queued = daemon.queued, stopping = daemon.stopping }
end

local function print_json(read, problems)
  local told = { healthy = #problems == 0, problems = problems, state = read.directory, daemon = plain_daemon(read.daemon),
                 schedules = json.array {}, failed = json.array {}, dead_letters = count_letters(read) }
  for i, one in ipairs(read.schedules) do
    local plain = overview.plain(one)
    plain.seconds = json.array(durations(one))
    told.schedules[i] = plain
  end
  for i, run in ipairs(failed_lately(read)) do
    local plain = overview.plain_run(run)
    plain.schedule = run.schedule
    told.failed[i] = plain
  end
  print(json.encode(require("upjob.journal").readable(told)))
end

-- ---- for a person ----

local function daemon_text(read)
  local daemon = read.daemon
  if not daemon then return read.trouble and "does not answer" or "not running" end
  local text = ("%s, process %d, for %s"):format(daemon.stopping and "ending" or "running", daemon.pid,
    overview.span(read.now - daemon.since))
  return ("%s; %d running, %d waiting"):format(text, daemon.running, daemon.queued)
end

local function print_head(read, paint)
  local well = read.daemon and not read.trouble
  local color = well and "green" or #read.schedules > 0 and "red"
  local function line(name, text, hue)
    local room = report.room() - 13
    text = room < math.huge and report.cut(report.safe(text), math.max(room, 20)) or report.safe(text)
    print(("%-11s  %s"):format(name, hue and paint(hue, text) or text))
  end
  line("Daemon", daemon_text(read), color)
  if well then line("Automations", read.daemon.directory) end
  line("State", read.directory)
end

local function last_text(one, now)
  local run = one.runs[1]
  return run and overview.moment(run.ended_at, now) or "-"
end

local function took_text(one)
  local run = one.runs[1]
  return run and run.begun_at and report.seconds(math.max(0, run.ended_at - run.begun_at)) or ""
end

-- The bars of runs that have failed are red.
local function painted_bars(one, text, paint)
  local at, painted = #one.runs, {}
  for character in text:gmatch(utf8.charpattern) do
    local run = one.runs[at]
    painted[#painted + 1] = run and run.state ~= "succeeded" and paint("red", character) or character
    at = at - 1
  end
  return table.concat(painted)
end

local function print_schedules(read, paint)
  local rows, colors, ascii = {}, {}, not sparkline.is_utf8()
  for i, one in ipairs(read.schedules) do
    local outcome
    outcome, colors[i] = overview.outcome(one)
    rows[i] = { one.id, overview.next_text(one, read.now), last_text(one, read.now), took_text(one), outcome,
                sparkline.of(durations(one), ascii) }
  end
  local function paint_outcome(text, i) return colors[i] and paint(colors[i], text) or text end
  local function paint_bars(text, i) return painted_bars(read.schedules[i], text, paint) end
  print("")
  for _, line in ipairs(report.table({ { title = "Schedule" }, { title = "Next", whole = true }, { title = "Last", whole = true },
                                       { title = "Took", right = true, whole = true },
                                       { title = "Outcome", paint = paint_outcome },
                                       { title = ("Last %d"):format(RUNS), whole = true, paint = paint_bars } }, rows)) do
    print(line)
  end
end

-- By schedule, the one whose last failure is the newest first: { { schedule, count, run (the newest) }, … }
local function group(failed)
  local groups, of = {}, {}
  for _, run in ipairs(failed) do
    local one = of[run.schedule]
    if not one then
      one = { schedule = run.schedule, count = 0, run = run }
      of[run.schedule], groups[#groups + 1] = one, one
    end
    one.count = one.count + 1
  end
  return groups
end

local function print_failed(read, paint)
  local failed = failed_lately(read)
  if #failed == 0 then return end
  print("")
  print(paint("red", ("%s failed in the last day"):format(report.plural(#failed, "run"))))
  local rows = {}
  for i, one in ipairs(group(failed)) do
    local err = one.run.error or {}
    rows[i] = { one.schedule, ("%d"):format(one.count), overview.moment(one.run.ended_at, read.now), ("%d"):format(one.run.id),
                err.message or err.code or "" }
  end
  for _, line in ipairs(report.table({ { title = "Schedule" }, { title = "Failed", right = true, whole = true },
                                       { title = "Last", whole = true }, { title = "Run", right = true, whole = true },
                                       { title = "Error", max = 200 } }, rows)) do
    print(line)
  end
end

local function print_text(read, problems, options)
  local paint = report.painter("stdout", options.color)
  print_head(read, paint)
  if #read.schedules > 0 then print_schedules(read, paint) end
  print_failed(read, paint)
  local letters = count_letters(read)
  if letters > 0 then
    print("")
    print(("%s could not be delivered: %s"):format(report.plural(letters, "notification"),
      overview.command(options.state, "notify", "list")))
  end
  if #problems == 0 then return end
  print("")
  for _, text in ipairs(problems) do
    for _, line in ipairs(report.wrap("! " .. report.safe(text), report.room(), "  ")) do print(paint("red", line)) end
  end
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  local read, err = overview.read(options.state, RUNS)
  if not read then return cli.fail(err) end
  local problems = problems_of(read)
  if options.json then
    print_json(read, problems)
  elseif not options.quiet then
    print_text(read, problems, options)
  end
  return #problems == 0 and cli.OK or cli.FAILED
end

return command
