--- A suggestion as the text of a mapping file, with its evidence as comments.
local mapping_text = require "upjob.mapping_text"
local report = require "upjob.report"
local suggest = require "upjob.suggest"

local suggest_text = {}

local WIDTH = 126

local DELIMITERS = { [","] = "commas", [";"] = "semicolons", ["\t"] = "tabs", ["|"] = "bars" }

local function quoted(value) return '"' .. report.safe((value:gsub('["\\]', "\\%0"))) .. '"' end

-- Comments of an indentation, wrapped between words.
local function comment(lines, indent, text)
  local line = indent .. "--"
  for word in text:gmatch("%S+") do
    if #line + 1 + #word > WIDTH and #line > #indent + 2 then
      lines[#lines + 1] = line
      line = indent .. "--  "
    end
    line = line .. " " .. word
  end
  lines[#lines + 1] = line
end

local function count_fields(suggestion)
  local count = suggestion.key_field and 1 or 0
  for _, item in ipairs(suggestion.items) do
    if item.field then count = count + 1 end
  end
  return count
end

local function head(lines, suggestion, file)
  local survey = suggestion.survey
  comment(lines, "", ("Suggested by upjob from %s: %s, %s, separated by %s."):format(report.safe(file),
    report.plural(survey.rows, "row"), report.safe(survey.encoding), DELIMITERS[survey.delimiter] or quoted(survey.delimiter)))
  if survey.unreadable > 0 then
    comment(lines, "", ("%s could not be read."):format(report.plural(survey.unreadable, "record")))
  end
  if survey.blank > 0 then
    comment(lines, "", ("%s without any value: nothing is said of such."):format(report.plural(survey.blank, "more row")))
  end
  if survey.ragged > 0 then
    comment(lines, "", ("%s more or fewer cells than the header."):format(survey.ragged == 1 and "1 row has"
      or report.count(survey.ragged) .. " rows have"))
  end
  local fields = count_fields(suggestion)
  if fields > suggest.MANY_FIELDS then
    comment(lines, "", ("%d fields: the service's console maps %d at most; leave out with mapping.skip what is not needed.")
      :format(fields, suggest.MANY_FIELDS))
  end
end

local function key_lines(lines, suggestion)
  for _, note in ipairs(suggestion.key_notes) do comment(lines, "  ", note) end
  if suggestion.unique_key then
    lines[#lines + 1] = ("  unique_key = %s,"):format(quoted(suggestion.unique_key))
  else
    lines[#lines + 1] = '  -- unique_key = "…",'
  end
end

-- The columns of the left-out as mapping.skip, those that cannot be named in a comment.
local function rest_lines(lines, suggestion)
  for _, item in ipairs(suggestion.items) do
    if item.skipped then
      lines[#lines + 1] = ("  mapping.skip %s, -- %s"):format(quoted(item.column.name), item.skipped)
    elseif item.unusable and (item.column.name ~= "" or item.column.filled > 0) then
      local name = item.column.name ~= "" and " " .. quoted(item.column.name:sub(1, 60)) or ""
      comment(lines, "  ", ("column %d%s %s"):format(item.index, name, item.unusable))
    end
  end
end

local function alternatives(lines, item)
  local texts = {}
  for _, field in ipairs(item.alternatives) do texts[#texts + 1] = mapping_text.field_lines({ field })[1]:match("^%s*(.*)$") end
  if item.constant and not item.target then texts[#texts + 1] = ("mapping.skip %s,"):format(quoted(item.column.name)) end
  for _, text in ipairs(texts) do lines[#lines + 1] = "  -- or: " .. text end
end

--- The file's text; `file` is the name of the CSV file.
function suggest_text.file(suggestion, file)
  local lines, fields, of = {}, {}, {}
  head(lines, suggestion, file)
  table.move({ 'local mapping = require "upjob.mapping"', "", "return mapping.define {" }, 1, 3, #lines + 1, lines)
  key_lines(lines, suggestion)
  lines[#lines + 1] = ""
  if suggestion.key_field then fields[1] = suggestion.key_field end
  for _, item in ipairs(suggestion.items) do
    if item.field then
      fields[#fields + 1] = item.field
      of[#fields] = item
    end
  end
  for i, line in ipairs(mapping_text.field_lines(fields)) do
    local item = of[i]
    if item and #item.notes > 0 then comment(lines, "  ", report.safe(table.concat(item.notes, "; "))) end
    lines[#lines + 1] = line
    if item then alternatives(lines, item) end
  end
  rest_lines(lines, suggestion)
  lines[#lines + 1] = "}"
  return table.concat(lines, "\n") .. "\n"
end

--- The suggestion for machines: { unique_key, notes, fields = {{columns, target, kind, lua, notes, alternatives}, …},
--- skipped = {{column, why}, …} }
function suggest_text.plain(suggestion)
  local result = { unique_key = suggestion.unique_key, notes = suggestion.key_notes, fields = {}, skipped = {} }
  local function line(field) return (mapping_text.field_lines({ field })[1]:match("^%s*(.-),?$")) end
  local function entry(field, item)
    local others = {}
    for i, other in ipairs(item and item.alternatives or {}) do others[i] = line(other) end
    local columns, notes = {}, {}
    for i, name in ipairs(field.columns) do columns[i] = report.safe(name) end
    for i, note in ipairs(item and item.notes or {}) do notes[i] = report.safe(note) end
    return { columns = columns, target = field.target, content_type = field.content_type, lua = line(field),
             notes = #notes > 0 and notes or nil, alternatives = #others > 0 and others or nil }
  end
  if suggestion.key_field then result.fields[1] = entry(suggestion.key_field) end
  for _, item in ipairs(suggestion.items) do
    if item.field then
      result.fields[#result.fields + 1] = entry(item.field, item)
    elseif not item.joined then
      result.skipped[#result.skipped + 1] = { column = report.safe(item.column.name), index = item.index,
                                              why = item.skipped or item.unusable }
    end
  end
  return result
end

return suggest_text
