--- A heap: the earliest of many, where entries are moved and taken away by name.
local heap = {}
heap.__index = heap

function heap.new()
  return setmetatable({ names = {}, times = {}, places = {} }, heap)
end

local function swap(self, i, j)
  local names, times = self.names, self.times
  names[i], names[j] = names[j], names[i]
  times[i], times[j] = times[j], times[i]
  self.places[names[i]], self.places[names[j]] = i, j
end

local function rise(self, i)
  while i > 1 and self.times[i] < self.times[i // 2] do
    swap(self, i, i // 2)
    i = i // 2
  end
  return i
end

local function sink(self, i)
  local times = self.times
  while 2 * i <= #times do
    local child = 2 * i
    if child < #times and times[child + 1] < times[child] then child = child + 1 end
    if times[i] <= times[child] then return end
    swap(self, i, child)
    i = child
  end
end

--- Enters a name with its time, or changes its time; nil takes it away.
function heap:set(name, time)
  local i = self.places[name]
  if time and not i then
    i = #self.names + 1
    self.names[i], self.times[i], self.places[name] = name, time, i
    rise(self, i)
  elseif time then
    self.times[i] = time
    sink(self, rise(self, i))
  elseif i then
    local last = #self.names
    if i < last then swap(self, i, last) end
    self.names[last], self.times[last], self.places[name] = nil, nil, nil
    if i < last then sink(self, rise(self, i)) end
  end
end

--- All times are so many seconds later.
function heap:shift(seconds)
  for i, time in ipairs(self.times) do self.times[i] = time + seconds end
end

--- The earliest time and its name | nil when it is empty.
function heap:first()
  return self.times[1], self.names[1]
end

--- The names whose time is `time` or before, in the order of their times; they stay in.
function heap:until_time(time)
  local found, open = {}, { 1 }
  while #open > 0 do
    local i = table.remove(open)
    if self.times[i] and self.times[i] <= time then
      found[#found + 1] = i
      open[#open + 1] = 2 * i
      open[#open + 1] = 2 * i + 1
    end
  end
  table.sort(found, function(a, b)
    if self.times[a] ~= self.times[b] then return self.times[a] < self.times[b] end
    return self.names[a] < self.names[b]
  end)
  for n, i in ipairs(found) do found[n] = self.names[i] end
  return found
end

return heap
