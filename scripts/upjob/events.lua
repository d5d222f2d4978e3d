--- The events of a run: handlers, and loops over what happens.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local timeline = require "upjob.timeline"

local events = {}

--- run:on("status", function(change) … end): checked created progress retrying uploaded started status counts done error.
-- progress has step "check" or "upload", done and total in bytes; retrying has step, attempt, delay in seconds, error.
-- Each handler runs in a coroutine of its own; an error in one is logged and stops nothing else. "*" gets (name, event).
function events.on(self, name, handler)
  if type(name) ~= "string" or type(handler) ~= "function" then
    error("on: the name of an event and a function are needed", 2)
  end
  if not events.names[name] and name ~= "*" then
    local names = errors.names_of(events.names)
    local near = errors.did_you_mean(name, names)
    error(("on: there is no event \"%s\"%s"):format(name, near ~= "" and near or ": " .. table.concat(names, ", ")), 2)
  end
  self.handlers[name] = self.handlers[name] or {}
  table.insert(self.handlers[name], handler)
  return self
end

events.names = { checked = true, created = true, progress = true, retrying = true, uploaded = true, started = true,
                 status = true, counts = true, done = true, error = true }

function events.emit(self, name, event)
  timeline.note(self.timeline, name, event)
  for _, handler in ipairs(self.handlers[name] or {}) do native.handler(handler, event) end
  for _, handler in ipairs(self.handlers["*"] or {}) do native.handler(handler, name, event) end
  for _, queue in ipairs(self.queues) do
    queue[#queue + 1] = { name = name, event = event }
    queue.changed:set()
  end
end

--- for name, event in run:events() do … end, until the run has ended.
function events.iterate(self)
  local queue, at = { changed = native.signal() }, 0
  table.insert(self.queues, queue)
  return function()
    at = at + 1
    while at > #queue do
      if self.ended then return nil end
      queue.changed:wait()
    end
    local item = queue[at]
    queue[at] = false
    return item.name, item.event
  end
end

return events
