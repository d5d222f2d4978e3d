--- Of the engine: runs that wait for their turn, and those that are under way.
--
-- An entry is { id, schedule, definition, event, not_before, hook = "failure" | "recovery" | nil, first = true for what an
-- earlier daemon has left, done = called at the end of a hook }. A run that waits to be tried again is an entry with not_before.
local due = require "upjob.due"
local ends = require "upjob.engine_ends"
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"

local queue = {}

-- Before a child that could not be started is tried again, in seconds.
local START_AGAIN = 10

--- What the store makes a run of.
function queue.run_of(item, event)
  return { kind = "automation", schedule = item.id, script = item.definition.script or item.definition.file,
           arguments = item.definition.args, file = event.path, event = event }
end

--- The same of what no clock fires: it is put off by the jitter that its key has.
function queue.put_off(self, item, key, run)
  local seconds = due.jitter(item, key)
  if seconds > 0 then run.not_before = (self:now() or self.last_now) + seconds end
  return run
end

--- A run is to be started when it is its turn.
function queue.add(self, entry)
  entry.apart = entry.hook and true or nil
  if entry.not_before then
    self.queue:push_later(entry, entry.not_before)
  elseif entry.hook or entry.first then
    self.queue:push_first(entry)
  else
    self.queue:push(entry)
  end
end

--- Whether a run of the schedule is not over yet.
function queue.is_under_way(self, id)
  return (self.running[id] or 0) > 0 or (self.queue.sizes[id] or 0) > 0
end

-- The definition as it is now, or as it was when the run was made.
local function definition_of(self, entry)
  local item = self.items[entry.schedule]
  return item and item.definition or entry.definition
end

local function may_start(self, entry)
  if entry.hook then return true end
  return definition_of(self, entry).overlap == "allow" or (self.running[entry.schedule] or 0) == 0
end

local function begin(self, entry)
  entry.begun = true
  self.active_count = self.active_count + 1
  self.active[entry] = true
  if entry.hook then return end
  self.running[entry.schedule] = (self.running[entry.schedule] or 0) + 1
end

local function leave(self, entry)
  self.active_count = self.active_count - 1
  self.active[entry] = nil
  if entry.hook then return end
  self.running[entry.schedule] = self.running[entry.schedule] - 1
end

-- A hook is no run that waits: it is put first again when its pause is over.
local function start_hook_again(self, entry)
  native.spawn(function()
    native.sleep(START_AGAIN)
    if self.stopping then return end
    queue.add(self, entry)
    queue.pump(self, self.last_now)
  end)
end

-- It could not be started: it waits.
local function start_again(self, entry, err)
  log.with { run = entry.id, schedule = entry.schedule, error = err }.error(
    "run %s of %s cannot be started, tried again in %d s: %s", tostring(entry.id), entry.schedule, START_AGAIN, tostring(err))
  entry.begun = nil
  if entry.hook then return start_hook_again(self, entry) end
  entry.not_before, entry.first = (self:now() or self.last_now) + START_AGAIN, nil
  if not self.stopping then queue.add(self, entry) end
end

local function tell_begin(self, entry)
  log.with { run = entry.id, schedule = entry.schedule, attempt = entry.attempt, hook = entry.hook }.info(
    "run %s of %s begins%s", tostring(entry.id), entry.schedule, entry.hook and " its on_" .. entry.hook or
    entry.attempt and entry.attempt > 1 and (", attempt %d"):format(entry.attempt) or "")
  if not entry.hook then
    self.events:emit("run_begun", { schedule = entry.schedule, run = entry.id, attempt = entry.attempt or 1 })
  end
end

-- What it returns, or nil and what it raises, unless the task is to end.
local function guarded(fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  if errors.has_code(results[2], "Cancelled") then error(results[2], 0) end
  return nil, errors.is(results[2]) and results[2] or errors.new { code = "InternalError", message = tostring(results[2]) }
end

-- The task of a run.
local function follow(self, entry)
  local definition, began = definition_of(self, entry), native.now()
  local handle, err = guarded(self.start_child, { id = entry.id, schedule = entry.schedule, event = entry.event }, definition,
    entry.hook)
  if not handle then
    leave(self, entry)
    start_again(self, entry, err)
  else
    tell_begin(self, entry)
    entry.handle = handle
    local outcome, fault = guarded(handle.wait, handle)
    outcome = outcome or { state = "failed", error = fault }
    leave(self, entry)
    self.after = self.after + 1
    local dealt, why = pcall(entry.hook and entry.done or ends.ended, self, entry, outcome, native.now() - began)
    self.after = self.after - 1
    if not dealt then
      log.with { run = entry.id, schedule = entry.schedule }.error("after run %s of %s: %s", tostring(entry.id), entry.schedule,
        tostring(why))
    end
  end
  queue.pump(self, self.last_now)
  self.changed:set()
end

--- Starts what is to be started: no more at a time than there may be.
function queue.pump(self, now)
  local function may(entry) return may_start(self, entry) end
  while not self.stopping and self.active_count + self.adopted_count < self.jobs do
    local entry = self.queue:take(now, may)
    if not entry then return end
    begin(self, entry)
    native.spawn(follow, self, entry)
  end
end

--- A run is to be tried again at that time.
function queue.again(self, entry, not_before)
  entry.handle = nil
  entry.begun = nil
  entry.not_before, entry.first = not_before, nil
  entry.attempt = (entry.attempt or 1) + 1
  queue.add(self, entry)
  self:wake()
end

--- A file is there for a schedule: its tick, unless it was ticked before. False when the store cannot take it, or the schedule
-- is not to: the file is offered again.
function queue.file(self, item, file)
  if self.stopping or item.paused or self.items[item.id] ~= item then return false end
  local event = { kind = "on_file", schedule = item.id, path = file.path, size = file.size, key = file.key }
  local run = queue.put_off(self, item, file.key, queue.run_of(item, event))
  local results, err = self.store:tick { { schedule = item.id, key = file.key, run = run } }
  self:told_store(err)
  if not results then return false end
  if results[1].run then
    queue.add(self, { id = results[1].run, schedule = item.id, definition = item.definition, event = event,
                      not_before = run.not_before })
    self.events:emit("tick", { schedule = item.id, run = results[1].run, lag = 0 })
    queue.pump(self, self.last_now)
    if run.not_before then self:wake() end
  end
  return true
end

--- The schedule is gone: its runs that wait are cancelled, and told.
function queue.cancel_gone(self, id)
  for _, entry in ipairs(self.queue:remove(id)) do queue.cancel(self, entry) end
end

--- Ends a run that waits as cancelled, because there is no such schedule any more.
function queue.cancel(self, entry)
  local run, err = self.store:claim_run { id = entry.id }
  local ok = run
  if run then
    ok, err = self.store:end_run { id = run.id, fence = run.fence, state = "cancelled", error = errors.new { code = "Cancelled",
      message = ("there is no schedule \"%s\" in %s any more"):format(entry.schedule, self.directory) } }
  end
  local lines = log.with { run = entry.id, schedule = entry.schedule, error = err }
  if ok then
    lines.warn("run %s of %s is cancelled: there is no such schedule in %s any more", tostring(entry.id), entry.schedule,
      self.directory)
  else
    lines.error("run %s of %s, which is gone, cannot be cancelled: %s", tostring(entry.id), entry.schedule, tostring(err))
  end
end

return queue
