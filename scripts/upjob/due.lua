--- Which ticks of a schedule are due: from its definition, what it has ticked last, and the time. Pure: no process, no store, no
-- clock of its own, so that every rule can be told by a table of times.
--
-- An item is a schedule as the engine follows it: { id, definition, clock, base, pass, fired, paused }. Ticks up to `base`
-- (epoch seconds) are dealt with. `clock` is an object with next(after), previous(before) → epoch | nil, and passes_both().
local due = {}

--- A tick that is late by no more than this is on time: a machine that was busy has misfired nothing.
due.TOLERANCE = 60
-- A clock that goes back by no more than this was set right, and shows no time again that anybody has seen.
local SET_RIGHT = 60
-- One that goes back by more than this was wrong before: what a schedule did at a time that has not come yet does not count.
local WAS_WRONG = 86400
-- Of ticks that are not run, so many are recorded, the newest; ticks that are counted; runs at a time.
local MOST_SKIPPED, MOST_COUNTED, MOST_RUNS = 100, 100, 100

--- An item. fields: id, definition, clock, since (when the schedule was first seen with these times), last_due, pass, paused.
function due.item(fields)
  local ticked = fields.last_due and fields.last_due > fields.since
  return { id = fields.id, definition = fields.definition, clock = fields.clock, pass = fields.pass or 0,
           base = ticked and fields.last_due or fields.since, fired = ticked or false, paused = fields.paused or false }
end

-- FNV-1a: spreads ids and times evenly, and is the same tomorrow.
local function hash(text)
  local h = 0xcbf29ce484222325
  for i = 1, #text do h = (h ~ text:byte(i)) * 0x100000001b3 end
  return (h ~ (h >> 29)) >> 11 -- 53 bits, which a float holds
end

--- By how much what has that key is put off: a share of the jitter, always the same; 0 without one.
function due.jitter(item, key)
  local jitter = item.definition.jitter or 0
  return jitter > 0 and jitter * (hash(("%s|%s"):format(item.id, key)) / 2.0 ^ 53) or 0
end

--- When the tick of that time is to run: the time, put off by its jitter.
function due.at(item, time)
  if (item.definition.jitter or 0) <= 0 then return time end
  return time + due.jitter(item, ("%d"):format(time))
end

--- The key of a tick: its time, and which pass it is of where the clock went back and shows it again.
function due.key(item, time)
  local text = os.date("!%Y-%m-%dT%H:%M:%SZ", time)
  return item.pass == 0 and text or ("%s#%d"):format(text, item.pass)
end

--- The next tick, whether due or not: time, when it is to run | nil: none ever.
function due.next(item)
  local time = item.clock:next(item.base)
  if time then return time, due.at(item, time) end
end

local function is_repeated(item)
  return item.definition.kind ~= "at" and item.clock:passes_both()
end

--- The clock may have gone back since the item's last tick. Schedules that follow the clock ("*" in the hour, intervals of up to
-- an hour) go on at once, as another pass; a fixed hour waits for its next time, unless the clock was wrong by more than a day.
-- Returns nil when the item stays as it was, else "again" or "corrected", and the item has a base and a pass that are new.
function due.go_back(item, now)
  local back = item.base - now
  local corrected = back > WAS_WRONG and not (item.definition.kind == "at" and item.fired)
  if not corrected and not (back > SET_RIGHT and is_repeated(item)) then return nil end
  item.base, item.pass = math.floor(now), item.pass + 1
  return corrected and "corrected" or "again"
end

-- The latest time that is due; the first one is.
local function latest_due(item, first, now)
  local time = item.clock:previous(math.floor(now) + 1)
  while time and time > first and due.at(item, time) > now do time = item.clock:previous(time) end
  return time and time > first and time or first
end

-- How many ticks lie behind `after` and before `before`; counting ends at a hundred.
local function count_between(item, after, before)
  local count, time = 0, item.clock:next(after)
  while time and time < before and count < MOST_COUNTED do
    count, time = count + 1, item.clock:next(time)
  end
  return count
end

local function tick(item, time, fields)
  fields.schedule, fields.key, fields.due, fields.at = item.id, due.key(item, time), time, due.at(item, time)
  return fields
end

-- The latest time whose tick is later than the grace; those before it are too.
local function latest_too_late(item, now, latest)
  local least = now - item.definition.grace
  local time = item.clock:previous(math.min(latest + 1, math.ceil(least)))
  while time and time > item.base and due.at(item, time) >= least do time = item.clock:previous(time) end
  return time and time > item.base and time or nil
end

-- These and those before them as skipped: the newest are recorded, the others counted.
local function too_late(item, latest)
  local times, ticks, time = {}, {}, latest
  while time and time > item.base and #times < MOST_SKIPPED do
    times[#times + 1], time = time, item.clock:previous(time)
  end
  for i = #times, 1, -1 do ticks[#ticks + 1] = tick(item, times[i], { skipped = "misfire" }) end
  ticks[1].missed = count_between(item, item.base, ticks[1].due)
  return ticks
end

-- misfire = "all": the times that are due one by one, and those that are later than the grace as skipped.
local function each(item, now, latest)
  local late = item.definition.grace and latest_too_late(item, now, latest)
  local ticks = late and too_late(item, late) or {}
  local time, runs, catches_up = item.clock:next(late or item.base), 0, nil
  while time and time <= latest and due.at(item, time) <= now and runs < MOST_RUNS do
    -- One that is hardly late, behind others that are, waits for them; they are no earlier run that it would overlap.
    catches_up = catches_up or now - due.at(item, time) > due.TOLERANCE or nil
    ticks[#ticks + 1], runs = tick(item, time, { catch_up = catches_up }), runs + 1
    time = item.clock:next(time)
  end
  return ticks
end

-- misfire = "skip": one that is on time, or within the grace, runs; those before it are none's.
local function only_on_time(item, now, latest)
  local late = now - due.at(item, latest)
  local missed = count_between(item, item.base, latest)
  if late > (item.definition.grace or due.TOLERANCE) then
    return { tick(item, latest, { skipped = "misfire", missed = missed }) }
  end
  local ticks = {}
  if missed > 0 then
    ticks[1] = tick(item, item.clock:previous(latest), { skipped = "misfire", missed = missed - 1 })
  end
  ticks[#ticks + 1] = tick(item, latest, {})
  return ticks
end

-- misfire = "coalesce": one run for all of them, at the latest.
local function all_in_one(item, now, first, latest)
  local grace = item.definition.grace
  local fields = { missed = count_between(item, item.base, latest) }
  if grace and now - due.at(item, latest) > grace then
    fields.skipped = "misfire"
  elseif fields.missed > 0 then
    fields.missed_from = first
  end
  return { tick(item, latest, fields) }
end

--- The ticks that are due now, in the order of their times: { schedule, key, due, at, skipped = "misfire" | "paused" | nil,
-- missed = how many before it it stands for (100: or more), missed_from, catch_up = true for those that "all" catches up with }.
-- The item is as before: due.advance says that they are dealt with. There may be more of them afterwards.
function due.collect(item, now)
  local first, at = due.next(item)
  if not first or at > now then return {} end
  local latest = latest_due(item, first, now)
  local misfire = item.definition.misfire or "coalesce"
  if item.paused then
    return { tick(item, latest, { skipped = "paused", missed = count_between(item, item.base, latest) }) }
  end
  if misfire == "all" then return each(item, now, latest) end
  if misfire == "skip" then return only_on_time(item, now, latest) end
  return all_in_one(item, now, first, latest)
end

--- What is due up to this time is dealt with.
function due.advance(item, time)
  item.base, item.fired = time, true
end

return due
