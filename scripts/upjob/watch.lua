--- A watch of all upload jobs of a domain: what changes is told as events.
local events = require "upjob.events"
local log = require "upjob.log"
local native = require "upjob.native.task"
local poller = require "upjob.poller"
local replies = require "upjob.replies"
local waiter = require "upjob.waiter"

local MOST_KEPT = 10000 -- events that are kept until somebody listens

local watch = {}
watch.__index = watch
watch.__close = function(self) self:close() end

local NAMES = { status = true, created = true, failed = true, succeeded = true, stale = true }
local NAME_OF = { SUCCEEDED = "succeeded", PARTIALLY_SUCCEEDED = "succeeded", FAILED = "failed", STOPPED = "failed" }

-- ---- telling ----

local function emit(self, event)
  local function run(name, ...)
    for _, handler in ipairs(self.handlers[name] or {}) do native.handler(handler, ...) end
  end
  run(event.name, event)
  if event.to and event.name ~= "status" and event.name ~= "created" and event.name ~= "stale" then run("status", event) end
  run("*", event.name, event)
  for queue in pairs(self.queues) do
    queue.last = queue.last + 1
    queue[queue.last] = event
    queue.changed:set()
  end
end

local function tell(self, event)
  if not self.kept then return emit(self, event) end
  if #self.kept < MOST_KEPT then table.insert(self.kept, event) end
end

-- What has happened before anybody listened is told to whoever does so first.
local function listened(self)
  if self.has_listener then return end
  self.has_listener = true
  native.handler(function()
    local kept = self.kept
    self.kept = nil
    for _, event in ipairs(kept) do emit(self, event) end
  end)
end

-- ---- what a look shows ----

local function event_of(self, name, job, fields)
  local event = { name = name, JobId = job.JobId, DomainName = self.domain, DisplayName = job.DisplayName,
                  StatusReason = job.StatusReason, job = job }
  for k, v in pairs(fields) do event[k] = v end
  if not event.seconds and job.CreatedAt then event.seconds = math.max(event.at - job.CreatedAt, 0) end
  return event
end

local function tell_created(self, job, now)
  tell(self, event_of(self, "created", job, { to = "CREATED", at = job.CreatedAt or now, seconds = 0 }))
end

local function tell_change(self, job, now, from)
  local ended = waiter.has_ended(job.Status)
  self.stale[job.JobId] = nil
  tell(self, event_of(self, NAME_OF[job.Status] or "status", job,
    { from = from, to = job.Status, at = ended and job.CompletedAt or now }))
end

local function tell_new(self, job, now)
  tell_created(self, job, now)
  if job.Status ~= "CREATED" then tell_change(self, job, now, "CREATED") end
end

-- What happened since the time from which on the watch wants to know.
local function tell_since(self, item, now)
  if self.told[item.JobId] then return end
  self.told[item.JobId] = true
  local job = replies.job(item)
  if job.CreatedAt and job.CreatedAt >= self.since then
    tell_new(self, job, now)
  elseif waiter.has_ended(job.Status) and job.CompletedAt and job.CompletedAt >= self.since then
    tell_change(self, job, now)
  end
end

--- For the poller: an item of the list at `now`; is_new and from as jobs_seen tells them, nil when nothing has changed; `open` is
-- what is remembered of a job that has not ended.
function watch:see(item, now, is_new, from, open)
  if self.beginning and (is_new or is_new == nil) then
    if self.since then tell_since(self, item, now) end
  elseif is_new then
    tell_new(self, replies.job(item), now)
  elseif from then
    tell_change(self, replies.job(item), now, from)
  end
  if open and now - open.since >= self.stale_after and self.stale[item.JobId] ~= open.status then
    self.stale[item.JobId] = open.status
    tell(self, event_of(self, "stale", replies.job(item), { from = open.status, to = open.status, at = now,
                                                           seconds = now - open.since }))
  end
end

--- For the poller: a look has ended, and what is no longer in the list.
function watch:looked(full, gone)
  if self.joined_midway then
    self.joined_midway = false
  elseif full then
    self.beginning, self.told = false, {}
  end
  for _, id in ipairs(gone) do self.stale[id] = nil end
end

--- For the poller: the first look has failed; what is created from now on is new when it is seen.
function watch:not_seen(now)
  self.since = self.since or now
end

--- For the poller: it cannot go on.
function watch:ended(err)
  if self.has_begun then log.error("the upload jobs of domain %s are no longer watched: %s", self.domain, tostring(err)) end
  self.error = err
  self:close()
end

-- ---- for whoever watches ----

--- watch:on("failed", function(event) … end): status created failed succeeded stale. A status event is told by its own name,
-- and to the handlers of "status". "*" gets (name, event), each event once. Each handler runs in a coroutine of its own; an
-- error in one is logged and stops nothing else. What happened before the first handler is told to it.
function watch:on(name, handler)
  events.listen(self, name, handler, NAMES)
  listened(self)
  return self
end

--- for name, event in watch:events() do … end, until the watch is closed.
function watch:events()
  local queue = { first = 1, last = 0, changed = native.signal() }
  self.queues[queue] = true
  listened(self)
  local function step()
    while queue.first > queue.last do
      if self.closed then return nil end
      queue.changed:wait()
    end
    local event = queue[queue.first]
    queue[queue.first] = nil
    queue.first = queue.first + 1
    return event.name, event
  end
  return step, nil, nil, setmetatable({}, { __close = function() self.queues[queue] = nil end })
end

--- What the watch rests on: { looks=, calls= (of ListUploadJobs), jobs= (in the list), open= (that have not ended), interval=,
-- failures= (looks, since the last good one) }; nil when it was closed.
function watch:about()
  local of = self.poller
  if not of then return nil end
  local jobs, open = of.seen:count()
  return { looks = of.looks, calls = of.calls, jobs = jobs, open = open, interval = of.interval, failures = of.failures }
end

--- Ends it: handlers hear of nothing more, and loops over its events end.
function watch:close()
  if self.closed then return end
  self.closed = true
  if self.poller then self.poller:leave(self) end
  self.poller = nil
  for queue in pairs(self.queues) do queue.changed:set() end
end

--- Begins a watch of { client=, domain=, interval=, stale_after=, since= }: the watch, when the jobs that there are were seen |
-- nil, err
local function begin(options)
  local self = setmetatable({ handlers = {}, queues = {}, kept = {}, stale = {}, told = {} }, watch)
  for k, v in pairs(options) do self[k] = v end
  local ok, joined, err = pcall(poller.join, self)
  if ok and joined then
    self.has_begun = true
    return self
  end
  self:close()
  if not ok then error(joined, 0) end
  return nil, err
end

return { begin = begin, names = NAMES }
