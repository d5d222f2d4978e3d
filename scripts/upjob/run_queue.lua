--- Runs that wait for their turn: those of one schedule in their order, the schedules in turns, so that one with very many holds
-- up no other. Before all of them come those that are put first. An entry has a field `schedule`; one with `apart` is counted
-- nowhere.
local heap = require "upjob.heap"

local run_queue = {}
run_queue.__index = run_queue

function run_queue.new()
  return setmetatable({ first = {}, lists = {}, ring = {}, later = {}, times = heap.new(), numbers = 0, size = 0, sizes = {} },
    run_queue)
end

local function count(self, entry, change)
  self.size = self.size + change
  if entry.apart then return end
  local size = (self.sizes[entry.schedule] or 0) + change
  self.sizes[entry.schedule] = size > 0 and size or nil
end

local function append(self, entry)
  local list = self.lists[entry.schedule]
  if not list then
    list = { head = 1, tail = 0 }
    self.lists[entry.schedule] = list
    table.insert(self.ring, entry.schedule)
  end
  list.tail = list.tail + 1
  list[list.tail] = entry
end

--- Adds one at the end of those of its schedule.
function run_queue:push(entry)
  count(self, entry, 1)
  append(self, entry)
end

--- Adds one at the end of those that are first.
function run_queue:push_first(entry)
  count(self, entry, 1)
  table.insert(self.first, entry)
end

--- Adds one that is not to be taken before a time.
function run_queue:push_later(entry, time)
  count(self, entry, 1)
  self.numbers = self.numbers + 1
  self.later[self.numbers] = entry
  self.times:set(self.numbers, time)
end

--- The clock was set by so many seconds: what waits does not wait longer for it.
function run_queue:clock_was_set(seconds)
  self.times:shift(seconds)
end

--- When the next of those is to be taken | nil.
function run_queue:next_time()
  return (self.times:first())
end

--- Those whose time has come are the first of their schedule.
function run_queue:ripen(now)
  local time, number = self.times:first()
  while time and time <= now do
    local entry = self.later[number]
    self.times:set(number, nil)
    self.later[number] = nil
    append(self, entry)
    local list = self.lists[entry.schedule]
    list[list.tail], list.tail = nil, list.tail - 1
    list.head = list.head - 1
    list[list.head] = entry
    time, number = self.times:first()
  end
end

local function take_first(self, may)
  for i, entry in ipairs(self.first) do
    if may(entry) then return table.remove(self.first, i) end
  end
end

-- The first of the next schedule of which one may be taken; it comes to the end of the ring.
local function take_in_turn(self, may)
  for i, id in ipairs(self.ring) do
    local list = self.lists[id]
    local entry = list[list.head]
    if may(entry) then
      list[list.head], list.head = nil, list.head + 1
      table.remove(self.ring, i)
      if list.head > list.tail then self.lists[id] = nil else table.insert(self.ring, id) end
      return entry
    end
  end
end

--- Takes the next one of which may(entry) is true, as of a time | nil. What is true of an entry is true of all of its schedule.
function run_queue:take(now, may)
  self:ripen(now)
  local entry = take_first(self, may) or take_in_turn(self, may)
  if entry then count(self, entry, -1) end
  return entry
end

--- Takes away all that are of a schedule, but those apart: a list.
function run_queue:remove(schedule)
  local removed, kept = {}, {}
  for _, entry in ipairs(self.first) do
    local list = entry.schedule == schedule and not entry.apart and removed or kept
    list[#list + 1] = entry
  end
  self.first = kept
  for number, entry in pairs(self.later) do
    if entry.schedule == schedule and not entry.apart then
      removed[#removed + 1] = entry
      self.later[number] = nil
      self.times:set(number, nil)
    end
  end
  local list = self.lists[schedule]
  if list then table.move(list, list.head, list.tail, #removed + 1, removed) end
  self.lists[schedule] = nil
  for i, id in ipairs(self.ring) do
    if id == schedule then
      table.remove(self.ring, i)
      break
    end
  end
  for _, entry in ipairs(removed) do count(self, entry, -1) end
  return removed
end

return run_queue
