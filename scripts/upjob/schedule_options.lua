--- The options of an automation: checked where it is declared, and made plain data.
local declaring = require "upjob.declaring"
local errors = require "upjob.errors"
local native = require "upjob.native.schedule"
local size = require "upjob.size"
local system = require "upjob.native.system"

local schedule_options = {}

-- What each option takes; the names of checks below.
local COMMON = {
  run = "function", script = "string", args = "table", name = "string", overlap = "string", jitter = "any", timeout = "any",
  retries = "number", backoff = "any", on_failure = "function", on_recovery = "function", heartbeat = "string", limits = "table",
}
local CLOCKED = { tz = "string", misfire = "string", grace = "any" }
local OF_KIND = {
  cron = CLOCKED, every = CLOCKED, at = CLOCKED,
  on_file = { settle = "any", done = "string", failed = "string", move = "boolean" },
  on_event = { on = "string" },
}
local WHAT_IT_TAKES = {
  cron = "an expression is needed, as \"0 6 * * MON-FRI\"",
  every = "an interval is needed, as \"15m\", or a number of seconds",
  at = "a time is needed, as \"2026-12-24T18:00\"",
  on_file = "the path of files is needed, as \"/srv/drop/*.csv\"",
  on_event = "the id of another schedule is needed, as \"nightly\", or a pattern",
}

local known_of = {}
for kind, own in pairs(OF_KIND) do
  known_of[kind] = {}
  for _, list in ipairs { COMMON, own } do
    for name, type_name in pairs(list) do known_of[kind][name] = type_name end
  end
end

-- ---- values; `what` is the function that was called ----

local function refuse(what, format, ...)
  error(what .. ": " .. format:format(...), 2)
end

local function shown(value)
  return type(value) == "string" and ("\"%s\""):format(value) or type(value) == "number" and tostring(value) or type(value)
end

-- Seconds; `least` is 0 or 1 of them.
local function duration(what, name, value, least)
  if value == nil then return nil end
  if type(value) == "string" then
    local seconds, err = native.duration(value)
    if not seconds then refuse(what, "option \"%s\": %s", name, err.message) end
    return seconds
  end
  if type(value) ~= "number" or not (value >= least and value <= 3153600000) then
    refuse(what, "option \"%s\" is a duration, as \"15m\", or a number of seconds from %d, not %s", name, least, shown(value))
  end
  return value
end

local function one_of(what, name, value, allowed)
  if value == nil then return allowed[1] end
  for _, text in ipairs(allowed) do
    if text == value then return value end
  end
  local list = ("\"%s\""):format(table.concat(allowed, "\", \""))
  refuse(what, "option \"%s\" is one of %s, not %s%s", name, list, shown(value), errors.did_you_mean(value, allowed))
end

local function whole(what, name, value, least, most)
  if value == nil then return nil end
  local number = type(value) == "number" and math.tointeger(value)
  if not number or number < least or number > most then
    refuse(what, "option \"%s\" is a whole number from %d to %d, not %s", name, least, most, shown(value))
  end
  return number
end

local MEMORY_LEAST = 16 * 2 ^ 20 -- with less, the library itself hardly loads

-- Bytes, of "512M" or a number.
local function memory_size(what, name, value)
  if value == nil then return nil end
  local bytes = size.read(value)
  if not bytes or bytes < MEMORY_LEAST or bytes > 2 ^ 50 then
    refuse(what, "option \"%s\" is a size as \"512M\" or \"2G\" (of K, M and G, \"16M\" at least), or a number of bytes, not %s",
      name, shown(value))
  end
  return bytes
end

local function limits(what, given)
  if given == nil then return {} end
  errors.check_options(what .. ": limits", given, { memory = "any", cpu = "any", files = "number" })
  return { memory = memory_size(what, "limits.memory", given.memory), cpu = duration(what, "limits.cpu", given.cpu, 1),
           files = whole(what, "limits.files", given.files, 16, 1048576) }
end

local function arguments(what, given)
  if given == nil then return {} end
  local list = {}
  for i, value in ipairs(given) do
    if type(value) ~= "string" and type(value) ~= "number" then
      refuse(what, "option \"args\" is a list of texts and numbers; item %d is a %s", i, type(value))
    end
    list[i] = tostring(value)
  end
  for key in pairs(given) do
    if math.type(key) ~= "integer" or not list[key] then refuse(what, "option \"args\" is a list, as { \"a.csv\", \"acme\" }") end
  end
  return list
end

local function beside(path)
  return path:find("^/") and path or declaring.current().directory .. "/" .. path
end

local function script(what, name)
  if name == "" then refuse(what, "option \"script\" is empty") end
  local path = beside(name)
  local info, err = system.stat(path)
  if not info then refuse(what, "option \"script\": %s", tostring(err)) end
  if info.type ~= "file" then refuse(what, "option \"script\": %s is not a file", path) end
  return path
end

-- ---- kinds ----

local function check_clock(what, kind, expression, tz)
  if tz == "" then refuse(what, "option \"tz\" is empty: name a zone as Europe/Berlin, or leave it out for the system's") end
  local ok, clock, err = pcall(native.clock, { kind = kind, expression = expression, tz = tz })
  if not ok then refuse(what, "%s", (clock:gsub("^clock: ", ""))) end
  if not clock then refuse(what, "%s", err.message) end
end

local function clocked(what, definition, options)
  definition.tz = options.tz
  definition.misfire = one_of(what, "misfire", options.misfire, { "coalesce", "skip", "all" })
  definition.grace = duration(what, "grace", options.grace, 0)
  check_clock(what, definition.kind, definition.expression, options.tz)
end

local check = { cron = clocked, every = clocked, at = clocked }

-- A path without what says nothing: "//", "/." and "x/..".
local function plain(path)
  local count
  path = (path .. "/"):gsub("/+", "/")
  repeat path, count = path:gsub("/%./", "/") until count == 0
  repeat path, count = path:gsub("/[^/]+/%.%./", "/", 1) until count == 0
  return path
end

-- Where a file is put that is done with, and would be taken again, is none.
local function check_moves(what, name, directory, folder)
  if directory == "" then refuse(what, "option \"%s\" is empty", name) end
  local path = directory:sub(1, 1) == "/" and directory or folder .. "/" .. directory
  if plain(path) == plain(folder) then
    refuse(what, "option \"%s\" is the folder that files are taken from: name another directory", name)
  end
end

function check.on_file(what, definition, options)
  if definition.expression:find("/$") then refuse(what, "a directory is no file: end the path with a name, as *.csv") end
  if definition.expression:match("^(.*)/"):find("[*?%[]") then
    refuse(what, "only the name at the end of the path may have * and ?, not its directories")
  end
  local sound, err = require("upjob.drop").check(definition.expression)
  if not sound then refuse(what, "%s", err.message) end
  if options.move == false and (options.done or options.failed) then
    refuse(what, "option \"%s\" says where files are moved, and move = false that they stay", options.done and "done" or "failed")
  end
  for _, name in ipairs { "done", "failed" } do
    if options[name] then check_moves(what, name, options[name], definition.expression:match("^(.*)/")) end
  end
  definition.settle = duration(what, "settle", options.settle, 0)
  definition.done, definition.failed, definition.move = options.done, options.failed, options.move ~= false
end

function check.on_event(what, definition, options)
  definition.on = one_of(what, "on", options.on, { "succeeded", "failed", "ended" })
end

-- What a schedule is by as a text.
local function expression_of(what, kind, value)
  if kind == "every" and math.type(value) == "integer" and value > 0 then return ("%ds"):format(value) end
  if type(value) ~= "string" or value == "" then
    refuse(what, "%s, not %s", WHAT_IT_TAKES[kind], value == "" and "an empty text" or shown(value))
  end
  return kind == "on_file" and beside(value) or value
end

local OWNER = {}
for kind, own in pairs(OF_KIND) do
  for name in pairs(own) do OWNER[name] = own == CLOCKED and "schedule.cron, every and at" or "schedule." .. kind end
end

local function check_names(what, kind, options)
  if options == nil then
    refuse(what, "say what is run: { run = function(event) … end }, or { script = \"file.lua\" }")
  end
  for name in pairs(type(options) == "table" and options or {}) do
    if OWNER[name] and not known_of[kind][name] then
      refuse(what, "there is no option \"%s\": it is one of %s", name, OWNER[name])
    end
  end
  errors.check_options(what, options, known_of[kind])
end

local function check_run(what, options)
  if options.run and options.script then refuse(what, "options \"run\" and \"script\" do not go together") end
  if not options.run and not options.script then
    refuse(what, "say what is run: run = function(event) … end, or script = \"file.lua\"")
  end
  if options.args and not options.script then refuse(what, "option \"args\" goes with option \"script\"") end
  if options.name and not (options.name:find("^[%w_][%w_.-]*$") and #options.name <= 64) then
    refuse(what, "option \"name\" is of up to 64 letters, digits and _ . -, not %s", shown(options.name))
  end
  if options.heartbeat and not options.heartbeat:find("^https?://[^/%s]") then
    refuse(what, "option \"heartbeat\" is a URL with http:// or https://, not %s", shown(options.heartbeat))
  end
end

-- Definitions are written as JSON.
local function check_texts(what, values)
  for name, value in pairs(values) do
    if type(value) == "table" then
      check_texts(what, value)
    elseif type(value) == "string" and (not utf8.len(value) or value:find("\0", 1, true)) then
      refuse(what, "the text of \"%s\" is not UTF-8, or has a NUL byte", name)
    end
  end
end

-- A file that is passed over would never be taken again, and an event never told again: these wait.
local OVERLAP = { on_file = { "queue", "allow" }, on_event = { "queue", "skip", "allow" } }

--- Checks what the function `what`, schedule.<kind>, was given: the definition without id and line, and its functions by name.
--- Raises misuse, for errors.at_level.
function schedule_options.check(kind, what, expression, options)
  check_names(what, kind, options)
  check_run(what, options)
  local definition = {
    kind = kind, expression = expression_of(what, kind, expression), name = options.name,
    overlap = one_of(what, "overlap", options.overlap, OVERLAP[kind] or { "skip", "queue", "allow" }),
    jitter = duration(what, "jitter", options.jitter, 0), timeout = duration(what, "timeout", options.timeout, 1),
    retries = whole(what, "retries", options.retries, 0, 1000) or 0,
    backoff = duration(what, "backoff", options.backoff, 0) or 60,
    heartbeat = options.heartbeat, script = options.script and script(what, options.script),
    args = options.script and arguments(what, options.args) or nil, limits = limits(what, options.limits),
    has_run = options.run ~= nil, has_on_failure = options.on_failure ~= nil, has_on_recovery = options.on_recovery ~= nil,
  }
  check[kind](what, definition, options)
  check_texts(what, definition)
  return definition, { run = options.run, on_failure = options.on_failure, on_recovery = options.on_recovery }
end

return schedule_options
