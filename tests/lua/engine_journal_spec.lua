-- The engine on a journal that cannot be written, or is another one by now.
local engine_world = require "engine_world"
local errors = require "upjob.errors"
local native = require "upjob.native.task"

local every, never, start, stop = engine_world.every, engine_world.never, engine_world.start, engine_world.stop
local eventually, started = engine_world.eventually, engine_world.started
local ticks_of, quietly = engine_world.ticks_of, engine_world.quietly

before_each(engine_world.begin)
after_each(function() engine_world.finish() end)

describe("the engine on a bad journal", function()
  it("deals with an end once the journal can be written again; a run of which it knows nothing has failed", function()
    quietly(function(told)
      local world = { definitions = { never("a", { retries = 1, backoff = 0.1 }), never("b") } }
      local e = start(world)
      e:trigger("a")
      e:trigger("b")
      started(world, 2)
      world.children.list[1].finish("failed", "no luck")
      local run = world.store.run
      world.store.run = function(self, given)
        if given.id == 2 then return nil, errors.new { code = "NotFound", message = "there is no run 2" } end
        if self.fails then return nil, self.fails end
        return run(self, given)
      end
      world.store.fails = errors.new { code = "SystemError", message = "the disk is full" }
      world.children.list[2].finish("succeeded")
      eventually("both being told", function() return table.concat(told):find("run 2 of b failed") and #told >= 2 end)
      assert.equals(2, #world.children.list)
      world.store.fails = nil
      started(world, 3)
      world.children.list[3].finish("succeeded")
      eventually("the end", function() return e:left() == 0 end)
      assert.is_truthy(world.store.ticks["a\0ended|1"])
    end)
  end)

  it("deals with an end that an earlier daemon has left once its file, which could not be loaded, is mended", function()
    quietly(function()
      local definition = never("a", { has_on_failure = true })
      local before = { definitions = { definition } }
      start(before)
      stop(before)
      local world = { store = before.store, definitions = {},
                      errors = { { file = "a.lua", line = 1, message = "syntax error" } } }
      world.store:tick { { schedule = "a", key = "x", run = { kind = "automation", event = {} } } }
      world.store:claim_run { id = 1 }
      world.store:end_run { id = 1, state = "failed", error = { message = "no luck" } }
      local e = start(world)
      world.definitions, world.errors = { definition, never("b") }, {}
      assert(e:reload())
      started(world, 1)
      assert(e:reload())
      world.children.list[1].finish("succeeded")
      eventually("the end", function() return world.store.ticks["a\0ended|1"] and e:left() == 0 end)
      assert.same({ "a on_failure" }, world.children.told())
    end)
  end)

  it("keeps ticks due while the journal cannot be written, says so once, and loses none", function()
    quietly(function(told)
      local world = { definitions = { every("a", 1, { misfire = "all", overlap = "allow" }) },
                      answer = function() return "succeeded" end }
      start(world)
      started(world, 1)
      world.store.fails = setmetatable({}, { __tostring = function() return "the disk is full" end })
      eventually("it being told", function() return #told > 0 end)
      assert.equals("the disk is full", world.engine:snapshot().journal)
      native.sleep(2.5)
      local before = #ticks_of(world.store, "^a ")
      world.store.fails = nil
      eventually("the others", function() return #ticks_of(world.store, "^a ") >= before + 3 end)
      assert.equals(1, #told)
      assert.is_nil(world.engine:snapshot().journal)
      assert.matches("the disk is full", told[1])
      local list = ticks_of(world.store, "^a ")
      for i = 2, #list do
        local a, b = list[i - 1]:match("(%d%d)Z"), list[i]:match("(%d%d)Z")
        assert.equals((a + 1) % 60, tonumber(b))
      end
    end)
  end)

  it("takes a run that the journal no longer knows for failed, and ends all the same", function()
    quietly(function(told)
      local world = { definitions = { never("a", { has_on_failure = true, overlap = "allow" }) } }
      world.answer = function(child) return child.hook and "succeeded" end
      local e = start(world)
      local id = assert(e:trigger("a"))
      started(world, 1)
      world.store.runs_made[id] = nil
      world.children.list[1].finish("succeeded")
      started(world, 2)
      assert.equals("failure", world.children.list[2].hook)
      assert.matches("no run 1 in the journal", told[1])
      stop(world)
      assert.is_true(e:drain(engine_world.LIMIT) ~= false)
    end)
  end)

  it("tells a journal that was begun anew of its schedules, and which are paused", function()
    local world = { definitions = { every("a", 1), never("b") }, answer = function() return "succeeded" end }
    local e = start(world)
    assert(e:pause("b", true))
    started(world, 1)
    world.store.known, world.store.losses = {}, 1
    eventually("both", function() return world.store.known.a and world.store.known.b and world.store.known.b.paused end)
    assert.is_false(world.store.known.a.paused)
    eventually("the last tick", function() return world.store.known.a.last_due ~= nil end)
    world.store.known = {}
    native.sleep(1.2)
    assert.same({}, world.store.known) -- once for each loss
  end)
end)
