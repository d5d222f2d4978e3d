--- The mapping that a header alone makes.
local errors = require "upjob.errors"
local mapping_field = require "upjob.mapping_field"
local rejects = require "upjob.rejects"
local targets = require "upjob.targets"

local header_mapping = {}

--- "Customer Id", "CustomerId" → "customer_id"; letters outside ASCII fall away. nil when nothing is left.
function header_mapping.slug(text)
  local slug = text:gsub("(%l)(%u)", "%1_%2"):gsub("(%u)(%u%l)", "%1_%2"):lower()
  slug = slug:gsub("[^%w]+", "_"):gsub("^_+", ""):gsub("_+$", ""):sub(1, mapping_field.KEY_MAX)
  return slug ~= "" and slug or nil
end

-- The service takes that much of a Source, which begins with "_source.": the service model.
local COLUMN_MAX = 1000 - #"_source."

local function free_attribute(column, index, taken)
  local base = header_mapping.slug(column) or ("column_" .. index)
  local slug, n = base, 1
  while taken["Attributes." .. slug] do
    n = n + 1
    slug = base .. "_" .. n
  end
  return "Attributes." .. slug
end

--- The definition for mapping.define of every column of a header: those that equal a profile's target go there, the rest to
-- Attributes.<slug>. `key_column` is the unique key; `place` has the header's file and line, for errors. Returns nil, err when
-- the key is not in the header, or a name is longer than the service takes.
function header_mapping.definition(header, key_column, place)
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
      definition[#definition + 1] = mapping_field.new { columns = { column }, target = target,
        content_type = targets.kind[target] or "STRING", where = "column " .. i }
      has_key = has_key or column == key_column
    end
  end
  if not has_key then
    return refuse(("the key column \"%s\" is not in the header%s"):format(key_column, errors.did_you_mean(key_column, header)))
  end
  definition.unique_key = key_column
  return definition
end

return header_mapping
