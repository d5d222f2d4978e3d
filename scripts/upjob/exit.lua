--- What must be done before the program ends, however it ends. Hooks run last in, first out, and may wait.
local exit = { hooks = {} }

--- fn(reason) with reason "done", "error", "INT" or "TERM".
function exit.add(fn)
  table.insert(exit.hooks, fn)
end

function exit.run(reason)
  while #exit.hooks > 0 do
    local hook = table.remove(exit.hooks)
    local ok, err = pcall(hook, reason)
    if not ok then io.stderr:write("upjob: while ending: ", tostring(err), "\n") end
  end
end

return exit
