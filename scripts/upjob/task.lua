--- upjob.task: several things at once. A task is a coroutine that the scheduler resumes; calls look blocking and yield.
local native = require "upjob.native.task"
local errors = require "upjob.errors"

local task = {}

--- Starts fn(...) as a task and returns its handle: handle:wait(seconds?) → results | nil, err; handle:cancel();
-- handle:status(). An error that nobody has waited for when the handle is gone, or when the program ends, is printed with its
-- traceback, and the program ends with status 1.
function task.spawn(fn, ...)
  if type(fn) ~= "function" then
    error(("task.spawn: a function is needed, not a %s"):format(type(fn)), 2)
  end
  return native.spawn(fn, ...)
end

local function check_seconds(what, seconds)
  if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then error(what .. ": seconds, 0 or more", 3) end
end

--- Sleeps for that many seconds; other tasks go on. math.huge: until the task is cancelled.
function task.sleep(seconds)
  check_seconds("task.sleep", seconds)
  native.sleep(seconds)
end

-- A list of tasks that are cancelled when the block is left, however that comes.
local children = {}
children.__close = function(tasks)
  for _, t in ipairs(tasks) do t:cancel(tasks.why) end
end

-- What speaks against waiting for it, or nil.
local function refusal(what)
  if type(what) == "function" then return nil end
  if not native.is(what) then return ("is a %s, not a task or a function"):format(type(what)) end
  return native.refusal(what)
end

--- Waits for all of a list of tasks and functions. Returns the list of their first results; when one fails, the others
-- are cancelled and nil, err is returned. When the task that waits here is cancelled, so are they.
function task.all(list)
  if type(list) ~= "table" then error("task.all: a list of tasks or functions is needed", 2) end
  for i, what in ipairs(list) do
    local why = refusal(what)
    if why then error(("task.all: item %d %s"):format(i, why), 2) end
  end
  local tasks <close> = setmetatable({ why = "the task that waited for it with task.all was cancelled" }, children)
  for i, what in ipairs(list) do tasks[i] = type(what) == "function" and native.spawn(what) or what end
  local results, err = native.all(tasks)
  if not results then tasks.why = "another task of task.all failed" end
  return results, err
end

--- Runs fn(...) for at most that many seconds (math.huge: without a limit): its results, or nil, err with code TimeoutError
-- after cancelling it. When the task that waits here is cancelled, so is fn.
function task.timeout(seconds, fn, ...)
  check_seconds("task.timeout", seconds)
  if type(fn) ~= "function" then
    error(("task.timeout: a function is needed, not a %s"):format(type(fn)), 2)
  end
  local tasks <close> = setmetatable({ native.spawn(fn, ...), why = "the task that waited for it was cancelled" }, children)
  tasks[1]:wait(seconds)
  local status = tasks[1]:status()
  if status ~= "ended" and status ~= "failed" then
    tasks.why = "timed out"
    return nil, errors.new { code = "TimeoutError", message = ("not done within %g s"):format(seconds), retryable = true }
  end
  local outcome = table.pack(tasks[1]:wait())
  if status == "failed" then error(outcome[2], 0) end
  return table.unpack(outcome, 1, outcome.n)
end

return task
