--- A field of a mapping: where its value comes from, what is done to it, and where it goes.
local errors = require "upjob.errors"
local targets = require "upjob.targets"

local field = {}

field.KEY_PATTERN, field.KEY_MAX = "^[%w_.-]+$", 64 -- of a key of Fields: the service model, FieldMap

--- The kinds of field: ContentType of the service.
field.kinds = {
  string = "STRING", number = "NUMBER", phone = "PHONE_NUMBER", email = "EMAIL_ADDRESS", name = "NAME",
}

local methods, meta = {}, {}
-- What a field may have beside its methods.
local PROPERTIES = { column = true, columns = true, separator = true, constant = true, content_type = true, where = true,
                     target = true, key = true, is_required = true, steps = true, clears = true }

function meta.__index(_, name)
  local method = methods[name]
  if method or PROPERTIES[name] then return method end
  error(("a field of a mapping has no \"%s\"%s"):format(tostring(name), errors.did_you_mean(name, errors.names_of(methods))), 2)
end

--- Raises misuse at the line that called our caller. A tail call ("return mapping.define{…}") leaves no such line: then it is
--- told at `where`, the line of the field that it is about.
function field.misuse(where, format, ...)
  local message = format:format(...)
  if debug.getinfo(2, "t").istailcall and where then error(("%s: %s"):format(where, message), 0) end
  error(message, 3)
end

--- Where the script called us, as "file:line": for errors about the mapping that only show later.
function field.caller_line(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info and info.currentline > 0 and ("%s:%d"):format(info.short_src, info.currentline) or nil
end

--- A field with these properties: `columns` (a list of header names, empty for a constant) and `content_type` at least.
function field.new(properties)
  properties.column = properties.columns[1]
  properties.steps = properties.steps or {}
  return setmetatable(properties, meta)
end

function field.is(value)
  return getmetatable(value) == meta
end

--- What a field is called in an error: its columns.
function field.title(f)
  if #f.columns == 0 then return "the constant" end
  local names = {}
  for i, name in ipairs(f.columns) do names[i] = ("\"%s\""):format(name) end
  return (#names == 1 and "column " or "columns ") .. table.concat(names, ", ")
end

--- What is wrong with `columns` as the columns of a field, or nil: a name, or a list of names.
function field.problem_of_columns(columns)
  if type(columns) == "string" and columns ~= "" then return nil end
  if type(columns) ~= "table" or #columns == 0 then return "the name of a column is needed" end
  for _, name in ipairs(columns) do
    if type(name) ~= "string" or name == "" then return "a list of columns has names only" end
  end
end

-- ---- where it goes ----

--- Where the value goes: "EmailAddress", "Address.City", "Attributes.tier".
function methods:to(target)
  if type(target) ~= "string" then field.misuse(self.where, "to: the name of a target is needed") end
  local problem = targets.check(target)
  if problem then field.misuse(self.where, "%s: %s", field.title(self), problem) end
  self.target = target
  return self
end

--- The key of the field in the job's Fields; without it, the column's name, or a slug of it.
function methods:as(key)
  if type(key) ~= "string" or not key:find(field.KEY_PATTERN) or #key > field.KEY_MAX then
    field.misuse(self.where, "%s: as(): 1 to %d of a-z A-Z 0-9 _ . -, not %s", field.title(self), field.KEY_MAX,
      type(key) == "string" and ("%q"):format(key) or type(key))
  end
  self.key = key
  return self
end

--- A row whose value is empty here, after all that is done to it, is rejected.
function methods:required()
  self.is_required = true
  return self
end

--- An empty value empties what the profile has. The service has no way for it: an empty cell leaves the stored value.
function methods:clear()
  self.clears = true
  return self
end

-- ---- what is done to it, in the order in which it is said ----

-- A step: its `kind`, and what belongs to that; `means` is of a function what it was made of (mapping_meaning).
local function add(self, step)
  step.where = field.caller_line(3) or self.where
  self.steps[#self.steps + 1] = step
  return self
end

local function need_text(self, method, value, what)
  if type(value) ~= "string" or value == "" then field.misuse(self.where, "%s: %s(): %s", field.title(self), method, what) end
end

--- White space at both ends goes, no-break spaces and other blanks of Unicode too.
function methods:trim() return add(self, { kind = "trim" }) end
function methods:lower() return add(self, { kind = "lower" }) end
function methods:upper() return add(self, { kind = "upper" }) end
--- The first letter of each word is a capital, the others are small.
function methods:title() return add(self, { kind = "title" }) end
--- Digits stay, everything else goes.
function methods:digits() return add(self, { kind = "digits" }) end

--- A phone number as +15551234567. e164{ region = "GB" } reads numbers without a country's code as those of that region.
function methods:e164(options)
  if options ~= nil then errors.check_options("e164", options, { region = "string" }, 2) end
  local region = options and options.region
  if region and not region:find("^%u%u$") then
    field.misuse(self.where, "%s: e164: region is a country's two capital letters, such as \"GB\"", field.title(self))
  end
  return add(self, { kind = "e164", text = region })
end

local function list_of_texts(value)
  if type(value) == "string" then return value ~= "" and { value } or nil end
  if type(value) ~= "table" or #value == 0 then return nil end
  for _, text in ipairs(value) do
    if type(text) ~= "string" or text == "" then return nil end
  end
  return table.move(value, 1, #value, 1, {})
end

--- A date as 2026-03-24. date{ from = "DD.MM.YYYY" } says how it is written, or a list of ways that are tried in turn.
function methods:date(options)
  errors.check_options("date", options or {}, { from = "any" }, 2)
  local formats = list_of_texts(options and options.from)
  if not formats then
    field.misuse(self.where, "%s: date: from = \"DD.MM.YYYY\", or a list of such ways to write a date", field.title(self))
  end
  return add(self, { kind = "date", list = formats })
end

--- Every match of a Lua pattern gives way to `with`, as in string.gsub.
function methods:replace(pattern, with)
  need_text(self, "replace", pattern, "a Lua pattern is needed")
  local kind = type(with)
  if kind ~= "string" and kind ~= "function" and kind ~= "table" then
    field.misuse(self.where, "%s: replace(): what it is replaced by is a text, a table or a function", field.title(self))
  end
  if kind == "string" and not pattern:find("[%^%$%(%)%%%.%[%]%*%+%-%?]") and not with:find("%", 1, true) then
    return add(self, { kind = "replace", text = pattern, with = with })
  end
  local ok, message = pcall(string.gsub, "", pattern, kind == "string" and with or "")
  if not ok then field.misuse(self.where, "%s: replace(): %s", field.title(self), message:gsub("^.-:%d+: ", "")) end
  return add(self, { kind = "call", means = { "replace", pattern, with },
                     call = function(value) return (value:gsub(pattern, with)) end })
end

--- What an empty value becomes.
function methods:default(value)
  if type(value) == "number" then value = ("%s"):format(value) end
  need_text(self, "default", value, "a text or a number is needed")
  return add(self, { kind = "default", text = value })
end

--- What stands between the values of several columns; a space without it. Empty ones are left out.
function methods:join(separator)
  if type(separator) ~= "string" then field.misuse(self.where, "%s: join(): a text is needed", field.title(self)) end
  if #self.columns < 2 then
    field.misuse(self.where, "%s: join(): give several columns: mapping.string { \"First\", \"Last\" }", field.title(self))
  end
  self.separator = separator
  return self
end

--- One of the parts between separators: split(" ", 1) is the first, split(" ", -1) the last; empty when there are fewer.
function methods:split(separator, number)
  need_text(self, "split", separator, "the text between the parts is needed")
  if math.type(number) ~= "integer" or number == 0 then
    field.misuse(self.where, "%s: split(): which part, from 1, or from the end, -1", field.title(self))
  end
  return add(self, { kind = "split", text = separator, number = number })
end

-- Of a value that is not in the table of a lookup.
local MISSING = { reject = true, keep = true, blank = true }

--- Another value for each: lookup{ M = "MALE", F = "FEMALE" }, or lookup "countries.csv", a file with the columns key and value
--- (or those that { key = "Code", value = "Name" } names), found beside the mapping. What is not there is invalid;
--- { missing = "keep" } leaves it, "blank" empties it.
function methods:lookup(pairs_or_file, options)
  errors.check_options("lookup", options or {}, { key = "string", value = "string", missing = "string" }, 2)
  options = options or {}
  local missing = options.missing or "reject"
  if not MISSING[missing] then
    field.misuse(self.where, "%s: lookup: missing is \"reject\", \"keep\" or \"blank\"", field.title(self))
  end
  local step = { kind = "lookup", missing = missing }
  if type(pairs_or_file) == "table" then
    step.pairs = {}
    for from, to in pairs(pairs_or_file) do
      if (type(from) ~= "string" and type(from) ~= "number") or (type(to) ~= "string" and type(to) ~= "number") then
        field.misuse(self.where, "%s: lookup: the table has texts and numbers only", field.title(self))
      end
      step.pairs[tostring(from)] = tostring(to)
    end
  elseif type(pairs_or_file) == "string" and pairs_or_file ~= "" then
    step.file, step.key_column, step.value_column = pairs_or_file, options.key or "key", options.value or "value"
  else
    field.misuse(self.where, "%s: lookup: a table or the name of a CSV file is needed", field.title(self))
  end
  return add(self, step)
end

local function need_function(self, method, fn)
  if type(fn) ~= "function" then field.misuse(self.where, "%s: %s(): a function is needed", field.title(self), method) end
end

--- The value counts only in rows for which predicate(row) is true; in others it is empty.
function methods:when(predicate)
  need_function(self, "when", predicate)
  return add(self, { kind = "call", means = { "when", predicate },
                     call = function(value, row) return predicate(row) and value or "" end })
end

--- Anything in Lua: fn(value, row) returns the new value; nil empties it, and nil, "reason" says that it is invalid.
function methods:via(fn)
  need_function(self, "via", fn)
  return add(self, { kind = "call", means = { "via", fn }, call = fn })
end

field.methods = methods

return field
