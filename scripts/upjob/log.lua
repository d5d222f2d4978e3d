--- upjob.log: lines on standard error. log.info("%d rows", n), log.info("loaded", { rows = n, file = name }); levels error warn
-- info debug trace. A table behind the rest has fields, which become members of the object with --log-format json, and stand
-- behind the message in text: strings, numbers and booleans; an error is its text, with its code beside it (error_code of the
-- field "error"); anything else is what tostring makes of it.
local native = require "upjob.native.log"
local system = require "upjob.native.system"

local log = { level = native.level, format = native.format }

-- What of an error object is told beside its text; not the value, which is personal data.
local OF_ERRORS = { "code", "operation", "request_id", "status", "attempts", "file", "line", "column" }

local PLAIN = { string = true, number = true, boolean = true }

-- Fields as the native half takes them.
local function plain(fields)
  local flat = {}
  for name, value in pairs(fields or {}) do
    name = tostring(name)
    if type(value) == "table" and type(value.message) == "string" then
      flat[name .. "_code"] = value.code and tostring(value.code)
      value = system.is_error(value) and value or value.message
    end
    flat[name] = PLAIN[type(value)] and value or tostring(value)
  end
  return flat
end

-- Fields that text does not show.
local hidden = {}

-- A table of fields has no metatable: an error object is what a format is given.
local function is_fields(value)
  if type(value) ~= "table" then return false end
  local metatable = getmetatable(value)
  return metatable == nil or metatable == hidden
end

local LEVELS = { "error", "warn", "info", "debug", "trace" }

for _, level in ipairs(LEVELS) do
  log[level] = function(format, ...)
    local text, count = tostring(format), select("#", ...)
    local fields = count > 0 and select(count, ...) or nil
    if is_fields(fields) then count = count - 1 else fields = nil end
    if count > 0 then
      local ok
      ok, text = pcall(string.format, text, table.unpack({ ... }, 1, count))
      if not ok then error(("log.%s: %s"):format(level, text:gsub(" to '[%w.]+'", "")), 2) end
    end
    native.write(level, text, fields and plain(fields), getmetatable(fields) == hidden)
  end
end

--- The functions error warn info debug trace for messages that tell a person all: their lines have these fields, but text does
-- not show them. log.with { run = run.id, schedule = id }.info("run %d of %s begins", run.id, id).
function log.with(fields)
  if not is_fields(fields) then error("log.with: a table of fields is needed", 2) end
  local functions, known = {}, setmetatable(plain(fields), hidden)
  for _, level in ipairs(LEVELS) do
    functions[level] = function(...)
      local arguments = table.pack(...)
      arguments[arguments.n + 1] = known
      log[level](table.unpack(arguments, 1, arguments.n + 1))
    end
  end
  return functions
end

local context = {}

--- Fields that every line of this process has from now on, with --log-format json: log.context { run = 12 }.
function log.context(fields)
  if not is_fields(fields) then error("log.context: a table of fields is needed", 2) end
  for name, value in pairs(plain(fields)) do context[name] = value end
  native.context(context)
end

--- Takes fields of the process away.
function log.forget(...)
  for _, name in ipairs { ... } do context[name] = nil end
  native.context(context)
end

--- A line with its end for standard error, whatever the level: the text behind a prefix ("upjob: " when it is not given), or an
-- object with the fields. Of an error object the object has what it knows.
function log.line(level, text, fields, prefix)
  local known = plain(fields)
  if system.is_error(text) then
    for _, name in ipairs(OF_ERRORS) do
      if known[name] == nil and PLAIN[type(text[name])] then known[name] = text[name] end
    end
  end
  return native.line(level, tostring(text), known, prefix)
end

return log
