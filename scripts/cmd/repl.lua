--- upjob repl: a prompt for exploring. Tasks go on while it waits for a line.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local inspect = require "upjob.inspect"
local report = require "upjob.report"
local system = require "upjob.native.system"

local repl = { summary = "explore at a prompt" }

-- "=x" and "x" are expressions; anything else is a statement.
local function compile(text)
  local expression = text:match("^%s*=(.*)$") or text
  local chunk = load("return " .. expression, "=prompt")
  if chunk then return chunk end
  return load(text, "=prompt")
end

local function is_incomplete(message)
  return message ~= nil and message:find("<eof>'?$") ~= nil
end

-- A whole statement, over several lines if need be: text | nil at the end of input | false when interrupted. One that the end
-- of the input cuts off comes with its error.
local function read(lines)
  local text = lines:read("upjob> ")
  if not text then return text end
  while true do
    local chunk, message = compile(text)
    if chunk or not is_incomplete(message) then return text, chunk, message end
    local more = lines:read("   … ")
    if more == nil then return text, nil, message end
    if not more then return more end
    text = text .. "\n" .. more
  end
end

-- What tasks print while a line is being typed goes above it: whoever writes to the terminal tells the prompt.
local function print_above(lines)
  local function announce(owner, name, ends_line)
    local write = owner[name]
    owner[name] = function(...)
      local ends = ends_line(...)
      if ends ~= nil then lines:step_aside(ends) end
      return write(...)
    end
  end
  local function ends(...)
    return tostring(select(-1, "\n", ...)):find("\n$") ~= nil
  end
  announce(_G, "print", function() return true end)
  announce(io, "write", function(...)
    if io.output() == io.stdout or io.output() == io.stderr then return ends(...) end
  end)
  announce(getmetatable(io.stdout).__index, "write", function(file, ...)
    if file == io.stdout or file == io.stderr then return ends(...) end
  end)
end

local function open_lines()
  if not system.isatty("stdin") then
    -- Lines from a pipe: no editing, no prompt.
    return { read = function() return io.read("l") end, remember = function() end }
  end
  local state = require("upjob.journal").directory()
  local ok = state and system.make_directory(state)
  local lines = require("upjob.native.prompt").open(ok and state .. "/history" or nil)
  print_above(lines)
  require("upjob.exit").add(function() lines:leave() end)
  return lines
end

local function show(...)
  local n = select("#", ...)
  local parts = {}
  for i = 1, n do parts[i] = inspect((select(i, ...))) end
  if n > 0 then print(table.concat(parts, "\t")) end
end

local function trace(err)
  if errors.is(err) then return err end
  return debug.traceback(tostring(err), 2)
end

-- Runs a chunk; true when it was interrupted.
local function evaluate(chunk, paint)
  local results = table.pack(xpcall(chunk, trace))
  if results[1] then
    _G._ = results[2]
    show(table.unpack(results, 2, results.n))
    return
  end
  local err = results[2]
  if errors.has_code(err, "Interrupted") then
    if err.status ~= 130 then error(err, 0) end -- only Ctrl-C is for the line
    io.stderr:write("interrupted\n")
    return
  end
  local text = tostring(err):gsub("\n%s*%[C%]: in function 'xpcall'.*$", ""):gsub("\nstack traceback:$", "")
  io.stderr:write(paint("red", report.safe(text, true)), "\n")
end

function repl.parser()
  return cli.parser("repl", "A prompt: Lua, with the modules of upjob as globals.")
end

function repl.main(arguments)
  local options, status = cli.parse(repl.parser(), arguments)
  if not options then return status end
  local paint = report.painter("stderr", options.color)
  local client, err = cli.client(options)
  if client then
    _G.client = client
  end
  if system.isatty("stdin") and not options.quiet then
    print("upjob " .. system.version .. ": Lua 5.4, with profiles, upload, csv, mapping, job, task, http, json and log.")
    print(client and ("client is " .. tostring(client) .. ".")
      or ("No client: " .. report.safe(err) .. ". Try 'upjob repl --local'."))
    print("Ctrl-C gives up a line or a wait, Ctrl-D ends.")
  end
  require("upjob.native.task").at_prompt()
  local lines = open_lines()
  while true do
    local text, chunk, message = read(lines)
    if text == nil then break end
    if text == false then
      io.stderr:write("^C\n")
    elseif text:find("%S") then
      lines:remember(text)
      if chunk then evaluate(chunk, paint) else io.stderr:write(paint("red", report.safe(message, true)), "\n") end
    end
  end
  if system.isatty("stdin") then
    print("")
    lines:close()
  end
  return cli.OK
end

return repl
