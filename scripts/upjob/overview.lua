--- What there is to tell of the schedules of a state directory, with a daemon or without one: from the journal, and from the
--- daemon what only it knows.
local control = require "upjob.control"
local due = require "upjob.due"
local errors = require "upjob.errors"
local fire_times = require "upjob.fire_times"
local journal = require "upjob.journal"
local shell = require "upjob.shell"
local system = require "upjob.native.system"

local overview = {}

local PAGE, MOST_PAGES = 1000, 20 -- of runs that are looked through, newest first

-- ---- schedules ----

-- When it fires next, after now and as it stands in the journal: time, clock | nil: a file or another schedule decides, or never.
local function next_of(row, now)
  local d = row.definition
  local ok, clock = pcall(fire_times.clock, d, row.since) -- the zone may be gone
  if not ok or not clock then return nil end
  local item = due.item { id = row.id, definition = d, clock = clock, since = math.max(row.since or 0, now),
                          last_due = row.last_due, pass = d.pass }
  local _, at = due.next(item)
  return at, clock
end

-- What the daemon knows of its schedules, by id.
local function by_id(list)
  local found = {}
  for _, item in ipairs(list or {}) do found[item.id] = item end
  return found
end

local function schedule_of(row, live, now)
  local d = row.definition
  local next_at, clock = next_of(row, now)
  return { id = row.id, kind = d.kind, expression = d.expression, tz = d.tz, file = row.file, clock = clock,
           next = live and live.next or next_at, paused = row.paused or false, streak = row.streak or 0, since = row.since,
           running = live and live.running or 0, queued = live and live.queued or 0, skipped = live and live.skipped or 0,
           unmoved = live and live.unmoved,
           last_run = row.last_run, runs = {} }
end

-- Gives each schedule its newest runs that have ended, newest first, at most `count`.
local function add_runs(store, schedules, count)
  local wanted, open, before = {}, 0, nil
  for _, one in ipairs(schedules) do wanted[one.id], open = one, open + (one.last_run and 1 or 0) end
  for _ = 1, MOST_PAGES do
    local page, err = store:runs { kind = "automation", before_id = before, limit = PAGE }
    if not page then return nil, err end
    for _, run in ipairs(page) do
      local one = wanted[run.schedule]
      if one and run.ended_at and #one.runs < count then
        one.runs[#one.runs + 1] = run
        open = open - (#one.runs == count and one.last_run and 1 or 0)
      elseif one and run.state == "running" and one.running == 0 then
        one.running = 1
      end
    end
    if #page < PAGE or open == 0 then break end
    before = page[#page].id
  end
  for _, one in ipairs(schedules) do
    local run = not one.runs[1] and one.last_run and store:run { id = one.last_run }
    if run and run.ended_at then one.runs[1] = run end
  end
  return true
end

-- ---- the whole ----

--- Whether a daemon is running, and what it says of itself: { pid, since, version, directory, jobs, running, queued, stopping,
-- hangs (why, or nil), journal (why it cannot be used, or nil), errors, schedules } | nil, err ("NoDaemon" when none is).
function overview.daemon(state)
  local about, err = control.ask(state, { command = "about" })
  if not about then return nil, err end
  local status
  status, err = control.ask(state, { command = "status" })
  if not status then return nil, err end
  status.pid, status.since, status.version = about.pid, about.since, about.version
  return status
end

-- The process that holds the lock of a state directory, as it says itself; nil when that cannot be read.
local function holder(directory)
  local file <close> = io.open(directory .. "/daemon.lock", "r")
  return file and math.tointeger(tonumber(file:read("l")))
end

--- { directory (the state's), now, store, daemon (nil when none is running), trouble (an error of a daemon that does not answer),
-- schedules = { { id, kind, expression, tz, file, clock, next, paused, streak, running, queued, runs = ended ones, newest
-- first }, … } } | nil, err. `count`: so many runs of each. Where there is no journal yet there are no schedules; none is made.
function overview.read(state, count)
  local directory = journal.directory(state)
  local read = { directory = directory and system.absolute(directory), now = system.time(), schedules = {} }
  local err
  read.daemon, err = overview.daemon(state)
  if not read.daemon and err.code == "ConfigurationError" then return nil, err end
  if not read.daemon and err.code ~= "NoDaemon" then
    local pid = err.code == "TimeoutError" and holder(read.directory)
    read.trouble = pid and errors.new { code = err.code, message = ("process %d has not answered in time"):format(pid) } or err
  end
  if directory and not system.stat(directory .. "/journal.db") then return read end
  read.store, err = journal.open { state = state }
  if not read.store then return nil, err end
  local rows
  rows, err = read.store:schedules()
  if not rows then return nil, err end
  local live = by_id(read.daemon and read.daemon.schedules)
  for _, row in ipairs(rows) do
    if not row.gone then table.insert(read.schedules, schedule_of(row, live[row.id], read.now)) end
  end
  local ok
  ok, err = add_runs(read.store, read.schedules, count)
  if not ok then return nil, err end
  return read
end

--- The schedule of this id | nil, an error with the one that was probably meant
function overview.find(read, id)
  local names = {}
  for i, one in ipairs(read.schedules) do
    if one.id == id then return one end
    names[i] = one.id
  end
  local message = ("there is no schedule \"%s\"%s"):format(id, errors.did_you_mean(id, names))
  if #names == 0 then
    message = ("there is no schedule \"%s\": no daemon has run on %s yet (upjob daemon DIR)"):format(id, read.directory)
  end
  return nil, errors.new { code = "UsageError", message = message }
end

-- ---- as a person reads it ----

--- A command of this program about the same state: "upjob runs show 7 --state /srv/state". `state`: --state, or nil.
function overview.command(state, ...)
  return shell.command({ ... }, state and { "--state", state } or {})
end

--- "0 6 * * MON-FRI", "every 15m", "at 2026-12-24T18:00", a pattern of files, "after nightly".
function overview.fires(one)
  if one.kind == "cron" or one.kind == "on_file" then return one.expression end
  return (one.kind == "on_event" and "after " or one.kind .. " ") .. one.expression
end

local DAY = 86400

local function noon(epoch)
  local date = os.date("*t", math.floor(epoch))
  date.hour, date.min, date.sec, date.isdst = 12, 0, 0, nil
  return os.time(date)
end

--- A time as it is told beside others: "06:00" today, "tomorrow 06:00", "Mon 06:00" within a week, else "2026-12-24 06:00"; with
-- seconds when it is less than two minutes away.
function overview.moment(epoch, now)
  if not epoch then return nil end
  local days = math.floor((noon(epoch) - noon(now)) / DAY + 0.5)
  local time = os.date(math.abs(epoch - now) < 120 and "%H:%M:%S" or "%H:%M", math.floor(epoch))
  if days == 0 then return time end
  if days == 1 then return "tomorrow " .. time end
  if days == -1 then return "yesterday " .. time end
  return os.date(math.abs(days) < 7 and "%a " or "%Y-%m-%d ", math.floor(epoch)) .. time
end

--- How long: "41 s", "12 min", "5 h 12 min", "3 d 4 h".
function overview.span(seconds)
  seconds = math.max(0, math.floor(seconds + 0.5))
  if seconds < 60 then return ("%d s"):format(seconds) end
  if seconds < 3600 then return ("%d min"):format(seconds // 60) end
  if seconds < DAY then return ("%d h %02d min"):format(seconds // 3600, seconds % 3600 // 60) end
  return ("%d d %d h"):format(seconds // DAY, seconds % DAY // 3600)
end

--- What became of it lately: "running", "paused", "12 ok", "3 failed", "not yet run"; and how many ticks made no run since the
-- last that did: "running, 12 ok, 4 skipped". The second result is a colour or nil.
function overview.outcome(one)
  local streak = one.streak > 0 and ("%d ok"):format(one.streak) or one.streak < 0 and ("%d failed"):format(-one.streak)
  local skipped = one.skipped > 0 and (", %d skipped"):format(one.skipped) or ""
  if one.paused then return "paused" .. (one.streak < 0 and ", " .. streak or ""), one.streak < 0 and "red" or "yellow" end
  if one.running > 0 then
    return "running" .. (streak and ", " .. streak or "") .. skipped, one.streak < 0 and "red" or "cyan"
  end
  return (streak or "not yet run") .. skipped, one.streak < 0 and "red" or one.streak > 0 and "green" or nil
end

--- When it fires next, as a person reads it.
function overview.next_text(one, now)
  if one.paused then return "-" end
  if one.next then return overview.moment(one.next, now) end
  if one.kind == "on_file" then return "a file comes" end
  if one.kind == "on_event" then return "it ends" end
  return "never"
end

--- A run as JSON: without its output, and what is in its state only.
function overview.plain_run(run)
  if not run then return nil end
  return { run = run.id, state = run.state, begun_at = run.begun_at, ended_at = run.ended_at, attempt = run.attempt,
           seconds = run.begun_at and run.ended_at and run.ended_at - run.begun_at or nil, error = run.error }
end

--- A schedule as JSON.
function overview.plain(one)
  return { id = one.id, kind = one.kind, expression = one.expression, tz = one.tz, file = one.file,
           next = not one.paused and one.next or nil, paused = one.paused, streak = one.streak, running = one.running,
           queued = one.queued, skipped = one.skipped, unmoved = one.unmoved and one.unmoved.count,
           last = overview.plain_run(one.runs[1]) }
end

return overview
