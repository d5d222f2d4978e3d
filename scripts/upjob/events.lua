--- The events of a run: handlers, and loops over what happens.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local timeline = require "upjob.timeline"

local events = {}

-- A handler is a function; of a value that can be called, one is made.
local function callable(handler)
  if type(handler) == "function" then return handler end
  local meta = type(handler) == "table" and getmetatable(handler)
  return type(meta) == "table" and meta.__call and function(...) return handler(...) end or nil
end

--- Adds a handler of one of the events in `names`, or of "*". Misuse is told at the line of the caller's caller.
function events.listen(self, name, handler, names)
  local fn = callable(handler)
  if type(name) ~= "string" or not fn then
    error("on: the name of an event and a function are needed", 3)
  end
  if not names[name] and name ~= "*" then
    local known = errors.names_of(names)
    local near = errors.did_you_mean(name, known)
    error(("on: there is no event \"%s\"%s"):format(name, near ~= "" and near or ": " .. table.concat(known, ", ")), 3)
  end
  self.handlers[name] = self.handlers[name] or {}
  table.insert(self.handlers[name], fn)
end

--- run:on("status", function(change) … end): mapped checked created progress retrying uploaded started status counts done error.
-- mapped comes when the mapping was made of the header of an object of S3, and has it as `mapping`; progress has step "fetch",
-- "check", "upload", "measure" (a segment), or, of an import in parts, "mend" or "parts" (with how many there are: parts, ended,
-- started, making, working, and the rows that are ingested), done and total in bytes; what happens to a part has its number as
-- `part`; created comes again when the job is given up for that of another program; retrying has step, attempt, delay in
-- seconds, error.
-- Each handler runs in a coroutine of its own; an error in one is logged and stops nothing else. "*" gets (name, event).
function events.on(self, name, handler)
  events.listen(self, name, handler, events.names)
  return self
end

events.names = { mapped = true, checked = true, created = true, progress = true, retrying = true, uploaded = true, started = true,
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
