--- Durations as options take them: seconds, or a text such as "15m" or "1h30m".
local duration = {}

--- The seconds | nil, what is wrong.
function duration.seconds(value)
  if type(value) == "number" then
    if value > 0 and value < 36501 * 86400 then return value end
    return nil, "more than 0 seconds are needed, up to 36500 days"
  end
  if type(value) ~= "string" then return nil, ("seconds or a text such as \"15m\" are needed, not a %s"):format(type(value)) end
  local seconds, err = require("upjob.native.schedule").duration(value)
  if not seconds then return nil, err.message end
  return seconds
end

--- The seconds that an option names, or those of `default`; misuse at the line of the caller of our caller.
function duration.option(what, options, name, default)
  local value = options[name]
  local seconds, problem = duration.seconds(value == nil and default or value)
  if not seconds then error(("%s: option \"%s\": %s"):format(what, name, problem), 3) end
  return seconds
end

return duration
