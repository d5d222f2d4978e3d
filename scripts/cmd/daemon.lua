--- upjob daemon DIR: runs the automations of a directory when they are due.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local report = require "upjob.report"
local system = require "upjob.native.system"

local command = { summary = "run the automations of a directory when they are due" }

-- How long runs may take to end after a SIGTERM, and children that are stopped, in seconds.
local DRAIN, STOP = 90, 10
-- A daemon that ticks looks every second; one that has not for so long hangs, or its disk does.
local SILENT_MOST = 60
-- Runs that have ended are kept for so many days, unless told; the newest of all, however old.
local KEPT_DAYS, KEPT_LEAST = 90, 1000
local DAY = 86400

function command.parser()
  local p = cli.parser("daemon", "Runs the automations in DIR, its *.lua files, when they are due, each run as a child process. "
    .. "SIGHUP loads the files that have changed; SIGTERM waits for what is running, a second one stops it.")
  cli.argument(p, "directory", "DIR", "Directory with the automations.")
  cli.number_option(p, "--jobs", "Children at a time; the number of processors unless given.", "N", "a number from 1 to 1000",
    { integer = true, least = 1, most = 1000 })
  p:flag("--check", "Load the files, print the next times of each schedule and what is wrong, and end.")
  p:option("--metrics", "Serve metrics for Prometheus there: 127.0.0.1:PORT, or unix:PATH."):argname("ADDRESS")
  cli.number_option(p, "--drain-timeout", "Seconds that running children have to end after a SIGTERM.", "S",
    "a number of seconds", {}):default(tostring(DRAIN))
  cli.number_option(p, "--keep-runs", "Days for which runs that have ended are kept, and notifications that could not be "
    .. "delivered; the newest 1,000 runs always are.", "DAYS",
    "a number of days, 1 or more", { least = 1, most = 36500 }):default(tostring(KEPT_DAYS))
  return p
end

-- ---- the state directory ----

-- The absolute path of a directory that is there | nil, err
local function directory_of(path)
  local info, err = system.stat(path)
  if info and info.type ~= "directory" then
    return nil, errors.new { code = "ConfigurationError",
                             message = ("%s is no directory: name the one with the automations"):format(path) }
  end
  if not info then
    return nil, errors.new { code = "ConfigurationError", message = ("%s cannot be read: %s; name the directory with the "
      .. "automations"):format(path, err.message:match(": (.*)$") or err.message) }
  end
  return system.absolute(path)
end

-- The lock of the state directory, which is there | nil, err, which names who has it.
local function lock_of(state)
  local lock, pid, err = require("upjob.native.lock").take(state .. "/daemon.lock")
  if lock then return lock end
  return nil, err or errors.new { code = "ConfigurationError", message =
    ("a daemon is running on %s already: process %d. Stop it, or give this one a directory of its own with --state"):format(state,
      pid) }
end

-- What others find a daemon by, its lock and its control socket: it goes with the directory where that is removed.
local place = {}
place.__index = place

local function inode_of(path)
  local info = system.stat(path)
  return info and info.inode
end

-- Takes the lock: a place, to be closed | nil, err
local function place_in(directory)
  local lock, err = lock_of(directory)
  if not lock then return nil, err end
  return setmetatable({ directory = directory, lock = lock, inode = inode_of(directory .. "/daemon.lock") }, place)
end

-- Answers on the control socket: true | nil, err
function place:serve(handlers)
  local err
  self.handlers = handlers
  self.server, err = require("upjob.control").serve(self.directory, handlers)
  return self.server and true, err
end

-- Takes the place once more, if it is gone: true | nil, err: another daemon has it by now.
function place:keep()
  if self.inode == inode_of(self.directory .. "/daemon.lock") then return true end
  local other, err = place_in(self.directory)
  if not other then return nil, err end
  self:__close()
  self.lock, self.inode = other.lock, other.inode
  return self:serve(self.handlers)
end

function place:__close()
  if self.server then self.server:close() end
  self.lock:close()
end

-- ---- signals ----

local function tell_stop(signal, engine)
  local left = engine.active_count
  if engine:left() == 0 then return log.info("%s: ending", signal) end
  if left == 0 then
    return log.info("%s: waiting for what follows runs that have ended (moves, heartbeats); once more ends it", signal)
  end
  log.info("%s: waiting for %d run%s to end; once more stops %s", signal, left, left == 1 and "" or "s",
    left == 1 and "it" or "them")
end

-- Reloads, in a task of its own: a file that never ends is no reason not to hear of a SIGTERM. What is asked for meanwhile is
-- done once, after it. An error in it is told.
local function reload(engine, reloading)
  reloading.wanted = true
  if reloading.under_way then return end
  reloading.under_way = true
  reloading.task = native.handler(function()
    local over <close> = setmetatable({}, { __close = function() reloading.under_way = false end }) -- luacheck: ignore 211
    while reloading.wanted and not engine.stopping do
      reloading.wanted = false
      engine:reload()
    end
  end)
end

-- What the signals ask for: the engine is stopped, stopped at once, reloaded.
local function obey(engine, signals, outcome)
  local reloading = {}
  for name in function() return signals:next() end do
    if name == "SIGHUP" then
      if not engine.stopping then reload(engine, reloading) end
    elseif not engine.stopping then
      tell_stop(name, engine)
      outcome.signal = name
      engine:stop()
      if reloading.task then reloading.task:cancel() end
    else
      outcome.at_once = name
      engine:stop_draining()
    end
  end
end

local STATUS = { SIGTERM = 143, SIGINT = 130 }

-- Ends what is under way after the engine was told to stop: the exit status.
local function finish(engine, outcome, seconds)
  if engine:drain(seconds) then return cli.OK end
  local left = engine.active_count
  if left > 0 then
    log.warn("%d run%s stopped%s: the next daemon goes on with %s", left, left == 1 and " is" or "s are",
      outcome.at_once and "" or (" after %g s"):format(seconds), left == 1 and "it" or "them")
  end
  outcome.at_once = nil
  engine:kill("TERM")
  if not engine:drain(STOP) then
    engine:kill("KILL")
    engine:drain(STOP)
  end
  return STATUS[outcome.signal] or cli.FAILED
end

-- ---- the daemon ----

local function new_engine(options, directory, store)
  local children, drop, loader = require "upjob.children", require "upjob.drop", require "upjob.loader"
  local service = { profile = options.profile, region = options.region, endpoint_url = options.endpoint_url }
  return require("upjob.engine").new {
    store = store, directory = directory, jobs = options.jobs or system.processors(),
    load = function(earlier) return loader.load(directory, earlier) end,
    clock = function(definition, anchor)
      return require("upjob.native.schedule").clock { kind = definition.kind, expression = definition.expression,
                                                      tz = definition.tz, anchor = anchor }
    end,
    start = function(run, definition, hook)
      return children.start(run, definition, hook, { store = store, service = service })
    end,
    watch = drop.watch, finish = drop.finish,
  }
end

-- Whether the engine goes on: true | false, why not.
local function alive(engine)
  local silent = native.now() - engine.turned_at
  return engine.stopping or silent < SILENT_MOST, ("nothing was ticked for %.0f s"):format(silent)
end

-- What is asked on the control socket.
local function handlers_of(engine)
  return {
    status = function()
      local status, well, why = engine:snapshot(), alive(engine)
      status.hangs = not well and why or nil
      return status
    end,
    trigger = function(request)
      local id, err = engine:trigger(request.schedule)
      return id and { run = id }, err
    end,
    pause = function(request) return engine:pause(request.schedule, true) end,
    resume = function(request) return engine:pause(request.schedule, false) end,
    reload = function() return engine:reload() end,
  }
end

-- The service manager is told of the daemon's life. Returns what pings its watchdog, or nil.
local function supervise(engine)
  local supervisor = require "upjob.supervisor"
  engine.events:on("reloading", supervisor.reloading)
  engine.events:on("loaded", supervisor.ready)
  engine.events:on("draining", supervisor.stopping)
  supervisor.ready()
  return supervisor.watch(function() return alive(engine) end)
end

-- What serves metrics, when they are asked for | nil, err
local function measure(options, engine, store)
  if not options.metrics then return nil end
  local metrics = require "upjob.metrics"
  local meter = metrics.meter { engine = engine, store = store }
  return metrics.serve { address = options.metrics, text = function() return meter:text() end,
                         healthy = function() return alive(engine) end }
end

local function tell_forgotten(count, what, how, days)
  if count == 0 then return end
  log.info("%s that %s more than %g days ago %s forgotten", report.plural(count, what), how, days, count == 1 and "is" or "are")
end

-- Once a day, old runs are forgotten: a journal of years stays small.
local function forget_old_runs(store, days)
  while true do
    local now, err = store:now()
    local count, letters
    if now then count, letters = store:prune { before = now - days * DAY, keep = KEPT_LEAST } end
    if not count then
      log.warn("old runs are not forgotten today: %s", tostring(letters or err))
    else
      tell_forgotten(count, "run", "ended", days)
      tell_forgotten(letters, "notification", "could not be delivered", days)
    end
    native.sleep(DAY)
  end
end

-- The engine has begun, and cannot go on.
local function give_up(engine, err)
  local status = cli.fail(err)
  engine:stop()
  finish(engine, { at_once = true }, 0)
  return status
end

local function serve(options, directory, store, here)
  local engine = new_engine(options, directory, store)
  local outcome = {}
  local signals <close> = require("upjob.native.signals").take("SIGTERM", "SIGINT", "SIGHUP")
  local ok, err = engine:begin()
  if not ok then return cli.fail(err) end
  ok, err = here:serve(handlers_of(engine))
  if not ok then return give_up(engine, err) end
  engine.events:on("journal_lost", function()
    local kept, why = here:keep()
    if kept then return end
    log.error("the place of this daemon is gone, and it ends: %s", tostring(why))
    outcome.refused = true
    engine:stop()
  end)
  local pages <close>, unserved = measure(options, engine, store) -- luacheck: ignore 211
  if unserved then return give_up(engine, unserved) end
  local obeying = native.spawn(obey, engine, signals, outcome)
  local forgetting = native.spawn(forget_old_runs, store, options.keep_runs)
  log.info("%d schedules of %s; state in %s, %d at a time", #engine:snapshot().schedules, directory, store.directory, engine.jobs)
  local watch <close> = supervise(engine) -- luacheck: ignore 211
  local imports <close> = require("upjob.left_imports").resume(store) -- luacheck: ignore 211
  engine:run()
  forgetting:cancel()
  local status = finish(engine, outcome, options.drain_timeout)
  obeying:cancel()
  log.info("ended")
  return outcome.refused and cli.FAILED or status
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  local directory, err = directory_of(options.directory)
  if not directory then return cli.fail(err) end
  if options.embedded then
    return cli.usage("daemon", "--local does not go with it: run \"upjob local\", and name it with --endpoint-url")
  end
  if options.check then return require("upjob.daemon_check").check(directory, options) end
  if not options.quiet and not options.verbose then log.level("info") end
  local store
  store, err = require("upjob.journal").open { state = options.state }
  if not store then return cli.fail(err) end
  local here <close>, refused = place_in(store.directory)
  if not here then return cli.fail(refused) end
  return serve(options, directory, store, here)
end

return command
