--- Of the engine: where a dropped file goes when its run has ended. One that cannot be moved is told, in the log and by `upjob
-- status`, and tried again; it is not run again, and a tick with the key "unmoved|RUN" tells the next daemon of it.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.task"
local report = require "upjob.report"

local files = {}

-- Seconds between two times that files are moved which could not be.
files.AGAIN = 30

--- The key of the tick of a run whose file could not be moved.
function files.key(run)
  return "unmoved|" .. tostring(run)
end

local function definition_of(self, one)
  local item = self.items[one.schedule]
  return item and item.definition or one.definition
end

local function lines_of(one, err)
  return log.with { run = one.run, schedule = one.schedule, file = one.file.path, error = err }
end

-- What is told of a file: a name may have line ends in it.
local function about(one, text)
  return ("%s: %s%s"):format(one.schedule, report.safe(one.file.path), report.safe(text))
end

-- Moves it: true, or nil when it is to be tried again.
local function move(self, one)
  local moved, err = self.finish_file(one.file, one.outcome, definition_of(self, one))
  local before = one.error
  one.error = err and (err.message or tostring(err))
  if moved then
    if before and moved ~= one.file.path then lines_of(one).info("%s", about(one, " is moved now, as its run has ended")) end
    return true
  end
  if errors.has_code(err, "FileChanged") then
    lines_of(one, err).warn("%s", about(one, " is not moved: " .. one.error))
    return true
  end
  local gone = errors.has_code(err, "FileGone")
  if gone or one.error ~= before then
    lines_of(one, err).error("%s", about(one, ": " .. one.error
      .. (gone and "" or ("; it is tried again every %g s, and not run again"):format(files.AGAIN))))
  end
  return gone or nil
end

local function attempt(self, one)
  if move(self, one) then
    self.unmoved[one.file.key] = nil
    return true
  end
  self.unmoved[one.file.key] = one
  self.move_again_at = self.move_again_at or native.now() + files.AGAIN
end

--- A run has ended: its file is moved. False when it cannot be, and is tried again.
function files.finish(self, entry, definition, ok)
  if definition.kind ~= "on_file" or not (entry.event and entry.event.path) then return true end
  return attempt(self, { schedule = entry.schedule, run = entry.id, definition = definition, outcome = ok and "done" or "failed",
                         file = { path = entry.event.path, key = entry.event.key, size = entry.event.size } }) or false
end

--- Moves what could not be moved, when it is time to.
function files.again(self)
  if self.moving or not self.move_again_at or native.now() < self.move_again_at then return end
  self.moving, self.move_again_at = true, nil
  native.handler(function()
    local over <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
      self.moving = nil
      if next(self.unmoved) then self.move_again_at = self.move_again_at or native.now() + files.AGAIN end
    end })
    local list = {}
    for _, one in pairs(self.unmoved) do list[#list + 1] = one end
    table.sort(list, function(a, b) return a.run < b.run end)
    for _, one in ipairs(list) do
      if self.stopping then return end
      attempt(self, one)
    end
  end)
end

--- Moves them at the next look: what was wrong may be mended.
function files.at_once(self)
  if next(self.unmoved) then self.move_again_at = native.now() end
end

-- A file that was run before, and is where it was: it is moved if that is what was left of its run.
local function take_up(self, item, file, run)
  local ticked = self.store:ticked { { schedule = item.id, key = files.key(run) } }
  if not ticked or not ticked[1] or self.unmoved[file.key] then return end
  local row = self.store:run { id = run }
  if not row or (row.state ~= "succeeded" and row.state ~= "failed") then return end
  attempt(self, { schedule = item.id, run = run, definition = item.definition, file = file,
                  outcome = row.state == "succeeded" and "done" or "failed" })
end

--- Whether a file that is there was ticked before.
function files.is_taken(self, item, file)
  local ticked = self.store:ticked { { schedule = item.id, key = file.key } }
  local run = ticked and ticked[1]
  if math.type(run) == "integer" and item.definition.move ~= false then native.spawn(take_up, self, item, file, run) end
  return run
end

--- How many there are of each schedule that cannot be moved, and an error of one: { [id] = { count, file, error } }.
function files.unmoved(self)
  local found = {}
  for _, one in pairs(self.unmoved) do
    local of = found[one.schedule] or { count = 0, file = one.file.path, error = one.error }
    of.count = of.count + 1
    found[one.schedule] = of
  end
  return found
end

return files
