--- upjob child: what the daemon runs as processes of their own. Not for people.
local cli = require "upjob.cli"

local command = { name = "child", summary = "parts of the daemon" }

local MODULES = { declare = "upjob.child_declare", run = "upjob.child_run" }

function command.main(arguments)
  local module = MODULES[arguments[1]]
  if not module then return cli.usage("child", "this command is the daemon's own") end
  return require(module).main(table.move(arguments, 2, #arguments, 1, {}))
end

return command
