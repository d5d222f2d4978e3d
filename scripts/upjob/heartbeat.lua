--- The heartbeat of an automation: a URL that is called after each success, so that a watchdog elsewhere notices silence.
local log = require "upjob.log"
local native = require "upjob.native.task"
local notify_http = require "upjob.notify_http"

local heartbeat = {}

-- Pauses before it is tried again, and the time for each try, in seconds.
local PAUSES, TIMEOUT = { 1, 3, 9 }, 15

--- What is told of the URL: those of watchdogs have their key in the path.
function heartbeat.shown(url)
  return notify_http.target((url:gsub("^(%a+://)[^/?#]*@", "%1"))) or "its URL"
end

local function try(url)
  local ok, reply, err = pcall(require("upjob.http").get, url, { timeout = TIMEOUT, secrets = notify_http.secrets_of(url, {}) })
  if not ok then return tostring(reply) end
  if not reply then return tostring(err) end
  if reply.status >= 400 then return ("the answer is %d"):format(reply.status) end
end

--- Sends it for a run of that schedule. What keeps failing is logged and becomes a dead letter; it is nothing to the run.
function heartbeat.send(engine, schedule, url)
  engine.after = engine.after + 1
  local why = try(url)
  local attempts = 1
  while why and PAUSES[attempts] and not engine.stopping do
    native.sleep(PAUSES[attempts])
    attempts = attempts + 1
    why = try(url)
  end
  if why then
    log.with { schedule = schedule, attempts = attempts }.error("%s: the heartbeat to %s failed %d times: %s", schedule,
      heartbeat.shown(url), attempts, why)
    engine.store:add_dead_letter { kind = "heartbeat", target = heartbeat.shown(url), error = why, attempts = attempts,
                                   payload = { schedule = schedule, subject = "heartbeat of " .. schedule } }
  end
  engine.after = engine.after - 1
  engine.changed:set()
end

return heartbeat
