--- upjob daemon DIR --check: loads the automations of a directory and tells when they fire next, and what is wrong.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local fire_times = require "upjob.fire_times"
local glob = require "upjob.glob"
local json = require "upjob.json"
local report = require "upjob.report"
local shared_files = require "upjob.shared_files"
local system = require "upjob.native.system"

local daemon_check = {}

local COUNT = 10 -- times of each schedule

-- ---- what is wrong beyond a single file ----

local function ids_of(definitions)
  local ids = {}
  for i, definition in ipairs(definitions) do ids[i] = definition.id end
  return ids
end

local function matching(pattern, ids, own)
  local found = {}
  for _, id in ipairs(ids) do
    if id ~= own and glob.matches(pattern, id) then found[#found + 1] = id end
  end
  return found
end

-- An event of a schedule that there is not never comes.
local function add_lone_events(loaded, ids)
  for _, definition in ipairs(loaded.definitions) do
    if definition.kind == "on_event" and #matching(definition.expression, ids, definition.id) == 0 then
      local message = ("schedule.on_event: no other schedule here is named \"%s\"%s"):format(definition.expression,
        errors.did_you_mean(definition.expression, ids))
      table.insert(loaded.errors, { file = definition.file, line = definition.line, message = message })
    end
  end
end

-- What one of them moves away, the other finds gone.
local function add_shared_files(loaded)
  for _, pair in ipairs(shared_files.find(loaded.definitions)) do
    local other, one = pair[1], pair[2]
    local message = ("schedule.on_file: files as \"%s\" are taken by %s too (%s), and whichever ends first moves them away: "
      .. "let one follow the other with schedule.on_event, or give both move = false"):format(
        one.expression:match("[^/]*$"), other.id, other.expression:match("[^/]*$"))
    table.insert(loaded.errors, { file = one.file, line = one.line, message = message })
  end
end

-- ---- what is printed ----

local function place(definition)
  return definition.file:match("[^/]+$") .. (definition.line and (":%d"):format(definition.line) or "")
end

-- How long as a text that schedules take.
local function duration(seconds)
  for _, unit in ipairs { { 86400, "d" }, { 3600, "h" }, { 60, "m" } } do
    if seconds >= unit[1] and seconds % unit[1] == 0 then return ("%d%s"):format(seconds // unit[1], unit[2]) end
  end
  return ("%gs"):format(seconds)
end

-- "cron "0 6 * * MON-FRI" in Europe/Berlin, up to 5m later"
local function rule(definition)
  local text = ("%s \"%s\""):format(definition.kind, definition.expression)
  if definition.tz then text = ("%s in %s"):format(text, definition.tz) end
  if definition.on then text = ("%s %s"):format(text, definition.on) end
  if definition.jitter and definition.jitter > 0 then text = ("%s, up to %s later"):format(text, duration(definition.jitter)) end
  return text
end

local function print_times(clock, times, definition, ids)
  if clock then
    for _, at in ipairs(times) do print("  " .. fire_times.text(clock, at)) end
    if #times == 0 then print("  never again: its time is over") end
  elseif definition.kind == "on_event" then
    for _, id in ipairs(matching(definition.expression, ids, definition.id)) do print("  after " .. report.safe(id)) end
  else
    print("  for each file that comes")
  end
end

local function print_schedule(definition, clock, times, ids)
  print(("%s (%s): %s"):format(report.safe(definition.id), report.safe(place(definition)), report.safe(rule(definition))))
  print_times(clock, times, definition, ids)
end

-- A line of JSON: `next` is absent when it fires no more, or by no clock.
local function print_json(definition, clock, times)
  local list = {}
  for i, at in ipairs(times) do list[i] = { epoch = at, time = fire_times.iso(clock, at) } end
  print(json.encode {
    id = report.safe(definition.id), file = report.safe(definition.file), line = definition.line, kind = definition.kind,
    expression = report.safe(definition.expression), tz = definition.tz, on = definition.on, next = #list > 0 and list or nil,
  })
end

local function print_all(definitions, ids, options)
  local now = math.floor(system.time())
  for _, definition in ipairs(definitions) do
    local clock = fire_times.clock(definition, now)
    local times = clock and fire_times.next(clock, now, COUNT) or {}
    if options.json then print_json(definition, clock, times) else print_schedule(definition, clock, times, ids) end
  end
end

local function tell_errors(list, options)
  io.stdout:flush()
  for _, wrong in ipairs(list) do
    local err = errors.new { code = "InvalidAutomation", file = wrong.file, line = wrong.line, message = wrong.message }
    report.fail(err)
    if options.json then
      print(json.encode { error = { file = report.safe(err.file), line = err.line, message = report.safe(err.message) } })
    end
  end
end

--- Checks the directory: the exit status, 7 when anything is wrong with a file. options: json (a line for each schedule, and for
--- each error).
function daemon_check.check(directory, options)
  local loaded, err = require("upjob.loader").load(directory)
  if not loaded then return cli.fail(err) end
  local ids = ids_of(loaded.definitions)
  add_lone_events(loaded, ids)
  add_shared_files(loaded)
  print_all(loaded.definitions, ids, options)
  tell_errors(loaded.errors, options)
  if #loaded.errors == 0 and #ids == 0 then
    report.say(("%s has no automations: they are its files *.lua"):format(loaded.directory))
  end
  return #loaded.errors > 0 and cli.INVALID_FILE or cli.OK
end

return daemon_check
