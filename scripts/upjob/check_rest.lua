--- The rest of the check of a large file: its parts are made, and all that may refuse them is known, while the rows that have the
--- same key are still looked for. The parts are sent meanwhile; none is started before the check has ended.
local checking = require "upjob.checking"
local events = require "upjob.events"
local task = require "upjob.native.task"

local check_rest = {}

-- Whether all parts are as they will be sent, and some of them are made.
local function are_made(run, parts)
  local is_any = false
  for _, one in ipairs(parts) do
    if one.bytes >= run.part_bytes then return false end
    is_any = is_any or one.fd ~= nil
  end
  return is_any and #parts > 1
end

-- A check that is given up, with what it has handed over.
local given_up = { __close = function(rest)
  if rest.is_left then return end
  rest.task:cancel()
  if rest.settled then checking.close(rest.settled) end
  rest.is_left = true
end }

local function begin(options)
  local rest = setmetatable({ changed = task.signal() }, given_up)
  options.settled = function(found)
    if rest.is_left then return checking.close(found) end
    rest.settled = found
    rest.changed:set()
  end
  rest.task = task.spawn(function()
    rest.ended = table.pack(pcall(checking.run, options))
    rest.changed:set()
  end)
  return rest
end

-- The result of the check | nil, err; raises what it raised.
local function outcome(rest)
  local ok, result, err = table.unpack(rest.ended, 1, rest.ended.n)
  if not ok then error(result, 0) end
  return result, err
end

--- checking.run of the one file of a run. may_go_on(result) says whether what is settled may be sent before the check has ended:
--- then that is what this returns, and run.rest is what is still under way.
function check_rest.run(run, options, may_go_on)
  local rest <close> = begin(options)
  while not rest.settled and not rest.ended do rest.changed:wait() end
  if rest.settled and not rest.ended and are_made(run, rest.settled.split.parts) and may_go_on(rest.settled) then
    run.rest, rest.is_left = rest, true
    return rest.settled
  end
  while not rest.ended do rest.changed:wait() end
  local result, err = outcome(rest)
  if not result then return nil, err end
  rest.is_left = true
  result.split = rest.settled and rest.settled.split or result.split
  return result
end

--- Waits until the check has ended, and adds what it has found to run.checked. Raises its error: then nothing may be started.
function check_rest.finish(run)
  local rest = run.rest
  while not rest.ended do rest.changed:wait() end
  local result, err = outcome(rest)
  if not result then error(err, 0) end
  result.split = nil
  for name, value in pairs(result) do run.checked[name] = value end
  run.rest = nil
  events.emit(run, "checked", run.checked)
end

--- Gives it up.
function check_rest.cancel(run)
  if run.rest then run.rest.task:cancel() end
  run.rest = nil
end

return check_rest
