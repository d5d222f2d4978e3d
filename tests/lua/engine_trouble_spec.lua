-- The engine where something fails that it works with: children that cannot be started, a journal that is not there any more.
local engine_world = require "engine_world"
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local standins = require "standins"

local eventually, never = engine_world.eventually, engine_world.never

local write, told, world

local function start(options)
  world = options
  return engine_world.start(world)
end

local function stop() engine_world.stop(world) end

before_each(function()
  engine_world.begin()
  write, told = log.error, {}
  log.error = function(...) told[#told + 1] = string.format(...) end -- luacheck: ignore 122
end)

after_each(function()
  stop()
  engine_world.finish(0.1)
  log.error = write -- luacheck: ignore 122
end)

describe("the engine in trouble", function()
  it("ends when it is told to, though the journal takes no end of a run", function()
    local e = start { definitions = { never("a") } }
    e:trigger("a")
    eventually("the child", function() return #world.children.list == 1 end)
    world.store.fails = errors.new { code = "SystemError", message = "the disk is full" }
    world.children.list[1].finish("succeeded")
    stop()
    assert.is_false(e:drain(0.1))
    eventually("what was under way to end", function() return e:left() == 0 end)
    assert.matches("the disk is full", table.concat(told, "\n"))
  end)

  it("tries a run again that failed while the journal could not be written", function()
    local e = start { definitions = { never("a", { retries = 1, backoff = 0.1 }) } }
    local requeue, refused = world.store.requeue_run, false
    function world.store.requeue_run(...)
      if refused then return requeue(...) end
      refused = true
      return nil, errors.new { code = "SystemError", message = "the disk is full" }
    end
    e:trigger("a")
    eventually("the child", function() return #world.children.list == 1 end)
    world.children.list[1].finish("failed", "no luck")
    eventually("the second attempt", function() return #world.children.list == 2 end)
    world.children.list[2].finish("succeeded")
  end)

  it("does not wait, when it is told to end, for a hook that has not begun", function()
    local e = start { jobs = 1, definitions = { never("a", { has_on_failure = true }), never("b") } }
    local find = world.store.run
    function world.store.run(...) -- b takes the place of a before its end is dealt with
      native.sleep(0.2)
      return find(...)
    end
    e:trigger("a")
    e:trigger("b")
    eventually("a", function() return #world.children.list == 1 end)
    world.children.list[1].finish("failed", "no luck")
    eventually("b, and the hook to wait", function() return #world.children.list == 2 and e:snapshot().queued == 1 end)
    stop()
    world.children.list[2].finish("succeeded")
    assert.is_true(e:drain(engine_world.LIMIT))
    assert.same({ "a", "b" }, world.children.told())
    assert.is_nil(world.store.ticks["a\0ended|1"])
  end)

  it("pauses before it tries to start a hook again", function()
    local starts = 0
    local e = start { definitions = { never("a", { has_on_failure = true }) }, answer = function() return "failed", "no luck" end,
      start = function(run, definition, hook)
        if not hook then return world.children.start(run, definition) end
        starts = starts + 1
        return nil, errors.new { code = "SystemError", message = "no more processes" }
      end }
    e:trigger("a")
    eventually("the hook to be tried", function() return starts > 0 end)
    native.sleep(0.5)
    assert.equals(1, starts)
  end)

  it("goes on when what starts a child, or waits for it, raises", function()
    local raises = { a = true }
    local e = start { jobs = 1, definitions = { never("a"), never("b"), never("c") }, answer = function() return "succeeded" end,
      start = function(run, definition)
        if raises[definition.id] then error("out of everything") end
        local child = world.children.start(run, definition)
        if definition.id == "b" then child.wait = function() error("no news") end end
        return child
      end }
    e:trigger("a")
    eventually("it being told", function() return #told == 1 end)
    e:trigger("b")
    e:trigger("c")
    eventually("c", function() return world.store.runs_made[3].state == "succeeded" end)
    eventually("b", function() return world.store.runs_made[2].state == "failed" end)
    assert.matches("out of everything", told[1])
  end)

  it("tries a run again after its pause, though the clock is set back meanwhile", function()
    local e = start { definitions = { never("a", { retries = 1, backoff = 1.5 }) } }
    e:trigger("a")
    eventually("the child", function() return #world.children.list == 1 end)
    world.children.list[1].finish("failed", "no luck")
    eventually("its pause", function() return e:snapshot().queued == 1 end)
    world.store.offset = world.store.offset - 3600
    eventually("the second attempt", function() return #world.children.list == 2 end)
    world.children.list[2].finish("succeeded")
  end)

  it("deals with the end of a run that it waits for once, though it ends while the daemon starts", function()
    local store = standins.store()
    store:sync_schedules { dir = "/automations", list = { { id = "a", file = "a.lua", timing = "" } } }
    store:tick { { schedule = "a", key = "x", due = 1, run = { kind = "automation" } } }
    store:claim_run { id = 1 }
    local ticked = store.ticked
    function store.ticked(...) -- of the runs that go on; those that have ended are asked for next
      store.ticked = ticked
      local found = ticked(...)
      store:end_run { id = 1, state = "failed", error = { message = "no luck" } }
      return found
    end
    local e = start { store = store, definitions = { never("a", { has_on_failure = true }) },
                      answer = function() return "succeeded" end }
    eventually("the hook", function() return #world.children.list > 0 end)
    native.sleep(1.5)
    eventually("the end", function() return e:left() == 0 end)
    assert.same({ "a on_failure" }, world.children.told())
  end)

  it("says so once, and goes on, when the journal has a run no more", function()
    local e = start { definitions = { never("a") } }
    e:trigger("a")
    eventually("the child", function() return #world.children.list == 1 end)
    world.children.list[1].finish("succeeded")
    function world.store.run() return nil, errors.new { code = "NotFound", message = "there is no run 1" } end
    eventually("the end", function() return e:left() == 0 end)
    assert.equals(1, #told)
    assert.matches("there is no run 1", told[1])
  end)
end)
