-- Which ticks are due: a table of times for each rule.
local due = require "upjob.due"
local heap = require "upjob.heap"
local schedule = require "upjob.schedule"

local HOUR, DAY = 3600, 86400

-- "2026-11-29 06:00" in UTC
local function at(text)
  local y, m, d, h, min, s = text:match("^(%d+)-(%d+)-(%d+) (%d+):(%d+):?(%d*)$")
  local days = 0
  for year = 1970, y - 1 do days = days + ((year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0) and 366 or 365) end
  local lengths = { 31, (y % 4 == 0 and y % 100 ~= 0 or y % 400 == 0) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for month = 1, m - 1 do days = days + lengths[month] end
  return (days + d - 1) * DAY + h * HOUR + min * 60 + (tonumber(s) or 0)
end

local function text_of(time)
  return os.date("!%Y-%m-%d %H:%M:%S", math.floor(time)):gsub(":00$", "")
end

-- A clock of a cron expression in a zone.
local function cron(expression, tz)
  local hours = expression:match("^%S+ (%S+)")
  local clock = {}
  function clock.next(_, after) return (assert(schedule.next(expression, { tz = tz or "UTC", from = after, count = 1 }))[1]) end
  function clock.previous(_, before)
    local found
    local time = clock:next(before - 8 * DAY)
    while time < before do found, time = time, clock:next(time) end
    return found
  end
  function clock.passes_both() return hours:sub(1, 1) == "*" end
  return clock, "cron"
end

local function every(seconds)
  local clock = {}
  function clock.next(_, after) return (math.floor(after) // seconds + 1) * seconds end
  function clock.previous(_, before) return (math.ceil(before) - 1) // seconds * seconds end
  function clock.passes_both() return true end
  return clock, "every"
end

local function once(time)
  local clock = {}
  function clock.next(_, after) return after < time and time or nil end
  function clock.previous(_, before) return before > time and time or nil end
  function clock.passes_both() return false end
  return clock, "at"
end

-- An item whose last tick was at `last`.
local function item(clock, kind, last, options)
  local definition = { kind = kind }
  for name, value in pairs(options or {}) do definition[name] = value end
  return due.item { id = "nightly", definition = definition, clock = clock, since = at(last) - 1000 * DAY, last_due = at(last) }
end

-- What is due, as text: "2026-11-29 06:00", behind it what is special.
local function told(one, now)
  local list = {}
  for i, tick in ipairs(due.collect(one, type(now) == "string" and at(now) or now)) do
    list[i] = text_of(tick.due) .. (tick.skipped and " " .. tick.skipped or "")
      .. ((tick.missed or 0) > 0 and (" +%d"):format(tick.missed) or "") .. (tick.catch_up and " late" or "")
  end
  return list
end

-- Deals with all that is due up to then and returns its keys.
local function keys(one, now)
  local list = {}
  local ticks = due.collect(one, at(now))
  while #ticks > 0 do
    for _, tick in ipairs(ticks) do
      list[#list + 1] = tick.key
      due.advance(one, tick.due)
    end
    ticks = due.collect(one, at(now))
  end
  return list
end

describe("what is due", function()
  it("is nothing before its time, and the tick from its time on", function()
    local clock, kind = cron "0 6 * * *"
    local one = item(clock, kind, "2026-11-28 06:00")
    assert.same({}, told(one, "2026-11-29 05:59:59"))
    assert.same({ "2026-11-29 06:00" }, told(one, "2026-11-29 06:00"))
    assert.same({ "2026-11-29 06:00" }, told(one, "2026-11-29 06:00:05"))
    assert.same({ "2026-11-29 06:00" }, told(one, "2026-11-29 06:00:05")) -- until somebody says that it is dealt with
    due.advance(one, at "2026-11-29 06:00")
    assert.same({}, told(one, "2026-11-29 06:00:05"))
    assert.same({ at "2026-11-30 06:00", at "2026-11-30 06:00" }, { due.next(one) })
  end)

  it("is nothing that lies before the schedule was first seen", function()
    local clock, kind = cron "0 6 * * *"
    local one = due.item { id = "a", definition = { kind = kind, misfire = "all" }, clock = clock,
                           since = at "2026-11-29 06:00:01" }
    assert.same({}, told(one, "2026-11-29 12:00"))
    assert.same({ "2026-11-30 06:00" }, told(one, "2026-11-30 06:00"))
  end)

  it("is nothing of times that are new to the schedule, whatever it ticked before", function()
    local clock, kind = cron "0 12 * * *"
    local one = due.item { id = "a", definition = { kind = kind }, clock = clock, since = at "2026-11-29 15:00",
                           last_due = at "2026-11-29 06:00" }
    assert.same({}, told(one, "2026-11-29 15:01"))
  end)

  it("is a single time once, and never again", function()
    local clock, kind = once(at "2026-12-24 18:00")
    local one = due.item { id = "a", definition = { kind = kind }, clock = clock, since = at "2026-11-29 00:00" }
    assert.same({ "2026-12-24 18:00" }, told(one, "2026-12-25 09:00"))
    due.advance(one, at "2026-12-24 18:00")
    assert.is_nil(due.next(one))
    assert.is_nil(due.go_back(one, at "2026-12-01 00:00"))
    assert.same({}, told(one, "2026-12-26 00:00"))
  end)

  it("is recorded as paused while the schedule is, and is not made up for", function()
    local clock, kind = every(900)
    local one = item(clock, kind, "2026-11-29 06:00", { misfire = "all" })
    one.paused = true
    assert.same({ "2026-11-29 06:30 paused +1" }, told(one, "2026-11-29 06:31"))
    due.advance(one, at "2026-11-29 06:30")
    one.paused = false
    assert.same({}, told(one, "2026-11-29 06:32"))
  end)
end)

describe("a daemon that slept", function()
  local cases = {
    -- misfire, grace (seconds), now → what
    { "coalesce", nil, "2026-11-29 06:20", { "2026-11-29 06:15" } },
    { "coalesce", nil, "2026-11-29 10:20", { "2026-11-29 10:15 +16" } },
    { "coalesce", 300, "2026-11-29 10:20", { "2026-11-29 10:15 +16" } },
    { "coalesce", 299, "2026-11-29 10:20", { "2026-11-29 10:15 misfire +16" } },
    { "skip", nil, "2026-11-29 06:15:59", { "2026-11-29 06:15" } },
    { "skip", nil, "2026-11-29 06:20", { "2026-11-29 06:15 misfire" } },
    { "skip", nil, "2026-11-29 10:20", { "2026-11-29 10:15 misfire +16" } },
    { "skip", nil, "2026-11-29 10:15:10", { "2026-11-29 10:00 misfire +15", "2026-11-29 10:15" } },
    { "skip", 600, "2026-11-29 10:20", { "2026-11-29 10:00 misfire +15", "2026-11-29 10:15" } },
    { "all", nil, "2026-11-29 06:46", { "2026-11-29 06:15 late", "2026-11-29 06:30 late", "2026-11-29 06:45 late" } },
    { "all", nil, "2026-11-29 06:15:59", { "2026-11-29 06:15" } },
    { "all", 1000, "2026-11-29 06:46",
      { "2026-11-29 06:15 misfire", "2026-11-29 06:30 late", "2026-11-29 06:45 late" } },
    { "all", 30, "2026-11-29 06:46",
      { "2026-11-29 06:15 misfire", "2026-11-29 06:30 misfire", "2026-11-29 06:45 misfire" } },
  }
  for _, case in ipairs(cases) do
    it(("catches up by %s, grace %s, at %s"):format(case[1], case[2] or "none", case[3]), function()
      local clock, kind = every(900)
      local one = item(clock, kind, "2026-11-29 06:00", { misfire = case[1], grace = case[2] })
      assert.same(case[4], told(one, case[3]))
    end)
  end

  it("says when the first of those was that one run makes up for", function()
    local clock, kind = every(900)
    local ticks = due.collect(item(clock, kind, "2026-11-29 06:00"), at "2026-11-29 10:20")
    assert.equals(at "2026-11-29 06:15", ticks[1].missed_from)
  end)

  it("runs each of very many in portions, none twice", function()
    local clock, kind = every(1)
    local one = item(clock, kind, "2026-11-29 06:00", { misfire = "all" })
    assert.is_true(#due.collect(one, at "2026-11-29 06:30") < 1800)
    local all, seen = keys(one, "2026-11-29 06:30"), {}
    for _, key in ipairs(all) do seen[key] = (seen[key] or 0) + 1 end
    assert.equals(1800, #all)
    for key, count in pairs(seen) do assert.equals(1, count, key) end
    assert.is_nil(seen["2026-11-29T06:00:00Z"])
    assert.equals(1, seen["2026-11-29T06:30:00Z"])
  end)

  it("counts and records only so many of the ticks of years", function()
    local clock, kind = every(1)
    local one = item(clock, kind, "2016-11-29 06:00", { misfire = "all", grace = 10 })
    local ticks = due.collect(one, at "2026-11-29 06:00")
    assert.is_true(#ticks < 200)
    assert.equals(100, ticks[1].missed)
    assert.equals("2026-11-29T05:59:49Z", ticks[100].key)
    assert.equals("misfire", ticks[100].skipped)
    assert.is_nil(ticks[101].skipped)
    assert.equals("2026-11-29T06:00:00Z", ticks[#ticks].key)
  end)
end)

describe("jitter", function()
  it("puts a tick off by the same time whenever it is asked, within its bounds, and each by another", function()
    local clock, kind = cron "0 6 * * *"
    local one = item(clock, kind, "2026-11-28 06:00", { jitter = 600 })
    local other = item(clock, kind, "2026-11-28 06:00", { jitter = 600 })
    local seen, least, most = {}, math.huge, 0
    for day = 0, 199 do
      local time = at "2026-11-29 06:00" + day * DAY
      local off = due.at(one, time) - time
      assert.equals(off, due.at(other, time) - time)
      assert.is_true(off >= 0 and off < 600)
      assert.is_nil(seen[off])
      seen[off], least, most = true, math.min(least, off), math.max(most, off)
    end
    assert.is_true(least < 60 and most > 540)
  end)

  it("makes a tick due at its time put off, and no misfire of it", function()
    local clock, kind = cron "0 6 * * *"
    local one = item(clock, kind, "2026-11-28 06:00", { jitter = 600, misfire = "skip" })
    local time, put_off = due.next(one)
    assert.equals(at "2026-11-29 06:00", time)
    assert.same({}, told(one, put_off - 0.001))
    assert.same({ "2026-11-29 06:00" }, told(one, put_off))
    assert.same({ "2026-11-29 06:00" }, told(one, put_off + 59))
    assert.same({ "2026-11-29 06:00 misfire" }, told(one, put_off + 61))
  end)

  it("longer than the time between ticks loses none and doubles none", function()
    for _, misfire in ipairs { "all", "coalesce" } do
      local clock, kind = every(10)
      local one, seen, count = item(clock, kind, "2026-11-29 06:00", { jitter = 35, misfire = misfire }), {}, 0
      for now = at "2026-11-29 06:00", at "2026-11-29 07:00" do
        for _, tick in ipairs(due.collect(one, now)) do
          assert.is_nil(seen[tick.key])
          seen[tick.key], count = true, count + 1 + (tick.missed or 0)
          due.advance(one, tick.due)
        end
      end
      assert.is_true(count >= 356 and count <= 360, misfire .. count)
    end
  end)
end)

describe("a clock that jumps", function()
  it("back by an hour fires no fixed hour again", function()
    local clock, kind = cron "30 6 * * *"
    local one = item(clock, kind, "2026-11-29 06:30")
    assert.is_nil(due.go_back(one, at "2026-11-29 05:35"))
    assert.same({}, told(one, "2026-11-29 06:30"))
    assert.same({ "2026-11-30 06:30" }, told(one, "2026-11-30 06:30"))
  end)

  it("back by an hour lets a schedule that follows the clock go on at once, with keys of a pass of their own", function()
    for _, make in ipairs { function() return cron "*/15 * * * *" end, function() return every(900) end } do
      local clock, kind = make()
      local one = item(clock, kind, "2026-11-29 06:00")
      assert.same({ "2026-11-29T06:15:00Z", "2026-11-29T06:30:00Z" },
        { keys(one, "2026-11-29 06:15")[1], keys(one, "2026-11-29 06:30")[1] })
      assert.equals("again", due.go_back(one, at "2026-11-29 05:35"))
      assert.is_nil(due.go_back(one, at "2026-11-29 05:35"))
      assert.same({}, told(one, "2026-11-29 05:44"))
      assert.same({ "2026-11-29T05:45:00Z#1" }, keys(one, "2026-11-29 05:45"))
      assert.same({ "2026-11-29T06:00:00Z#1" }, keys(one, "2026-11-29 06:00"))
      assert.equals("again", due.go_back(one, at "2026-11-29 05:50"))
      assert.same({ "2026-11-29T06:00:00Z#2" }, keys(one, "2026-11-29 06:00"))
    end
  end)

  it("back by an hour lets an interval that is as a fixed hour wait for its next time", function()
    local clock, kind = every(6 * HOUR)
    clock.passes_both = function() return false end
    local one = item(clock, kind, "2026-11-29 06:00")
    assert.is_nil(due.go_back(one, at "2026-11-29 05:05"))
    assert.same({}, told(one, "2026-11-29 06:01"))
    assert.same({ "2026-11-29 12:00" }, told(one, "2026-11-29 12:00"))
  end)

  it("back by seconds, as when it is set right, fires nothing again", function()
    local clock, kind = cron "* * * * *"
    local one = item(clock, kind, "2026-11-29 06:30")
    assert.is_nil(due.go_back(one, at "2026-11-29 06:29:57"))
    assert.same({}, told(one, "2026-11-29 06:30"))
    assert.same({ "2026-11-29 06:31" }, told(one, "2026-11-29 06:31"))
  end)

  it("back by years does not make a fixed hour wait for years", function()
    local clock, kind = cron "30 6 * * *"
    local one = item(clock, kind, "2099-11-29 06:30")
    assert.equals("corrected", due.go_back(one, at "2026-11-29 05:35"))
    assert.same({ "2026-11-29T06:30:00Z#1" }, keys(one, "2026-11-29 06:30"))
  end)

  it("forwards over a tick runs it by the misfire rule", function()
    local clock, kind = cron "30 6 * * *"
    assert.same({ "2026-11-29 06:30" }, told(item(clock, kind, "2026-11-28 06:30"), "2026-11-29 07:30"))
    assert.same({ "2026-11-29 06:30 misfire" },
      told(item(clock, kind, "2026-11-28 06:30", { misfire = "skip" }), "2026-11-29 07:30"))
  end)

  it("by daylight saving runs a fixed hour once and a following one in both passes", function()
    local clock, kind = cron("30 2 * * *", "Europe/Berlin")
    assert.same({ "2026-10-25T00:30:00Z" }, keys(item(clock, kind, "2026-10-24 00:30", { misfire = "all" }), "2026-10-25 12:00"))
    assert.same({ "2026-03-29T01:00:00Z" }, keys(item(clock, kind, "2026-03-28 01:30", { misfire = "all" }), "2026-03-29 12:00"))
    clock, kind = cron("30 * * * *", "Europe/Berlin")
    assert.same({ "2026-10-24T23:30:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z" },
      keys(item(clock, kind, "2026-10-24 22:30", { misfire = "all" }), "2026-10-25 03:00"))
  end)
end)

describe("the heap of next times", function()
  it("gives the earliest, whatever is entered, moved and taken away", function()
    local h, model, seed = heap.new(), {}, 1
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 0x80000000
      return seed // 65536 % n + 1
    end
    for _ = 1, 5000 do
      local name, time = "s" .. random(60), random(4) > 1 and random(1000) or nil
      h:set(name, time)
      model[name] = time
      local least
      for _, value in pairs(model) do least = math.min(least or value, value) end
      assert.equals(least, (h:first()))
      local limit, expected = random(1000), {}
      for n, value in pairs(model) do if value <= limit then expected[#expected + 1] = n end end
      table.sort(expected, function(a, b) return model[a] < model[b] or model[a] == model[b] and a < b end)
      assert.same(expected, h:until_time(limit))
    end
  end)
end)
