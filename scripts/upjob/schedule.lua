--- upjob.schedule: when schedules fire.
local native = require "upjob.native.schedule"
local errors = require "upjob.errors"

local schedule = {}

--- schedule.next(expression, { tz=, from=, count=1 }) → { epoch, … } | nil, err: the next `count` times after `from` (seconds
-- since 1970; now, unless given) at which a cron expression fires in a zone (an IANA name; the system's own, unless given).
function schedule.next(expression, options)
  local times, err = errors.at_caller(native.next, expression, options)
  return times, err
end

return schedule
