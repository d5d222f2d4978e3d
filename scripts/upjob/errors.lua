--- Errors of the Lua half: objects with code and message, and misuse raised at the caller's line.
local system = require "upjob.native.system"

local errors = {}

--- An error object. `fields` has code and message, and what else applies (file, line, operation, job_id, step …).
function errors.new(fields)
  if fields.retryable == nil then fields.retryable = false end
  return system.error_object(fields)
end

errors.is = system.is_error

--- True when `value` is an error object with this code.
function errors.has_code(value, code)
  return system.is_error(value) and value.code == code
end

--- What a script has raised as text: of a table of its own the message, or all that is in it.
function errors.text_of(raised)
  local meta = type(raised) == "table" and getmetatable(raised)
  if type(raised) ~= "table" or type(meta) == "table" and meta.__tostring then return tostring(raised) end
  if type(raised.message) == "string" then return raised.message end
  return "a table was raised as an error: " .. require("upjob.inspect")(raised)
end

--- Calls a native function; misuse that it raises is told at `level`, as in error().
function errors.at_level(level, fn, ...)
  local results = table.pack(pcall(fn, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = results[2]
  if type(message) ~= "string" then error(message, 0) end
  error(message:gsub("^[^\n]-:%d+: ", "", 1), level + 1)
end

--- The same at the line that called our caller.
function errors.at_caller(fn, ...)
  local results = table.pack(errors.at_level(3, fn, ...))
  return table.unpack(results, 1, results.n)
end

--- " (did you mean …?)" with the one of the names that was probably meant, else "".
function errors.did_you_mean(name, names)
  local near = type(name) == "string" and require("upjob.native.profiles").nearest(name, names)
  return near and (" (did you mean \"%s\"?)"):format(near) or ""
end

--- The names of a table's fields, in order.
function errors.names_of(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

-- What can be called is a function to whoever takes one.
local function is_a(value, kind)
  if type(value) == kind then return true end
  local meta = kind == "function" and getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end

--- Checks a table of options for a function of the Lua half: names and types.
-- known: { name = "string" | "number" | "boolean" | "table" | "function" | "any", … }; level as in error().
function errors.check_options(what, options, known, level)
  level = (level or 2) + 1
  if type(options) ~= "table" then
    error(("%s: a table of options is needed, not a %s"):format(what, type(options)), level)
  end
  for name, value in pairs(options) do
    local kind = known[name]
    if not kind then
      error(("%s: unknown option \"%s\"%s"):format(what, tostring(name),
        errors.did_you_mean(name, errors.names_of(known))), level)
    end
    if kind ~= "any" and not is_a(value, kind) then
      error(("%s: option \"%s\" must be a %s, not a %s"):format(what, name, kind, type(value)), level)
    end
  end
end

return errors
