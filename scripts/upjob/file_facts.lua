--- What a file is, as a check found it: for a person, and as JSON; and what an import would mend of it.
local report = require "upjob.report"

local file_facts = {}

local DELIMITERS = { [","] = "commas", [";"] = "semicolons", ["\t"] = "tabs", ["|"] = "bars" }

local function delimiter_of(facts)
  return DELIMITERS[facts.delimiter] or ("\"%s\""):format(report.safe(facts.delimiter))
end

local function encoding(facts)
  local text = facts.encoding
  if facts.guessed then
    text = ("%s, by its letters (%d %% sure%s)"):format(text, facts.confidence,
      facts.alternative and ", or " .. facts.alternative or "")
  end
  if facts.had_mark then text = text .. ", with a byte-order mark" end
  if facts.mixed then text = text .. (", but not in %s"):format(report.plural(facts.invalid, "place")) end
  return text
end

local LINE_ENDS = { { "crlf", "CR LF" }, { "lf", "LF" }, { "cr", "CR" } }

local function line_ends(facts)
  local found = {}
  for _, kind in ipairs(LINE_ENDS) do
    local count = facts.line_ends[kind[1]]
    if count > 0 then found[#found + 1] = { name = kind[2], count = count } end
  end
  if #found == 0 then return "none" end
  if #found == 1 then return found[1].name end
  table.sort(found, function(a, b) return a.count > b.count end)
  for i, kind in ipairs(found) do found[i] = ("%s (%s)"):format(kind.name, report.count(kind.count)) end
  return table.concat(found, " and ")
end

--- Lines with a title each: encoding, separator, line ends.
function file_facts.lines(facts)
  local lines = { ("encoding   %s"):format(encoding(facts)),
                  ("separator  %s%s"):format(delimiter_of(facts), facts.sep_line and ", as a line sep= says" or ""),
                  ("line ends  %s"):format(line_ends(facts)) }
  if facts.compression ~= "none" then
    table.insert(lines, 1, ("packed     with %s, %s of %s"):format(facts.compression, report.bytes(facts.file_bytes),
      report.bytes(facts.bytes)))
  end
  return lines
end

--- The same as JSON.
function file_facts.plain(facts)
  return { encoding = facts.encoding, guessed = facts.guessed, confidence = facts.guessed and facts.confidence or nil,
           alternative = facts.alternative, byte_order_mark = facts.had_mark, delimiter = report.safe(facts.delimiter, true),
           line_ends = facts.line_ends, compression = facts.compression, lines = facts.lines, bytes = facts.bytes,
           columns = facts.columns, nuls = facts.nuls }
end

-- Columns that are sent under another name than the mapping reads, or that it makes.
local function new_columns(map, sources)
  local count = 0
  for _, field in ipairs(map.fields) do
    if sources[field.key] ~= field.column or #field.columns > 1 then count = count + 1 end
  end
  return count
end

local function empty_rows(result)
  return result.counts["empty row"] or 0
end

--- Whether what is sent is the file, byte by byte.
function file_facts.as_it_stands(result)
  return not result.mended and result.bad_rows + result.unwanted + empty_rows(result) == 0
end

local function add(list, condition, format, ...)
  if condition then list[#list + 1] = format:format(...) end
end

--- What an import does to the file before it is sent: a list of sentences without a subject; empty when it is sent as it
--- stands. `map` may be nil.
function file_facts.mending(result, map)
  local facts, list = result.facts, {}
  add(list, facts.compression ~= "none", "unpack it")
  add(list, facts.converted, "convert it from %s to UTF-8", facts.encoding)
  add(list, facts.had_mark and not facts.converted, "drop its byte-order mark")
  add(list, facts.sep_line, "drop the line that names its separator")
  add(list, facts.delimiter ~= ",", "separate its cells with commas instead of %s", delimiter_of(facts))
  add(list, empty_rows(result) > 0, "leave out %s", report.plural(empty_rows(result), "empty row"))
  if map then
    local made = new_columns(map, result.sources)
    add(list, made > 0, "add or rename %s for what the mapping makes", report.plural(made, "column"))
    add(list, result.changed_rows > 0, "change values in %s", report.plural(result.changed_rows, "row"))
    add(list, result.blanked > 0, "empty %s that %s not valid", report.plural(result.blanked, "value"),
      result.blanked == 1 and "is" or "are")
    add(list, result.unwanted > 0, "leave out %s that the mapping's rows() do not want", report.plural(result.unwanted, "row"))
  end
  return list
end

return file_facts
