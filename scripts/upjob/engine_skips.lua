--- Of the engine: ticks that make no run. Those that follow one another for one reason are told with the first of them and
-- counted: a run that goes on for a day would otherwise fill the log with a line for each minute.
local log = require "upjob.log"

local skips = {}

local MANY = 100 -- that due.lua counts

local WHY = { overlap = "an earlier run is not over", paused = "it is paused", misfire = "its time was missed" }

local function tell_first(item, reason, what, missed)
  log.with { schedule = item.id, skipped = reason }.warn("%s: %s%s is skipped (%s%s); more of them are told when it runs again",
    item.id, what, missed > 0 and (" and %s before it"):format(missed >= MANY and "many" or missed) or "", reason,
    WHY[reason] and ": " .. WHY[reason] or "")
end

--- Counts one, `what` in words, and those that it stands for.
function skips.add(item, reason, what, missed)
  missed = missed or 0
  local streak = item.skips
  if streak and streak.reason == reason then
    streak.count = streak.count + 1 + missed
    streak.many = streak.many or missed >= MANY
    return
  end
  skips.over(item)
  item.skips = { reason = reason, count = 1 + missed, told = 1 + missed, many = missed >= MANY }
  tell_first(item, reason, what, missed)
end

--- A tick has made a run, or the daemon ends: what was skipped before is told.
function skips.over(item)
  local streak = item.skips
  item.skips = nil
  if not streak or streak.count == streak.told then return end
  log.with { schedule = item.id, skipped = streak.reason, count = streak.count }.warn(
    "%s: %s%d ticks were skipped one after another (%s)", item.id, streak.many and "at least " or "", streak.count, streak.reason)
end

return skips
