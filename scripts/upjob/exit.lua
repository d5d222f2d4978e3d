--- What must be done before the program ends, however it ends. Hooks run last in, first out, and may wait.
local native = require "upjob.native.task"
local report = require "upjob.report"
local system = require "upjob.native.system"

local exit = { hooks = {} }

--- fn(reason) with reason "done", "error" or "interrupted". Returns a function that takes the hook away again.
function exit.add(fn)
  local hook = { run = fn }
  table.insert(exit.hooks, hook)
  return function()
    for i, other in ipairs(exit.hooks) do
      if other == hook then return table.remove(exit.hooks, i) end
    end
  end
end

function exit.run(reason)
  while #exit.hooks > 0 do
    local hook = table.remove(exit.hooks)
    local ok, err = pcall(hook.run, reason)
    if not ok then report.fail("while ending: " .. tostring(err)) end
  end
end

--- os.exit of scripts: what must be done before the end is done, and a status that is none is an error.
function exit.now(code)
  local status = code == nil and 0 or code == true and 0 or code == false and 1 or math.tointeger(code)
  if not status or status < 0 or status > 255 then
    error(("os.exit: an exit status is a whole number from 0 to 255, not %s"):format(tostring(code)), 2)
  end
  native.sleep(0) -- handlers of what has just happened begin
  exit.run("done")
  system.exit(status)
end

return exit
