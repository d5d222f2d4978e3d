--- A mapping as the text of a mapping file.
local mapping_field = require "upjob.mapping_field"
local report = require "upjob.report"

local text = {}

-- As Lua reads it back: what would not be safe on a terminal is in Lua's own escapes.
local function quoted(value)
  return '"' .. report.safe((value:gsub('["\\]', "\\%0"))) .. '"'
end

local function list(values)
  if #values == 1 then return quoted(values[1]) end
  local items = {}
  for i, value in ipairs(values) do items[i] = quoted(value) end
  return "{ " .. table.concat(items, ", ") .. " }"
end

local KIND = {}
for kind, content_type in pairs(mapping_field.kinds) do KIND[content_type] = kind end

local function sorted_pairs(pairs_of)
  local names, items = {}, {}
  for name in pairs(pairs_of) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do items[i] = ("[%s] = %s"):format(quoted(name), quoted(pairs_of[name])) end
  return "{ " .. table.concat(items, ", ") .. " }"
end

local SPOKEN = {
  e164 = function(step) return step.text and ("e164 { region = %s }"):format(quoted(step.text)) or "e164()" end,
  date = function(step) return ("date { from = %s }"):format(list(step.list)) end,
  replace = function(step) return ("replace(%s, %s)"):format(quoted(step.text), quoted(step.with)) end,
  default = function(step) return ("default %s"):format(quoted(step.text)) end,
  split = function(step) return ("split(%s, %d)"):format(quoted(step.text), step.number) end,
  lookup = function(step)
    local missing = step.missing ~= "reject" and ("{ missing = %s }"):format(quoted(step.missing))
    local of = step.file and quoted(step.file) or sorted_pairs(step.pairs)
    return missing and ("lookup(%s, %s)"):format(of, missing) or ("lookup(%s)"):format(of)
  end,
  -- What is written in Lua cannot be written down again.
  call = function() return "via(function(value) return value end --[[ yours ]])" end,
}

--- What is done to a field's value, in order, as a mapping file says it. `call` is said of what is written in Lua; without it
--- something that Lua reads.
function text.steps(field, call)
  local parts = {}
  if field.separator then parts[1] = ("join %s"):format(quoted(field.separator)) end
  for _, step in ipairs(field.steps) do
    parts[#parts + 1] = step.kind == "call" and call or SPOKEN[step.kind] and SPOKEN[step.kind](step) or step.kind .. "()"
  end
  return parts
end

--- "string", "number", "phone", "email", "name", or "const".
function text.kind(field)
  return #field.columns == 0 and "const" or KIND[field.content_type]
end

-- What is done to the value, as it is written behind the target.
local function spoken_steps(field)
  local parts = text.steps(field)
  if field.key and field.key ~= field.column then parts[#parts + 1] = "as " .. quoted(field.key) end
  if field.is_required then parts[#parts + 1] = "required()" end
  if field.clears then parts[#parts + 1] = "clear()" end
  for i, part in ipairs(parts) do parts[i] = " : " .. part end
  return table.concat(parts)
end

-- Characters, so that columns stand below one another; bytes of what is not UTF-8.
local function length(value) return utf8.len(value) or #value end

--- Fields as lines of a mapping file, in columns.
function text.field_lines(fields)
  local kinds, columns, lines = 0, 0, {}
  local function source(field) return #field.columns == 0 and quoted(field.constant) or list(field.columns) end
  for _, field in ipairs(fields) do
    kinds = math.max(kinds, #text.kind(field))
    columns = math.max(columns, length(source(field)))
  end
  for i, field in ipairs(fields) do
    local kind, from = text.kind(field), source(field)
    lines[i] = ("  mapping.%s%s %s%s : to %s%s,"):format(kind, (" "):rep(kinds - #kind), from,
      (" "):rep(columns - length(from)), quoted(field.target), spoken_steps(field))
  end
  return lines
end

--- The whole file; `lines` instead of the fields' own when they are given.
function text.file(map, lines)
  local options = { ("  unique_key = %s,"):format(quoted(map.unique_key)) }
  if map.on_invalid ~= "reject" then options[2] = ("  on_invalid = %s,"):format(quoted(map.on_invalid)) end
  return ("local mapping = require \"upjob.mapping\"\n\nreturn mapping.define {\n%s\n%s\n}\n")
    :format(table.concat(options, "\n"), table.concat(lines or text.field_lines(map.fields), "\n"))
end

return text
