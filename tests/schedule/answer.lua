-- Answers the oracle: each line of the file given is "kind TAB expression TAB zone TAB from TAB count TAB end TAB anchor". A line
-- for each: the epochs before the end, or "error" and the message. Backwards, the clock must give the same times.
local native = require "upjob.native.schedule"

local function forwards(clock, from, count)
  local times, at = {}, clock:next(from)
  while at and #times < count do times[#times + 1], at = at, clock:next(at) end
  return times
end

-- Where the times backwards are others, what is wrong.
local function backwards(clock, times, from)
  local before = (times[#times] or from) + 1
  for i = #times, 1, -1 do
    before = clock:previous(before)
    if before ~= times[i] then return ("error %s before %d, not %d"):format(before, times[i] + 1, times[i]) end
  end
  before = clock:previous(times[1] or from + 1)
  if before and before > from then return ("error %d is before %s, and not after %d"):format(before, times[1], from) end
end

local function answer(kind, expression, zone, from, count, last, anchor)
  local clock, err = native.clock { kind = kind, expression = expression, tz = zone, anchor = anchor }
  if not clock then return "error " .. tostring(err) end
  local times = forwards(clock, from, count)
  if kind == "cron" then
    times, err = schedule.next(expression, { tz = zone, from = from, count = count })
    if not times then return "error " .. tostring(err) end
  end
  while times[#times] and times[#times] >= last do times[#times] = nil end
  return backwards(clock, times, from) or table.concat(times, " ")
end

for line in io.lines(arg[1]) do
  local kind, expression, zone, numbers = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
  local from, count, last, anchor = numbers:match("^(.-)\t(.-)\t(.-)\t(.-)$")
  print(answer(kind, expression, zone, tonumber(from), tonumber(count), tonumber(last), tonumber(anchor)))
end
