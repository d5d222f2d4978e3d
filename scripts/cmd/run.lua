--- upjob run: a workflow script, a piece of code, or standard input.
local cli = require "upjob.cli"
local errors = require "upjob.errors"

local run = { summary = "run a workflow script (or -e CODE, or - for standard input)" }

local HELP = [[
Usage: upjob run [-q] [-v] SCRIPT [ARG…]
       upjob run [-q] [-v] -e CODE [ARG…]
       upjob run [-q] [-v] - [ARG…]

Runs a Lua script. The modules profiles, upload, csv, mapping, job, task, http, json and log are globals;
the arguments are in the table arg and in "...". A number that the script returns is the exit status.

  -e CODE        run this code
  -              run standard input
  -q, --quiet    print errors only
  -v, --verbose  trace requests and replies on standard error, secrets left out
  -h, --help     this text]]

local function load_script(arguments, at, code)
  if code then return load(code, "=(command line)") end
  local name = arguments[at]
  if name == "-" then return load(io.read("a"), "=stdin") end
  local chunk, message = loadfile(name)
  if not chunk and message:find("^cannot open") then
    return nil, ("cannot open the script %s: there is no such file, or it cannot be read"):format(name)
  end
  return chunk, message
end

function run.main(arguments)
  local i, code = 1, nil
  while arguments[i] and arguments[i]:sub(1, 1) == "-" and arguments[i] ~= "-" do
    local option = arguments[i]
    if option == "-h" or option == "--help" then
      print(HELP)
      return cli.OK
    elseif option == "-v" or option == "--verbose" then
      require("upjob.log").level("trace")
    elseif option == "-q" or option == "--quiet" then
      require("upjob.log").level("error")
    elseif option == "-e" then
      i = i + 1
      code = arguments[i]
      if not code then return cli.usage("run", "-e needs the code to run") end
    elseif option == "--" then
      i = i + 1
      break
    else
      return cli.usage("run", ("unknown option %s (the script's own arguments come after its name)"):format(option))
    end
    i = i + 1
    if code then break end
  end
  if not code and not arguments[i] then return cli.usage("run", "which script?") end
  local chunk, message = load_script(arguments, i, code)
  if not chunk then
    io.stderr:write("upjob: ", message, "\n")
    return cli.FAILED
  end
  local first = code and i or i + 1
  _G.arg = table.move(arguments, first, #arguments, 1, { [0] = code and "-e" or arguments[i] })
  local result = chunk(table.unpack(arg))
  if math.type(result) == "integer" and result >= 0 and result <= 255 then return result end
  if errors.is(result) then return cli.fail(result) end
  return cli.OK
end

return run
