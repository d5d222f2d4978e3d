--- What is remembered of a domain's upload jobs between two looks at their list, and what has changed since.
--
-- A job that has not ended may change, wherever in the list it is; one that has ended does not. Nothing documents the order of
-- the list. Where all of it was seen newest first, a look may end before the list does, when every job that has not ended was
-- seen and what follows is older than anything that was new at the look before; every FULL_EVERY-th look goes to the end all
-- the same, so that a list that is in another order after all is found out, and what it hid is told then.
local waiter = require "upjob.waiter"

local FULL_EVERY = 20
local SETTLED = 300 -- seconds: a job may be listed that much later than it was created
local MISSED = 2    -- full looks that do not show a job before it is forgotten: pages may shift while they are read

local seen = {}
seen.__index = seen

-- open: JobId → { status=, since= (epoch), round= }; ended: JobId → round. A round is the number of the full look that last
-- showed the job.
local function new()
  return setmetatable({ open = {}, ended = {}, round = 0, newest = 0, short_looks = 0, in_order = false }, seen)
end

--- Before the first item of a look; `whole`: to the end of the list.
function seen:begin(whole)
  self.unseen = 0
  for _, job in pairs(self.open) do
    job.is_unseen = true
    self.unseen = self.unseen + 1
  end
  self.may_stop = not whole and self.in_order and self.short_looks < FULL_EVERY - 1
  self.settled_before = self.newest - SETTLED
  self.look_in_order, self.last_created, self.last_is_known = true, math.huge, false
end

local function note_order(self, item)
  local created = type(item.CreatedAt) == "number" and item.CreatedAt or nil
  if not created or created > self.last_created then self.look_in_order = false end
  self.last_created = created or math.huge
  if created and created > self.newest then self.newest = created end
end

-- A list that is behind: jobs do not go back.
local function is_behind(from, to)
  return from == "IN_PROGRESS" and to == "CREATED"
end

--- An item of the list, seen at `now` (epoch): nil when there is nothing new about it, else whether the job was not known, and
-- its status before.
function seen:take(item, now)
  local id, status = item.JobId, item.Status
  if type(id) ~= "string" or type(status) ~= "string" then return nil end
  note_order(self, item)
  self.last_is_known = self.ended[id] ~= nil
  if self.last_is_known then
    self.ended[id] = self.round
    return nil
  end
  local job = self.open[id]
  if job then
    if job.is_unseen then self.unseen = self.unseen - 1 end
    job.is_unseen, job.round = false, self.round
    if job.status == status or is_behind(job.status, status) then return nil end
  end
  if waiter.has_ended(status) then
    self.open[id], self.ended[id] = nil, self.round
  else
    local since = not job and type(item.CreatedAt) == "number" and item.CreatedAt or now
    self.open[id] = { status = status, since = since, round = self.round }
  end
  return not job, job and job.status
end

--- Whether nothing of the list that follows can be new: asked at the end of a page.
function seen:may_end()
  return self.may_stop and self.look_in_order and self.unseen == 0 and self.last_is_known
    and self.last_created < self.settled_before
end

--- After the last item of a look that did not fail. `full`: it went to the end of the list. Returns the ids that are forgotten,
-- because they are no longer in the list.
function seen:finish(full)
  if not full then
    self.short_looks = self.short_looks + 1
    return {}
  end
  self.short_looks, self.in_order = 0, self.look_in_order
  local gone, last = {}, self.round - MISSED
  for id, job in pairs(self.open) do
    if job.round <= last then gone[#gone + 1] = id end
  end
  for id, round in pairs(self.ended) do
    if round <= last then gone[#gone + 1] = id end
  end
  for _, id in ipairs(gone) do self.open[id], self.ended[id] = nil, nil end
  self.round = self.round + 1
  return gone
end

--- Jobs that are remembered, and how many of them have not ended.
function seen:count()
  local jobs, open = 0, 0
  for _ in pairs(self.ended) do jobs = jobs + 1 end
  for _ in pairs(self.open) do open = open + 1 end
  return jobs + open, open
end

return { new = new }
