--- The one poll of a domain's upload jobs by a client, however many watches want to know of it.
--
-- Every look is as many calls of ListUploadJobs as there are pages, within the client's rate of that operation. The polls of one
-- client begin at different times of the interval, slow down together while the service throttles, and go on through an outage
-- with longer and longer pauses.
local errors = require "upjob.errors"
local jobs_seen = require "upjob.jobs_seen"
local log = require "upjob.log"
local native = require "upjob.native.task"
local report = require "upjob.report"
local system = require "upjob.native.system"

local PAGE = 500            -- jobs, the most that the service gives
local LONGEST_PAUSE = 300   -- seconds between looks that fail, unless the interval is longer
local TOLD_AFTER = 3        -- looks that fail one after another before it is told
local SLOWEST = 8           -- intervals between looks while the service throttles
local SPREAD = 0.6180339887 -- the places in the interval of the first, second, … poll of a client: never near one another

local poller = {}
poller.__index = poller

-- client → { count = polls begun, slow = intervals between looks, domains = { name → poller }, outages = { code → outage } }
local groups = setmetatable({}, { __mode = "k" })

local function group_of(client)
  local group = groups[client]
  if not group then
    group = { count = 0, slow = 1, domains = {}, outages = {} }
    groups[client] = group
  end
  return group
end

-- ---- a look ----

local function take(self, item, now)
  local is_new, from = self.seen:take(item, now)
  local open = self.seen.open[item.JobId]
  for watch in pairs(self.watches) do watch:see(item, now, is_new, from, open) end
end

local function service_time(self)
  return system.time() + self.client:about().clock_offset
end

-- Whether a watch has to hear of every job.
local function is_for_all(self)
  for watch in pairs(self.watches) do
    if watch.beginning then return true end
  end
  return false
end

-- True when it went to the end of the list.
local function look(self)
  local now = service_time(self)
  self.seen:begin(is_for_all(self))
  for items in self.client:whole_pages("list_upload_jobs", { DomainName = self.domain, MaxResults = PAGE }) do
    self.calls = self.calls + 1
    for _, item in ipairs(items) do
      if type(item) == "table" and type(item.JobId) == "string" then take(self, item, now) end
    end
    if self.seen:may_end() then return false end
  end
  return true
end

local function look_and_finish(self)
  local full = look(self)
  local gone = self.seen:finish(full)
  for watch in pairs(self.watches) do watch:looked(full, gone) end
end

local function is_throttled(err)
  return err.status == 429 or tostring(err.code):find("Throttl") ~= nil
end

-- ---- when ----

-- Domains of a client that fail in the same way are one outage, which is told once, and when it is over for all of them.
local function tell_outage(self, err)
  self.failures = self.failures + 1
  if self.outage or self.failures < TOLD_AFTER then return end
  local outages = self.group.outages
  local outage = outages[err.code]
  if not outage then
    outage = { code = err.code, since = native.now(), domains = 0, failing = 0 }
    outages[err.code] = outage
    log.warn("the upload jobs of domain %s are not seen: %s; they are looked for until they are, and so are those of other "
      .. "domains that fail in this way", self.domain, tostring(err), { domain = self.domain, code = err.code })
  end
  outage.domains, outage.failing = outage.domains + 1, outage.failing + 1
  self.outage = outage
end

-- This domain is no longer part of it: true when it was the last one.
local function leave_outage(self)
  local outage = self.outage
  if not outage then return false end
  self.outage = nil
  outage.failing = outage.failing - 1
  if outage.failing > 0 then return false end
  self.group.outages[outage.code] = nil
  return true
end

local function tell_end_of_outage(self)
  local outage = self.outage
  self.failures = 0
  if not leave_outage(self) then return end
  log.warn("the upload jobs of %s are seen again, after %s",
    outage.domains == 1 and "domain " .. self.domain or report.plural(outage.domains, "domain"),
    report.seconds(native.now() - outage.since), { domain = self.domain })
end

-- When the next look is due.
local function plan(self, err)
  local group, now = self.group, native.now()
  if err then
    if is_throttled(err) then group.slow = math.min(group.slow * 2, SLOWEST) end
    local pause = math.min(self.interval * 2 ^ math.min(self.failures - 1, 16), math.max(LONGEST_PAUSE, self.interval))
    self.due = now + pause * (0.75 + 0.5 * math.random())
  else
    group.slow = math.max(group.slow * 0.9, 1)
    local step = self.interval * group.slow
    self.due = math.max(self.due + step, now + step / 2)
  end
end

-- The looks of one poll, until its last watch is closed, or the client.
local function go_on(self)
  while true do
    native.sleep(math.max(self.due - native.now(), 0))
    self.looking = true
    local ok, err = pcall(look_and_finish, self)
    self.looking = false
    if ok then
      self.looks = self.looks + 1
      tell_end_of_outage(self)
    elseif errors.has_code(err, "Cancelled") then
      error(err, 0)
    elseif not errors.is(err) then
      return self:finish(errors.new { code = "InternalError", message = tostring(err):gsub("^[^\n]-:%d+: ", "", 1) })
    else
      tell_outage(self, err)
    end
    plan(self, not ok and err or nil)
  end
end

-- The first look, whose failure for good is the watch's: the domain is not there, or may not be seen. After one that may pass,
-- jobs that are created from now on are still new when they are seen.
local function begin(self)
  self.looking = true
  local ok, err = pcall(look_and_finish, self)
  self.looking = false
  if not ok and (not errors.is(err) or not err.retryable) then return self:finish(err) end
  if ok then
    self.looks = 1
  else
    tell_outage(self, err)
    for watch in pairs(self.watches) do watch:not_seen(service_time(self)) end
  end
  self.group.count = self.group.count + 1
  self.due = native.now() + (ok and self.interval * (1 - self.group.count * SPREAD % 1) or 0)
  if not ok then plan(self, err) end
  self.has_begun = true
  self.begun:set()
  go_on(self)
end

-- ---- its watches ----

--- Joins the poll of a domain, as its field poller: true, once it has looked | nil, err. `watch` has client, domain, interval,
-- since, and the methods see, looked, not_seen and ended.
local function join(watch)
  local group = group_of(watch.client)
  local self = group.domains[watch.domain]
  if not self then
    self = setmetatable({ client = watch.client, domain = watch.domain, group = group, seen = jobs_seen.new(), watches = {},
                          interval = watch.interval, failures = 0, looks = 0, calls = 0, begun = native.signal() }, poller)
    group.domains[watch.domain] = self
    self.task = native.handler(begin, self)
  end
  watch.beginning = not self.has_begun or watch.since ~= nil
  watch.joined_midway = self.looking
  watch.poller = self
  self.watches[watch] = true
  while not self.has_begun and not self.error do self.begun:wait() end
  if self.error then return nil, self.error end
  self:pace()
  return true
end

--- The interval is that of the watch which wants to know soonest.
function poller:pace()
  local interval = math.huge
  for watch in pairs(self.watches) do interval = math.min(interval, watch.interval) end
  if interval == self.interval then return end
  self.interval = interval
  if self.looking or not self.has_begun then return end
  self.task:cancel()
  self.due = math.min(self.due, native.now() + interval)
  self.task = native.handler(go_on, self)
end

--- A watch leaves; with the last one the poll ends.
function poller:leave(watch)
  self.watches[watch] = nil
  if next(self.watches) then return self:pace() end
  if self.group.domains[self.domain] == self then self.group.domains[self.domain] = nil end
  leave_outage(self)
  self.task:cancel()
end

--- Ends it for its watches, which are told.
function poller:finish(err)
  self.error = err
  leave_outage(self)
  if self.group.domains[self.domain] == self then self.group.domains[self.domain] = nil end
  self.begun:set()
  for watch in pairs(self.watches) do watch:ended(err) end
end

return { join = join }
