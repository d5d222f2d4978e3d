--- upjob.task: several things at once. A task is a coroutine that the scheduler resumes; calls look blocking and yield.
local native = require "upjob.native.task"
local errors = require "upjob.errors"

local task = {}

--- Starts fn(...) as a task and returns its handle: handle:wait(seconds?) → results | nil, err; handle:cancel();
-- handle:status(). An error that nobody waits for is printed with its traceback, and the program ends with status 1.
function task.spawn(fn, ...)
  if type(fn) ~= "function" then
    error(("task.spawn: a function is needed, not a %s"):format(type(fn)), 2)
  end
  return native.spawn(fn, ...)
end

--- Sleeps for that many seconds; other tasks go on.
function task.sleep(seconds)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds or seconds > 1e9 then
    error("task.sleep: seconds, 0 or more", 2)
  end
  native.sleep(seconds)
end

local function as_task(what)
  return type(what) == "function" and native.spawn(what) or what
end

--- Waits for all of a list of tasks and functions. Returns the list of their first results; when one fails, the others
-- are cancelled and nil, err is returned.
function task.all(list)
  if type(list) ~= "table" then error("task.all: a list of tasks or functions is needed", 2) end
  local tasks, results = {}, {}
  for i, what in ipairs(list) do
    if type(what) ~= "function" and type(what) ~= "userdata" then
      error(("task.all: item %d is a %s, not a task or a function"):format(i, type(what)), 2)
    end
    tasks[i] = as_task(what)
  end
  -- Whichever fails first ends the rest, so all are waited for at once.
  local changed, left, failure = native.signal(), #tasks, nil
  for i, t in ipairs(tasks) do
    native.handler(function()
      local outcome = table.pack(t:wait())
      if t:status() == "failed" and not failure then failure = { outcome[2] } end
      results[i] = outcome[1]
      left = left - 1
      changed:set()
    end)
  end
  while left > 0 and not failure do changed:wait() end
  if failure then
    for _, t in ipairs(tasks) do t:cancel("another task of task.all failed") end
    return nil, failure[1]
  end
  return results
end

--- Runs fn(...) for at most that many seconds: its results, or nil, err with code TimeoutError after cancelling it.
function task.timeout(seconds, fn, ...)
  if type(seconds) ~= "number" or seconds < 0 then error("task.timeout: seconds, 0 or more", 2) end
  if type(fn) ~= "function" then
    error(("task.timeout: a function is needed, not a %s"):format(type(fn)), 2)
  end
  local t = native.spawn(fn, ...)
  local outcome = table.pack(t:wait(seconds))
  local status = t:status()
  if status == "failed" then error(outcome[2], 0) end
  if status ~= "ended" then
    t:cancel("timed out")
    return nil, errors.new { code = "TimeoutError", message = ("not done within %g s"):format(seconds), retryable = true }
  end
  return table.unpack(outcome, 1, outcome.n)
end

return task
