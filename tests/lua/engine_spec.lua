-- The engine with stand-ins for the journal and the children: what it makes of ticks and of the ends of runs.
local engine_world = require "engine_world"
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local standins = require "standins"
local system = require "upjob.native.system"

local every, never, start, stop = engine_world.every, engine_world.never, engine_world.start, engine_world.stop
local eventually, started, ticks_of = engine_world.eventually, engine_world.started, engine_world.ticks_of
local quietly = engine_world.quietly

before_each(engine_world.begin)
after_each(function() engine_world.finish() end)

describe("the engine", function()
  it("commits a tick before its child starts, and each tick once", function()
    local world = { definitions = { every("a", 1) }, answer = function() return "succeeded" end }
    start(world)
    started(world, 3)
    stop(world)
    for i, child in ipairs(world.children.list) do assert.equals(i, child.id) end
    local seen = {}
    for _, text in ipairs(ticks_of(world.store, "^a ")) do
      assert.is_nil(seen[text])
      seen[text] = true
    end
    assert.is_true(#ticks_of(world.store, "^a ") >= 3)
  end)

  it("counts an interval that divides no day from when the store first saw it, also after a restart", function()
    local world = { definitions = { every("a", 25200) } }
    local before = math.floor(system.time())
    local first = start(world):snapshot().schedules[1].next
    assert.is_true(first >= before + 25200 and first <= system.time() + 25200)
    stop(world)
    native.sleep(1.1)
    assert.equals(first, start(world):snapshot().schedules[1].next)
  end)

  it("starts no more children at a time than --jobs, and all in the end", function()
    local world = { jobs = 3, definitions = {} }
    for i = 1, 12 do world.definitions[i] = every("s" .. i, 1, { overlap = "queue" }) end
    world.answer = function() native.sleep(0.02) return "succeeded" end
    start(world)
    started(world, 24)
    assert.equals(3, world.children.most)
  end)

  it("skips, queues or allows a run that overlaps", function()
    local world = { jobs = 50, definitions = { every("skips", 1), every("queues", 1, { overlap = "queue" }),
                                               every("allows", 1, { overlap = "allow" }) } }
    start(world)
    eventually("three ticks of each", function()
      for _, id in ipairs { "skips", "queues", "allows" } do
        if #ticks_of(world.store, "^" .. id) < 3 then return false end
      end
      return true
    end)
    local count = {}
    for _, id in ipairs(world.children.told()) do count[id] = (count[id] or 0) + 1 end
    assert.equals(1, count.skips)
    assert.equals(1, count.queues)
    assert.is_true(count.allows >= 3)
    assert.matches("overlap$", ticks_of(world.store, "^skips ")[2])
    assert.is_nil(ticks_of(world.store, "^queues ")[2]:find("overlap"))
    for _, child in ipairs(world.children.list) do
      if child.schedule == "queues" then child.finish("succeeded") break end
    end
    eventually("the queued run", function()
      local n = 0
      for _, id in ipairs(world.children.told()) do n = n + (id == "queues" and 1 or 0) end
      return n == 2
    end)
  end)

  it("tries a run that fails again as the same run, pausing twice as long, then calls on_failure", function()
    quietly(function()
      local times = {}
      local world = { definitions = { never("a", { retries = 2, backoff = 0.2, has_on_failure = true }) } }
      world.answer = function(child)
        if child.hook then return "succeeded" end
        times[#times + 1] = native.now()
        return "failed", "no luck"
      end
      local e = start(world)
      local id = assert(e:trigger("a"))
      started(world, 4)
      assert.same({ "a", "a", "a", "a on_failure" }, world.children.told())
      for _, child in ipairs(world.children.list) do assert.equals(id, child.id) end
      assert.is_true(times[2] - times[1] >= 0.19 and times[3] - times[2] >= 0.39)
      assert.equals(1, #world.store.runs_made)
      eventually("the streak", function() return world.store.known.a.streak == -1 end)
    end)
  end)

  it("calls on_recovery at the first success after failures, and at no other", function()
    quietly(function()
      local state = "failed"
      local world = { definitions = { never("a", { has_on_recovery = true }) }, answer = function(child)
        return child.hook and "succeeded" or state
      end }
      local e = start(world)
      for i, now in ipairs { "succeeded", "failed", "failed", "succeeded", "succeeded" } do
        state = now
        e:trigger("a")
        eventually("run " .. i, function() return #ticks_of(world.store, "manual") == i and e:left() == 0 end)
      end
      assert.same({ "a", "a", "a", "a", "a on_recovery", "a" }, world.children.told())
      assert.equals(2, e:snapshot().schedules[1].streak)
    end)
  end)

  it("goes on when a hook fails", function()
    quietly(function(told)
      local world = { definitions = { never("a", { has_on_failure = true }) },
                      answer = function() return "failed", "no luck" end }
      local e = start(world)
      e:trigger("a")
      eventually("the end", function() return #world.children.list == 2 and e:left() == 0 end)
      assert.matches("on_failure of a failed", table.concat(told, "\n"))
      e:trigger("a")
      started(world, 3)
    end)
  end)

  it("calls a hook again that somebody has killed, three times at most, and not one that has crashed", function()
    for signal, calls in pairs { [9] = 3, [11] = 1 } do
      quietly(function(told)
        local world = { definitions = { never("a", { has_on_failure = true }) } }
        world.answer = function(child) return "failed", "gone", child.hook and signal end
        local e = start(world)
        e:trigger("a")
        eventually("the end", function() return #world.children.list == 1 + calls and e:left() == 0 end)
        local _, times = table.concat(told, "\n"):gsub("on_failure of a failed", "")
        assert.equals(1, times)
      end)
    end
  end)

  it("keeps as the last a run that ended while the hook of an earlier one was called, also after a restart", function()
    quietly(function()
      local world = { definitions = { never("a", { overlap = "queue", has_on_failure = true, has_on_recovery = true }) } }
      world.answer = function(child) return not child.hook and (child.id == 1 and "failed" or "succeeded") or nil end
      local e = start(world)
      e:trigger("a")
      eventually("the hook", function() return #world.children.list == 2 end)
      e:trigger("a")
      eventually("the second run, and on_recovery", function() return #world.children.list == 4 end)
      world.children.list[4].finish("succeeded")
      eventually("its outcome", function() return world.store.known.a.last_run == 2 end)
      world.children.list[2].finish("succeeded")
      eventually("the end", function() return e:left() == 0 end)
      assert.same({ 1, 2 }, { world.store.known.a.streak, world.store.known.a.last_run })
      -- The daemon was killed before it had marked the first one.
      world.store.ticks["a\0ended|1"] = nil
      stop(world)
      local later = { store = world.store, definitions = world.definitions, answer = function() return "succeeded" end }
      e = start(later)
      eventually("its mark", function() return world.store.ticks["a\0ended|1"] ~= nil end)
      assert.equals(1, e:snapshot().schedules[1].streak)
      assert.same({ 1, 2 }, { world.store.known.a.streak, world.store.known.a.last_run })
    end)
  end)

  it("runs what waits for the end of another, by id and pattern, and by how it ended", function()
    quietly(function()
      local world = { definitions = { never("a/one"), never("b"),
        { id = "after", file = "after.lua", kind = "on_event", expression = "a/one", on = "succeeded", overlap = "skip" },
        { id = "all", file = "all.lua", kind = "on_event", expression = "?*", on = "ended", overlap = "skip" },
        { id = "alarm", file = "alarm.lua", kind = "on_event", expression = "a/*", on = "failed", overlap = "skip" } } }
      local state = "succeeded"
      world.answer = function(child) return child.schedule == "a/one" and state or "succeeded" end
      local e = start(world)
      e:trigger("a/one")
      eventually("what follows", function() return #world.children.list >= 4 and e:left() == 0 and e:snapshot().queued == 0 end)
      -- "all" follows "a/one" and "after", never itself.
      local told = world.children.told()
      table.sort(told)
      assert.same({ "a/one", "after", "all", "all" }, told)
      state = "failed"
      e:trigger("a/one")
      eventually("the alarm", function() return #world.children.list >= 8 and e:left() == 0 and e:snapshot().queued == 0 end)
      told = { table.unpack(world.children.told(), 5) }
      table.sort(told)
      assert.same({ "a/one", "alarm", "all", "all" }, told)
    end)
  end)

  it("skips what waits for the end of another where a run of it is under way and it says so", function()
    local world = { definitions = { never("a", { overlap = "queue" }),
      { id = "skips", file = "skips.lua", kind = "on_event", expression = "a", on = "ended", overlap = "skip" },
      { id = "queues", file = "queues.lua", kind = "on_event", expression = "a", on = "ended", overlap = "queue" } } }
    world.answer = function(child) return child.schedule == "a" and "succeeded" or nil end
    local e = start(world)
    for _ = 1, 3 do e:trigger("a") end
    eventually("what follows", function() return #ticks_of(world.store, "^queues ") == 3 end)
    assert.equals(1, #ticks_of(world.store, "^skips %d+$"))
    assert.equals(2, #ticks_of(world.store, "^skips %d+ overlap$"))
    assert.equals(3, #ticks_of(world.store, "^queues %d+$"))
  end)

  it("tells ticks that are skipped while a run goes on once, and how many when the next one runs", function()
    quietly(function(told)
      local world = { definitions = { every("a", 1, { misfire = "all" }) } } -- on a busy machine, too, each second has its tick
      local e, missed = start(world), 0
      e.events:on("tick", function(event) missed = missed + (event.skipped and 1 or 0) end)
      eventually("three skipped ticks", function() return #ticks_of(world.store, "overlap$") >= 3 end)
      assert.equals(1, #told, table.concat(told, "\n"))
      assert.matches("^a: the tick of [%d:TZ-]+ is skipped %(overlap: an earlier run is not over%)", told[1])
      assert.is_true(e:snapshot().schedules[1].skipped >= 3)
      e:reload()
      assert.is_true(e:snapshot().schedules[1].skipped >= 3)
      world.children.list[1].finish("succeeded")
      started(world, 2)
      eventually("how many they were", function() return told[2] ~= nil end)
      local runs, skipped = 0, 0 -- while the first one ran: a stall may have made more of them since
      for _, text in ipairs(ticks_of(world.store, "^a ")) do
        if not text:find("overlap$") then runs = runs + 1 elseif runs == 1 then skipped = skipped + 1 end
      end
      assert.equals(("a: %d ticks were skipped one after another (overlap)"):format(skipped), told[2])
      eventually("an event of each", function() return missed == #ticks_of(world.store, "overlap$") end)
    end, "warn")
  end)

  it("tells how many ticks were skipped when it is stopped before another run", function()
    quietly(function(told)
      local world = { definitions = { every("a", 1, { misfire = "all" }) } }
      local e = start(world)
      eventually("skipped ticks", function() return #ticks_of(world.store, "overlap$") >= 2 and #told == 1 end)
      e:stop()
      assert.matches("^a: %d+ ticks were skipped one after another %(overlap%)$", told[2])
      assert.equals(#ticks_of(world.store, "overlap$"), tonumber(told[2]:match("%d+")))
      world.children.list[1].finish("succeeded")
      eventually("its end", function() return e:left() == 0 end)
    end, "warn")
  end)

  it("tells that an automation did not follow another because its earlier run was not over", function()
    quietly(function(told)
      local world = { definitions = { never("a", { overlap = "queue" }),
        { id = "b", file = "b.lua", kind = "on_event", expression = "a", on = "ended", overlap = "skip" } } }
      world.answer = function(child) return child.schedule == "a" and "succeeded" or nil end
      local e, skipped = start(world), 0
      e.events:on("tick", function(event) skipped = skipped + (event.skipped == "overlap" and 1 or 0) end)
      for _ = 1, 4 do e:trigger("a") end
      eventually("three that are skipped", function() return skipped == 3 end)
      assert.equals(1, #told)
      assert.matches("^b: the end of run %d of a is skipped %(overlap", told[1])
    end, "warn")
  end)

  it("refuses a chain of automations that run because of one another, and says so", function()
    quietly(function(told)
      local world = { definitions = { never("a"),
        { id = "ping", file = "ping.lua", kind = "on_event", expression = "[ap]*", on = "ended" },
        { id = "pong", file = "pong.lua", kind = "on_event", expression = "ping", on = "ended" } },
        answer = function() return "succeeded" end }
      world.definitions[2].expression = "p?ng"
      world.definitions[4] = { id = "first", file = "first.lua", kind = "on_event", expression = "a", on = "ended" }
      world.definitions[5] = { id = "pung", file = "pung.lua", kind = "on_event", expression = "first", on = "ended" }
      local e = start(world)
      e:trigger("a")
      eventually("the refusal", function() return #told > 0 and e:left() == 0 and e:snapshot().queued == 0 end)
      assert.matches("chain of more than 16", table.concat(told, "\n"))
      assert.equals(17, #world.children.list)
    end)
  end)

  it("continues at its start what an earlier one has left, before anything else", function()
    local store = standins.store()
    local world = { store = store, definitions = { never("a", { overlap = "allow" }), never("b") }, jobs = 1 }
    local e = start(world)
    for _ = 1, 4 do assert(e:trigger("a")) end
    assert(e:trigger("b"))
    stop(world)
    world.children.list[1].finish("succeeded")
    e:drain(engine_world.LIMIT)
    store.runs_made[1].state = "succeeded"
    store.runs_made[3].state = "lost"
    store.runs_made[4].state = "interrupted"
    local after = { store = store, definitions = { world.definitions[1] }, jobs = 1, answer = function() return "succeeded" end }
    local last = log.warn
    local warned = {}
    log.warn = function(...) warned[#warned + 1] = string.format(...) end -- luacheck: ignore 122
    start(after)
    log.warn = last -- luacheck: ignore 122
    started(after, 3)
    assert.same({ 3, 4, 2 }, { after.children.list[1].id, after.children.list[2].id, after.children.list[3].id })
    assert.equals("cancelled", store.runs_made[5].state)
    assert.matches("run 5 of b is cancelled", table.concat(warned, "\n"))
  end)

  it("waits for a child that outlived its daemon, and does not start it again", function()
    local store = standins.store()
    local world = { store = store, definitions = { never("a", { has_on_failure = true }) } }
    local e = start(world)
    e:trigger("a")
    started(world, 1)
    e:stop()
    local after = { store = store, definitions = world.definitions, answer = function() return "succeeded" end }
    start(after)
    native.sleep(0.1)
    assert.equals(1, after.engine:snapshot().running)
    assert.same({}, after.children.told())
    quietly(function()
      store:end_run { id = 1, state = "failed" }
      started(after, 1)
      assert.same({ "a on_failure" }, after.children.told())
    end)
    world.children.list[1].finish("failed")
  end)

  it("leaves a run that another process has taken over from its child to that one", function()
    local world = { definitions = { never("a", { has_on_failure = true, retries = 1, backoff = 1 }) } }
    local e = start(world)
    local id = e:trigger("a")
    started(world, 1)
    local store, child = world.store, world.children.list[1]
    store.claim_run = function() return nil, errors.new { code = "LeaseHeld", message = "it goes on in process 1" } end
    child.outcome = { state = "failed" }
    child.over:set()
    eventually("its being waited for", function() return e:snapshot().schedules[1].running == 1 and e.active_count == 0 end)
    assert.equals("running", store.runs_made[id].state)
    store.runs_made[id].state = "succeeded"
    eventually("its end", function() return e:snapshot().schedules[1].last ~= nil end)
    assert.equals("succeeded", e:snapshot().schedules[1].last.state)
    assert.equals(1, #world.children.list)
  end)

  it("deals with an end that its daemon had no time to deal with, once", function()
    quietly(function()
      local store = standins.store()
      local world = { store = store, definitions = { never("a", { has_on_failure = true }) } }
      local e = start(world)
      e:trigger("a")
      started(world, 1)
      e:stop()
      store:end_run { id = 1, state = "failed" }
      for _ = 1, 2 do
        local after = { store = store, definitions = world.definitions, answer = function() return "succeeded" end }
        start(after)
        eventually("it being dealt with", function() return store.ticks["a\0ended|1"] and after.engine:left() == 0 end)
        world.hooks = (world.hooks or 0) + #after.children.list
        stop(after)
      end
      assert.equals(1, world.hooks)
      assert.equals(-1, store.known.a.streak)
    end)
  end)

  it("leaves a hook that it has no time for to the next one", function()
    quietly(function()
      local store = standins.store()
      for _, jobs in ipairs { 1, 2 } do -- with one child at a time the hook does not come to begin
        local id = "a" .. jobs
        local world = { store = store, jobs = jobs, definitions = { never(id, { has_on_failure = true }), never("b") } }
        world.answer = function(child) if child.schedule == id and not child.hook then return "failed" end end
        local e = start(world)
        if jobs == 1 then
          e:trigger(id)
          e:trigger("b")
        else
          e:trigger("b")
          e:trigger(id)
        end
        started(world, jobs == 1 and 2 or 3)
        stop(world)
        assert.is_false(e:drain(0.05))
        e:kill("TERM")
        assert.is_true(e:drain(engine_world.LIMIT))
        local after = { store = store, definitions = world.definitions, answer = function() return "succeeded" end }
        start(after)
        eventually("the hook", function() return table.concat(after.children.told(), " "):find(id .. " on_failure", 1, true) end)
        eventually("its end", function() return after.engine:left() == 0 end)
        stop(after)
      end
    end)
  end)

  it("tries again a child that cannot be started, and lets others go on meanwhile", function()
    quietly(function(told)
      local world = { jobs = 1, definitions = { never("a"), never("b") }, answer = function() return "succeeded" end }
      local e = start(world)
      local begin = e.start_child
      e.start_child = function(run, ...)
        if run.schedule == "a" then return nil, "no more processes" end
        return begin(run, ...)
      end
      e:trigger("a")
      e:trigger("b")
      started(world, 1)
      assert.same({ "b" }, world.children.told())
      assert.matches("run 1 of a cannot be started.*no more processes", told[1])
      assert.equals(1, e:snapshot().queued)
    end)
  end)

  it("catches up after a sleep by the misfire rule, from the ticks that are stored", function()
    local store = standins.store()
    local world = { store = store, answer = function() return "succeeded" end, definitions = {
      every("one", 3600), every("each", 3600, { misfire = "all" }), every("none", 3600, { misfire = "skip" }) } }
    store.offset = 1800 - system.time() % 3600 -- the middle of an hour
    start(world)
    stop(world)
    store.offset = store.offset + 5 * 3600
    local after = { store = store, definitions = world.definitions, answer = world.answer }
    start(after)
    started(after, 6)
    native.sleep(0.1)
    local count = {}
    for _, id in ipairs(after.children.told()) do count[id] = (count[id] or 0) + 1 end
    assert.same({ one = 1, each = 5 }, count)
    assert.matches("misfire$", ticks_of(store, "^none")[1])
    assert.equals(4, store.runs_made[1].event.missed or store.runs_made[2].event.missed or store.runs_made[6].event.missed)
  end)

  it("catches up with each time that was missed, also with one that was missed just before the daemon began", function()
    local store = standins.store()
    local world = { store = store, answer = function() return "succeeded" end, definitions = {
      every("each", 3600, { misfire = "all" }) } }
    store.offset = 1800 - system.time() % 3600 -- the middle of an hour
    start(world)
    stop(world)
    store.offset = store.offset + 2 * 3600 + 1800 + 20 -- 20 s after the third
    local after = { store = store, definitions = world.definitions, answer = world.answer }
    start(after)
    started(after, 3)
    assert.same({}, ticks_of(store, "overlap"))
  end)

  it("goes on at once when the clock is set back by an hour, and fires no fixed hour again", function()
    local store = standins.store()
    local hour = tonumber(os.date("!%H", math.floor(system.time())))
    local fixed = { id = "fixed", file = "f.lua", kind = "cron", tz = "UTC", expression = ("0 %d * * *"):format((hour + 1) % 24),
                    misfire = "all", overlap = "allow" }
    local world = { store = store, definitions = { every("follows", 1), fixed }, answer = function() return "succeeded" end }
    store.offset = 3598 - system.time() % 3600 -- just before the next hour
    start(world)
    eventually("the fixed hour", function() return #ticks_of(store, "^fixed") == 1 end)
    local before = #ticks_of(store, "^follows")
    store.offset = store.offset - 3600
    eventually("three more", function() return #ticks_of(store, "^follows") >= before + 3 end)
    assert.matches("#1$", ticks_of(store, "^follows")[before + 3])
    store.offset = store.offset + 3590
    native.sleep(2.2)
    assert.equals(1, #ticks_of(store, "^fixed"))
  end)
end)
