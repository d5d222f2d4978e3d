--- upjob.schedule: automations, and when they are due. A file in the directory of "upjob daemon" declares them; the function that
-- it gives, or a script, is run each time.
local declaring = require "upjob.declaring"
local errors = require "upjob.errors"
local native = require "upjob.native.schedule"
local options_of = require "upjob.schedule_options"

local schedule = {}

--- schedule.next(expression, { tz=, from=, count=1 }) → { epoch, … } | nil, err: the next `count` times after `from` (seconds
-- since 1970; now, unless given) at which a cron expression fires in a zone (an IANA name; the system's own, unless given).
function schedule.next(expression, options)
  local times, err = errors.at_caller(native.next, expression, options)
  return times, err
end

-- ---- declarations ----

local function declare(kind, expression, options)
  local what = "schedule." .. kind
  if not declaring.current() then
    error(what .. ": an automation is declared by a file in a directory that \"upjob daemon DIR\" runs; look at it with "
      .. "\"upjob daemon DIR --check\"", 3)
  end
  local definition, functions = errors.at_level(3, options_of.check, kind, what, expression, options)
  definition.line = declaring.current_line()
  declaring.add(definition, functions)
end

--- schedule.cron("0 6 * * MON-FRI", { tz=, run=function(event) … end }): by a cron expression, in a zone.
function schedule.cron(expression, options)
  declare("cron", expression, options)
end

--- schedule.every("15m", { … }): again and again; a text as "1h30m", or a number of seconds.
function schedule.every(interval, options)
  declare("every", interval, options)
end

--- schedule.at("2026-12-24T18:00", { … }): once.
function schedule.at(time, options)
  declare("at", time, options)
end

--- schedule.on_file("/srv/drop/*.csv", { … }): for each file that comes, once it has stopped growing.
function schedule.on_file(pattern, options)
  declare("on_file", pattern, options)
end

--- schedule.on_event("nightly", { on="succeeded", … }): when a run of another automation has ended. Of an id, * and ? stand for
--- any characters, and for one.
function schedule.on_event(id, options)
  declare("on_event", id, options)
end

return setmetatable(schedule, { __index = function(_, name)
  error(("there is no schedule.%s%s"):format(tostring(name), errors.did_you_mean(name, errors.names_of(schedule))), 2)
end })
