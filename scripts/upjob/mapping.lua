--- upjob.mapping: which column goes where in a profile. A mapping file returns mapping.define{…}.
local errors = require "upjob.errors"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local system = require "upjob.native.system"
local targets = require "upjob.targets"

local mapping = {}

local KEY_PATTERN, KEY_MAX = "^[%w_.-]+$", 64 -- of a key of Fields: the service model, FieldMap

local methods = {}
-- What a field may have beside its methods.
local PROPERTIES = { column = true, content_type = true, where = true, target = true, key = true, is_required = true }

local field = {}

function field.__index(_, name)
  local method = methods[name]
  if method or PROPERTIES[name] then return method end
  error(("a field of a mapping has no \"%s\"%s"):format(tostring(name), errors.did_you_mean(name, errors.names_of(methods))), 2)
end

-- Raises misuse at the line that called our caller. A tail call ("return mapping.define{…}") leaves no such line: then it is
-- told at `where`, the line of the field that it is about.
local function misuse(where, format, ...)
  local message = format:format(...)
  if debug.getinfo(2, "t").istailcall and where then error(("%s: %s"):format(where, message), 0) end
  error(message, 3)
end

-- Where the script called us: for errors about the mapping that only show when it is defined.
local function caller_line(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info and info.currentline > 0 and ("%s:%d"):format(info.short_src, info.currentline) or nil
end

local function new_field(kind)
  return function(column)
    if type(column) ~= "string" or column == "" then
      error(("mapping.%s: the name of a column is needed"):format(kind.name), 2)
    end
    return setmetatable({ column = column, content_type = kind.content_type, where = caller_line(2) }, field)
  end
end

for _, kind in ipairs {
  { name = "string", content_type = "STRING" }, { name = "number", content_type = "NUMBER" },
  { name = "phone", content_type = "PHONE_NUMBER" }, { name = "email", content_type = "EMAIL_ADDRESS" },
  { name = "name", content_type = "NAME" },
} do
  mapping[kind.name] = new_field(kind)
end

--- Where the value goes: "EmailAddress", "Address.City", "Attributes.tier".
function methods:to(target)
  if type(target) ~= "string" then misuse(self.where, "to: the name of a target is needed") end
  local problem = targets.check(target)
  if problem then misuse(self.where, "column \"%s\": %s", self.column, problem) end
  self.target = target
  return self
end

--- The key of the field in the job's Fields; without it, the column's name, or a slug of it.
function methods:as(key)
  if type(key) ~= "string" or not key:find(KEY_PATTERN) or #key > KEY_MAX then
    misuse(self.where, "column \"%s\": as(): 1 to %d of a-z A-Z 0-9 _ . -, not %s", self.column, KEY_MAX,
      type(key) == "string" and ("%q"):format(key) or type(key))
  end
  self.key = key
  return self
end

--- A row whose cell is empty here is rejected.
function methods:required()
  self.is_required = true
  return self
end

--- "Customer Id", "CustomerId" → "customer_id"; letters outside ASCII fall away.
function mapping.slug(text)
  local slug = text:gsub("(%l)(%u)", "%1_%2"):gsub("(%u)(%u%l)", "%1_%2"):lower()
  slug = slug:gsub("[^%w]+", "_"):gsub("^_+", ""):gsub("_+$", ""):sub(1, KEY_MAX)
  return slug ~= "" and slug or nil
end

local map = {}
map.__index = map

local function give_key(f, used)
  local key = f.key
  if not key then
    key = f.column:find(KEY_PATTERN) and #f.column <= KEY_MAX and f.column or mapping.slug(f.column) or "field"
    local base, n = key, 1
    while used[key] do
      n = n + 1
      key = base:sub(1, KEY_MAX - 4) .. "_" .. n
    end
  end
  return key
end

local function find_unique_key(fields, name)
  for _, f in ipairs(fields) do
    if f.key == name then return f end
  end
  for _, f in ipairs(fields) do
    if f.column == name then return f end
  end
end

local OPTIONS = { "unique_key", "on_invalid" }

-- What is wrong with the options of a definition: a message and the place that it is about, or nil.
local function problem_of_options(definition)
  for name in pairs(definition) do
    if type(name) ~= "number" and name ~= "unique_key" and name ~= "on_invalid" then
      return ("mapping.define: unknown option \"%s\"%s"):format(tostring(name), errors.did_you_mean(name, OPTIONS))
    end
  end
  local on_invalid = definition.on_invalid
  if on_invalid ~= nil and on_invalid ~= "reject" and on_invalid ~= "stop" then
    return "mapping.define: on_invalid is \"reject\" or \"stop\""
  end
  if #definition == 0 then return "mapping.define: a mapping needs at least one field" end
end

local function problem_of_fields(definition)
  local used, taken = {}, {}
  for i, f in ipairs(definition) do
    if getmetatable(f) ~= field then
      return ("mapping.define: item %d is not a field: mapping.string \"Column\" : to \"Target\""):format(i)
    end
    if not f.target then return ("column \"%s\" has no target: add :to \"…\""):format(f.column), f.where end
    if f.key and used[f.key] then
      return ("two fields have the key \"%s\": give one another name with :as"):format(f.key), f.where
    end
    if f.key then used[f.key] = true end
    if taken[f.target] then
      return ("two columns go to %s: \"%s\" and \"%s\""):format(f.target, taken[f.target], f.column), f.where
    end
    taken[f.target] = f.column
  end
  for _, f in ipairs(definition) do
    f.key = give_key(f, used)
    used[f.key] = true
  end
end

local function problem_of_key(definition)
  if type(definition.unique_key) ~= "string" then
    return "mapping.define: unique_key is required: the key of the field that tells profiles apart"
  end
  if find_unique_key(definition, definition.unique_key) then return nil end
  local names = {}
  for i, f in ipairs(definition) do names[i] = f.key end
  local near = errors.did_you_mean(definition.unique_key, names)
  return ("mapping.define: unique_key \"%s\" is none of the fields%s"):format(definition.unique_key,
    near ~= "" and near or ": " .. table.concat(names, ", "))
end

--- mapping.define{ unique_key = "customer_id", mapping.email "E-mail" : to "EmailAddress", …, on_invalid = "reject" }
-- on_invalid says what becomes of a row that the service would fail: "reject" (it is kept back and written to the rejects
-- file; the default) or "stop" (nothing is sent).
function mapping.define(definition)
  if type(definition) ~= "table" then error("mapping.define: a table is needed", 2) end
  local problem, where = problem_of_options(definition)
  if not problem then problem, where = problem_of_fields(definition) end
  if not problem then problem = problem_of_key(definition) end
  if problem and where then error(("%s: %s"):format(where, problem), 0) end
  if problem then
    local first = definition[1]
    misuse(getmetatable(first) == field and first.where or nil, "%s", problem)
  end
  local key_field = find_unique_key(definition, definition.unique_key)
  return setmetatable({ fields = table.move(definition, 1, #definition, 1, {}), key_field = key_field,
                        unique_key = key_field.key, on_invalid = definition.on_invalid or "reject" }, map)
end

--- True for what mapping.define returned.
function mapping.is(value)
  return getmetatable(value) == map
end

--- Fields as CreateUploadJob takes them.
function map:api_fields()
  local fields = {}
  for _, f in ipairs(self.fields) do
    fields[f.key] = { Source = "_source." .. f.column, Target = "_profile." .. f.target, ContentType = f.content_type }
  end
  return fields
end

--- What the check of a file looks at.
function map:check_fields()
  local fields = {}
  for i, f in ipairs(self.fields) do
    fields[i] = { column = f.column, required = f.is_required or false, max_length = targets.max_length(f.target) }
  end
  return fields
end

-- As Lua reads it back: what would not be safe on a terminal is in Lua's own escapes.
local function quoted(text)
  return '"' .. report.safe((text:gsub('["\\]', "\\%0"))) .. '"'
end

local function spoken_kind(content_type)
  return ({ STRING = "string", NUMBER = "number", PHONE_NUMBER = "phone", EMAIL_ADDRESS = "email", NAME = "name" })[content_type]
end

-- Fields as lines of a mapping file, in columns.
local function field_lines(fields)
  local kinds, columns, lines = 0, 0, {}
  for _, f in ipairs(fields) do
    kinds = math.max(kinds, #spoken_kind(f.content_type))
    columns = math.max(columns, #quoted(f.column))
  end
  for i, f in ipairs(fields) do
    local kind, column = spoken_kind(f.content_type), quoted(f.column)
    lines[i] = ("  mapping.%s%s %s%s : to %s%s%s,"):format(kind, (" "):rep(kinds - #kind), column,
      (" "):rep(columns - #column), quoted(f.target), f.key and f.key ~= f.column and " : as " .. quoted(f.key) or "",
      f.is_required and " : required()" or "")
  end
  return lines
end

--- Lines of a mapping file for columns that became attributes and look like a place in a profile that no column goes to.
function map:hints()
  local taken, fields = {}, {}
  for _, f in ipairs(self.fields) do taken[f.target] = true end
  for _, f in ipairs(self.fields) do
    local target = f.target:find("^Attributes%.") and targets.alike(f.column)
    if target and not taken[target] then
      taken[target] = true
      fields[#fields + 1] = { column = f.column, target = target, content_type = targets.kind[target], key = f.key }
    end
  end
  return field_lines(fields)
end

--- The mapping as the text of a mapping file.
function map:to_lua()
  local lines = field_lines(self.fields)
  return ("local mapping = require \"upjob.mapping\"\n\nreturn mapping.define {\n  unique_key = %s,\n%s\n}\n")
    :format(quoted(self.unique_key), table.concat(lines, "\n"))
end

-- The service takes that much of a Source, which begins with "_source.": the service model.
local COLUMN_MAX = 1000 - #"_source."

local function free_attribute(column, index, taken)
  local base = mapping.slug(column) or ("column_" .. index)
  local slug, n = base, 1
  while taken["Attributes." .. slug] do
    n = n + 1
    slug = base .. "_" .. n
  end
  return "Attributes." .. slug
end

--- A mapping of every column of a header: those that equal a profile's target go there, the rest to Attributes.<slug>.
-- `key_column` is the unique key; `place` has the header's file and line, for errors. Returns nil, err when the key is not in
-- the header, or a name is longer than the service takes.
function mapping.from_header(header, key_column, place)
  local definition, taken, has_key = {}, {}, false
  local function refuse(message)
    return nil, errors.new { code = "InvalidFile", file = place and place.file, line = place and place.line, message = message }
  end
  for i, column in ipairs(header) do
    if column ~= "" and column ~= rejects.REASON_COLUMN then
      local length = utf8.len(column) or #column
      if length > COLUMN_MAX then
        return refuse(("cell %d of the header has %d characters, the service takes %d of a column's name: is it a header?")
          :format(i, length, COLUMN_MAX))
      end
      local target = targets.equal(column)
      if not target or taken[target] then target = free_attribute(column, i, taken) end
      taken[target] = true
      definition[#definition + 1] = setmetatable({ column = column, target = target,
        content_type = targets.kind[target] or "STRING", where = "column " .. i }, field)
      has_key = has_key or column == key_column
    end
  end
  if not has_key then
    return refuse(("the key column \"%s\" is not in the header%s"):format(key_column, errors.did_you_mean(key_column, header)))
  end
  definition.unique_key = key_column
  return mapping.define(definition)
end

--- Reads a mapping file: map | nil, err with the file and line.
function mapping.load(path)
  -- Opening a pipe would wait for who writes to it, and a device may never end.
  local info = system.stat(path)
  if info and info.type ~= "file" then
    return nil, errors.new { code = "FileError", file = path, message = info.type == "directory"
      and "is a directory, not a mapping file" or "is not a regular file: save the mapping in one" }
  end
  local chunk, message = loadfile(path)
  if not chunk then
    local missing = message:find("cannot open", 1, true)
    return nil, errors.new { code = missing and "FileError" or "InvalidMapping",
                             message = missing and ("%s: the mapping file cannot be opened"):format(path) or message }
  end
  local ok, result = pcall(chunk)
  if not ok then
    local text = tostring(result)
    -- What was raised in a tail call and is about no field has no place of its own.
    if not text:find(":%d+: ") then text = ("%s: %s"):format(path, text) end
    return nil, errors.new { code = "InvalidMapping", message = text }
  end
  if not mapping.is(result) then
    return nil, errors.new { code = "InvalidMapping", message =
      ("%s: a mapping file returns mapping.define{…}, this one returns a %s"):format(path, type(result)) }
  end
  result.file = path
  return result
end

setmetatable(mapping, { __index = function(_, name)
  error(("there is no mapping.%s%s"):format(tostring(name), errors.did_you_mean(name, errors.names_of(mapping))), 2)
end })

return mapping
