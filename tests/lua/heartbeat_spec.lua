-- Heartbeats of the engine: what is owed when a daemon ends, and what is not sent any more. Stand-ins for the journal, the
-- children and the watchdog.
local engine_world = require "engine_world"
local http = require "upjob.http"
local native = require "upjob.native.task"
local standins = require "standins"

local URL = "https://watchdog.example/key"
local never, start, eventually, quietly = engine_world.never, engine_world.start, engine_world.eventually, engine_world.quietly

-- The watchdog: how often it was called, and what it answers: a status, or a function that returns one; nil: it is not there.
local calls, answer, get

before_each(function()
  engine_world.begin()
  calls, answer, get = 0, 200, http.get
  http.get = function() -- luacheck: ignore 122
    calls = calls + 1
    local status = answer
    if type(answer) == "function" then status = answer() end
    native.sleep(0)
    if not status then return nil, "there is no connection" end
    return { status = status }
  end
end)

after_each(function()
  engine_world.finish()
  http.get = get -- luacheck: ignore 122
end)

local function new_world()
  return { store = standins.store(), definitions = { never("a", { heartbeat = URL }) },
           answer = function() return "succeeded" end }
end

local function is_owed(world)
  return world.store:ticked { { schedule = "a", key = "heartbeat" } }[1]
end

-- An engine whose only run has succeeded, whose watchdog did not answer, and which has ended since.
local function ended_with_one_owed()
  local world = new_world()
  answer = nil
  start(world):trigger "a"
  eventually("a call", function() return calls == 1 end)
  quietly(function(told)
    engine_world.stop(world)
    assert.is_true(world.engine:drain(engine_world.LIMIT))
    assert.matches("^a: the heartbeat to https://watchdog.example #%x+ failed: there is no connection; the next daemon", told[1])
  end, "warn")
  assert.equals(1, is_owed(world))
  assert.equals(0, #world.store.letters)
  return world
end

describe("a heartbeat", function()
  it("is sent once, and not owed then", function()
    local world = new_world()
    start(world):trigger "a"
    eventually("it is not owed", function() return calls == 1 and world.store.ticks["a\0ended|1"] and not is_owed(world) end)
    engine_world.stop(world)
    start(world):trigger "a"
    eventually("the next one", function() return calls == 2 end)
  end)

  it("that is answered with a redirect has not come to where it was to go, and is tried again", function()
    local world = new_world()
    answer = function() return calls > 1 and 200 or 301 end
    start(world):trigger "a"
    eventually("it is not owed", function() return calls == 2 and world.store.ticks["a\0ended|1"] and not is_owed(world) end)
  end)

  it("that failed when the daemon ended is sent by the next daemon", function()
    local world = ended_with_one_owed()
    answer = 200
    start(world)
    eventually("it is not owed", function() return calls == 2 and not is_owed(world) end)
  end)

  it("of a success that is long past is not sent, which is told", function()
    local world = ended_with_one_owed()
    answer = 200
    local run = world.store.runs_made[1]
    run.ended_at = run.ended_at - 3600
    quietly(function(told)
      start(world)
      eventually("a word", function() return told[1] end)
      assert.matches("^a: the heartbeat of run 1 is not sent: the run succeeded .* ago", told[1])
    end, "warn")
    eventually("it is not owed", function() return not is_owed(world) end)
    assert.equals(1, calls)
  end)

  it("of a run whose end nobody has dealt with, and which is long past, is not sent either", function()
    local world = new_world()
    start(world)
    engine_world.stop(world)
    world.store:tick { { schedule = "a", key = "x", run = { kind = "automation", event = {} } } }
    world.store:claim_run { id = 1 }
    world.store:end_run { id = 1, state = "succeeded" }
    world.store.runs_made[1].ended_at = world.store.runs_made[1].ended_at - 3600
    quietly(function(told)
      start(world)
      eventually("a word", function() return told[1] and world.store.ticks["a\0ended|1"] end)
    end, "warn")
    assert.equals(0, calls)
    assert.is_false(is_owed(world))
  end)

  it("of a later success takes the place of one that is being tried", function()
    local world = new_world()
    answer = function() return calls > 1 and 200 end
    start(world):trigger "a"
    eventually("a call", function() return calls == 1 and world.store.ticks["a\0ended|1"] end)
    world.engine:trigger "a"
    eventually("both being dealt with", function()
      return calls == 2 and world.store.ticks["a\0ended|2"] and not is_owed(world)
    end)
    assert.equals(0, world.engine:left())
    assert.equals(2, calls)
  end)

  it("is not kept waiting by on_recovery", function()
    local world = new_world()
    world.definitions[1].has_on_recovery = true
    world.answer = function(child) return not child.hook and (child.id == 1 and "failed" or "succeeded") or nil end
    quietly(function()
      start(world):trigger "a"
      eventually("a failure", function() return world.store.ticks["a\0ended|1"] end)
      world.engine:trigger "a"
      eventually("a call", function() return calls == 1 end)
      eventually("the hook", function() return #world.children.list == 3 end)
    end)
    world.children.list[3].finish "succeeded"
    eventually("the end", function() return world.store.ticks["a\0ended|2"] end)
    assert.is_false(is_owed(world))
  end)
end)
