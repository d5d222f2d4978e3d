--- Loads a file of automations: what it declares, as plain data, and its functions.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local system = require "upjob.native.system"

local declaring = {}

local DECLARED_MOST = 10000
local SIZE_MOST = 1024 * 1024 -- bytes of a file; those that a program writes are far below

-- The file that is being loaded: { path =, directory =, source = its chunk's name, text =, declared = { { definition =,
-- functions = }, … } }.
local current

--- The file that is being loaded, or nil.
function declaring.current()
  return current
end

--- Where the file that is being loaded stands now: the line of its innermost function; nil in a tail call that has left none.
function declaring.current_line()
  local level = 2
  local info = debug.getinfo(level, "Sl")
  while info do
    if info.source == current.source then return info.currentline end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  -- "return schedule.cron(…)" at its end.
  local number, found = 0, nil
  for line in (current.text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if line:find("^%s*return%s+[%w_.]+") then found = number end
  end
  return found
end

--- Adds what a file declares; its id is told when the file is whole.
function declaring.add(definition, functions)
  if #current.declared >= DECLARED_MOST then
    error(("a file declares up to %d schedules"):format(DECLARED_MOST), 0)
  end
  current.declared[#current.declared + 1] = { definition = definition, functions = functions }
end

-- ---- the file ----

local function invalid(path, line, message)
  return errors.new { code = "InvalidAutomation", file = path, line = line, message = message }
end

local function read(path)
  -- Opening a pipe would wait for who writes to it, and a device may never end.
  local info, err = system.stat(path)
  if not info then return nil, err end
  if info.type ~= "file" then
    return nil, invalid(path, nil, info.type == "directory" and "is a directory, not a file" or "is not a regular file")
  end
  if info.size > SIZE_MOST then return nil, invalid(path, nil, ("is longer than %d bytes"):format(SIZE_MOST)) end
  local file, message = io.open(path, "rb")
  if not file then return nil, errors.new { code = "FileError", file = path, message = message:gsub("^.-: ", "", 1) } end
  local text = file:read("a")
  file:close()
  if not text then return nil, errors.new { code = "FileError", file = path, message = "cannot be read" } end
  return text
end

--- The name that a file gives to its schedules: "/srv/a/nightly.lua" → "nightly" | nil, what is wrong with it.
function declaring.name_of(path)
  local file = path:match("[^/]+$") or path
  local name = file:gsub("%.lua$", "")
  if not name:find("^[%w_.\x80-\xff-]+$") or name:find("^[.-]") or not utf8.len(name) then
    return nil, "the name of a file is the id of its schedules: letters, digits and _ . - before .lua"
  end
  return name
end

-- Globals of its own: those of the program show through, the modules among them, and what it sets is nobody else's.
local function new_environment()
  local environment = setmetatable({}, { __index = _G })
  environment._G = environment
  return environment
end

-- What the file's own code raised as line and message, without the place in front of it.
local function place_of(raised, source)
  local message = errors.text_of(raised)
  local name, line, rest = message:match("^([^\n]-):(%d+): (.*)$")
  if name == source:sub(2) then return math.tointeger(line), rest end
  return nil, message
end

-- In xpcall: an error with the line of the file, also where it was raised further inside.
local function with_line(raised)
  local line, message = place_of(raised, current.source)
  local module = message:match("^module '([^'\n]+)' not found:\n")
  if module then
    message = ("module '%s' not found: there is no %s.lua in the directory of the automations, nor on Lua's own path"):format(
      module, (module:gsub("%.", "/")))
  end
  return invalid(current.path, line or declaring.current_line(), message)
end

-- Gives each its id; what is wrong with their names, or nil.
local function give_ids(path, name, declared)
  if #declared == 0 then
    return invalid(path, nil, "declares nothing: a file of automations calls schedule.cron, every, at, on_file or on_event; "
      .. "what is no automation belongs in another directory")
  end
  local lines = {}
  for _, item in ipairs(declared) do
    local definition = item.definition
    if #declared > 1 and not definition.name then
      return invalid(path, definition.line, ("a file with several schedules names them all: add name = \"…\" to this one"))
    end
    definition.id = definition.name and ("%s/%s"):format(name, definition.name) or name
    if definition.kind == "on_event" and definition.expression == definition.id then
      return invalid(path, definition.line, ("\"%s\" would be run after itself, again and again"):format(definition.id))
    end
    if lines[definition.id] then
      return invalid(path, definition.line, ("two schedules are named \"%s\": the other one is on line %d"):format(
        definition.name, lines[definition.id]))
    end
    lines[definition.id] = definition.line
  end
end

-- Runs the chunk as the file that is being loaded. It is loaded again and again, and only looked at: what it does there must do
-- nothing. A script that lies among the automations by mistake ends at its first call.
local function run(chunk)
  local exit = os.exit
  os.exit = function() -- luacheck: ignore 122
    error("os.exit: a file of automations is loaded by a program that goes on; what ends a run belongs in its function", 2)
  end
  native.refuse_waits("while a file of automations is loaded nothing is sent or waited for, and no task is started: what is to "
    .. "be done belongs in the function that is run, or in a script outside of the directory")
  local ok, err = xpcall(chunk, with_line)
  native.refuse_waits(nil)
  os.exit = exit -- luacheck: ignore 122
  if not ok and not errors.is(err) then err = invalid(current.path, nil, tostring(err)) end -- memory was out
  return ok, err
end

--- Runs one file of automations, in an environment of its own: { definitions = { … }, functions = { [id] = { run =, on_failure =,
--- on_recovery = } }, text = what is in it } | nil, err with the file and line. Definitions are plain: they can be written as
--- JSON. `text`, when it is given, is taken for what is in the file: what it was when it was loaded earlier.
function declaring.load(path, text)
  local name, problem = declaring.name_of(path)
  if not name then return nil, invalid(path, nil, problem) end
  local err
  if not text then
    text, err = read(path)
    if not text then return nil, err end
  end
  local file = path:match("[^/]+$")
  local source = "@" .. file
  local chunk, message = load(text:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""), source, "t", new_environment())
  local outer = current
  current = { path = path, directory = path:match("^(.*)/[^/]*$") or ".", source = source, text = text, declared = {} }
  local declared, ok = current.declared, true
  if not chunk then
    err = invalid(path, place_of(message, source))
  else
    ok, err = run(chunk)
  end
  current = outer
  if not chunk or not ok then return nil, err end
  err = give_ids(path, name, declared)
  if err then return nil, err end
  local result = { definitions = {}, functions = {}, text = text }
  for i, item in ipairs(declared) do
    item.definition.file = path
    result.definitions[i], result.functions[item.definition.id] = item.definition, item.functions
  end
  return result
end

return declaring
