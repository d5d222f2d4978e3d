--- upjob.mapping: which column goes where in a profile, and what is done to its values on the way. A mapping file returns
--- mapping.define{…}.
local errors = require "upjob.errors"
local header_mapping = require "upjob.mapping_header"
local mapping_field = require "upjob.mapping_field"
local mapping_text = require "upjob.mapping_text"
local synonyms = require "upjob.synonyms"
local system = require "upjob.native.system"
local targets = require "upjob.targets"

local mapping = { slug = header_mapping.slug }

local misuse = mapping_field.misuse

local function new_field(kind, content_type)
  return function(columns)
    local problem = mapping_field.problem_of_columns(columns)
    if problem then error(("mapping.%s: %s"):format(kind, problem), 2) end
    columns = type(columns) == "string" and { columns } or table.move(columns, 1, #columns, 1, {})
    return mapping_field.new { columns = columns, content_type = content_type, where = mapping_field.caller_line(2) }
  end
end

--- mapping.string "Column", or { "First", "Last" }: several columns, whose values are joined; so phone, email, number and name.
for kind, content_type in pairs(mapping_field.kinds) do mapping[kind] = new_field(kind, content_type) end

--- mapping.const "spring": the same value in every row.
function mapping.const(value)
  if type(value) == "number" then value = ("%s"):format(value) end
  if type(value) ~= "string" or value == "" then error("mapping.const: a text or a number is needed", 2) end
  return mapping_field.new { columns = {}, constant = value, content_type = "STRING", where = mapping_field.caller_line(2) }
end

-- What a definition may hold beside fields.
local skipped, filter = {}, {}

--- mapping.skip "Column": it is left out on purpose, so that no check tells of it. Several names, or a list of them.
function mapping.skip(...)
  local columns = type(...) == "table" and ... or { ... }
  local problem = mapping_field.problem_of_columns(columns)
  if problem then error("mapping.skip: " .. problem, 2) end
  return setmetatable({ columns = table.move(columns, 1, #columns, 1, {}) }, skipped)
end

--- mapping.rows(function(row) return row.Country == "US" end): other rows are left out; they are not rejected.
function mapping.rows(predicate)
  if type(predicate) ~= "function" then error("mapping.rows: a function is needed", 2) end
  return setmetatable({ predicate = predicate }, filter)
end

local map = {}
map.__index = map

local function give_key(f, used)
  local key = f.key
  if not key then
    local name = f.column or f.target:match("[^.]+$")
    key = name:find(mapping_field.KEY_PATTERN) and #name <= mapping_field.KEY_MAX and name or mapping.slug(name) or "field"
    local base, n = key, 1
    while used[key] do
      n = n + 1
      key = base:sub(1, mapping_field.KEY_MAX - 4) .. "_" .. n
    end
  end
  return key
end

local function find_unique_key(fields, name)
  for _, f in ipairs(fields) do
    if f.key == name then return f end
  end
  for _, f in ipairs(fields) do
    if f.column == name and #f.columns == 1 then return f end
  end
end

local OPTIONS = { "unique_key", "on_invalid" }
local ON_INVALID = { reject = true, blank = true, stop = true }

-- What is wrong with the options of a definition: a message and the place that it is about, or nil.
local function problem_of_options(definition)
  for name in pairs(definition) do
    if type(name) ~= "number" and name ~= "unique_key" and name ~= "on_invalid" then
      return ("mapping.define: unknown option \"%s\"%s"):format(tostring(name), errors.did_you_mean(name, OPTIONS))
    end
  end
  local on_invalid = definition.on_invalid
  if on_invalid ~= nil and not ON_INVALID[on_invalid] then
    return ("mapping.define: on_invalid is \"reject\", \"blank\" or \"stop\", not %s"):format(
      type(on_invalid) == "string" and ("\"%s\""):format(on_invalid) or type(on_invalid))
  end
end

-- The items of a definition by what they are.
local function sort_items(definition)
  local fields, skips, filters = {}, {}, {}
  for i, item in ipairs(definition) do
    local kind = getmetatable(item)
    if kind == skipped then
      for _, column in ipairs(item.columns) do skips[column] = true end
    elseif kind == filter then
      filters[#filters + 1] = item.predicate
    elseif mapping_field.is(item) then
      fields[#fields + 1] = item
    else
      return nil, ("mapping.define: item %d is not a field: mapping.string \"Column\" : to \"Target\""):format(i)
    end
  end
  if #fields == 0 then return nil, "mapping.define: a mapping needs at least one field" end
  return { fields = fields, skipped = skips, filters = filters }
end

local function problem_of_fields(fields)
  local used, taken = {}, {}
  for _, f in ipairs(fields) do
    local title = mapping_field.title(f)
    if not f.target then return ("%s has no target: add :to \"…\""):format(title), f.where end
    if f.key and used[f.key] then
      return ("two fields have the key \"%s\": give one another name with :as"):format(f.key), f.where
    end
    if f.key then used[f.key] = true end
    if f.clears then
      return ("%s: clear(): the service has no way to empty a stored value: an empty cell leaves it as it is"):format(title),
        f.where
    end
    if taken[f.target] then
      return ("two columns go to %s: %s and %s; to have both there, join them: mapping.string { \"…\", \"…\" } : to \"%s\"")
        :format(f.target, taken[f.target], title:gsub("^columns? ", ""), f.target), f.where
    end
    taken[f.target] = title:gsub("^columns? ", "")
  end
  for _, f in ipairs(fields) do
    f.key = give_key(f, used)
    used[f.key] = true
  end
end

local function problem_of_key(fields, unique_key)
  if type(unique_key) ~= "string" then
    return "mapping.define: unique_key is required: the key of the field that tells profiles apart"
  end
  local found = find_unique_key(fields, unique_key)
  if found and #found.columns == 0 then
    return "mapping.define: unique_key is a constant: all rows would be one profile", found.where
  end
  if found then return nil end
  local names = {}
  for i, f in ipairs(fields) do names[i] = f.key end
  local near = errors.did_you_mean(unique_key, names)
  return ("mapping.define: unique_key \"%s\" is none of the fields%s"):format(unique_key,
    near ~= "" and near or ": " .. table.concat(names, ", "))
end

--- mapping.define{ unique_key = "customer_id", mapping.email "E-mail" : to "EmailAddress", …, on_invalid = "reject" }
-- unique_key: the field that tells profiles apart, by its key or its column. on_invalid says what becomes of a row that has a
-- value which the service would fail or which is not what its field says: "reject" (it is kept back and written to the rejects
-- file; the default), "blank" (the value is emptied; a row without what is required or without its key is rejected all the
-- same) or "stop" (nothing is sent).
function mapping.define(definition)
  if type(definition) ~= "table" then error("mapping.define: a table is needed", 2) end
  local items
  local problem, where = problem_of_options(definition)
  if not problem then
    items, problem = sort_items(definition)
  end
  if not problem then problem, where = problem_of_fields(items.fields) end
  if not problem then problem, where = problem_of_key(items.fields, definition.unique_key) end
  if problem and where then error(("%s: %s"):format(where, problem), 0) end
  if problem then
    local first = definition[1]
    misuse(mapping_field.is(first) and first.where or nil, "%s", problem)
  end
  local key_field = find_unique_key(items.fields, definition.unique_key)
  return setmetatable({ fields = items.fields, skipped = items.skipped, filters = items.filters, key_field = key_field,
                        unique_key = key_field.key, on_invalid = definition.on_invalid or "reject" }, map)
end

--- True for what mapping.define returned.
function mapping.is(value)
  return getmetatable(value) == map
end

--- A copy of the mapping that gives every profile this value as well: map | nil, the field that goes there already with another.
function map:with_constant(target, value)
  local fields, used = table.move(self.fields, 1, #self.fields, 1, {}), {}
  for _, f in ipairs(fields) do
    if f.target == target and not (#f.columns == 0 and f.constant == value) then return nil, f end
    if f.target == target then return self end
    used[f.key] = true
  end
  local added = mapping_field.new { columns = {}, constant = value, content_type = "STRING", target = target }
  added.key = give_key(added, used)
  fields[#fields + 1] = added
  local copy = { base = self, fields = fields }
  for name, of_self in pairs(self) do copy[name] = copy[name] or of_self end
  return setmetatable(copy, map)
end

--- Fields as CreateUploadJob takes them. `sources` has the column of the file that is sent by field key, where it is not the
--- field's own.
function map:api_fields(sources)
  local fields = {}
  for _, f in ipairs(self.fields) do
    fields[f.key] = { Source = "_source." .. (sources and sources[f.key] or f.column or f.key), Target = "_profile." .. f.target,
                      ContentType = f.content_type }
  end
  return fields
end

--- Lines of a mapping file for columns that became attributes and look like a place in a profile that no column goes to.
function map:hints()
  local taken, fields = {}, {}
  for _, f in ipairs(self.fields) do taken[f.target] = true end
  for _, f in ipairs(self.fields) do
    local target = f.column and f.target:find("^Attributes%.") and synonyms.target(f.column)
    if target and not taken[target] then
      taken[target] = true
      fields[#fields + 1] = mapping_field.new { columns = f.columns, target = target, content_type = targets.kind[target],
                                                key = f.key }
    end
  end
  return mapping_text.field_lines(fields)
end

--- The mapping as the text of a mapping file.
function map:to_lua()
  return mapping_text.file(self)
end

--- A mapping of every column of a header: map | nil, err (mapping_header).
function mapping.from_header(header, key_column, place)
  local definition, err = header_mapping.definition(header, key_column, place)
  if not definition then return nil, err end
  return mapping.define(definition)
end

-- The mapping that a chunk returns: map | nil, err; `chunk` is nil when Lua has refused it with this message.
local function evaluate(chunk, message, name)
  if not chunk then return nil, errors.new { code = "InvalidMapping", message = message } end
  local ok, result = pcall(chunk)
  if not ok then
    local text = tostring(result)
    -- What was raised in a tail call and is about no field has no place of its own.
    if not text:find(":%d+: ") then text = ("%s: %s"):format(name, text) end
    return nil, errors.new { code = "InvalidMapping", message = text }
  end
  if not mapping.is(result) then
    return nil, errors.new { code = "InvalidMapping", message =
      ("%s: a mapping file returns mapping.define{…}, this one returns a %s"):format(name, type(result)) }
  end
  return result
end

--- The mapping of the text of a mapping file: map | nil, err. `name` is what errors call it.
function mapping.from_text(text, name)
  local chunk, message = load(text, "=" .. name, "t")
  return evaluate(chunk, message, name)
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
  local missing = not chunk and message:find("cannot open", 1, true)
  if missing then
    return nil, errors.new { code = "FileError", message = ("%s: the mapping file cannot be opened"):format(path) }
  end
  local result, err = evaluate(chunk, message, path)
  if not result then return nil, err end
  result.file = path
  return result
end

setmetatable(mapping, { __index = function(_, name)
  error(("there is no mapping.%s%s"):format(tostring(name), errors.did_you_mean(name, errors.names_of(mapping))), 2)
end })

return mapping
