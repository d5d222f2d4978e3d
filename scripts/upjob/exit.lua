--- What must be done before the program ends, however it ends. Hooks run last in, first out, and may wait.
local report = require "upjob.report"

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
    if not ok then report.say("while ending: " .. tostring(err)) end
  end
end

return exit
