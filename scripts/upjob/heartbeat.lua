--- The heartbeat of an automation: a URL that is called after each success, so that a watchdog elsewhere notices silence.
--
-- One that is owed is in the journal, and is sent by the next daemon when this one is killed. What hears it takes it for a
-- success of this moment, so it is not sent when the success is long past, and that of a later success takes its place.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local notify_http = require "upjob.notify_http"
local report = require "upjob.report"

local heartbeat = {}

-- Pauses before it is tried again, and the time for each try, in seconds.
local PAUSES, TIMEOUT = { 1, 3, 9 }, 15
-- A success that is longer ago than this, in seconds, is none of this moment.
local FRESH = 300
-- Of the tick by which the journal knows that it is owed.
local KEY = "heartbeat"

--- What is told of the URL: those of watchdogs have their key in the path.
function heartbeat.shown(url)
  return notify_http.target((url:gsub("^(%a+://)[^/?#]*@", "%1"))) or "its URL"
end

local function try(url)
  local ok, reply, err = pcall(require("upjob.http").get, url, { timeout = TIMEOUT, secrets = notify_http.secrets_of(url, {}) })
  if not ok then
    if errors.has_code(reply, "Cancelled") then error(reply, 0) end
    return tostring(reply)
  end
  if not reply then return tostring(err) end
  if reply.status >= 200 and reply.status < 300 then return nil end
  return ("the answer is %d%s"):format(reply.status,
    reply.status < 400 and ": redirects are not followed, give the address that it names" or "")
end

local function lines_of(beat)
  return log.with { schedule = beat.schedule, run = beat.run, attempts = beat.attempts }
end

-- Nothing is owed for that run any more.
local function drop(engine, beat, run)
  beat.attempts = 0
  if beat.run == run then beat.over = true end
  if not beat.recorded then return end
  local ok, err = engine.store:drop_heartbeat { schedule = beat.schedule, run = run }
  if not ok then engine:told_store(err) end
end

local function give_up(engine, beat, run, why)
  local shown = heartbeat.shown(beat.url)
  lines_of(beat).error("%s: the heartbeat to %s failed %d times: %s", beat.schedule, shown, beat.attempts, why)
  engine.store:add_dead_letter { kind = "heartbeat", target = shown, error = why, attempts = beat.attempts,
                                 payload = { schedule = beat.schedule, subject = "heartbeat of " .. beat.schedule } }
  drop(engine, beat, run)
end

-- Drops it when the success is long past, also by a clock that was set.
local function is_stale(engine, beat, run)
  local age = (engine:now() or engine.last_now) - beat.ended_at
  if math.abs(age) <= FRESH then return false end
  lines_of(beat).warn("%s: the heartbeat of run %d is not sent: the run succeeded %s %s, and whoever hears it would take that "
    .. "for now", beat.schedule, run, report.seconds(math.abs(age)), age > 0 and "ago" or "from now")
  drop(engine, beat, run)
  return true
end

-- Until the next try; a later success and the end of the daemon cut it short.
local function pause(beat, seconds)
  beat.sleeper = native.spawn(native.sleep, seconds)
  beat.sleeper:wait()
  beat.sleeper = nil
end

-- A try, and the pause before the next one.
local function attempt(engine, beat)
  local run = beat.run
  if is_stale(engine, beat, run) then return end
  local why = try(beat.url)
  if not why then return drop(engine, beat, run) end
  beat.attempts = beat.attempts + 1
  if not PAUSES[beat.attempts] then return give_up(engine, beat, run, why) end
  if beat.run == run and not engine.stopping then pause(beat, PAUSES[beat.attempts]) end
  if engine.stopping then
    lines_of(beat).warn("%s: the heartbeat to %s failed: %s; the next daemon sends it, if it begins soon", beat.schedule,
      heartbeat.shown(beat.url), why)
    beat.over = true
  end
end

local function follow(engine, beat)
  engine.after = engine.after + 1
  local over <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
    engine.beats[beat.schedule] = nil
    engine.after = engine.after - 1
    engine.changed:set()
  end })
  while not beat.over do attempt(engine, beat) end
end

--- Sends it for a run of that schedule, in a task of its own. What keeps failing is logged and becomes a dead letter; it is
-- nothing to the run. recorded: the journal knows that it is owed.
function heartbeat.send(engine, schedule, url, run, recorded)
  local beat = engine.beats[schedule]
  if beat and beat.run >= run.id then return end
  local is_new = not beat
  beat = beat or { schedule = schedule, attempts = 0 }
  beat.url, beat.run, beat.ended_at, beat.over = url, run.id, run.ended_at or engine.last_now, false
  beat.recorded = recorded or beat.recorded
  engine.beats[schedule] = beat
  if is_new then
    native.handler(follow, engine, beat)
  elseif beat.sleeper then
    beat.sleeper:cancel()
  end
end

--- The run whose heartbeat is still to be sent, for the outcome of store:tick, which records it; nil when there is none.
function heartbeat.owed_for(engine, schedule, run)
  local beat = engine.beats[schedule]
  if not beat or beat.run ~= run.id or beat.over then return nil end
  beat.recorded = true
  return run.id
end

--- The daemon ends: nobody waits for the next try.
function heartbeat.stop(engine)
  for _, beat in pairs(engine.beats) do
    if beat.sleeper then beat.sleeper:cancel() end
  end
end

--- Sends those of these schedules (a set of ids) that an earlier daemon has left.
function heartbeat.take_up(engine, ids)
  local list, items = {}, {}
  for id in pairs(ids) do
    local item = engine.items[id]
    if item and item.definition.heartbeat then
      list[#list + 1], items[#items + 1] = { schedule = id, key = KEY }, item
    end
  end
  local owed = #list > 0 and engine.store:ticked(list) or {}
  for i, item in ipairs(items) do
    local run = math.type(owed[i]) == "integer" and engine.store:run { id = owed[i] }
    if run then heartbeat.send(engine, item.id, item.definition.heartbeat, run, true) end
  end
end

return heartbeat
