--- upjob.log: lines on standard error. log.info("%d rows", n), log.info("loaded", { rows = n, file = name }); levels error warn
-- info debug trace. A table behind the rest has fields, which become members of the object with --log-format json, and stand
-- behind the message in text: strings, numbers and booleans; an error object is its text, with its code beside it (error_code of
-- the field "error"); anything else is what tostring makes of it.
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
    if system.is_error(value) then flat[name .. "_code"] = tostring(value.code) end
    flat[name] = PLAIN[type(value)] and value or tostring(value)
  end
  return flat
end

-- A table of fields has no metatable: an error object is what a format is given.
local function is_fields(value)
  return type(value) == "table" and getmetatable(value) == nil
end

for _, name in ipairs { "error", "warn", "info", "debug", "trace" } do
  log[name] = function(format, ...)
    local text, count = tostring(format), select("#", ...)
    local fields = count > 0 and select(count, ...) or nil
    if is_fields(fields) then count = count - 1 else fields = nil end
    if count > 0 then
      local ok
      ok, text = pcall(string.format, text, table.unpack({ ... }, 1, count))
      if not ok then error(("log.%s: %s"):format(name, text:gsub(" to '[%w.]+'", "")), 2) end
    end
    native.write(name, text, fields and plain(fields))
  end
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
