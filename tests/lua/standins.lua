-- Stand-ins for what the engine works with: a store in memory with a clock that a test sets, and children that a test ends.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local system = require "upjob.native.system"

local standins = {}

-- ---- the store ----

local store = {}
store.__index = store

--- A store whose clock is the system's and `offset` seconds more. fails: an error that every write gives.
function standins.store()
  return setmetatable({ offset = 0, runs_made = {}, ticks = {}, runs_of = {}, known = {}, letters = {}, order = {} }, store)
end

function store:now()
  native.sleep(0)
  return system.time() + self.offset
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local made = {}
  for k, v in pairs(value) do made[k] = copy(v) end
  return made
end

function store:sync_schedules(given)
  native.sleep(0)
  if self.fails then return nil, self.fails end
  for _, row in pairs(self.known) do row.was_gone, row.gone = row.gone, true end
  local now = system.time() + self.offset
  for _, one in ipairs(given.list) do
    local row = self.known[one.id]
    if not row or row.was_gone or row.timing ~= one.timing then
      row = row or { id = one.id, created_at = now, paused = false, streak = 0 }
      row.since, row.last_due = now, nil
    end
    row.dir, row.file, row.timing, row.definition, row.gone = given.dir, one.file, one.timing, copy(one.definition), false
    self.known[one.id] = row
  end
  local states = {}
  for id, row in pairs(self.known) do states[id] = copy(row) end
  return states
end

function store:schedules()
  native.sleep(0)
  local list = {}
  for _, row in pairs(self.known) do list[#list + 1] = copy(row) end
  return list
end

local function put_outcome(self, given)
  local row = self.known[given.schedule]
  if not row then return end
  row.streak, row.last_run = given.streak or given.ok and math.max(row.streak, 0) + 1 or math.min(row.streak, 0) - 1, given.run
end

function store:tick(list, outcome)
  native.sleep(0)
  if self.fails then return nil, self.fails end
  local results = {}
  for i, one in ipairs(list) do
    local key = one.schedule .. "\0" .. one.key
    results[i] = { schedule = one.schedule, key = one.key }
    if self.ticks[key] then
      results[i].taken = true
    else
      self.ticks[key] = one
      self.order[#self.order + 1] = one.schedule .. " " .. one.key .. (one.skipped and " " .. one.skipped or "")
      local row = self.known[one.schedule]
      if one.due and row then row.last_due = math.max(row.last_due or one.due, one.due) end
      if one.run then
        local run = copy(one.run)
        run.id, run.state, run.schedule, run.attempt, run.fence = #self.runs_made + 1, "queued", one.schedule, 0, 0
        self.runs_made[run.id] = run
        results[i].run, self.runs_of[key] = run.id, run.id
      else
        results[i].skipped = one.skipped
      end
    end
  end
  if outcome then put_outcome(self, outcome) end
  if outcome and outcome.heartbeat then
    local key = outcome.schedule .. "\0heartbeat"
    self.ticks[key], self.runs_of[key] = outcome, outcome.heartbeat
  end
  return results
end

function store:ticked(list)
  local found = {}
  for i, one in ipairs(list) do
    local key = one.schedule .. "\0" .. one.key
    found[i] = self.runs_of[key] or self.ticks[key] ~= nil
  end
  return found
end

function store:drop_heartbeat(given)
  local key = given.schedule .. "\0heartbeat"
  if self.runs_of[key] == given.run then self.ticks[key], self.runs_of[key] = nil, nil end
  return true
end

function store:unsettled()
  local found = {}
  for id, run in ipairs(self.runs_made) do
    local ended = run.state == "succeeded" or run.state == "failed"
    if ended and not self.ticks[run.schedule .. "\0ended|" .. id] then found[#found + 1] = id end
  end
  return found
end

function store:claim_run(given)
  local run = self.runs_made[given.id]
  run.state, run.attempt, run.fence = "running", run.attempt + 1, run.fence + 1
  return copy(run)
end

local function not_found(id)
  return errors.new { code = "NotFound", message = ("there is no run %d in the journal"):format(id) }
end

function store:end_run(given)
  if self.fails then return nil, self.fails end
  local run = self.runs_made[given.id]
  if not run then return nil, not_found(given.id) end
  run.state, run.error, run.ended_at = given.state, given.error, system.time() + self.offset
  return true
end

function store:requeue_run(given)
  local run = self.runs_made[given.id]
  run.state, run.not_before, run.error = "queued", given.not_before, given.error
  return true
end

function store:run(given)
  native.sleep(0)
  local run = self.runs_made[given.id]
  if not run then return nil, not_found(given.id) end
  return copy(run)
end

function store:runs(given)
  native.sleep(0)
  local list = {}
  for id = #self.runs_made, 1, -1 do
    local run = self.runs_made[id]
    local wanted = false
    for _, state in ipairs(given.state) do wanted = wanted or state == run.state end
    if wanted and id < (given.before_id or math.huge) and #list < given.limit then list[#list + 1] = copy(run) end
  end
  return list
end

function store:pause(given)
  self.known[given.schedule].paused = given.paused
  return true
end

function store:add_dead_letter(letter)
  self.letters[#self.letters + 1] = letter
  return #self.letters
end

-- ---- children ----

--- start(run, definition, hook) of an engine, and a list of what was started: { id =, schedule =, hook =, finish(state,
-- message) }.
-- With `answer(child)` each ends at once in the state that it returns.
function standins.children(the_store, answer)
  local children = { list = {}, most = 0, now = 0 }
  function children.start(run, definition, hook)
    local child = { id = run.id, schedule = run.schedule, hook = hook, definition = definition, over = native.signal() }
    if not hook then the_store:claim_run { id = run.id } end
    children.list[#children.list + 1] = child
    children.now = children.now + 1
    children.most = math.max(children.most, children.now)
    function child.finish(state, message, signal)
      if not hook then
        the_store:end_run { id = run.id, state = state, error = message and { code = "Test", message = message } or nil }
      end
      local err = message and { message = message, code = signal and "Crashed" } or nil
      child.outcome = { state = state, error = err, signal = signal }
      children.now = children.now - 1
      child.over:set()
    end
    function child.wait()
      local state, message, signal
      if answer then state, message, signal = answer(child) end
      if state then child.finish(state, message, signal) end
      while not child.outcome do child.over:wait() end
      return child.outcome
    end
    function child.kill() child.finish("interrupted", "stopped") end
    return child
  end
  --- What was started, as text: "id hook".
  function children.told()
    local list = {}
    for i, child in ipairs(children.list) do list[i] = child.schedule .. (child.hook and " on_" .. child.hook or "") end
    return list
  end
  return children
end

return standins
