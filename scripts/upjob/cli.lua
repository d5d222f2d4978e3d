--- The command line: finds the subcommand, gives it its options, turns its outcome into an exit status.
local defaults = require "upjob.defaults"
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local log = require "upjob.log"
local max_failed = require "upjob.max_failed"
local report = require "upjob.report"
local shell = require "upjob.shell"
local system = require "upjob.native.system"

local cli = {}

--- Exit statuses: cli.OK, cli.FAILED, cli.USAGE, ….
for name, status in pairs(exit_status) do
  if type(status) == "number" then cli[name] = status end
end
--- The exit status that an error object stands for.
cli.status_of = exit_status.of_error

-- In the order of the help; a file in scripts/cmd each.
cli.commands = {
  "demo", "run", "repl", "import", "map", "job", "domain", "profile", "local",
  "daemon", "schedule", "status", "runs",
  "notify",
  "doctor", "probe",
}

-- Those that the program calls itself by: not in the help, nor suggested.
cli.hidden = { "child" }

--- Prints an error for a person and returns its exit status.
function cli.fail(err)
  report.fail(err)
  return cli.status_of(err)
end

--- A run that has not ended in time is given up: its result when it ended meanwhile | nil, exit status
function cli.give_up(run, seconds)
  run:interrupt()
  if run.result then return run.result end
  report.fail(("not done within %g s: %s"):format(seconds, run:left() or "no job was created"), { code = "TimeoutError" })
  return nil, cli.TIMED_OUT
end

--- A usage error of a subcommand.
function cli.usage(command, message)
  report.usage(command, message, ("Try 'upjob %s --help'."):format(command))
  return cli.USAGE
end

-- ---- options that every subcommand has ----

local FORMATS = { "text", "json" }

local function add_common(parser)
  parser:option("--profile", "Profile of the AWS shared files."):argname("NAME")
  parser:option("--region", "AWS region."):argname("REGION")
  parser:option("--endpoint-url", "Send API calls to this URL."):argname("URL")
  parser:flag("--local", "Use an embedded service inside this process: no AWS account needed."):target("embedded")
  parser:option("--data", "With --local: keep the service's data in this directory."):argname("DIR")
  parser:option("--state", "Directory of upjob's own state."):argname("DIR")
  parser:flag("--json", "Machine output on standard output: one object, or JSON lines.")
  parser:flag("--show-values", "Show values of cells in messages when standard error is no terminal.")
  parser:flag("-q --quiet", "Print errors only.")
  parser:flag("-v --verbose", "Trace requests and replies on standard error, secrets left out.")
  parser:option("--log-format", "What standard error is: text, or json, an object a line (or set UPJOB_LOG_FORMAT).")
    :choices(FORMATS)
  parser:option("--color", "auto, always or never."):choices({ "auto", "always", "never" }):default("auto")
end

--- An option that takes a number: `takes` says so in words, and is what an error tells. most: 1e9 when not given.
function cli.number_option(parser, name, description, argname, takes, limits)
  return parser:option(name, description):argname(argname):convert(function(text)
    local number = text:find("^%-?%d*%.?%d+$") and tonumber(text) -- not 0x10, not 1e3
    if number and limits.integer then number = math.tointeger(number) end
    if number and number >= (limits.least or 0) and number <= (limits.most or 1e9) then return number end
    return nil, ("option '%s' takes %s, not '%s'"):format(name, takes, text)
  end)
end

--- --max-failed, for the commands whose exit status it decides.
function cli.max_failed_option(parser, description)
  parser:option("--max-failed", description):argname("N|P%"):convert(function(text)
    if max_failed.read(text) then return text end
    return nil, ("option '--max-failed' takes %s, not '%s'"):format(max_failed.takes, text)
  end)
end

--- --tmp, for the commands that keep on disk what does not fit in memory, or cannot be read twice.
function cli.tmp_option(parser)
  parser:option("--tmp", "Where temporary files go, which have no name and are gone with this program."):argname("DIR")
end

--- A parser with the common options for a subcommand, or for one word of it ("job watch").
function cli.parser(name, description)
  local argparse = require "argparse"
  local parser = argparse("upjob " .. name, description):usage_max_width(100):help_max_width(100)
  add_common(parser)
  return parser
end

--- An argument that has one name wherever it is told: in the usage, in the help and in an error.
function cli.argument(parser, target, name, description)
  return parser:argument(name, description):argname(name):target(target)
end

-- The names of the options of these parsers that take the next word along, as a set.
local function taking_value(parsers)
  local names = {}
  for _, parser in ipairs(parsers) do
    for _, option in ipairs(parser._options) do
      for _, name in ipairs(option._aliases) do names[name] = names[name] or option._maxargs > 0 end
    end
  end
  return names
end

--- Parts a list of words before the first that is no option: the options with their values, that word, the rest. Which
-- options take a value the parsers know. The option `last`, and "--", end the options.
function cli.split(arguments, parsers, last)
  local before, i = {}, 1
  local takes_value = arguments[1] and arguments[1]:find("^%-.") and taking_value(parsers()) or {}
  while arguments[i] and arguments[i]:find("^%-.") do
    local option = arguments[i]
    i = i + 1
    if option == "--" then break end
    before[#before + 1] = option
    if takes_value[option] and arguments[i] then
      before[#before + 1] = arguments[i]
      i = i + 1
    end
    if option == last then return before, nil, table.move(arguments, i, #arguments, 1, {}) end
  end
  return before, arguments[i], table.move(arguments, i + 1, #arguments, 1, {})
end

-- "--max-failed -1": a number is the option's value, not an option.
local function join_numbers(parser, arguments)
  local takes_value, joined = taking_value { parser }, {}
  for _, word in ipairs(arguments) do
    local option = joined[#joined]
    if word:find("^%-%.?%d") and takes_value[option] and option:find("^%-%-") then
      joined[#joined] = option .. "=" .. word
    else
      joined[#joined + 1] = word
    end
  end
  return joined
end

-- "option '--key'" or "argument 'FILE'" that was given an empty value, or nil: more often a shell variable that is not set
-- than a wish. Code (-e) may be empty.
local function what_is_empty(parser, result)
  for kind, list in pairs { option = parser._options, argument = parser._arguments } do
    for _, element in ipairs(list) do
      local name, value = element._name, result[element._target or element:_get_default_target()]
      for _, text in ipairs(type(value) == "table" and value or { value }) do
        if text == "" and name ~= "-e" then return ("%s '%s'"):format(kind, name) end
      end
    end
  end
end

local function has_value(list, value)
  for _, item in ipairs(list) do
    if item == value then return true end
  end
end

-- The format of the log, as soon as the words say it: what is wrong with the other words is told in it.
local function use_log_format(words)
  for i, word in ipairs(words) do
    local format = word:match("^%-%-log%-format=(.*)$") or word == "--log-format" and words[i + 1]
    if format and has_value(FORMATS, format) then log.format(format) end
  end
end

-- true | nil, err: of the environment's word for it, where no option says otherwise.
local function check_log_format(options)
  local format = os.getenv("UPJOB_LOG_FORMAT")
  if options.log_format or not format or format == "" or has_value(FORMATS, format) then return true end
  return nil, errors.new { code = "ConfigurationError",
    message = ("UPJOB_LOG_FORMAT is text or json, not \"%s\""):format(format) }
end

--- Parses; prints help or the usage error itself. Returns options | nil, exit status.
function cli.parse(parser, arguments)
  use_log_format(arguments)
  local ok, result = parser:pparse(join_numbers(parser, arguments))
  local name = parser._name:gsub("^upjob ", "")
  if not ok then
    return nil, cli.usage(name, (result:gsub("\nDid you mean (.*)%?$", " (did you mean %1?)")))
  end
  local empty = what_is_empty(parser, result)
  if empty then return nil, cli.usage(name, empty .. " has an empty value") end
  local known, err = check_log_format(result)
  if not known then return nil, cli.fail(err) end
  if result.verbose then log.level("trace") elseif result.quiet then log.level("error") end
  defaults.state = result.state
  result.domain = result.domain or os.getenv("UPJOB_DOMAIN")
  if result.domain == "" then result.domain = nil end
  return result
end

--- `--domain` or UPJOB_DOMAIN; prints the usage error otherwise.
function cli.need_domain(command, options)
  if options.domain then return options.domain end
  return nil, cli.usage(command, "which domain? give --domain NAME, or set UPJOB_DOMAIN")
end

--- Makes the common options what profiles.client{} uses where it is told nothing else: true | nil, err. With `only_named` no
--- service is started.
function cli.use_service(options, only_named)
  if options.embedded and options.endpoint_url then
    return nil, errors.new { code = "UsageError", message = "--local and --endpoint-url do not go together" }
  end
  if options.data and not options.embedded then
    return nil, errors.new { code = "UsageError", message = "--data goes with --local" }
  end
  if options.data and not only_named then
    local url, err = require("upjob.embedded").start { data_dir = options.data }
    if not url then return nil, err end
  end
  for _, name in ipairs { "embedded", "profile", "region", "endpoint_url" } do defaults[name] = options[name] end
  return true
end

--- An API client as the common options say | nil, err
function cli.client(options)
  local ok, err = cli.use_service(options)
  if not ok then return nil, err end
  return require("upjob.profiles").client {}
end

--- Values of cells are personal data: shown on a terminal or on demand.
function cli.show_values(options)
  return options.show_values or system.isatty("stderr")
end

--- Commands of two words: "job list". Options may stand between them. command: { name =, summary =, order = { word, … },
-- parsers = { word = function() → parser }, words = { word = function(arguments) → exit status } }
function cli.words(command, arguments)
  local before, word, rest = cli.split(arguments, function() return cli.parsers_of(command) end)
  if word and command.words[word] then
    return command.words[word](table.move(rest, 1, #rest, #before + 1, before))
  end
  local help = not word and (#arguments == 0 or arguments[1] == "--help" or arguments[1] == "-h")
  local usage = ("Usage: upjob %s %s [OPTION…]\n%s: %s.\n'upjob %s %s --help' tells more."):format(command.name,
    table.concat(command.order, "|"), command.name, command.summary, command.name, command.order[1])
  if help and #arguments > 0 then
    print(usage)
    return cli.OK
  end
  use_log_format(arguments)
  if word then
    report.usage(command.name, ("there is no \"%s\"%s"):format(word, errors.did_you_mean(word, command.order)), usage)
  else
    report.lines(usage, { code = "UsageError" }, "error")
  end
  return cli.USAGE
end

--- The parsers of a command: its own, or those of its words.
function cli.parsers_of(command)
  if command.parser then return { command.parser() } end
  local list = {}
  for i, word in ipairs(command.order) do list[i] = command.parsers[word]() end
  return list
end

-- ---- main ----

local function command_of(name)
  for _, list in ipairs { cli.commands, cli.hidden } do
    for _, known in ipairs(list) do
      if known == name then return require("upjob.cmd." .. name) end
    end
  end
end

local function print_help()
  local lines = { "Usage: upjob COMMAND [OPTION…]", "",
    "Load CSV files into Amazon Connect Customer Profiles, or rehearse it here with --local.", "", "Commands:" }
  for _, name in ipairs(cli.commands) do
    lines[#lines + 1] = ("  %-9s %s"):format(name, require("upjob.cmd." .. name).summary)
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = "'upjob COMMAND --help' tells the options of a command; 'upjob demo' shows it all."
  print(table.concat(lines, "\n"))
end

-- Options may stand before the command: upjob --local import …
local function all_parsers()
  local all = {}
  for _, name in ipairs(cli.commands) do
    local list = cli.parsers_of(require("upjob.cmd." .. name))
    table.move(list, 1, #list, #all + 1, all)
  end
  return all
end

-- A usage error of what is no subcommand's.
local function usage(message)
  report.fail(message .. ": try 'upjob --help'", { code = "UsageError" })
  return cli.USAGE
end

-- '#!/usr/bin/env upjob' hands us the path of the script as the first word.
local function is_script(name)
  return name:find("/", 1, true) ~= nil or name:find("%.lua$") ~= nil
end

-- What is wrong with the options before the command, or nil.
local function fault_of_options(words)
  if #words == 0 then return nil end
  local takes_value, i = taking_value(all_parsers()), 1
  takes_value["--version"] = false
  while words[i] do
    local name = words[i]:match("^%-%-[^=]+") or words[i]:sub(1, 2)
    if takes_value[name] == nil then
      local near = name:find("^%-%-") and errors.did_you_mean(name, errors.names_of(takes_value)) or ""
      return ("unknown option '%s'%s"):format(name, near)
    end
    local apart = takes_value[name] and name == words[i]
    if apart and not words[i + 1] then return ("option '%s' requires an argument"):format(name) end
    i = i + (apart and 2 or 1)
  end
end

-- No command: what is printed of the program itself.
local function without_command(options)
  if has_value(options, "--version") then
    print("upjob " .. system.version)
  elseif #options == 0 or has_value(options, "--help") or has_value(options, "-h") then
    print_help()
  else
    return usage("a command is missing")
  end
  return cli.OK
end

local function dispatch(arguments)
  local before, name, rest = cli.split(arguments, all_parsers)
  use_log_format(before)
  local fault = fault_of_options(before)
  if fault then return usage(fault) end
  if not name or has_value(before, "--version") then return without_command(before) end
  if name == "help" then
    if not rest[1] or rest[1]:find("^%-") then return without_command {} end
    name = table.remove(rest, 1)
    rest[#rest + 1] = "--help"
  end
  local command = command_of(name)
  if not command and is_script(name) then
    command, rest = command_of("run"), table.move(rest, 1, #rest, 2, { name })
  end
  if not command then
    use_log_format(rest)
    return usage(("there is no command \"%s\"%s"):format(name, errors.did_you_mean(name, cli.commands)))
  end
  return command.main(table.move(rest, 1, #rest, #before + 1, before)) or cli.OK
end

-- The error of a script: its traceback; that of the program's own parts: a line. Returns the reason of the end.
local function report_end(err)
  if errors.has_code(err, "Interrupted") then
    if system.isatty("stderr") and not report.is_json() then io.stderr:write("\r\27[K") end -- the progress line
    report.say(err.message, { code = err.code, status = err.status }, "warn")
    return "interrupted"
  end
  local message = type(err) == "table" and err.traceback or err
  report.lines(message, nil, "error", "upjob: ")
  return "error"
end

-- A traceback without losing the error object.
local function with_traceback(err)
  if errors.has_code(err, "Interrupted") then return err end
  return { error = err, traceback = debug.traceback(errors.text_of(err), 2) }
end

function cli.main(arguments)
  shell.program = arguments[0] or shell.program
  local exit = require "upjob.exit"
  os.exit = exit.now
  local list = table.move(arguments, 1, #arguments, 1, {})
  shell.words = table.move(arguments, 1, #arguments, 1, {})
  local reason = "done"
  local ok, status = xpcall(function()
    local code = dispatch(list)
    -- Tasks that were started and not waited for are part of the program.
    local native = require "upjob.native.task"
    while native.join_any() do end
    return code
  end, with_traceback)
  if not ok then
    reason = report_end(status)
    status = errors.is(status) and status.status or cli.FAILED
  end
  exit.run(reason)
  return status
end

return cli
