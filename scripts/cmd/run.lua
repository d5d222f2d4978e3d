--- upjob run: a workflow script, a piece of code, or standard input.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local report = require "upjob.report"
local shell = require "upjob.shell"

local run = { summary = "run a workflow script (or -e CODE, or - for standard input)" }

function run.parser()
  local p = cli.parser("run", "Runs a Lua script. The modules profiles, upload, csv, mapping, job, notify, task, http, json and "
    .. "log are globals. Options before SCRIPT are upjob's: they are what profiles.client{} uses where it is told nothing else, "
    .. "and the script finds them in arg.options. What follows SCRIPT is the script's: in the table arg and in \"...\". A whole "
    .. "number from 0 to 255 that it returns is the exit status; nil and an error are told as the error of a command.")
  p:usage("Usage: upjob run [OPTION…] SCRIPT [ARG…]\n       upjob run [OPTION…] -e CODE [ARG…]\n"
    .. "       upjob run [OPTION…] - [ARG…]")
  p:option("-e", "Run this code; - instead of SCRIPT runs standard input."):argname("CODE"):target("code")
  p:option("--domain", "For the script, in arg.options.domain (or set UPJOB_DOMAIN)."):argname("NAME")
  return p
end

-- What loadfile does for a file: a byte-order mark and a first line with '#' are no Lua.
local function load_stdin()
  local text, message = io.read("a")
  if not text then return nil, "cannot read the script from standard input: " .. message end
  return load((text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", "")), "=stdin")
end

local function load_script(name, code)
  if code then return load(code, "=(command line)") end
  if name == "-" then return load_stdin() end
  local chunk, message = loadfile(name)
  if not chunk and message:find("^cannot open") then
    return nil, ("cannot open the script %s: there is no such file, or it cannot be read"):format(name)
  end
  return chunk, message
end

-- The exit status that a script's results stand for. A number or a string is meant as one, or as an error; what else a script
-- may return at its end (a result, true) says nothing.
local function status_of(results)
  local first, second = results[1], results[2]
  if errors.is(first) then return cli.fail(first) end
  if not first and second ~= nil then return cli.fail(second) end
  local kind = type(first)
  if kind ~= "number" and kind ~= "string" then return first == false and cli.FAILED or cli.OK end
  local status = kind == "number" and math.tointeger(first)
  if status and status >= 0 and status <= 255 then return status end
  report.fail(("the script returned %s: an exit status is a whole number from 0 to 255, and an error is returned as nil, message")
    :format(kind == "string" and ("%q"):format(first) or tostring(first)))
  return cli.FAILED
end

function run.main(arguments)
  local before, name, rest = cli.split(arguments, function() return { run.parser() } end, "-e")
  local options, status = cli.parse(run.parser(), before)
  if not options then return status end
  if not options.code and (name or "") == "" then return cli.usage("run", "which script?") end
  if options.code and name then table.insert(rest, 1, name) end -- "-eCODE" is one word
  local ok, err = cli.use_service(options)
  if not ok then return cli.fail(err) end
  local chunk, message = load_script(name, options.code)
  if not chunk then
    report.fail(message)
    return cli.FAILED
  end
  shell.script = not options.code and name or nil
  rest[0], rest.options = options.code and "-e" or name, options
  _G.arg = rest
  return status_of(table.pack(chunk(table.unpack(rest))))
end

return run
