-- schedule.next as scripts see it.
local schedule = require "upjob.schedule"

local function epoch(text)
  local y, m, d, h, min = text:match("^(%d+)-(%d+)-(%d+) (%d+):(%d+)$")
  local days = 0
  for year = 1970, y - 1 do days = days + ((year % 4 == 0 and year % 100 ~= 0 or year % 400 == 0) and 366 or 365) end
  local lengths = { 31, (y % 4 == 0 and y % 100 ~= 0 or y % 400 == 0) and 29 or 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 }
  for month = 1, m - 1 do days = days + lengths[month] end
  return (days + d - 1) * 86400 + h * 3600 + min * 60
end

local function times(...)
  local list = {}
  for i, text in ipairs { ... } do list[i] = epoch(text) end
  return list
end

describe("schedule.next", function()
  it("gives the next times in the zone that is named", function()
    assert.same(times("2026-11-23 05:00", "2026-11-24 05:00"),
      schedule.next("0 6 * * MON-FRI", { tz = "Europe/Berlin", from = epoch "2026-11-20 05:00", count = 2 }))
    assert.same(times("2026-11-20 11:00"),
      schedule.next("0 6 * * mon-fri", { tz = "America/New_York", from = epoch "2026-11-20 05:00" }))
  end)

  it("gives a time that is after the one given, not the same", function()
    assert.same(times("2026-01-02 00:00"), schedule.next("@daily", { tz = "UTC", from = epoch "2026-01-01 00:00" }))
    assert.same(times("2026-01-01 00:00"), schedule.next("@daily", { tz = "UTC", from = epoch "2026-01-01 00:00" - 0.5 }))
  end)

  it("begins now and is in whole seconds when nothing else is said", function()
    local before = os.time()
    local found = assert(schedule.next("* * * * *"))
    assert.equals(1, #found)
    assert.equals("integer", math.type(found[1]))
    assert.is_true(found[1] > before and found[1] <= os.time() + 60)
  end)

  it("runs a skipped hour once at the jump and a repeated one at its first pass", function()
    assert.same(times("2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"),
      schedule.next("30 2 * * *", { tz = "Europe/Berlin", from = epoch "2026-03-28 00:00", count = 3 }))
    assert.same(times("2026-10-25 00:30", "2026-10-26 01:30"),
      schedule.next("30 2 * * *", { tz = "Europe/Berlin", from = epoch "2026-10-24 12:00", count = 2 }))
    assert.same(times("2026-10-25 00:00", "2026-10-25 00:30", "2026-10-25 01:00", "2026-10-25 01:30"),
      schedule.next("*/30 * * * *", { tz = "Europe/Berlin", from = epoch "2026-10-24 23:30", count = 4 }))
  end)

  it("says what is wrong with an expression, and where", function()
    local found, err = schedule.next("0 25 * * *")
    assert.is_nil(found)
    assert.equals("UsageError", err.code)
    assert.matches("hour field.*\"25\" at position 3.*0 to 23", tostring(err))
    found, err = schedule.next("0 0 30 2 *")
    assert.is_nil(found)
    assert.matches("never fires", tostring(err))
  end)

  it("names the zone that was meant, and reads no file outside tzdata", function()
    local found, err = schedule.next("@daily", { tz = "europe/berln" })
    assert.is_nil(found)
    assert.matches('did you mean "Europe/Berlin"', tostring(err))
    for _, name in ipairs { "../zoneinfo/UTC", "/usr/share/zoneinfo/UTC", "Europe/../UTC", "Europe//Berlin", "Europe/",
                           "./UTC" } do
      found, err = schedule.next("@daily", { tz = name })
      assert.is_nil(found, name)
      assert.matches("there is no time zone", tostring(err))
    end
  end)

  it("ends where it has no more times, and says when there is none", function()
    local found, err = schedule.next("@yearly", { tz = "UTC", from = 253402300799 - 86400 * 400, count = 5 })
    assert.equals(1, #assert(found, err))
    found, err = schedule.next("@yearly", { tz = "UTC", from = 253402300799 })
    assert.is_nil(found)
    assert.matches("does not fire", tostring(err))
  end)

  it("raises misuse at the caller's line", function()
    for message, call in pairs {
      ['unknown option "zone"'] = function() schedule.next("@daily", { zone = "UTC" }) end,
      ['unknown option "cuont" %(did you mean "count"'] = function() schedule.next("@daily", { cuont = 2 }) end,
      ['option "count" must be a whole number from 1'] = function() schedule.next("@daily", { count = 0 }) end,
      ['option "from" must be a number'] = function() schedule.next("@daily", { from = "now" }) end,
      ['option "from" is in seconds'] = function() schedule.next("@daily", { from = 1e300 }) end,
      ['option "tz" is empty'] = function() schedule.next("@daily", { tz = "" }) end,
      ["an expression is needed"] = function() schedule.next() end,
      ["table of options is needed"] = function() schedule.next("@daily", "UTC") end,
      ["NUL"] = function() schedule.next("@daily\0") end,
    } do
      local ok, err = pcall(call)
      assert.is_false(ok)
      assert.matches("schedule_spec.lua:%d+: schedule.next: .*" .. message, err)
    end
  end)
end)
