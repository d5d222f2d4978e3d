--- upjob map preview: some rows before → after, those that would be refused and those that change first.
local checking = require "upjob.checking"
local cli = require "upjob.cli"
local json = require "upjob.json"
local mapping = require "upjob.mapping"
local progress_line = require "upjob.progress"
local parts = require "upjob.parts"
local report = require "upjob.report"
local source = require "upjob.source"
local system = require "upjob.native.system"

local map_preview = {}

local ROWS, MOST_ROWS = 10, 1000
local MOST_LOOKED_AT = 100000 -- rows: those that show something stand among the first, or `map check` finds them
local NARROW = 64             -- terminal columns below which there is no room to say where a value goes
local MASK, NOTHING = "•••", "–"

function map_preview.parser()
  local p = cli.parser("map preview", ("Shows %d rows before and after a mapping, those that would be refused and those that "
    .. "change first. Nothing is sent."):format(ROWS))
  cli.argument(p, "file", "FILE", 'The CSV file, compressed or not; "-" is standard input, s3://BUCKET/KEY an object.')
  p:option("--map", "Mapping file: which column goes where."):argname("FILE")
  cli.number_option(p, "-n --rows", ("Rows that are shown; %d otherwise."):format(ROWS), "N",
    ("a number of rows, from 1 to %d"):format(MOST_ROWS), { integer = true, least = 1, most = MOST_ROWS }):target("rows")
  p:flag("--all", "All fields of each row, also those that stay as they are.")
  p:option("--encoding", "The character set of the file; without it, it is found out."):argname("NAME")
  cli.tmp_option(p)
  return p
end

-- Values of cells are personal data: shown where a person reads them, or on demand.
local function shows_values(options)
  return options.show_values or system.isatty("stdout")
end

-- ---- which rows ----

local function add(list, rows, fate, most)
  for i = 1, math.min(#rows, most) do list[#list + 1] = { fate = fate, row = rows[i] } end
end

-- Of those that would be refused, half at most when there are others that change.
local function choose(shown, most)
  local list = {}
  add(list, shown.rejected, "rejected", math.max((most + 1) // 2, most - #shown.changed))
  add(list, shown.changed, "changed", most - #list)
  add(list, shown.sent, "sent", most - #list)
  return list
end

-- ---- a row ----

-- Spaces at an end would not be seen.
local function visible(value, shown)
  if value == "" then return NOTHING end
  if not shown then return MASK end
  return (value:find("^%s") or value:find("%s$")) and ("\"%s\""):format(value) or value
end

-- A constant is the mapping's, and no personal data.
local function after(entry, shown)
  return visible(entry.value.value, shown or #entry.field.columns == 0 and #entry.field.steps == 0)
end

local function before(value, shown)
  if #value.cells == 0 then return NOTHING end
  local cells = {}
  for i, cell in ipairs(value.cells) do cells[i] = visible(cell, shown) end
  return table.concat(cells, " + ")
end

local function title_of(field)
  return #field.columns == 0 and "(constant)" or table.concat(field.columns, " + ")
end

-- The fields of a row that are shown: the key, and those that are not as they stand.
local function fields_of(map, item, all)
  local list = {}
  for i, value in ipairs(item.row.values) do
    local field = map.fields[i]
    local is_key = field == map.key_field
    if all or is_key or value.kind ~= "same" then
      table.insert(list, is_key and 1 or #list + 1, { field = field, value = value })
    end
  end
  return list
end

-- ---- the table ----

local function columns_of(room)
  local columns = { { title = "Column" }, { title = "Before" }, { title = "After" } }
  if room >= NARROW then columns[4] = { title = "Goes to" } end
  return columns
end

local TITLES = { rejected = "is refused", changed = "is changed", sent = "is sent as it stands" }
local COLORS = { invalid = "red", changed = "green" }
local TITLE_COLORS = { rejected = "red", changed = "bold", sent = "dim" }

local function title_lines(item, room)
  local reasons = item.row.reasons
  for _, value in ipairs(reasons == "" and item.row.values or {}) do
    if value.blanked then reasons = "a value " .. report.safe(value.reason) .. ": it is emptied" end
  end
  local text = ("line %d %s"):format(item.row.line, TITLES[item.fate])
  return report.wrap(text .. (reasons ~= "" and ": " .. report.safe(reasons) or ""), room, "  ")
end

-- All rows as one table, so that columns stand below each other, with a title over each row.
local function table_lines(map, items, options)
  local room = report.room()
  local paint, shown = report.painter("stdout", options.color), shows_values(options)
  local columns, rows, colors, starts = columns_of(room), {}, {}, {}
  for i, item in ipairs(items) do
    starts[i] = #rows + 1
    -- Where nothing changes, one row shows where values go.
    for _, entry in ipairs(fields_of(map, item, options.all or item.fate == "sent" and i == 1)) do
      rows[#rows + 1] = { title_of(entry.field), before(entry.value, shown), after(entry, shown), entry.field.target }
      colors[#rows] = COLORS[entry.value.kind]
    end
  end
  starts[#items + 1] = #rows + 1
  local made = report.table(columns, rows, room - 2)
  local lines = { "  " .. made[1], "  " .. made[2] }
  for i, item in ipairs(items) do
    for _, line in ipairs(title_lines(item, room)) do lines[#lines + 1] = paint(TITLE_COLORS[item.fate], line) end
    for k = starts[i], starts[i + 1] - 1 do
      lines[#lines + 1] = "  " .. (colors[k] and paint(colors[k], made[k + 2]) or made[k + 2])
    end
  end
  return lines
end

-- ---- what is printed ----

local function footer(result, count, options)
  local looked_at = report.plural(result.rows, "row")
  local lines = { ("%s of %s%s: %s would be refused, %s change%s."):format(report.count(count),
    result.in_part and "the first " or "", looked_at, report.count(result.bad_rows), report.count(result.changed_rows),
    result.changed_rows == 1 and "s" or "") }
  if result.unwanted > 0 then
    lines[#lines + 1] = ("%s left out by the mapping's rows()."):format(report.plural(result.unwanted, "row"))
  end
  if result.in_part then lines[#lines + 1] = "upjob map check looks at all of them." end
  if not shows_values(options) then lines[#lines + 1] = "Values are masked here: --show-values shows them." end
  return report.wrap(table.concat(lines, " "), report.room(), "")
end

local function plain_value(field, value, shown)
  local cells
  if shown then
    cells = json.array {}
    for i, cell in ipairs(value.cells) do cells[i] = report.safe(cell, true) end
  end
  return { key = field.key, columns = json.array(field.columns), target = field.target, kind = value.kind, before = cells,
           after = shown and report.safe(value.value, true) or nil,
           reason = value.reason ~= "" and report.safe(value.reason) or nil }
end

local function json_object(map, result, items, options)
  local rows, shown = json.array {}, shows_values(options)
  for i, item in ipairs(items) do
    local fields = json.array {}
    for k, value in ipairs(item.row.values) do fields[k] = plain_value(map.fields[k], value, shown) end
    rows[i] = { line = item.row.line, fate = item.fate, fields = fields,
                reasons = item.row.reasons ~= "" and report.safe(item.row.reasons) or nil }
  end
  return { file = report.safe(options.file), rows = result.rows, rejected = result.bad_rows, changed = result.changed_rows,
           left_out = result.unwanted, in_part = result.in_part, shown = rows }
end

local function look(options, map)
  local progress = progress_line.new(options)
  local most = options.rows or ROWS
  local from <close>, err = source.of_command(options, progress)
  if not from then return nil, err end
  local result
  result, err = checking.run {
    file = options.file, fd = from.fd, mapping = map, encoding = options.encoding, reject = true, digest = false, shown = most,
    tmp = options.tmp, max_rows = MOST_LOOKED_AT, split = { salt = "", part_bytes = parts.MOST_BYTES, slots = 1 },
    progress = function(_, _, rows) progress:show(("looking for rows that change, %s"):format(report.plural(rows, "row"))) end,
  }
  progress:clear()
  if not result then return nil, err end
  checking.close(result)
  return result, choose(result.shown, most)
end

function map_preview.main(arguments)
  local options, status = cli.parse(map_preview.parser(), arguments)
  if not options then return status end
  if not options.map then return cli.usage("map preview", "give --map FILE: upjob map suggest FILE writes one") end
  local map, err = mapping.load(options.map)
  if not map then return cli.fail(err) end
  local result, items = look(options, map)
  if not result then return cli.fail(items) end
  if options.json then
    print(json.encode(json_object(map, result, items, options)))
    return cli.OK
  end
  local lines = #items > 0 and table_lines(map, items, options) or {}
  for _, line in ipairs(footer(result, #items, options)) do lines[#lines + 1] = line end
  print(table.concat(lines, "\n"))
  return cli.OK
end

return map_preview
