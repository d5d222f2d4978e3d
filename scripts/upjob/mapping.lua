--- upjob.mapping: which column goes where in a profile. A mapping file returns mapping.define{…}.
local errors = require "upjob.errors"
local rejects = require "upjob.rejects"
local targets = require "upjob.targets"

local mapping = {}

local KEY_PATTERN, KEY_MAX = "^[%w_.-]+$", 64 -- of a key of Fields: the service model, FieldMap

local field = {}
field.__index = field

-- Where the script called us: for errors about the mapping that only show when it is defined.
local function caller_line(level)
  local info = debug.getinfo(level + 1, "Sl")
  return info and ("%s:%d"):format(info.short_src, info.currentline) or "?"
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
function field:to(target)
  if type(target) ~= "string" then error("to: the name of a target is needed", 2) end
  local problem = targets.check(target)
  if problem then error(("column \"%s\": %s"):format(self.column, problem), 2) end
  self.target = target
  return self
end

--- The key of the field in the job's Fields; without it, the column's name, or a slug of it.
function field:as(key)
  if type(key) ~= "string" or not key:find(KEY_PATTERN) or #key > KEY_MAX then
    error(("column \"%s\": as(): 1 to %d of a-z A-Z 0-9 _ . -, not %s"):format(self.column, KEY_MAX,
      type(key) == "string" and ("%q"):format(key) or type(key)), 2)
  end
  self.key = key
  return self
end

--- A row whose cell is empty here is rejected.
function field:required()
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

--- mapping.define{ unique_key = "customer_id", mapping.email "E-mail" : to "EmailAddress", …, on_invalid = "reject" }
-- on_invalid says what becomes of a row that the service would fail: "reject" (it is kept back and written to the rejects
-- file; the default) or "stop" (nothing is sent).
function mapping.define(definition)
  local level = 2
  if type(definition) ~= "table" then error("mapping.define: a table is needed", level) end
  for name in pairs(definition) do
    if type(name) == "string" and name ~= "unique_key" and name ~= "on_invalid" then
      local near = require("upjob.native.profiles").nearest(name, { "unique_key", "on_invalid" })
      error(("mapping.define: unknown option \"%s\"%s"):format(name,
        near and (" (did you mean \"%s\"?)"):format(near) or ""), level)
    end
  end
  local on_invalid = definition.on_invalid or "reject"
  if on_invalid ~= "reject" and on_invalid ~= "stop" then
    error("mapping.define: on_invalid is \"reject\" or \"stop\"", level)
  end
  if #definition == 0 then error("mapping.define: a mapping needs at least one field", level) end
  local used, taken = {}, {}
  for i, f in ipairs(definition) do
    if getmetatable(f) ~= field then
      error(("mapping.define: item %d is not a field: mapping.string \"Column\" : to \"Target\""):format(i), level)
    end
    if not f.target then
      error(("%s: column \"%s\" has no target: add :to \"…\""):format(f.where, f.column), level)
    end
    if f.key and used[f.key] then
      error(("%s: two fields have the key \"%s\": give one another name with :as"):format(f.where, f.key), level)
    end
    if f.key then used[f.key] = true end
    if taken[f.target] then
      error(("%s: two columns go to %s: \"%s\" and \"%s\""):format(f.where, f.target, taken[f.target], f.column), level)
    end
    taken[f.target] = f.column
  end
  for _, f in ipairs(definition) do
    f.key = give_key(f, used)
    used[f.key] = true
  end
  if type(definition.unique_key) ~= "string" then
    error("mapping.define: unique_key is required: the key of the field that tells profiles apart", level)
  end
  local key_field = find_unique_key(definition, definition.unique_key)
  if not key_field then
    local names = {}
    for _, f in ipairs(definition) do names[#names + 1] = f.key end
    local near = require("upjob.native.profiles").nearest(definition.unique_key, names)
    error(("mapping.define: unique_key \"%s\" is none of the fields%s"):format(definition.unique_key,
      near and (" (did you mean \"%s\"?)"):format(near) or ": " .. table.concat(names, ", ")), level)
  end
  local fields = table.move(definition, 1, #definition, 1, {})
  return setmetatable({ fields = fields, key_field = key_field, unique_key = key_field.key, on_invalid = on_invalid }, map)
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

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return c == '"' and '\\"' or c == "\\" and "\\\\" or ("\\%03d"):format(c:byte())
  end) .. '"'
end

local function spoken_kind(content_type)
  return ({ STRING = "string", NUMBER = "number", PHONE_NUMBER = "phone", EMAIL_ADDRESS = "email", NAME = "name" })[content_type]
end

--- The mapping as the text of a mapping file.
function map:to_lua()
  local kinds, columns, lines = 0, 0, {}
  for _, f in ipairs(self.fields) do
    kinds = math.max(kinds, #spoken_kind(f.content_type))
    columns = math.max(columns, #quoted(f.column))
  end
  for _, f in ipairs(self.fields) do
    local kind, column = spoken_kind(f.content_type), quoted(f.column)
    lines[#lines + 1] = ("  mapping.%s%s %s%s : to %s%s%s,"):format(kind, (" "):rep(kinds - #kind), column,
      (" "):rep(columns - #column), quoted(f.target), f.key ~= f.column and " : as " .. quoted(f.key) or "",
      f.is_required and " : required()" or "")
  end
  return ("local mapping = require \"upjob.mapping\"\n\nreturn mapping.define {\n  unique_key = %s,\n%s\n}\n")
    :format(quoted(self.unique_key), table.concat(lines, "\n"))
end

--- A mapping of every column of a header: those that equal a profile's target go there, the rest to Attributes.<slug>.
-- `key_column` is the unique key. Returns nil, err when the key is not in the header.
function mapping.from_header(header, key_column, file)
  local definition, taken, key_field = {}, {}, nil
  for i, column in ipairs(header) do
    if column ~= "" and column ~= rejects.REASON_COLUMN then
      local target = targets.equal(column)
      if not target or taken[target] then
        local base = mapping.slug(column) or ("column_" .. i)
        local slug, n = base, 1
        while taken["Attributes." .. slug] do
          n = n + 1
          slug = base .. "_" .. n
        end
        target = "Attributes." .. slug
      end
      taken[target] = true
      local f = setmetatable({ column = column, target = target, content_type = targets.kind[target] or "STRING",
                               where = "column " .. i }, field)
      definition[#definition + 1] = f
      if column == key_column then key_field = key_field or f end
    end
  end
  if not key_field then
    local near = require("upjob.native.profiles").nearest(key_column, header)
    local other = #header == 1 and header[1]:match("[;\t|]")
    if other then
      return nil, errors.new { code = "InvalidFile", file = file, line = 1, message =
        ("the header is a single column: its cells seem to be separated by %s, and the service takes commas only: "
          .. "save the file with commas"):format(other == "\t" and "tabs" or ("\"%s\""):format(other)) }
    end
    return nil, errors.new { code = "InvalidFile", file = file, line = 1, message =
      ("the key column \"%s\" is not in the header%s"):format(key_column,
        near and (" (did you mean \"%s\"?)"):format(near) or ": " .. table.concat(header, ", ")) }
  end
  definition.unique_key = key_column
  return mapping.define(definition)
end

--- Reads a mapping file: map | nil, err with the file and line.
function mapping.load(path)
  local chunk, message = loadfile(path)
  if not chunk then
    local missing = message:find("cannot open", 1, true)
    return nil, errors.new { code = missing and "FileError" or "InvalidMapping",
                             message = missing and ("%s: the mapping file cannot be opened"):format(path) or message }
  end
  local ok, result = pcall(chunk)
  if not ok then return nil, errors.new { code = "InvalidMapping", message = tostring(result) } end
  if not mapping.is(result) then
    return nil, errors.new { code = "InvalidMapping", message =
      ("%s: a mapping file returns mapping.define{…}, this one returns a %s"):format(path, type(result)) }
  end
  result.file = path
  return result
end

return mapping
