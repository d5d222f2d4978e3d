--- The engine of the daemon: which schedules there are, ticks that are committed when they are due, runs of them as children.
--
-- What it works with is handed to it, so that it can be tested with stand-ins: the journal's store, the loader of automations,
-- what starts children, what watches drop folders. One task ticks; each run that is under way has a task of its own.
local due = require "upjob.due"
local errors = require "upjob.errors"
local files = require "upjob.engine_files"
local heap = require "upjob.heap"
local heartbeat = require "upjob.heartbeat"
local log = require "upjob.log"
local native = require "upjob.native.task"
local queue = require "upjob.engine_queue"
local run_queue = require "upjob.run_queue"
local schedules = require "upjob.engine_schedules"
local skips = require "upjob.engine_skips"
local starting = require "upjob.engine_start"

local engine = {}
engine.__index = engine

-- The wall clock may be set while we sleep: looked at as often as this, in seconds.
local SLEEP_MOST = 1
-- A clock that goes back by less than this has not jumped.
local JUMP_LEAST = 1

-- ---- events ----

local emitter = {}
emitter.__index = emitter

--- events:on("run_ended", function(event) … end). Each handler runs in a task of its own. Names: reloading {},
-- loaded { errors }, tick { schedule, due, at, lag (seconds from its time to its commit), skipped (why it made no run), missed
-- (how many more it stands for), run, taken }, run_begun { schedule, run, attempt },
-- run_ended { schedule, run, state, seconds, attempt, error, result }, run_retried { schedule, run, not_before, error },
-- schedule_paused { schedule, paused }, draining {}, journal_lost {}: another is in its place, and knows the schedules.
function emitter:on(name, handler)
  self.handlers[name] = self.handlers[name] or {}
  table.insert(self.handlers[name], handler)
end

function emitter:emit(name, event)
  for _, handler in ipairs(self.handlers[name] or {}) do native.handler(handler, event) end
end

-- ---- the engine ----

--- An engine. options: store (upjob.journal), directory, jobs (children at a time), load(earlier) → loaded as loader.load,
-- clock(definition, anchor) → clock | nil, err, start(run, definition, hook) → handle | nil, err as children.start,
-- watch(options) → watch as drop.watch, finish(file, "done" | "failed", definition) as drop.finish.
function engine.new(options)
  local self = setmetatable({
    store = options.store, directory = options.directory, jobs = options.jobs, load = options.load, clock = options.clock,
    start_child = options.start, watch = options.watch, finish_file = options.finish,
    items = {},        -- by id: due.item with definition, streak, watch, last
    heap = heap.new(), -- of the next times of those that follow the clock
    queue = run_queue.new(), -- runs that wait
    active = {},       -- runs and hooks under way, a set
    active_count = 0, adopted_count = 0, turned_at = native.now(),
    running = {},      -- by schedule: how many
    left_over = {},    -- runs of files that cannot be loaded
    adopted = {},      -- ids of runs that another process was at work on: their ends are dealt with when that is seen
    settled = {},      -- ids of schedules of which the ends that an earlier daemon has left are dealt with
    losses_seen = options.store.losses,
    unmoved = {},      -- files whose runs have ended and that cannot be moved, by key
    beats = {},        -- heartbeats that are to be sent, by schedule
    after = 0,         -- what follows ends and is not done yet: hooks, heartbeats
    given_up = false,  -- what the store does not take now is left to the next daemon
    events = setmetatable({ handlers = {} }, emitter), free = native.signal(), changed = native.signal(), errors = {} }, engine)
  return self
end

--- One at a time: what reads schedules, writes to the store and then changes the schedules.
function engine:exclusively(fn, ...)
  while self.busy do self.free:wait() end
  self.busy = true
  local results = table.pack(pcall(fn, self, ...))
  self.busy = false
  self.free:set()
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

--- Interrupts the sleep until the next tick: something has changed.
function engine:wake()
  if self.sleeper then self.sleeper:cancel() end
end

local function sleep(self, seconds)
  self.sleeper = native.spawn(native.sleep, seconds)
  self.sleeper:wait()
  self.sleeper = nil
end

--- The store's time | nil when it cannot be had, which is told once.
function engine:now()
  local now, err = self.store:now()
  if not now then self:told_store(err) end
  return now
end

--- Trouble with the store is told when it begins and when it is over.
function engine:told_store(err)
  if err and not self.store_fails then log.error("the journal: %s; tried again every second", tostring(err)) end
  if not err and self.store_fails then log.warn("the journal can be written again") end
  self.store_fails = err and tostring(err) or nil
end

-- ---- ticks ----

local function enter(self, item)
  local _, at = due.next(item)
  self.heap:set(item.id, at)
end

local function event_of(item, tick)
  return { kind = item.definition.kind, schedule = item.id, due = tick.due, missed = tick.missed ~= 0 and tick.missed or nil,
           missed_from = tick.missed_from }
end

-- The tick as the store takes it.
local function entry_of(self, item, tick, begun)
  local skipped = tick.skipped
  if not skipped and (item.definition.overlap or "skip") == "skip" and not tick.catch_up then
    if begun[item.id] or queue.is_under_way(self, item.id) then skipped = "overlap" end
  end
  if not skipped then begun[item.id] = true end
  return { schedule = item.id, key = tick.key, due = tick.due, skipped = skipped, item = item, tick = tick,
           run = not skipped and queue.run_of(item, event_of(item, tick)) or nil }
end

local function plain(entry)
  return { schedule = entry.schedule, key = entry.key, due = entry.due, run = entry.run, skipped = entry.skipped }
end

local function tell_lag(entries, now)
  local most = 0
  for _, entry in ipairs(entries) do most = math.max(most, now - entry.tick.at) end
  log.debug("%d tick%s committed, %.0f ms after the first one's time", #entries, #entries == 1 and "" or "s", most * 1000)
end

-- What the store made of them: runs to start.
local function committed(self, entries, results, now)
  tell_lag(entries, now)
  for i, entry in ipairs(entries) do
    local result, item = results[i] or {}, entry.item
    due.advance(item, entry.due)
    if result.run then
      skips.over(item)
      queue.add(self, { id = result.run, schedule = entry.schedule, definition = item.definition, event = entry.run.event })
    elseif entry.skipped and not result.taken then
      skips.add(item, entry.skipped, "the tick of " .. entry.key, entry.tick.missed)
    end
    self.events:emit("tick", { schedule = entry.schedule, due = entry.due, at = entry.tick.at, lag = now - entry.tick.at,
                               skipped = entry.skipped, missed = entry.tick.missed, run = result.run, taken = result.taken })
    enter(self, item)
  end
end

-- Commits what is due now: true, or nil when the store cannot take it.
local function tick(self, now)
  local entries, begun = {}, {}
  for _, id in ipairs(self.heap:until_time(now)) do
    local item = self.items[id]
    for _, one in ipairs(due.collect(item, now)) do entries[#entries + 1] = entry_of(self, item, one, begun) end
  end
  if #entries == 0 then return true end
  local list = {}
  for i, entry in ipairs(entries) do list[i] = plain(entry) end
  local results, err = self.store:tick(list)
  self:told_store(err)
  if not results then return nil end
  committed(self, entries, results, self:now() or now)
  return true
end

-- The clock shows an earlier time than it did: schedules that follow it go on from there.
local function go_back(self, now)
  local again, corrected = 0, 0
  for _, item in pairs(self.items) do
    local how = item.clock and due.go_back(item, now)
    if how == "again" then again = again + 1 elseif how then corrected = corrected + 1 end
    if how then enter(self, item) end
  end
  if again + corrected > 0 then
    log.warn("the clock went back: %d schedule%s with it%s", again + corrected, again + corrected == 1 and " goes" or "s go",
      corrected > 0 and ", as it was wrong by more than a day" or "")
    self.unsynced = true
  end
  self.unsynced = self.unsynced and not schedules.sync(self)
  return not self.unsynced
end

-- A new journal is in the place of one that was damaged or removed: it is told of the schedules, and which are paused.
local function tell_new_store(self)
  local losses = self.store.losses
  if not schedules.sync(self) then return nil end
  for id, item in pairs(self.items) do
    if item.paused then
      local ok, err = self.store:pause { schedule = id, paused = true }
      if not ok then return self:told_store(err) end
    end
  end
  self.losses_seen = losses
  self.events:emit("journal_lost", {})
  return true
end

local function turn(self)
  self.turned_at = native.now()
  local now = self:now()
  if not now then return SLEEP_MOST end
  if self.store.losses ~= self.losses_seen and not tell_new_store(self) then return SLEEP_MOST end
  local jumped = self.last_now and now < self.last_now - JUMP_LEAST
  if (jumped or self.unsynced) and not go_back(self, now) then return SLEEP_MOST end
  if jumped then self.queue:clock_was_set(now - self.last_now) end
  self.last_now = now
  if not tick(self, now) then return SLEEP_MOST end
  files.again(self)
  queue.pump(self, now)
  self.queue:ripen(now) -- where no child may be started
  local at = math.min(self.heap:first() or math.huge, self.queue:next_time() or math.huge)
  return math.max(0, math.min(SLEEP_MOST, at - (self:now() or now)))
end

--- Loads the directory and takes up what an earlier daemon has left: true | nil, err
function engine:begin()
  local ok, err = self:exclusively(schedules.begin)
  if ok then ok, err = self:exclusively(starting.take_up) end
  if not ok then return nil, err end
  self.last_now = self.last_now or self:now()
  starting.settle(self, true)
  return true
end

--- Ticks until engine:stop() is called; one that could not be recorded is due until it is.
function engine:run()
  while not self.stopping do
    local seconds = self:exclusively(turn)
    if seconds > 0 and not self.stopping then
      sleep(self, math.ceil(seconds * 1000) / 1000)
    elseif not self.stopping then
      native.sleep(0)
    end
  end
end

-- ---- the end ----

--- No tick and no run from now on. Those under way go on.
function engine:stop()
  if self.stopping then return end
  self.stopping = true
  self.events:emit("draining", {})
  schedules.close(self)
  heartbeat.stop(self)
  for _, item in pairs(self.items) do skips.over(item) end
  self.changed:set()
  self:wake()
end

--- How many runs, and what follows ends, are still under way.
function engine:left()
  return self.active_count + self.after
end

--- Waits until nothing is under way, for that many seconds at most: true when nothing is.
function engine:drain(seconds)
  local timer = native.spawn(function()
    native.sleep(seconds)
    self.drain_over = true
    self.changed:set()
  end)
  while self:left() > 0 and not self.drain_over do self.changed:wait() end
  timer:cancel()
  self.drain_over = nil
  if self:left() > 0 then self.given_up = true end
  return self:left() == 0
end

--- Interrupts the wait of engine:drain.
function engine:stop_draining()
  self.drain_over = true
  self.changed:set()
end

--- Ends the children that are under way: what they were doing can be resumed.
function engine:kill(name)
  self.given_up = true
  for entry in pairs(self.active) do
    entry.killed = true
    if entry.handle and entry.handle.kill then entry.handle:kill(name) end
  end
end

-- ---- for the control socket, the status and metrics ----

--- { now, directory, jobs, running, queued, journal (why it cannot be used, or nil), errors = { { file, message } },
-- schedules = { { id, kind, expression, tz, next, paused, running, queued, last = { run, state, at }, streak, skipped (ticks
-- since the last that made a run), unmoved = { count, file, error } of files that cannot be moved } … } }; next is nil for what
-- no clock fires.
function engine:snapshot()
  local list, unmoved = {}, files.unmoved(self)
  for id, item in pairs(self.items) do
    local d, next_due, at = item.definition, nil, nil
    if item.clock then next_due, at = due.next(item) end
    list[#list + 1] = { id = id, kind = d.kind, expression = d.expression, tz = d.tz, file = d.file, next = at, due = next_due,
                        paused = item.paused, running = self.running[id] or 0, queued = self.queue.sizes[id] or 0,
                        last = item.last, streak = item.streak, skipped = item.skips and item.skips.count,
                        unmoved = unmoved[id] }
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return { now = self.last_now, directory = self.directory, jobs = self.jobs, running = self.active_count + self.adopted_count,
           queued = self.queue.size, stopping = self.stopping or false, journal = self.store_fails, errors = self.errors,
           schedules = list }
end

local function unknown(self, id)
  return schedules.unknown(self, id)
end

local function no_file(item)
  return errors.new { code = "UsageError",
    message = ("%s works on a file, and none is given: put one where it looks (%s)"):format(item.id, item.definition.expression) }
end

local function trigger(self, id)
  local item = self.items[id]
  if not item then return nil, unknown(self, id) end
  if item.definition.kind == "on_file" then return nil, no_file(item) end
  local now, err = self.store:now()
  if not now then return nil, err end
  self.triggers = (self.triggers or 0) + 1
  local event = { kind = "manual", schedule = id, due = now }
  local key = ("manual|%.3f|%d"):format(now, self.triggers)
  local results
  results, err = self.store:tick { { schedule = id, key = key, run = queue.run_of(item, event) } }
  if not results then return nil, err end
  queue.add(self, { id = results[1].run, schedule = id, definition = item.definition, event = event })
  queue.pump(self, now)
  return results[1].run
end

--- Runs a schedule once, now, or when its run that is under way has ended: the run's id | nil, err
function engine:trigger(id)
  return self:exclusively(trigger, id)
end

local function pause(self, id, paused)
  local item = self.items[id]
  if not item then return nil, unknown(self, id) end
  local ok, err = self.store:pause { schedule = id, paused = paused }
  if not ok then return nil, err end
  item.paused = paused
  schedules.watch(self, item)
  log.with { schedule = id }.info("%s is %s", id, paused and "paused" or "resumed")
  self.events:emit("schedule_paused", { schedule = id, paused = paused })
  self:wake()
  return true
end

--- Ticks of a schedule that is paused are recorded and run nothing: true | nil, err
function engine:pause(id, paused)
  return self:exclusively(pause, id, paused and true or false)
end

-- Ticks go on while files are loaded, which may take seconds.
local function reload(self)
  local loaded, err = self.load(self.loaded)
  if not loaded then return nil, err end
  local ok
  ok, err = self:exclusively(schedules.reload, loaded)
  if not ok then return nil, err end
  files.at_once(self)
  ok, err = self:exclusively(starting.take_left_over)
  starting.settle(self)
  return ok, err
end

--- Loads the files that have changed: true | nil, err. What is wrong in a file is told; its last good version stays.
function engine:reload()
  while self.reloading do self.free:wait() end
  self.reloading = true
  self.events:emit("reloading", {})
  local called, ok, err = pcall(reload, self)
  self.reloading = false
  self.free:set()
  self.events:emit("loaded", { errors = #self.errors })
  if not called then error(ok, 0) end
  if not ok then log.error("not all is reloaded: %s", tostring(err)) end
  self:wake()
  return ok, err
end

return engine
