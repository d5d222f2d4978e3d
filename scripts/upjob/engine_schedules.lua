--- Of the engine: the schedules of its directory, loaded, made known to the store, followed.
local due = require "upjob.due"
local errors = require "upjob.errors"
local files = require "upjob.engine_files"
local heartbeat = require "upjob.heartbeat"
local log = require "upjob.log"
local native = require "upjob.native.task"
local queue = require "upjob.engine_queue"

local schedules = {}

-- Those that fire at times, not because of a file or another automation.
local FOLLOWS_CLOCK = { cron = true, every = true, at = true }

-- What decides when a schedule fires: when this changes, what it has ticked before says nothing of its new times.
local function times_of(definition)
  return ("%s %s %s"):format(definition.kind, definition.expression, definition.tz or "")
end

-- Whether no version of the file could be loaded: its schedules do not fire, and are not gone either.
local function is_in_error(list, file)
  for _, err in ipairs(list) do
    if err.file == file and not err.kept then return true end
  end
  return false
end

--- Whether schedules of this file are not there because it cannot be loaded.
function schedules.is_in_error(self, file)
  return is_in_error(self.errors, file)
end

--- An error that no schedule has this id.
function schedules.unknown(self, id)
  local names = errors.names_of(self.items)
  return errors.new { code = "NotFound", message = ("there is no schedule \"%s\" in %s%s"):format(tostring(id), self.directory,
    errors.did_you_mean(id, names)) }
end

-- ---- the store ----

-- A pass of its own begins when the clock goes back: what was ticked before says nothing of it.
local function timing_of(item)
  return item.pass == 0 and item.times or ("%s #%d"):format(item.times, item.pass)
end

local function stored_form(item)
  local definition = {}
  for name, value in pairs(item.definition) do definition[name] = value end
  definition.heartbeat = definition.heartbeat and heartbeat.shown(definition.heartbeat)
  definition.pass, definition.times = item.pass, item.times
  return { id = item.id, file = item.definition.file, timing = timing_of(item), definition = definition }
end

local function sync(self, items, problems)
  local list = {}
  for _, item in pairs(items) do list[#list + 1] = stored_form(item) end
  for id, row in pairs(self.stored) do
    if not items[id] and not row.gone and is_in_error(problems, row.file) then
      list[#list + 1] = { id = id, file = row.file, timing = timing_of(row), definition = row.definition }
    end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  local states, err = self.store:sync_schedules { dir = self.directory, list = list }
  self:told_store(err)
  return states, err
end

--- Makes the schedules as they are now known to the store: their states | nil, err
function schedules.sync(self)
  return sync(self, self.items, self.errors)
end

-- ---- items ----

-- The item of a definition, in the pass that it was in before, where its times are the same.
local function item_of(self, definition, before)
  local clock, err
  if FOLLOWS_CLOCK[definition.kind] then
    clock, err = self.clock(definition)
    if not clock then return nil, err end
  end
  local times = times_of(definition)
  local same = before and before.times == times
  return { id = definition.id, definition = definition, clock = clock, times = times, pass = same and before.pass or 0,
           same = same }
end

-- Makes it an item of due.lua, with what the store knows of it.
local function complete(self, item, state)
  local clock = item.clock
  -- An interval is counted from when it was first seen.
  if item.definition.kind == "every" then clock = assert(self.clock(item.definition, state.since)) end
  local one = due.item { id = item.id, definition = item.definition, clock = clock, pass = item.pass,
                         since = state.since, last_due = state.last_due, paused = state.paused }
  one.times, one.streak = item.times, state.streak or 0
  one.last = state.last_run and { run = state.last_run, state = one.streak < 0 and "failed" or "succeeded" }
  return one
end

-- Takes over what a running daemon knows better than the store.
local function keep(item, before, same)
  if same then item.base, item.fired, item.pass = before.base, before.fired, before.pass end
  item.last, item.streak, item.skips = before.last, before.streak, before.skips
end

local function tell_errors(list)
  for _, err in ipairs(list) do
    log.with { file = err.file, line = err.line }.error("%s%s: %s", err.file, err.line and ":" .. err.line or "", err.message)
  end
end

-- The definitions as items, by id; a schedule whose times cannot be had is an error of its file.
local function items_of(self, loaded, before)
  local items, problems = {}, table.move(loaded.errors, 1, #loaded.errors, 1, {})
  for _, definition in ipairs(loaded.definitions) do
    local item, err = item_of(self, definition, before[definition.id])
    if item then
      items[definition.id] = item
    else
      problems[#problems + 1] = { file = definition.file, line = definition.line, message = tostring(err) }
    end
  end
  return items, problems
end

-- ---- watching files ----

--- Begins to watch for the files of a schedule, or ends it when it is paused.
function schedules.watch(self, item)
  if item.definition.kind ~= "on_file" then return end
  if item.watching then item.watching:close() end
  item.watching = nil
  if item.paused or self.stopping then return end
  local watching, err = self.watch { pattern = item.definition.expression, settle = item.definition.settle,
    taken = function(file) return files.is_taken(self, self.items[item.id] or item, file) end,
    on = function(file) -- also when the watch ends meanwhile
      return native.spawn(queue.file, self, self.items[item.id] or item, file):wait()
    end }
  if not watching then
    log.with { schedule = item.id, error = err }.error("%s: files cannot be watched for: %s", item.id, tostring(err))
  end
  item.watching = watching
end

local function forget(self, item)
  self.heap:set(item.id, nil)
  if item.watching then item.watching:close() end
end

--- Ends the watching of files.
function schedules.close(self)
  for _, item in pairs(self.items) do
    if item.watching then item.watching:close() end
    item.watching = nil
  end
end

-- ---- loading ----

-- Takes the items as those that are followed from now on.
local function take(self, items)
  for id, item in pairs(self.items) do
    local now = items[id]
    if not now then
      forget(self, item)
      queue.cancel_gone(self, id)
    elseif item.watching and now.definition == item.definition and not now.paused then
      now.watching, item.watching = item.watching, nil -- what it has seen and told goes on
    elseif item.watching then
      item.watching:close()
    end
  end
  self.items = items
  for id, item in pairs(items) do
    if item.clock then
      local _, at = due.next(item)
      self.heap:set(id, at)
      if not at then log.with { schedule = id }.warn("%s does not fire any more", id) end
    end
    if not item.watching then schedules.watch(self, item) end
  end
end

-- Makes items of what was loaded, and syncs them. before: by id, what was known of each; running: a daemon goes on with them.
local function apply(self, loaded, before, running)
  local items, problems = items_of(self, loaded, before)
  local states, err = sync(self, items, problems)
  if not states then return nil, err end
  tell_errors(problems)
  for id, item in pairs(items) do
    items[id] = complete(self, item, states[id])
    if running and before[id] then keep(items[id], before[id], item.same) end
  end
  self.loaded, self.errors = loaded, problems
  return items
end

-- The store's time may lie before what schedules have ticked: the clock went back while no daemon ran.
local function go_back(self, now)
  local count = 0
  for _, item in pairs(self.items) do
    if item.clock and due.go_back(item, now) then
      count = count + 1
      local _, at = due.next(item)
      self.heap:set(item.id, at)
    end
  end
  if count == 0 then return true end
  log.warn("the clock went back: %d schedule%s with it", count, count == 1 and " goes" or "s go")
  return schedules.sync(self)
end

-- What the store has of the schedules of this directory, by id.
local function stored(self)
  local list, err = self.store:schedules {}
  if not list then return nil, err end
  local found = {}
  for _, row in ipairs(list) do
    local definition = row.definition or {}
    if row.dir == self.directory then
      found[row.id] = { pass = definition.pass or 0, times = definition.times, file = row.file, gone = row.gone,
                        definition = definition }
    end
  end
  return found
end

--- At the start: true | nil, err
function schedules.begin(self)
  local err, loaded, items, now
  self.stored, err = stored(self)
  if self.stored then loaded, err = self.load() end
  if not loaded then return nil, err end
  items, err = apply(self, loaded, self.stored, false)
  if not items then return nil, err end
  now, err = self.store:now()
  if not now then return nil, err end
  self.last_now = now
  take(self, items)
  return go_back(self, now)
end

local function count_changes(before, after)
  local new, gone, changed = 0, 0, 0
  for id, item in pairs(after) do
    if not before[id] then new = new + 1 elseif before[id].definition ~= item.definition then changed = changed + 1 end
  end
  for id in pairs(before) do if not after[id] then gone = gone + 1 end end
  return new, changed, gone
end

--- Takes what was loaded in place of what there is: true | nil, err
function schedules.reload(self, loaded)
  local items, err = apply(self, loaded, self.items, true)
  if not items then return nil, err end
  local new, changed, gone = count_changes(self.items, items)
  take(self, items)
  log.info("reloaded: %d new, %d changed, %d gone, %d error%s", new, changed, gone, #self.errors, #self.errors == 1 and "" or "s")
  return true
end

return schedules
