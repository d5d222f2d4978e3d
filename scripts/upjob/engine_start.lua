--- Of the engine: what an earlier daemon has left. Runs that are lost, interrupted or queued go on first; children that outlived
-- it are waited for; ends that it did not deal with are dealt with.
local ends = require "upjob.engine_ends"
local errors = require "upjob.errors"
local heartbeat = require "upjob.heartbeat"
local log = require "upjob.log"
local native = require "upjob.native.task"
local queue = require "upjob.engine_queue"
local schedules = require "upjob.engine_schedules"

local starting = {}

-- Runs that are asked for at a time.
local PAGE = 500
-- How often a child that is not ours is looked at, in seconds.
local LOOK = 1

-- Every automation's run in one of the states, the oldest first.
local function all_runs(self, states)
  local found, before = {}, nil
  repeat
    local page, err = self.store:runs { kind = "automation", state = states, before_id = before, limit = PAGE }
    if not page then return nil, err end
    for _, run in ipairs(page) do table.insert(found, 1, run) end
    before = page[#page] and page[#page].id
  until #page < PAGE
  return found
end

local function entry_of(self, run)
  local item = self.items[run.schedule]
  return { id = run.id, schedule = run.schedule, definition = item.definition, event = run.event,
           attempt = (run.attempt or 0) + 1, not_before = run.not_before }
end

-- ---- children that outlived their daemon ----

local function deal_with(self, entry, run)
  if run.state == "lost" or run.state == "interrupted" or run.state == "queued" then
    entry.first = run.state ~= "queued"
    log.with { run = run.id, schedule = entry.schedule }.info("run %d of %s is %s and goes on", run.id, entry.schedule, run.state)
    return queue.add(self, entry)
  end
  ends.ended(self, entry, {}, (run.ended_at or 0) - (run.begun_at or run.ended_at or 0))
end

--- Waits for the end of a run that a process holds which is not this daemon's child.
function starting.adopt(self, entry)
  self.adopted_count = self.adopted_count + 1
  self.adopted[entry.id] = true
  self.running[entry.schedule] = (self.running[entry.schedule] or 0) + 1
  log.with { run = entry.id, schedule = entry.schedule }.info("run %d of %s is still running, in a process that is not our child",
    entry.id, entry.schedule)
  native.spawn(function()
    local run, err
    repeat
      native.sleep(LOOK)
      run, err = self.store:run { id = entry.id }
    until self.stopping or errors.has_code(err, "NotFound") or (run and run.state ~= "running")
    self.adopted_count = self.adopted_count - 1
    self.running[entry.schedule] = self.running[entry.schedule] - 1
    if self.stopping then return end
    if run then
      deal_with(self, entry, run)
    else
      log.error("what became of run %d of %s is not known: %s", entry.id, entry.schedule, tostring(err))
    end
    queue.pump(self, self.last_now)
  end)
end

-- ---- what was not done ----

-- A run whose schedule is not there.
local function without_schedule(self, run)
  local known = self.stored[run.schedule]
  if not known then return end -- of another directory
  local lines = log.with { run = run.id, schedule = run.schedule }
  if schedules.is_in_error(self, known.file) then
    lines.warn("run %d of %s waits: %s cannot be loaded", run.id, run.schedule, known.file)
    self.left_over[#self.left_over + 1] = run
  elseif run.state == "queued" then
    queue.cancel(self, { id = run.id, schedule = run.schedule })
  elseif run.state ~= "running" then
    lines.warn("run %d of %s is %s, and there is no such schedule in %s any more: 'upjob runs resume %d' continues its import",
      run.id, run.schedule, run.state, self.directory, run.id)
  end
end

-- Which of these runs are dealt with already, by their place in the list.
local function settled(self, runs)
  local keys = {}
  for i, run in ipairs(runs) do keys[i] = { schedule = run.schedule, key = ends.key(run.id) } end
  if #keys == 0 then return {} end
  return self.store:ticked(keys)
end

-- Takes up a list of runs: true | nil, err
local function take_up(self, runs)
  local done, err = settled(self, runs)
  if not done then return nil, err end
  self.left_over = {}
  for i, run in ipairs(runs) do
    if done[i] then
      log.debug("run %d of %s was given up", run.id, run.schedule)
    elseif not self.items[run.schedule] then
      without_schedule(self, run)
    elseif run.state == "running" then
      starting.adopt(self, entry_of(self, run))
    else
      deal_with(self, entry_of(self, run), run)
    end
  end
  return true
end

--- Takes up the runs that have not ended: true | nil, err. One that was interrupted and given up, by its timeout when it had no
-- try left, stays as it is.
function starting.take_up(self)
  local runs, err = all_runs(self, { "queued", "running", "lost", "interrupted" })
  if not runs then return nil, err end
  return take_up(self, runs)
end

--- Takes up those whose schedules could not be loaded until now: true | nil, err
function starting.take_left_over(self)
  local runs = {}
  for _, run in ipairs(self.left_over) do
    local now, err = self.store:run { id = run.id }
    if not now and not errors.has_code(err, "NotFound") then return nil, err end
    runs[#runs + 1] = now
  end
  return take_up(self, runs)
end

-- Deals with runs of these schedules that have ended without anybody dealing with it: their daemon was killed at that moment.
local function settle_ended(self, ids)
  for _, id in ipairs(ends.persist(self, "unsettled", {}) or {}) do
    local run = ends.persist(self, "run", { id = id })
    local item = run and ids[run.schedule] and self.items[run.schedule]
    if item and not self.adopted[id] and (run.state == "succeeded" or run.state == "failed") then
      local entry = entry_of(self, run)
      entry.late = item.last and item.last.run > id -- its end is not the last one's
      local deal = run.state == "succeeded" and ends.settle or ends.failed
      deal(self, entry, run, item.definition, run.state)
    end
  end
end

--- Deals with the ends and the heartbeats that an earlier daemon has left, of schedules that are there now for the first time.
-- After the start these are those whose file is mended: a new one has left nothing.
function starting.settle(self, at_start)
  local ids = {}
  for id in pairs(self.items) do
    if not self.settled[id] and (at_start or self.stored[id]) then ids[id], self.settled[id] = true, true end
  end
  if not next(ids) then return end
  native.spawn(heartbeat.take_up, self, ids)
  native.spawn(settle_ended, self, ids)
end

return starting
