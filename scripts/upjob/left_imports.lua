--- Imports whose process is gone, and that no automation goes on with: the daemon has `upjob runs resume` go on with them, one
--- after the other, in a process of its own.
local log = require "upjob.log"
local native = require "upjob.native.task"
local system = require "upjob.native.system"

local left_imports = {}

local OPEN = { queued = true, running = true, lost = true, interrupted = true }

-- Whether an automation's run will go on with the import itself.
local function has_parent(store, row)
  local parent = row.parent and store:run { id = row.parent }
  return parent and OPEN[parent.state] or false
end

local function ids_of(store)
  local rows, err = store:runs { kind = "import", state = "lost" }
  if not rows then
    log.error("which imports were cut short is not known: %s", tostring(err))
    return {}
  end
  local ids = {}
  for i = #rows, 1, -1 do
    if not has_parent(store, rows[i]) then ids[#ids + 1] = rows[i].id end
  end
  return ids
end

-- Goes on with one of them, and waits for its end.
local function go_on(self, id)
  local process, err = require("upjob.native.process").spawn {
    argv = { "/proc/self/exe", "runs", "resume", "-q", "--state", self.store.directory, ("%d"):format(id) },
    output = self.store:log_file(id),
  }
  if not process then return log.error("import %d was cut short and does not go on: %s", id, tostring(err)) end
  log.info("import %d was cut short: it goes on", id)
  self.process = process
  process:wait()
  self.process = nil
  local row = self.store:run { id = id }
  if not row then return end
  local tell = row.state == "succeeded" and log.info or log.error
  tell("import %d, which was cut short, is %s%s", id, row.state, row.error and ": " .. tostring(row.error.message) or "")
end

-- What is under way stays in the journal, for the next daemon.
local function stop(self)
  self.task:cancel()
  if self.process then self.process:kill("KILL") end
end

--- Goes on with all that there are now, while other tasks go on. Returns what ends that when it is closed.
function left_imports.resume(store)
  local self = setmetatable({ store = store }, { __close = stop })
  self.task = native.spawn(function()
    local ids = ids_of(store)
    if #ids == 0 then return end
    local made, err = system.make_directory(store.directory .. "/runs", tonumber("700", 8))
    if not made then return log.error("imports that were cut short do not go on: %s", tostring(err)) end
    for _, id in ipairs(ids) do go_on(self, id) end
  end)
  return self
end

return left_imports
