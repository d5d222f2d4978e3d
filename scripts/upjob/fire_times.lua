--- When a schedule fires next, and how that is told: with the date and time of its zone.
local native = require "upjob.native.schedule"

local fire_times = {}

--- The clock of a definition; nil for one that no clock fires. `anchor` (epoch seconds) is when it was first seen: what an
--- interval that divides no day is counted from.
function fire_times.clock(definition, anchor)
  local kind = definition.kind
  if kind ~= "cron" and kind ~= "every" and kind ~= "at" then return nil end
  return assert(native.clock { kind = kind, expression = definition.expression, tz = definition.tz, anchor = anchor })
end

--- Up to `count` times after `from`, as epoch seconds.
function fire_times.next(clock, from, count)
  local times, at = {}, clock:next(from)
  while at and #times < count do
    times[#times + 1] = at
    at = clock:next(at)
  end
  return times
end

local function offset_text(offset)
  local minutes = math.abs(offset) // 60
  return ("%s%02d:%02d"):format(offset < 0 and "-" or "+", minutes // 60, minutes % 60)
end

--- "2026-11-30T06:00:00+01:00"
function fire_times.iso(clock, at)
  local shown = clock:local_time(at)
  return os.date("!%Y-%m-%dT%H:%M:%S", shown.seconds) .. offset_text(shown.offset)
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }

--- "Mon 2026-11-30 06:00:00 +01:00", the same in every language of the system.
function fire_times.text(clock, at)
  local shown = clock:local_time(at)
  local day = DAYS[os.date("!*t", shown.seconds).wday]
  return ("%s %s %s"):format(day, os.date("!%Y-%m-%d %H:%M:%S", shown.seconds), offset_text(shown.offset))
end

return fire_times
