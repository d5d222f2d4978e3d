--- What a person reads: numbers, tables, the end of an import.
local log = require "upjob.log"
local system = require "upjob.native.system"

local report = {}

report.DEFAULT_EXPIRY = 14 -- days, when DataExpiry is not given: the service's documentation

local LEAST_WIDTH = 8 -- to which a column of a table is made narrower

local COLORS = { bold = "1", dim = "2", red = "31", green = "32", yellow = "33", cyan = "36" }

--- Whether to colour what goes to `stream` ("stdout" or "stderr"); https://no-color.org.
function report.use_color(stream, option)
  if option == "always" then return true end
  if option == "never" then return false end
  local no_color = os.getenv("NO_COLOR")
  return not (no_color and no_color ~= "") and os.getenv("TERM") ~= "dumb" and system.isatty(stream)
end

--- A function paint(color, text) for that stream.
function report.painter(stream, option)
  local on = report.use_color(stream, option)
  return function(color, text)
    return on and ("\27[%sm%s\27[0m"):format(COLORS[color], text) or text
  end
end

--- 1234567 → "1,234,567"
function report.count(n)
  local text = ("%d"):format(n)
  local grouped = text:reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (grouped:gsub("^,", ""))
end

--- Decimal units, as the service's limit of 1 GB: 6737 → "6.7 kB"
function report.bytes(n)
  if n < 999.5 then return ("%d bytes"):format(math.floor(n + 0.5)) end
  for _, unit in ipairs { "kB", "MB", "GB" } do
    n = n / 1000
    if n < 999.5 or unit == "GB" then return (n < 10 and "%.1f %s" or "%.0f %s"):format(n, unit) end
  end
end

--- 0.4 → "0.4 s", 75 → "1 min 15 s"
function report.seconds(n)
  if n < 10 then return ("%.1f s"):format(n) end
  if n < 60 then return ("%.0f s"):format(n) end
  if n < 3600 then return ("%d min %02d s"):format(n // 60, n % 60 // 1) end
  return ("%d h %02d min"):format(n // 3600, n % 3600 // 60)
end

function report.plural(n, noun)
  return ("%s %s%s"):format(report.count(n), noun, n == 1 and "" or "s")
end

-- Columns that a text takes on a terminal: code points, wide East Asian ones twice, combining marks not at all.
local function width(text)
  local columns = 0
  for _, c in utf8.codes(text, true) do
    if c >= 0x300 and c <= 0x36F or c == 0x200B then
      columns = columns + 0
    elseif c >= 0x1100 and c <= 0x115F or c >= 0x2E80 and c <= 0xA4CF or c >= 0xAC00 and c <= 0xD7A3
      or c >= 0xF900 and c <= 0xFAFF or c >= 0xFF00 and c <= 0xFF60 or c >= 0x1F300 and c <= 0x1FAFF then
      columns = columns + 2
    else
      columns = columns + 1
    end
  end
  return columns
end

--- Text that is safe on a terminal: what a terminal would obey is shown; with keep_lines, line ends and tabs are as they are.
function report.safe(text, keep_lines)
  return system.printable(tostring(text), keep_lines)
end

--- Whether standard error is for a log collector: each line of it an object.
function report.is_json()
  return log.format() == "json"
end

--- Tells a person on standard error: text, or an error object, in which there may be something from elsewhere. With --log-format
-- json it is an object with the fields that are given, which text does not show. level: "info" when not given.
function report.say(text, fields, level)
  io.stderr:write(log.line(level or "info", report.is_json() and text or report.safe(text), fields))
end

--- The same of what has gone wrong: an error object, or a text.
function report.fail(text, fields)
  report.say(text, fields, "error")
end

--- The same of a text whose line ends and tabs are its own, behind a prefix (none when not given).
function report.lines(text, fields, level, prefix)
  io.stderr:write(log.line(level or "info", text, fields, prefix or ""))
end

--- A message, and behind it a text of several lines: as it is to be `shown`, or as the field `name` of an object.
function report.block(message, name, text, shown)
  if report.is_json() then return report.say(message, { [name] = text }) end
  report.say(message)
  report.lines(shown or text)
end

--- What was wrong with a command line, and a hint; `command` may have a word.
function report.usage(command, message, hint)
  if report.is_json() then return report.fail(message, { code = "UsageError", command = command, hint = hint }) end
  report.lines(report.safe(message) .. "\n" .. hint, nil, "error", ("upjob %s: "):format(command))
end

local function cut(text, columns)
  if width(text) <= columns then return text end
  local out, used = {}, 0
  for _, c in utf8.codes(text, true) do
    local char = utf8.char(c)
    used = used + width(char)
    if used > columns - 1 then break end
    out[#out + 1] = char
  end
  return table.concat(out) .. "…"
end
report.cut = cut

--- Columns of the terminal that standard output is; math.huge when it is none.
function report.room()
  return system.isatty("stdout") and system.width("stdout") or math.huge
end

--- Text as lines that are not wider than `room`, broken between words; all but the first begin with `indent`.
function report.wrap(text, room, indent)
  if width(text) <= room then return { text } end
  local lines, line = {}, ""
  for blanks, word in text:gmatch("(%s*)(%S+)") do
    if line:find("%S") and width(line) + #blanks + width(word) > room then
      lines[#lines + 1], line = line, indent .. word
    else
      line = line .. blanks .. word
    end
  end
  lines[#lines + 1] = line
  return lines
end

local function pad(text, columns, right)
  local space = (" "):rep(columns - width(text))
  return right and space .. text or text .. space
end

-- Makes the widest columns narrower until a line fits; those to be copied stay whole.
local function fit(columns, widths, room)
  local total = 2 * (#columns - 1)
  for _, columns_wide in ipairs(widths) do total = total + columns_wide end
  while total > room do
    local widest
    for i, column in ipairs(columns) do
      if not column.whole and widths[i] > LEAST_WIDTH and (not widest or widths[i] > widths[widest]) then widest = i end
    end
    if not widest then return end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
end

-- Cut in the middle, so that its last `ends` characters stay, where there is room for more than them.
local function cut_before(text, columns, ends)
  local at = ends and width(text) > columns and columns >= ends + LEAST_WIDTH and utf8.offset(text, -ends)
  if not at then return cut(text, columns) end
  local tail = text:sub(at)
  return cut(text, columns - width(tail)) .. tail
end

--- A table as lines. columns: { { title=, right=bool, max=, whole=bool, ends=, paint=function(text, i) }, … }; rows: lists of
-- strings. It fits `room` columns, those of the terminal when standard output is one; `whole` columns are not made narrower. What
-- is cut keeps its last `ends` characters. paint colours the cell of row i.
function report.table(columns, rows, room)
  local widths, lines = {}, {}
  for i, column in ipairs(columns) do
    widths[i] = width(column.title)
    for _, row in ipairs(rows) do
      row[i] = cut_before(report.safe(row[i] or ""), column.max or 60, column.ends)
      widths[i] = math.max(widths[i], width(row[i]))
    end
  end
  fit(columns, widths, room or report.room())
  local function line(row, number)
    local cells = {}
    for i, column in ipairs(columns) do
      cells[i] = pad(cut_before(row[i], widths[i], column.ends), widths[i], column.right)
      if number and column.paint then cells[i] = column.paint(cells[i], number) end
    end
    return (table.concat(cells, "  "):gsub("%s+$", ""))
  end
  local titles, rules = {}, {}
  for i, column in ipairs(columns) do titles[i], rules[i] = column.title, ("─"):rep(widths[i]) end
  lines[1], lines[2] = line(titles), line(rules)
  for i, row in ipairs(rows) do lines[#lines + 1] = line(row, i) end
  return lines
end

--- "2026-12-08" of an epoch, in local time.
function report.date(epoch)
  return os.date("%Y-%m-%d", math.floor(epoch))
end

function report.time(epoch)
  return epoch and os.date("%Y-%m-%d %H:%M:%S", math.floor(epoch)) or ""
end

-- ---- the end of an import ----

--- How the counts read: "59 created, 0 updated, 0 failed"
function report.summary(summary)
  return ("%s created, %s updated, %s failed"):format(report.count(summary.CreatedRecords or 0),
    report.count(summary.UpdatedRecords or 0), report.count(summary.FailedRecords or 0))
end

--- When profiles of an import vanish: a sentence.
function report.expiry(result)
  local from = result.CompletedAt or result.CreatedAt or os.time()
  return ("Profiles from this import vanish on %s, %s after it%s."):format(report.date(from + result.DataExpiry * 86400),
    report.plural(result.DataExpiry, "day"),
    result.DataExpiry == report.DEFAULT_EXPIRY and " (set another time with --expires DAYS, up to 1098)" or "")
end

return report
