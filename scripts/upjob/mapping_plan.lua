--- A mapping as the check of a file takes it: plain tables, in which lookups have their files read.
local errors = require "upjob.errors"
local targets = require "upjob.targets"

local plan = {}

-- Numbers that name something, so that a spreadsheet's 4.4E+11 has lost digits there.
local function is_id(target)
  return target == "AccountNumber" or target:find("PostalCode", 1, true) ~= nil
end

-- A file that a mapping names is found beside it.
local function beside(map, name)
  local directory = map.file and map.file:match("^(.*/)[^/]*$")
  return (name:sub(1, 1) == "/" or not directory) and name or directory .. name
end

local function refuse(step, path, message)
  error(errors.new { code = "InvalidMapping", file = path, message = ("%s%s"):format(step.where and step.where .. ": " or "",
    message) }, 0)
end

-- The pairs of a lookup's file, which are read once for a mapping.
local function pairs_of_file(map, step)
  if step.read_pairs then return step.read_pairs end
  local path = beside(map, step.file)
  local reader, err = require("upjob.csv").open(path)
  if not reader then refuse(step, nil, ("lookup: %s"):format(tostring(err))) end
  local found = {}
  for _, name in ipairs(reader:header()) do found[name] = true end
  for _, name in ipairs { step.key_column, step.value_column } do
    if not found[name] then
      reader:close()
      refuse(step, path, ("lookup: there is no column \"%s\""):format(name))
    end
  end
  local read = {}
  for row in reader:rows() do
    local key, value = row[step.key_column], row[step.value_column]
    if read[key] and read[key] ~= value then
      local line = reader.line
      reader:close()
      refuse(step, path, ("lookup: line %d has another value for a key that was there before"):format(line))
    end
    read[key] = value
  end
  reader:close()
  step.read_pairs = read
  return read
end

local function plan_step(map, step)
  local planned = { kind = step.kind, text = step.text, with = step.with, list = step.list, number = step.number,
                    call = step.call, missing = step.missing, pairs = step.pairs, where = step.where }
  if step.kind == "lookup" and step.file then planned.pairs = pairs_of_file(map, step) end
  return planned
end

local function plan_field(map, field)
  local planned = {
    key = field.key, target = field.target, type = field.content_type, columns = field.columns, constant = field.constant,
    separator = field.separator or " ", required = field.is_required or false, is_key = field == map.key_field,
    is_id = is_id(field.target), max_length = targets.max_length(field.target), where = field.where, steps = {},
  }
  for i, step in ipairs(field.steps) do planned.steps[i] = plan_step(map, step) end
  return planned
end

--- The plan of what mapping.define returned; raises an error object when a lookup's file cannot be read.
function plan.of(map)
  local planned = { on_invalid = map.on_invalid, filters = map.filters, skipped = {}, fields = {} }
  for name in pairs(map.skipped or {}) do planned.skipped[#planned.skipped + 1] = name end
  for i, field in ipairs(map.fields) do planned.fields[i] = plan_field(map, field) end
  return planned
end

local KINDS = { STRING = true, NUMBER = true, PHONE_NUMBER = true, EMAIL_ADDRESS = true, NAME = true }

--- The plan of a job's Fields and UniqueKey, as the service tells them; nil when a field reads other than one column.
function plan.of_fields(fields, unique_key)
  local planned = { on_invalid = "reject", skipped = {}, fields = {} }
  for key, field in pairs(fields) do
    local column, target = field.Source:match("^_source%.(.+)$"), field.Target:match("^_profile%.(.+)$")
    if not column or not target then return nil end
    planned.fields[#planned.fields + 1] = {
      key = key, target = target, type = KINDS[field.ContentType] and field.ContentType or "STRING", columns = { column },
      required = false, is_key = key == unique_key, is_id = is_id(target), max_length = targets.max_length(target), steps = {},
    }
  end
  return planned
end

return plan
