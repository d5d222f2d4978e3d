--- The service manager that runs a daemon (systemd, Type=notify): it is told when the daemon is ready, reads its configuration
-- again and stops, and is pinged while all is well. Where there is none, nothing is told, and all of this succeeds.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.supervisor"
local task = require "upjob.native.task"

local supervisor = {}

local AGAIN, MOST_TRIES = 0.1, 50 -- seconds between tries when its socket is full; for what must not be lost
local PINGS = 3                   -- within the time that the watchdog gives

-- What cannot be told is a warning: whoever does not hear it ends the daemon in its own time.
local function tell(what, tries, ...)
  local ok, err = native[what](...)
  if ok then return true end
  if err.retryable and tries > 1 then
    task.sleep(AGAIN)
    return tell(what, tries - 1, ...)
  end
  log.warn("%s", err, { code = err.code })
  return nil, err
end

--- Whether there is a service manager.
supervisor.present = native.present

--- The daemon does its work from now on; also after a reload. May wait.
function supervisor.ready() return tell("ready", MOST_TRIES) end

--- The automations are read again: ready() is to follow. May wait.
function supervisor.reloading() return tell("reloading", MOST_TRIES) end

--- The daemon ends: runs are waited for. May wait.
function supervisor.stopping() return tell("stopping", MOST_TRIES) end

--- A line for `systemctl status`: "3 running, next nightly at 06:00".
function supervisor.status(text)
  if type(text) ~= "string" then error("supervisor.status: a text is needed", 2) end
  return tell("status", 1, text)
end

-- Whether what is watched is well: true | false, why not. An error in it is no life; to be cancelled is none.
local function ask(alive)
  local ok, well, reason = pcall(alive)
  if ok then return well and true or false, reason or "it does not go on" end
  if errors.has_code(well, "Cancelled") then error(well, 0) end
  return false, tostring(well)
end

local watch = {}
watch.__index = watch

--- No more pings: the service manager will end the process, unless it ends by itself.
function watch:close()
  self.pinger:cancel()
end
watch.__close = watch.close

--- Pings the service manager's watchdog for as long as the loop turns and `alive()` says true: a watch, or nil where none is
-- wanted. alive (nil: only the loop counts) may wait, for the journal say: what never comes back gets no ping, as does false, a
-- reason. That pings are held back is logged when it begins and when it ends. A program goes on while it pings: close the watch
-- at its end.
function supervisor.watch(alive)
  if alive ~= nil and type(alive) ~= "function" then error("supervisor.watch: a function is needed", 2) end
  local within = native.watchdog()
  if not within then return nil end
  local function look(was_well)
    local well, reason = true, nil
    if alive then well, reason = ask(alive) end
    if well then tell("ping", 1) end
    if was_well and not well then
      log.error("the service manager's watchdog is not pinged: %s", reason, { within = within })
    elseif well and not was_well then
      log.warn("the service manager's watchdog is pinged again")
    end
    return well
  end
  local pinger = task.handler(function()
    local well = true
    while true do
      well = look(well)
      task.sleep(within / PINGS)
    end
  end)
  return setmetatable({ pinger = pinger, within = within }, watch)
end

return supervisor
