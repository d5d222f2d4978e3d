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
    table.sort({ 2, 1 }, function(a, b)
      for _ = 1, 2000 do
        if ticks < 5 then task.sleep(0.005) end
      end
      return a < b
    end)
    assert.equals(5, ticks)
    ticker:wait()
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
    passes(function(f) return pcall(task.timeout, 60, f) end)
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
