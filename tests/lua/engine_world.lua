-- An engine with stand-ins for the journal and the children, for the tests of it.
local engine = require "upjob.engine"
local log = require "upjob.log"
local native = require "upjob.native.task"
local standins = require "standins"

local engine_world = {}

--- Seconds for what must come.
engine_world.LIMIT = 100

local level
local running

--- A definition that is due every so many seconds.
function engine_world.every(id, seconds, options)
  local definition = { id = id, file = id .. ".lua", line = 1, kind = "every", expression = seconds .. "s", overlap = "skip",
                       misfire = "coalesce" }
  for name, value in pairs(options or {}) do definition[name] = value end
  return definition
end

--- One that is not due while a test runs.
function engine_world.never(id, options)
  return engine_world.every(id, 86400 * 36500, options)
end

--- An engine on a store, with definitions that can be changed: world = { definitions =, errors =, store =, jobs =, answer =,
-- start =, not_moved = }, which gets store, children, watches, finished and engine.
function engine_world.start(world)
  world.store = world.store or standins.store()
  world.children = standins.children(world.store, world.answer)
  world.start = world.start or world.children.start
  world.watches = {}
  local e = engine.new {
    store = world.store, directory = "/automations", jobs = world.jobs or 4,
    load = function() return { definitions = world.definitions, errors = world.errors or {}, files = {} } end,
    clock = function(definition, anchor) return require("upjob.native.schedule").clock {
      kind = definition.kind, expression = definition.expression, tz = definition.tz, anchor = anchor } end,
    start = function(...) return world.start(...) end,
    watch = function(options)
      table.insert(world.watches, options)
      return { close = function() options.closed = true end }
    end,
    finish = function(file, how)
      if world.not_moved then return nil, world.not_moved(file) end
      world.finished = (world.finished or "") .. file.path .. " " .. how .. "\n"
      return true
    end,
  }
  assert(e:begin())
  world.engine = e
  world.ticking = native.spawn(e.run, e)
  running[#running + 1] = e
  return e
end

function engine_world.stop(world)
  world.engine:stop()
  world.ticking:wait()
end

--- Waits until it is so.
function engine_world.eventually(what, condition)
  local began = native.now()
  while not condition() do
    assert(native.now() - began < engine_world.LIMIT, "not seen within " .. engine_world.LIMIT .. " s: " .. what)
    native.sleep(0.01)
  end
end

function engine_world.started(world, n)
  engine_world.eventually(n .. " children", function() return #world.children.list >= n end)
end

--- What the store took, without what the engine marks for itself.
function engine_world.ticks_of(store, pattern)
  local list = {}
  for _, text in ipairs(store.order) do
    if not text:find("ended|", 1, true) and text:find(pattern) then list[#list + 1] = text end
  end
  return list
end

--- Calls fn(told) with a list of the errors that are logged meanwhile, or of the lines of another level.
function engine_world.quietly(fn, of)
  of = of or "error"
  local write = log[of]
  local told = {}
  log[of] = function(...) told[#told + 1] = string.format(...) end -- luacheck: ignore 122
  local ok, err = pcall(fn, told)
  log[of] = write -- luacheck: ignore 122
  assert(ok, err)
end

--- Before and after each test.
function engine_world.begin()
  level = log.level()
  log.level("error")
  running = {}
end

--- `patience`: seconds for what is under way.
function engine_world.finish(patience)
  for _, e in ipairs(running) do
    e:stop()
    e:kill()
    e:drain(patience or engine_world.LIMIT)
  end
  log.level(level)
end

return engine_world
