-- Waits work everywhere that Lua can stand. Each case is a place where a naive yield would fail.
local task = require "upjob.task"

local function wait() task.sleep(0.005) return true end

describe("a wait", function()
  it("works at the top level of a script", function()
    assert.is_true(wait())
  end)

  it("works in a task", function()
    assert.equals("value", task.spawn(function() wait() return "value" end):wait())
  end)

  it("works in a script's own coroutine, which does not see it", function()
    local co = coroutine.create(function(a) wait() local b = coroutine.yield(a + 1) wait() return b * 2 end)
    assert.same({ true, 2 }, { coroutine.resume(co, 1) })
    assert.equals("suspended", coroutine.status(co))
    assert.same({ true, 20 }, { coroutine.resume(co, 10) })
    assert.equals("dead", coroutine.status(co))
  end)

  it("works in a generator made with coroutine.wrap, nested twice", function()
    local function inner() return coroutine.wrap(function() for i = 1, 3 do wait() coroutine.yield(i) end end) end
    local outer = coroutine.wrap(function() for i in inner() do wait() coroutine.yield(i * 10) end end)
    local seen = {}
    for i in outer do seen[#seen + 1] = i end
    assert.same({ 10, 20, 30 }, seen)
  end)

  it("works in pcall and xpcall, and errors after it are caught", function()
    assert.same({ false, "after" }, { pcall(function() wait() error("after", 0) end) })
    assert.same({ false, "handled: after" }, { xpcall(function() wait() error("after", 0) end,
      function(e) return "handled: " .. e end) })
  end)

  it("works in the iterator of a for loop", function()
    local n = 0
    for i in function() wait() n = n + 1 return n <= 3 and n or nil end do assert.equals(n, i) end
    assert.equals(4, n)
  end)

  it("works in __close, after a normal end and after an error", function()
    local closed = 0
    local guard = setmetatable({}, { __close = function() wait() closed = closed + 1 end })
    do local _ <close> = guard end
    assert.equals(1, closed)
    pcall(function() local _ <close> = guard error("x") end)
    assert.equals(2, closed)
  end)

  it("works while a module is required", function()
    package.preload["waits_while_loading"] = function() wait() return { loaded = true } end
    assert.is_true(require("waits_while_loading").loaded)
  end)

  it("works in the comparison of table.sort", function()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b) wait() return a < b end)
    assert.same({ 1, 2, 3 }, list)
  end)

  it("works in the function given to string.gsub", function()
    assert.equals("<a><b>", (("ab"):gsub(".", function(c) wait() return "<" .. c .. ">" end)))
  end)

  it("works in metamethods", function()
    local t = setmetatable({}, { __index = function(_, k) wait() return k .. "!" end,
                                 __lt = function() wait() return true end })
    assert.equals("x!", t.x)
    assert.is_true(t < t)
  end)

  it("works in a coroutine resumed where nothing can yield", function()
    local list = { 2, 1 }
    table.sort(list, function(a, b)
      local co = coroutine.wrap(function() wait() coroutine.yield() wait() return a < b end)
      co()
      return co()
    end)
    assert.same({ 1, 2 }, list)
  end)

  it("works after one in a coroutine that was resumed where nothing can yield", function()
    local list = { 3, 1, 2 }
    table.sort(list, function(a, b)
      coroutine.wrap(wait)()
      return a < b
    end)
    local other = task.spawn(function() wait() return "other" end)
    assert.is_true(wait())
    assert.same({ 1, 2, 3 }, list)
    assert.equals("other", other:wait())
  end)

  it("lets other tasks go on, also where it cannot yield", function()
    local ticks = 0
    local ticker = task.spawn(function() for _ = 1, 5 do task.sleep(0.002) ticks = ticks + 1 end end)
    table.sort({ 2, 1 }, function(a, b) task.sleep(0.05) return a < b end)
    assert.equals(5, ticks)
    ticker:wait()
  end)
end)

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

  it("cannot be waited for from above itself on the C stack", function()
    local message
    local outer
    outer = task.spawn(function()
      table.sort({ 2, 1 }, function(x, y)
        -- This wait runs the other task from here, below which the outer one stands.
        task.sleep(0.03)
        return x < y
      end)
      return "outer"
    end)
    local inner = task.spawn(function()
      table.sort({ 2, 1 }, function(x, y)
        local ok, err = pcall(outer.wait, outer)
        if not ok then message = err end
        return x < y
      end)
    end)
    inner:wait()
    assert.matches("in the middle of a call that cannot yield", message)
    assert.equals("outer", outer:wait())
  end)

  it("is cancelled at its wait, and its variables are closed", function()
    local closed, caught = false, nil
    local t = task.spawn(function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      local _, err = pcall(task.sleep, 10)
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
    local t = task.spawn(function() task.sleep(0.05) return "late" end)
    local ok, err = t:wait(0.01)
    assert.is_nil(ok)
    assert.equals("TimeoutError", err.code)
    assert.equals("late", t:wait())
  end)
end)

describe("task.all", function()
  it("cancels the others when one fails, and tells the error", function()
    local finished = false
    local results, err = task.all {
      function() task.sleep(0.2) finished = true end,
      function() wait() error("the second") end,
    }
    assert.is_nil(results)
    assert.matches("the second", tostring(err))
    task.sleep(0.25)
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
    assert.same({ 1, 2 }, { task.timeout(1, function() wait() return 1, 2 end) })
  end)

  it("cancels what was not", function()
    local closed = false
    local ok, err = task.timeout(0.01, function()
      local _ <close> = setmetatable({}, { __close = function() closed = true end })
      task.sleep(5)
    end)
    assert.is_nil(ok)
    assert.equals("TimeoutError", err.code)
    task.sleep(0.01)
    assert.is_true(closed)
  end)

  it("passes an error on", function()
    assert.has_error(function() task.timeout(1, function() wait() error("inside", 0) end) end, "inside")
  end)
end)

describe("a coroutine that waits", function()
  local co, waiting
  before_each(function()
    co = coroutine.create(function() task.sleep(0.01) return "its end" end)
    waiting = task.spawn(coroutine.resume, co)
    task.sleep(0)
    assert.equals("normal", coroutine.status(co))
  end)
  after_each(function()
    -- What was refused did it no harm.
    assert.same({ true, "its end" }, { waiting:wait() })
    assert.equals("dead", coroutine.status(co))
  end)

  it("is not resumed from another task", function()
    local ok, message = coroutine.resume(co)
    assert.is_false(ok)
    assert.matches("cannot resume a coroutine that waits", message)
  end)

  it("is not closed from another task", function()
    assert.has_error(function() coroutine.close(co) end,
      "cannot close a coroutine that waits: it goes on by itself when its wait is over")
  end)

  it("is not resumed from another task through coroutine.wrap", function()
    local step = coroutine.wrap(function() task.sleep(0.01) return "its end" end)
    local first = task.spawn(step)
    task.sleep(0)
    local ok, message = pcall(step)
    assert.is_false(ok)
    assert.matches("cannot resume a coroutine that waits", message)
    assert.equals("its end", first:wait())
  end)
end)

describe("an error object", function()
  local function passes(run)
    local object = setmetatable({}, { __tostring = function() return "shown" end })
    local ok, err = run(function() wait() error(object) end)
    assert.is_falsy(ok)
    assert.equals(object, err)
  end

  it("is the same behind a wait in a task", function()
    passes(function(f) return task.spawn(f):wait() end)
  end)

  it("is the same behind a wait in task.all and task.timeout", function()
    passes(function(f) return task.all { f } end)
    passes(function(f) return pcall(task.timeout, 1, f) end)
  end)

  it("is the same behind a wait in a coroutine, also where nothing can yield", function()
    passes(function(f) return coroutine.resume(coroutine.create(f)) end)
    passes(function(f) return pcall(coroutine.wrap(f)) end)
    passes(function(f) return pcall(table.sort, { 2, 1 }, coroutine.wrap(f)) end)
  end)

  it("may be nil", function()
    assert.equals(2, select("#", task.spawn(function() wait() error() end):wait()))
    assert.same({ false }, { pcall(coroutine.wrap(function() wait() error() end)) })
  end)
end)

describe("coroutines of scripts", function()
  it("are closed, and have a status, as Lua's own", function()
    local closed = false
    local co = coroutine.create(function()
      local _ <close> = setmetatable({}, { __close = function() wait() closed = true end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert.equals("suspended", coroutine.status(co))
    assert.is_true(coroutine.close(co))
    assert.is_true(closed)
    assert.equals("dead", coroutine.status(co))
    assert.equals("running", coroutine.status((coroutine.running())))
    assert.has_error(function() coroutine.close(1) end)
  end)

  it("behave as Lua's own where nothing waits", function()
    local co = coroutine.create(function() error("x", 0) end)
    assert.same({ false, "x" }, { coroutine.resume(co) })
    assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume((coroutine.running())) })
    assert.has_error(function() coroutine.wrap(function() error({ 1 }) end)() end, { 1 })
    assert.is_false(pcall(coroutine.resume, 1))
  end)

  it("that are given up while they wait are collected", function()
    for _ = 1, 50 do
      local t = task.spawn(function()
        local g = coroutine.wrap(function() task.sleep(60) end)
        g()
      end)
      task.sleep(0)
      t:cancel()
    end
    task.sleep(0.01)
    collectgarbage()
    collectgarbage()
    assert.is_true(true)
  end)
end)
