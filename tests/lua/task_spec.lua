-- Tasks: several things at once, their results, errors and ends.
local task = require "upjob.task"

local function wait() task.sleep(0.005) return true end

-- A place where Lua cannot yield: fn runs in the comparison of table.sort.
local function where_nothing_yields(fn)
  local results
  table.sort({ 2, 1 }, function(a, b)
    results = results or table.pack(fn())
    return a < b
  end)
  return table.unpack(results, 1, results.n)
end

describe("a task", function()
  it("runs beside others", function()
    local order = {}
    local function add(name, pause) return function() task.sleep(pause) order[#order + 1] = name return name end end
    assert.same({ "slow", "quick" }, task.all { add("slow", 0.03), add("quick", 0.01) })
    assert.same({ "quick", "slow" }, order)
  end)

  it("returns all its results, nils too", function()
    local t = task.spawn(function() return 1, nil, 3, nil end)
    assert.equals(4, select("#", t:wait()))
    assert.same({ 1, nil, 3 }, { t:wait() })
  end)

  it("gives its error to who waits for it", function()
    local ok, err = task.spawn(function() wait() error({ code = "Mine" }) end):wait()
    assert.is_nil(ok)
    assert.equals("Mine", err.code)
  end)

  it("cannot wait for itself", function()
    local t
    t = task.spawn(function() wait() return t:wait() end)
    local _, err = t:wait()
    assert.matches("a task cannot wait for itself", err)
  end)

  it("cannot wait in a circle", function()
    local a, b
    a = task.spawn(function() wait() return b:wait() end)
    b = task.spawn(function() wait() return a:wait() end)
    local _, first = a:wait()
    local _, second = b:wait()
    assert.matches("wait for each other", tostring(first) .. tostring(second))
  end)

  it("is cancelled at its wait, and its variables are closed", function()
    local closed, caught = false, nil
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      local _, err = pcall(task.sleep, 60)
      caught = err
      error(err, 0)
    end)
    task.sleep(0.01)
    t:cancel()
    local _, err = t:wait()
    assert.equals("Cancelled", caught.code)
    assert.equals("Cancelled", err.code)
    assert.is_true(closed)
  end)

  it("that was cancelled before it ran never runs", function()
    local ran = false
    local t = task.spawn(function() ran = true end)
    t:cancel()
    assert.is_nil((t:wait()))
    assert.is_false(ran)
  end)

  it("closes its variables when it dies of an error", function()
    local closed = false
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() wait() closed = true end })
      wait()
      error("dead")
    end)
    t:wait()
    assert.is_true(closed)
  end)

  it("can be waited for with a limit", function()
    local go = false
    local t = task.spawn(function() while not go do wait() end return "late" end)
    local ok, err = t:wait(0.01)
    assert.is_nil(ok)
    assert.equals("TimeoutError", err.code)
    go = true
    assert.equals("late", t:wait())
  end)
end)

describe("task.all", function()
  it("cancels the others when one fails, and tells the error", function()
    local closed, finished = false, false
    local results, err = task.all {
      function()
        local _ <close> = setmetatable({}, { __close = function() closed = true end })
        task.sleep(60)
        finished = true
      end,
      function() wait() error("the second") end,
    }
    assert.is_nil(results)
    assert.matches("the second", tostring(err))
    task.sleep(0.01)
    assert.is_true(closed)
    assert.is_false(finished)
  end)

  it("of nothing is done at once", function()
    assert.same({}, task.all {})
  end)

  it("refuses what is no task", function()
    assert.has_error(function() task.all { 1 } end)
  end)
end)

describe("task.timeout", function()
  it("returns the results of what was quick enough", function()
    assert.same({ 1, 2 }, { task.timeout(60, function() wait() return 1, 2 end) })
  end)

  it("cancels what was not", function()
    local closed = false
    local ok, err = task.timeout(0.01, function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      task.sleep(60)
    end)
    assert.is_nil(ok)
    assert.equals("TimeoutError", err.code)
    task.sleep(0.01)
    assert.is_true(closed)
  end)

  it("passes an error on", function()
    assert.has_error(function() task.timeout(60, function() wait() error("inside", 0) end) end, "inside")
  end)
end)

describe("a task in the middle of a call that cannot yield", function()
  -- Two tasks, each in such a call: the second stands on the C stack above the first.
  local below, above, seen
  local function stand(wait_for_below)
    below = task.spawn(function()
      where_nothing_yields(function() task.sleep(0.03) end)
      return "below"
    end)
    above = task.spawn(function() where_nothing_yields(function() seen = table.pack(pcall(wait_for_below)) end) end)
    above:wait()
    assert.equals("below", below:wait())
  end

  it("cannot be waited for from above itself on the C stack", function()
    stand(function() below:wait() end)
    assert.is_false(seen[1])
    assert.matches("in the middle of a call that cannot yield", seen[2])
  end)

  it("cannot be waited for there with task.all, nor from a coroutine", function()
    stand(function() task.all { below } end)
    assert.matches("task.all: item 1 cannot be waited for here: it is itself in the middle", seen[2])
    stand(function() coroutine.wrap(function() below:wait() end)() end)
    assert.matches("in the middle of a call that cannot yield", seen[2])
  end)

  it("cannot be waited for there through another task", function()
    local message
    stand(function()
      task.spawn(function() message = select(2, pcall(below.wait, below)) end):wait()
    end)
    assert.matches("cannot be waited for here", message)
  end)

  it("cannot be waited for there while the variables of a task that died are closed", function()
    local message
    stand(function()
      local dying = task.spawn(function()
        local _ <close> = setmetatable({}, { __close = function() message = select(2, pcall(below.wait, below)) end })
        error("dead")
      end)
      task.sleep(0.01)
      dying:wait()
    end)
    assert.matches("cannot be waited for here", message)
  end)

  it("can be waited for from above by a task that yields", function()
    local waiting
    stand(function() waiting = task.spawn(function() return below:wait() end) end)
    assert.equals("below", waiting:wait())
  end)
end)

describe("the running task", function()
  it("cannot be waited for with task.all, also where nothing can yield, and goes on", function()
    local me
    me = task.spawn(function()
      local direct = select(2, pcall(task.all, { me }))
      local nested = select(2, where_nothing_yields(function() return pcall(task.all, { wait, me }) end))
      local method = select(2, where_nothing_yields(function() return pcall(me.wait, me) end))
      wait()
      return direct, nested, method
    end)
    local direct, nested, method = me:wait()
    assert.matches("item 1 cannot be waited for here: a task cannot wait for itself", direct)
    assert.matches("item 2 cannot be waited for here: a task cannot wait for itself", nested)
    assert.matches("a task cannot wait for itself", method)
  end)

  it("cannot wait in a circle through task.all", function()
    local a, b
    a = task.spawn(function() wait() return assert(task.all { wait, b }) end)
    b = task.spawn(function() wait() return a:wait() end)
    local _, first = a:wait()
    local _, second = b:wait()
    assert.matches("wait for each other", tostring(first) .. tostring(second))
  end)
end)

describe("cancelling", function()
  local function closes(closed)
    return function()
      local _ <close> = setmetatable({}, { __close = function() closed[#closed + 1] = true end })
      task.sleep(60)
    end
  end

  it("a task that waits in task.all cancels what it waits for", function()
    local closed = {}
    local given = task.spawn(closes(closed))
    local t = task.spawn(function() task.all { closes(closed), given, wait } end)
    task.sleep(0.01)
    t:cancel()
    local _, err = t:wait()
    assert.equals("Cancelled", err.code)
    given:wait()
    task.sleep(0)
    assert.same({ true, true }, closed)
  end)

  it("a task that waits in task.timeout cancels what it waits for", function()
    local closed = {}
    local t = task.spawn(function() task.timeout(60, closes(closed)) end)
    task.sleep(0.01)
    t:cancel()
    t:wait()
    task.sleep(0)
    assert.same({ true }, closed)
  end)

  it("reaches a task that only yields", function()
    local t = task.spawn(function() while true do coroutine.yield() end end)
    task.sleep(0)
    t:cancel()
    assert.equals("Cancelled", select(2, t:wait()).code)
  end)

  it("a task that never ran and that nobody holds is safe", function()
    for _ = 1, 100 do task.spawn(function() end):cancel() end
    collectgarbage()
    collectgarbage()
    for _ = 1, 1000 do local _ = setmetatable({}, {}) end
    assert.is_true(wait())
  end)
end)

describe("a limit in seconds", function()
  it("of math.huge is none", function()
    assert.equals("done", task.timeout(math.huge, function() wait() return "done" end))
    assert.equals("done", task.spawn(function() wait() return "done" end):wait(math.huge))
  end)

  it("may be longer than any program runs", function()
    assert.equals("done", task.timeout(1e300, function() wait() return "done" end))
    assert.equals("done", task.spawn(function() wait() return "done" end):wait(1e300))
  end)

  it("of a sleep may be math.huge: it ends when it is cancelled", function()
    for _, seconds in ipairs { math.huge, 1e300 } do
      local t = task.spawn(task.sleep, seconds)
      assert.equals("TimeoutError", select(2, t:wait(0.01)).code)
      t:cancel()
      assert.equals("Cancelled", select(2, t:wait()).code)
    end
  end)

  it("that is negative or not a number is refused at the caller's line", function()
    local here = "^tests/lua/task_spec.lua:%d+: "
    local t = task.spawn(wait)
    for _, seconds in ipairs { -1, 0 / 0, -math.huge } do
      local _, timeout = pcall(function() task.timeout(seconds, wait) end)
      local _, sleep = pcall(function() task.sleep(seconds) end)
      local _, method = pcall(function() t:wait(seconds) end)
      assert.matches(here .. "task.timeout: seconds, 0 or more", timeout)
      assert.matches(here .. "task.sleep: seconds, 0 or more", sleep)
      assert.matches(here .. "bad argument #1 to 'wait' %(seconds, 0 or more%)", method)
    end
    assert.is_true(t:wait())
  end)
end)

describe("hundreds of tasks", function()
  it("wait at once where nothing can yield", function()
    local list, ended = {}, 0
    for i = 1, 300 do
      list[i] = function()
        where_nothing_yields(wait)
        ended = ended + 1
      end
    end
    assert(task.all(list))
    assert.equals(300, ended)
  end)
end)

describe("ten thousand tasks", function()
  it("run at once, and their memory comes back", function()
    local function run()
      local list, ended = {}, 0
      for i = 1, 10000 do list[i] = function() wait() ended = ended + 1 return i end end
      local results = assert(task.all(list))
      assert.equals(10000, ended)
      assert.equals(10000, results[10000])
    end
    local function memory()
      collectgarbage()
      collectgarbage()
      return collectgarbage("count")
    end
    run()
    local before = memory()
    run()
    assert.is_true(memory() < before + 1000, "kilobytes before and after: " .. before .. ", " .. memory())
  end)
end)

describe("the collector", function()
  -- Each returns what was before.
  local function mode_before(mode) wait() wait() return collectgarbage(mode) end

  it("of a heap that was large for a while does not stay the slow one", function()
    collectgarbage()
    assert.equals("generational", mode_before("generational"))
    do
      local large = {}
      for i = 1, 600000 do large[i] = { i } end
      assert.equals("incremental", mode_before("incremental"))
      assert.equals(600000, #large)
    end
    collectgarbage()
    collectgarbage()
    assert.equals("generational", mode_before("generational"))
  end)

  it("that a script chooses is not taken from it", function()
    collectgarbage("incremental")
    assert.equals("incremental", mode_before("generational"))
  end)
end)
