--- Of the engine: what follows the end of a run. It is tried again; or its file is moved, the automation's own functions are
-- called, the heartbeat is sent, and what waits for its end is made to run.
--
-- All of it is done before the run is marked as dealt with (a tick with the key "ended|RUN"): a daemon that is killed in between
-- does it when it starts again, and what makes runs has keys of its own, so that it is done once.
local errors = require "upjob.errors"
local files = require "upjob.engine_files"
local glob = require "upjob.glob"
local heartbeat = require "upjob.heartbeat"
local log = require "upjob.log"
local native = require "upjob.native.task"
local report = require "upjob.report"
local skips = require "upjob.engine_skips"

local ends = {}

-- A chain of automations of which each runs because of the one before ends here.
ends.CHAIN_MOST = 16
-- The pause before a run is tried again: the first, unless told, and the longest.
local BACKOFF, BACKOFF_MOST = 60, 86400

local HOOK_ATTEMPTS, SIGKILL = 3, 9

-- Seconds between two times that the store is asked for what it could not do.
local STORE_AGAIN = 1

-- ---- the store ----

-- Whether the store has answered, though not with what it was asked for.
local function is_answer(err)
  for _, code in ipairs { "NotFound", "LeaseLost", "LeaseHeld", "RunEnded", "UsageError" } do
    if errors.has_code(err, code) then return true end
  end
  return false
end

--- An operation of the store, asked until it answers: value | nil, err. outcome: makes that of store:tick.
function ends.persist(self, operation, params, outcome)
  local value, err = self.store[operation](self.store, params, outcome and outcome())
  while value == nil and not is_answer(err) and not self.given_up do
    self:told_store(err)
    native.sleep(STORE_AGAIN)
    value, err = self.store[operation](self.store, params, outcome and outcome())
  end
  if value ~= nil and operation ~= "run" then self:told_store(nil) end -- what can be read need not be writable
  return value, err
end

-- ---- tries ----

local function pause_before(definition, attempt)
  return math.min(BACKOFF_MOST, (definition.backoff or BACKOFF) * 2 ^ (attempt - 1))
end

-- Puts a run that failed back into the queue, where it has tries left and its schedule is not gone by now: true when it is. One
-- that was interrupted can be claimed as it is.
local function try_again(self, entry, run, definition)
  local attempt = run.attempt or 1
  if attempt > (definition.retries or 0) or not self.items[entry.schedule] then return false end
  local now = self:now() or self.last_now
  local not_before = now + pause_before(definition, attempt)
  local ok, err = run.state == "interrupted", nil
  if not ok then ok, err = ends.persist(self, "requeue_run", { id = run.id, fence = run.fence, not_before = not_before }) end
  if not ok then
    log.with { run = run.id, schedule = entry.schedule, error = err }.error("run %d of %s cannot be put back into the queue: %s",
      run.id, entry.schedule, tostring(err))
    return false
  end
  log.with { run = run.id, schedule = entry.schedule, attempt = attempt, error = run.error }.warn(
    "run %d of %s failed, and is tried again in %s (attempt %d of %d)", run.id, entry.schedule,
    report.seconds(not_before - now), attempt + 1, definition.retries + 1)
  self.events:emit("run_retried", { schedule = entry.schedule, run = run.id, not_before = not_before, error = run.error })
  entry.attempt = attempt
  require("upjob.engine_queue").again(self, entry, not_before)
  return true
end

-- ---- hooks ----

local function tell_hook(entry, hook, outcome)
  if outcome.state == "succeeded" then return end
  log.with { run = entry.id, schedule = entry.schedule, hook = hook }.error("on_%s of %s failed for run %s: %s", hook,
    entry.schedule, tostring(entry.id), tostring(outcome.error and outcome.error.message or outcome.state))
end

-- Runs a hook as a child, and waits for its end: its outcome; nil when the daemon ends before it could.
local function call_once(self, entry, hook)
  local queue = require "upjob.engine_queue"
  local call = { id = entry.id, schedule = entry.schedule, definition = entry.definition, event = entry.event, hook = hook }
  function call.done(_, _, outcome) call.outcome = outcome end
  queue.add(self, call)
  queue.pump(self, self.last_now)
  while not call.outcome and not (self.stopping and not call.begun) do self.changed:wait() end
  return not call.killed and call.outcome or nil
end

-- Whether somebody else has killed it, as a machine without memory does: it did not come to tell what it was to tell.
local function was_killed(outcome)
  return outcome.signal == SIGKILL and outcome.error ~= nil and outcome.error.code == "Crashed"
end

-- Calls on_failure or on_recovery. False when the daemon ends before it could.
local function call_hook(self, entry, hook)
  local outcome
  for _ = 1, HOOK_ATTEMPTS do
    outcome = call_once(self, entry, hook)
    if not outcome then return false end
    if not was_killed(outcome) then break end
  end
  tell_hook(entry, hook, outcome)
  return true
end

-- ---- events ----

local function wants(item, entry, state)
  local d = item.definition
  if d.kind ~= "on_event" or item.id == entry.schedule or not glob.matches(d.expression, entry.schedule) then return false end
  return d.on == "ended" or (d.on or "succeeded") == state
end

-- The ticks of what runs because this one has ended.
local function followers(self, entry, run, state)
  local ticks, queue = {}, require "upjob.engine_queue"
  local chain = (entry.event and entry.event.chain or 0) + 1
  for id, item in pairs(self.items) do
    if wants(item, entry, state) then
      local event = { kind = "on_event", schedule = id, of = entry.schedule, run = run.id, state = state, chain = chain,
                      error = run.error, result = run.result }
      local one = { schedule = id, key = tostring(run.id), of = entry.schedule }
      if chain > ends.CHAIN_MOST then
        log.with { schedule = id, run = run.id }.error(
          "%s is not run after %s: a chain of more than %d automations that run because of one another", id,
          entry.schedule, ends.CHAIN_MOST)
        one.skipped = "chain"
      elseif item.paused then
        one.skipped = "paused"
      elseif item.definition.overlap == "skip" and queue.is_under_way(self, id) then
        one.skipped = "overlap"
      else
        one.run = queue.put_off(self, item, one.key, queue.run_of(item, event))
      end
      ticks[#ticks + 1] = one
    end
  end
  table.sort(ticks, function(a, b) return a.schedule < b.schedule end)
  return ticks
end

--- The key of the tick that marks a run as dealt with.
function ends.key(run)
  return "ended|" .. tostring(run)
end

-- What became of the tick of an automation that follows another.
local function tell_follower(self, item, one, result)
  if result.run then
    skips.over(item)
  elseif one.skipped and one.skipped ~= "chain" and not result.taken then
    skips.add(item, one.skipped, ("the end of run %s of %s"):format(one.key, one.of))
  end
  self.events:emit("tick", { schedule = item.id, skipped = one.skipped, run = result.run, taken = result.taken })
end

-- What a schedule has come to, as it is now: others of it may have ended since this run did.
local function outcome_of(self, entry, run, state)
  local item = self.items[entry.schedule]
  return { schedule = entry.schedule, ok = state == "succeeded", run = item and item.last and item.last.run or run.id,
           streak = item and item.streak, heartbeat = heartbeat.owed_for(self, entry.schedule, run) }
end

-- Marks the run as dealt with, counts its outcome and makes the runs that follow it, in one transaction; tried until the store
-- takes it.
local function mark(self, entry, run, state)
  local queue = require "upjob.engine_queue"
  local ticks = followers(self, entry, run, state)
  ticks[#ticks + 1] = { schedule = entry.schedule, key = ends.key(run.id), skipped = "ended" }
  if entry.unmoved then ticks[#ticks + 1] = { schedule = entry.schedule, key = files.key(run.id), skipped = "unmoved" } end
  local results = ends.persist(self, "tick", ticks, function() return outcome_of(self, entry, run, state) end)
  for i, result in ipairs(results or {}) do
    local one = ticks[i]
    local item = one.of and self.items[one.schedule]
    if item then tell_follower(self, item, one, result) end
    if result.run and item and not self.stopping then
      queue.add(self, { id = result.run, schedule = item.id, definition = item.definition, event = one.run.event,
                        not_before = one.run.not_before })
      if one.run.not_before then self:wake() end
    end
  end
end

-- ---- the end ----

local function tell(entry, run, seconds, goes_on)
  local message = run.error and (": " .. report.safe(run.error.message or tostring(run.error))) or "" -- in one line
  local lines = log.with { run = run.id, schedule = entry.schedule, state = run.state, attempt = run.attempt,
                           seconds = math.floor(seconds * 1000 + 0.5) / 1000, error = run.error }
  if run.state == "succeeded" then
    lines.info("run %d of %s succeeded in %s", run.id, entry.schedule, report.seconds(seconds))
  elseif goes_on then
    lines.warn("run %d of %s is interrupted after %s: the next daemon goes on with it", run.id, entry.schedule,
      report.seconds(seconds))
  else
    lines.error("run %d of %s %s after %s%s", run.id, entry.schedule, run.state, report.seconds(seconds), message)
  end
end

-- Consecutive successes, or failures below 0.
local function streak_after(before, ok)
  if ok then return before > 0 and before + 1 or 1 end
  return before < 0 and before - 1 or -1
end

--- Deals with a run that has come to its last state. A daemon that is stopping leaves the hook to the next one.
function ends.settle(self, entry, run, definition, state)
  local ok = state == "succeeded"
  local item = self.items[entry.schedule]
  local before = item and item.streak or 0
  if item and not entry.late then
    item.streak = streak_after(before, ok)
    item.last = { run = run.id, state = state, at = run.ended_at }
  end
  entry.unmoved = not files.finish(self, entry, definition, ok)
  local hook = not ok and definition.has_on_failure and "failure"
    or ok and before < 0 and definition.has_on_recovery and "recovery"
  if ok and definition.heartbeat then heartbeat.send(self, entry.schedule, definition.heartbeat, run) end
  if hook and not call_hook(self, entry, hook) then return end
  mark(self, entry, run, state)
end

--- Deals with a run that failed: it is tried again, or has come to its end.
function ends.failed(self, entry, run, definition)
  if not try_again(self, entry, run, definition) then ends.settle(self, entry, run, definition, "failed") end
end

-- The run as the store has it | nil, which is told: the daemon ends. What a new journal does not know has failed.
local function look_up(self, entry)
  local run, err = ends.persist(self, "run", { id = entry.id })
  if not run and errors.has_code(err, "NotFound") then return { id = entry.id, state = "failed", error = err } end
  if not run then
    log.with { run = entry.id, schedule = entry.schedule, error = err }.error("what became of run %d of %s is not known: %s",
      entry.id, entry.schedule, tostring(err))
  end
  return run
end

-- A child that is gone has left its run open: it was killed before it claimed it, or before its end was written.
local function close_left_open(self, entry, run, outcome)
  if run.state ~= "queued" and run.state ~= "running" and run.state ~= "lost" then return run end
  local claimed, err = ends.persist(self, "claim_run", { id = run.id, to_end = run.state ~= "queued" })
  if claimed then
    claimed, err = ends.persist(self, "end_run", { id = run.id, fence = claimed.fence, state = "failed", error = outcome.error or
      errors.new { code = "Crashed", message = "its process ended without a word" } })
  end
  if not claimed and not errors.has_code(err, "LeaseHeld") then
    log.with { run = run.id, schedule = entry.schedule, error = err }.error("run %d of %s was left open, and cannot be ended: %s",
      run.id, entry.schedule, tostring(err))
  end
  return look_up(self, entry)
end

--- A child has ended: what became of its run is in the store.
function ends.ended(self, entry, outcome, seconds)
  local run = look_up(self, entry)
  run = run and close_left_open(self, entry, run, outcome)
  if not run then return end
  -- One that was stopped for longer than its lease may be another process's by now, which says what becomes of it.
  if run.state == "running" then return require("upjob.engine_start").adopt(self, entry) end
  local item = self.items[entry.schedule]
  local definition = item and item.definition or entry.definition
  local goes_on = self.stopping and run.state == "interrupted"
  tell(entry, run, seconds, goes_on)
  self.events:emit("run_ended", { schedule = entry.schedule, run = run.id, state = run.state, seconds = seconds,
                                  attempt = run.attempt, error = run.error or outcome.error, result = run.result })
  if run.state == "succeeded" then return ends.settle(self, entry, run, definition, "succeeded") end
  if goes_on or run.state == "cancelled" then return end
  ends.failed(self, entry, run, definition)
end

return ends
