-- The engine while it works: schedules that change or are paused, files that come, the order to end.
local engine_files = require "upjob.engine_files"
local engine_world = require "engine_world"
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local standins = require "standins"
local system = require "upjob.native.system"

local every, never, start, stop = engine_world.every, engine_world.never, engine_world.start, engine_world.stop
local eventually, started = engine_world.eventually, engine_world.started
local ticks_of, quietly = engine_world.ticks_of, engine_world.quietly

before_each(engine_world.begin)
after_each(function() engine_world.finish() end)

describe("the engine at work", function()
  it("records ticks of a paused schedule and runs nothing, until it is resumed", function()
    local world = { definitions = { every("a", 1) }, answer = function() return "succeeded" end }
    local e = start(world)
    assert(e:pause("a", true))
    native.sleep(0)
    local before = #world.children.list
    eventually("two ticks", function() return #ticks_of(world.store, "paused$") >= 2 end)
    assert.equals(before, #world.children.list)
    assert.is_true(e:snapshot().schedules[1].paused)
    assert(e:pause("a", false))
    started(world, before + 1)
    local ok, err = e:pause("b", true)
    assert.is_nil(ok)
    assert.matches("no schedule \"b\"", tostring(err))
  end)

  it("takes what has changed when it is told, and cancels what waits for a schedule that is gone", function()
    local world = { jobs = 1, definitions = { never("a", { overlap = "queue" }), never("b") } }
    local e = start(world)
    e:trigger("a")
    e:trigger("a")
    e:trigger("b")
    started(world, 1)
    world.definitions = { never("b"), every("c", 1) }
    assert(e:reload())
    world.children.list[1].finish("succeeded") -- the one that was running ends as any other
    eventually("c", function()
      for _, id in ipairs(world.children.told()) do if id == "c" then return true end end
      if world.children.list[2] and not world.children.list[2].outcome then world.children.list[2].finish("succeeded") end
    end)
    assert.equals("succeeded", world.store.runs_made[1].state)
    assert.equals("cancelled", world.store.runs_made[2].state)
    assert.equals("succeeded", world.store.runs_made[3].state)
    assert.is_nil(select(1, e:trigger("a")))
  end)

  it("does not try a run again whose schedule is gone when it fails, and calls its on_failure", function()
    local world = { jobs = 1, definitions = { never("a", { retries = 3, has_on_failure = true }) } }
    local e = start(world)
    e:trigger("a")
    started(world, 1)
    world.definitions = {}
    assert(e:reload())
    engine_world.quietly(function()
      world.children.list[1].finish("failed", "no luck")
      started(world, 2)
    end)
    assert.same({ "a", "a on_failure" }, world.children.told())
    assert.equals("failed", world.store.runs_made[1].state)
    world.children.list[2].finish("succeeded")
  end)

  it("puts off what a file or the end of another automation makes run by its jitter, also over a restart", function()
    local drop = { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv", jitter = 3600 }
    local after = { id = "after", file = "after.lua", kind = "on_event", expression = "a", overlap = "queue", jitter = 3600 }
    local world = { definitions = { never("a"), drop, after }, answer = function() return "succeeded" end }
    local e = start(world)
    e:trigger("a")
    eventually("the end of a", function() return world.store.ticks["a\0ended|1"] end)
    assert.is_true(world.watches[1].on { path = "/drop/x.csv", key = "/drop/x.csv|1", size = 1 })
    assert.same({ "a" }, world.children.told())
    for id = 2, 3 do
      local run = world.store.runs_made[id]
      local wait = run.not_before - world.store:now()
      assert.is_true(run.state == "queued" and wait > 0 and wait <= 3600, run.schedule)
    end
    engine_world.stop(world)
    local again = { store = world.store, definitions = world.definitions, answer = world.answer }
    start(again)
    native.sleep(0)
    assert.same({}, again.children.told())
    world.store.offset = 3600
    again.engine:wake()
    started(again, 2)
  end)

  it("ticks while files are loaded, and loads them once more when it is told so meanwhile", function()
    local world = { definitions = { every("a", 1) }, answer = function() return "succeeded" end }
    local e = start(world)
    local load, loads = e.load, 0
    local go = native.signal()
    e.load = function(...)
      loads = loads + 1
      go:wait()
      return load(...)
    end
    local first, second = native.spawn(e.reload, e), native.spawn(e.reload, e)
    started(world, 2)
    assert.equals(1, loads)
    go:set()
    eventually("the second time", function() return loads == 2 end)
    go:set()
    assert.is_true(first:wait())
    assert.is_true(second:wait())
  end)

  it("does not run a schedule for times that it has only had since its file was changed", function()
    local store = standins.store()
    store.offset = 12 * 3600 - system.time() % 86400
    local daily = { id = "a", file = "a.lua", kind = "cron", tz = "UTC", expression = "0 6 * * *" }
    local world = { store = store, definitions = { daily }, answer = function() return "succeeded" end }
    local e = start(world)
    world.definitions = { { id = "a", file = "a.lua", kind = "cron", tz = "UTC", expression = "0 9 * * *" } }
    e:reload()
    native.sleep(0.1)
    stop(world)
    start { store = store, definitions = world.definitions, answer = world.answer }
    native.sleep(0.1)
    assert.same({}, store.order)
  end)

  it("tells a file that cannot be moved in one line, whatever its name is", function()
    quietly(function(told)
      local world = { definitions = { { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv" } } }
      world.answer = function() return "succeeded" end
      world.not_moved = function(file)
        return errors.new { code = "FileError", file = file.path, message = "no room" }
      end
      local e = start(world)
      native.spawn(world.watches[1].on, { path = "/drop/a\nupjob: all is well.csv", key = "a", size = 1 })
      eventually("its end", function() return #told > 0 and e:left() == 0 end)
      assert.equals(1, #told)
      assert.is_nil(told[1]:find("\n", 1, true))
    end)
  end)

  it("tells a file that cannot be moved once, tries it again, and runs it no second time, also not after a restart", function()
    local AGAIN = engine_files.AGAIN
    engine_files.AGAIN = 0.05
    local file = { path = "/drop/a.csv", key = "/drop/a.csv|1|2|3|4", size = 3 }
    local definitions = { { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv" } }
    local tried = 0
    local function not_moved(of)
      tried = tried + 1
      return errors.new { code = "FileError", file = of.path, message = "cannot be moved to /drop/done: Not a directory" }
    end
    local ok, err = pcall(quietly, function(told)
      local world = { definitions = definitions, not_moved = not_moved, answer = function() return "failed" end }
      local e = start(world)
      native.spawn(world.watches[1].on, file)
      eventually("three tries", function() return tried >= 3 and e:left() == 0 end)
      assert.equals(2, #told, table.concat(told, "\n")) -- the run that failed, and its file
      assert.matches("^drop: /drop/a.csv: cannot be moved to /drop/done: Not a directory; it is tried again every %S+ s, "
        .. "and not run again$", told[2])
      assert.same({ count = 1, file = file.path, error = "cannot be moved to /drop/done: Not a directory" },
        e:snapshot().schedules[1].unmoved)
      stop(world)
      local later = { store = world.store, definitions = definitions, not_moved = not_moved }
      e = start(later)
      assert.is_truthy(later.watches[1].taken(file))
      eventually("the next daemon to know of it", function() return e:snapshot().schedules[1].unmoved ~= nil end)
      later.not_moved = nil
      eventually("the move", function() return later.finished == "/drop/a.csv failed\n" end)
      eventually("nothing that is left", function() return e:snapshot().schedules[1].unmoved == nil end)
      assert.equals(1, #world.store.runs_made)
    end)
    engine_files.AGAIN = AGAIN
    assert(ok, err)
  end)

  it("goes on with the watch of a folder when others are reloaded: what has settled there does not begin anew", function()
    local drop = { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv" }
    local world = { definitions = { drop, never("a") }, answer = function() return "succeeded" end }
    local e = start(world)
    world.definitions = { drop, never("a"), never("b") }
    assert(e:reload())
    assert.equals(1, #world.watches)
    assert.is_nil(world.watches[1].closed)
    native.spawn(world.watches[1].on, { path = "/drop/a.csv", key = "a", size = 1 })
    eventually("its run", function() return world.finished == "/drop/a.csv done\n" end)
    world.definitions = { { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv", settle = 1 } }
    assert(e:reload())
    assert.equals(2, #world.watches)
    assert.is_true(world.watches[1].closed)
    world.definitions = {}
    assert(e:reload())
    assert.is_true(world.watches[2].closed)
  end)

  it("makes one run of each file, and moves it by how its run ended", function()
    quietly(function()
      local world = { definitions = { { id = "drop", file = "drop.lua", kind = "on_file", expression = "/drop/*.csv" } } }
      world.answer = function(child) return child.id == 2 and "failed" or "succeeded" end
      local e = start(world)
      for i, name in ipairs { "one", "two", "one" } do
        native.spawn(world.watches[1].on, { path = "/drop/" .. name .. ".csv", key = name, size = i })
      end
      eventually("their ends", function() return #world.children.list == 2 and e:left() == 0 and e:snapshot().queued == 0 end)
      assert.equals("/drop/one.csv done\n/drop/two.csv failed\n", world.finished)
      assert.equals(1, world.watches[1].taken { path = "/drop/one.csv", key = "one", size = 1 })
      assert(e:pause("drop", true))
      assert.is_true(world.watches[1].closed)
    end)
  end)

  it("waits for what is running when it is told to end, for so long, and starts nothing more", function()
    local world = { jobs = 1, definitions = { never("a", { overlap = "queue" }) } }
    local e = start(world)
    e:trigger("a")
    e:trigger("a")
    started(world, 1)
    stop(world)
    assert.is_false(e:drain(0.05))
    native.spawn(function()
      native.sleep(0.05)
      world.children.list[1].finish("succeeded")
    end)
    assert.is_true(e:drain(engine_world.LIMIT))
    assert.equals(1, #world.children.list)
    assert.equals("queued", world.store.runs_made[2].state)
    assert.equals("succeeded", world.store.runs_made[1].state)
  end)
end)
