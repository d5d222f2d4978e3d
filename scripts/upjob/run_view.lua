--- Runs of the journal as a person reads them.
local fingerprint = require "upjob.fingerprint"
local overview = require "upjob.overview"
local report = require "upjob.report"
local shell = require "upjob.shell"

local run_view = {}

local function took(row, now)
  local until_ = row.ended_at or (row.state == "running" and now)
  return row.begun_at and until_ and report.seconds(math.max(until_ - row.begun_at, 0)) or ""
end

-- The file that a run is about, without its directory.
local function file_of(row)
  local files = row.options and row.options.files
  if files then return report.plural(#files, "file") end
  local path = fingerprint.path_of(row.file)
  return path == "-" and "standard input" or path and path:match("[^/]+$") or ""
end

-- Which schedule made it run, or the run that an import is part of.
local function schedule_of(row)
  if row.kind == "part" then return ("part %d of %d"):format(row.ordinal, row.parent) end
  return row.schedule or row.parent and ("in run %d"):format(row.parent) or ""
end

-- What went wrong, behind the file and the line that it is about. `known`: a file that stands beside it, and is not told again.
local function error_text(err, known)
  local file = err.file and err.file:match("[^/]*$") ~= known and report.safe(err.file) or nil
  local place = file and err.line and ("%s:%d"):format(file, err.line) or file or err.line and ("line %d"):format(err.line)
  return (place and place .. ": " or "") .. tostring(err.message)
end

-- How it ended, or where it stands.
local function outcome(row)
  local result, err = row.result, row.error
  if type(result) == "table" and result.ResultsSummary then
    local status, summary = result.Status or row.job_status or "?", report.summary(result.ResultsSummary)
    return status == "SUCCEEDED" and row.state == "succeeded" and summary or ("%s: %s"):format(status, summary)
  end
  if not err then return row.job_status or "" end
  local again = row.state == "running" or row.state == "queued"
  return (again and "tried again after: " or "") .. error_text(err, file_of(row))
end

local COLORS = { succeeded = "green", failed = "red", lost = "red", interrupted = "yellow", running = "cyan" }

-- Left out where they would tell nothing: a domain that is that of all, columns without a cell.
local COLUMNS = {
  { title = "Run", right = true, whole = true, of = function(row) return ("%d"):format(row.id) end },
  { title = "State", whole = true, of = function(row) return row.state end },
  { title = "Begun", whole = true, of = function(row, now) return overview.moment(row.begun_at or row.queued_at, now) end },
  { title = "Took", right = true, whole = true, of = took },
  { title = "Schedule", optional = true, of = schedule_of },
  { title = "File", optional = true, of = file_of },
  { title = "Domain", differs = true, optional = true, of = function(row) return row.domain or "" end },
  { title = "Outcome", max = 200, of = outcome },
}

local function is_worth_a_column(column, rows, now)
  if not column.optional then return true end
  local first
  for _, row in ipairs(rows) do
    local text = column.of(row, now)
    if text ~= "" and (not column.differs or first and text ~= first) then return true end
    if text ~= "" then first = text end
  end
  return false
end

--- A run as JSON can have it: names that are no text are shown as what can be printed of them.
function run_view.plain(value)
  if type(value) == "string" then
    local path = fingerprint.path_of(value)
    return utf8.len(path) and path or report.safe(path, true)
  end
  if type(value) ~= "table" then return value end
  local copy = setmetatable({}, getmetatable(value))
  for name, field in pairs(value) do copy[name] = run_view.plain(field) end
  return copy
end

--- A list of runs as the lines of a table. `now` is the store's clock, paint as report.painter gives it.
function run_view.table(rows, now, paint)
  local columns, cells = {}, {}
  local function paint_state(text, i) return COLORS[rows[i].state] and paint(COLORS[rows[i].state], text) or text end
  for _, column in ipairs(COLUMNS) do
    if is_worth_a_column(column, rows, now) then columns[#columns + 1] = column end
  end
  for i, row in ipairs(rows) do
    cells[i] = {}
    for k, column in ipairs(columns) do
      cells[i][k] = column.of(row, now)
      if column.title == "State" then column.paint = paint_state end
    end
  end
  return report.table(columns, cells)
end

-- ---- one run ----

local function detail_text(detail)
  if type(detail) ~= "table" then return "" end
  local parts = {}
  local function add(condition, format, ...)
    if condition then parts[#parts + 1] = format:format(...) end
  end
  add(detail.rows, "%s, %s rejected", report.plural(detail.rows or 0, "row"), report.count(detail.bad_rows or 0))
  add(detail.changes, "%s to send", report.count(detail.changes and detail.changes.rows or 0))
  add(detail.made, "%s %s", tostring(detail.made), tostring(detail.name))
  add(detail.parts, "%s", report.plural(detail.total or 0, "part"))
  add(detail.number, "part %d", detail.number)
  add(detail.bytes and not detail.rows, "%s", report.bytes(detail.bytes or 0))
  add(detail.Status, "%s", tostring(detail.Status))
  add(detail.run, "run %s", tostring(detail.run))
  return table.concat(parts, ", ")
end

-- A step's beginning and end as one line, where both are there. An import that an automation made has its end in its own run.
local function step_rows(row)
  local rows, open = {}, {}
  local unended = row.state == "running" and "running" or "cut short"
  for _, entry in ipairs(row.steps or {}) do
    local begun = open[entry.step]
    if entry.state == "begin" then
      local part = type(entry.detail) == "table" and entry.detail.run
      local state = part and "" or entry.attempt == row.attempt and unended or "cut short"
      rows[#rows + 1] = { entry.step, entry.at, nil, state, entry.attempt, detail_text(entry.detail) }
      open[entry.step] = rows[#rows]
    elseif begun then
      begun[3], begun[4], begun[6] = entry.at - begun[2], entry.state, detail_text(entry.detail)
      open[entry.step] = nil
    else
      rows[#rows + 1] = { entry.step, entry.at, nil, entry.state, entry.attempt, detail_text(entry.detail) }
    end
  end
  return rows
end

local STEP_COLUMNS = { { title = "Step" }, { title = "Attempt", right = true }, { title = "Begun", whole = true },
                       { title = "Took", right = true, whole = true }, { title = "State" }, { title = "What" } }

local function add_steps(lines, row)
  local cells = {}
  for i, step in ipairs(step_rows(row)) do
    cells[i] = { step[1], ("%d"):format(step[5] or 1), report.time(step[2]), step[3] and ("%.3f s"):format(step[3]) or "",
                 step[4], step[6] }
  end
  if #cells == 0 then return end
  lines[#lines + 1] = ""
  table.move(report.table(STEP_COLUMNS, cells), 1, #cells + 2, #lines + 1, lines)
end

local function files_of(texts)
  local files = {}
  for i, text in ipairs(texts) do files[i] = fingerprint.path_of(text) end
  return files
end

local function words_of(row)
  local words = {}
  for i, word in ipairs(row.arguments or {}) do words[i] = shell.quote(fingerprint.path_of(word)) end
  return #words > 0 and table.concat(words, " ") or nil
end

local PART_COLUMNS = { { title = "Part", right = true, whole = true }, { title = "Run", right = true, whole = true },
                       { title = "State", whole = true }, { title = "Took", right = true, whole = true },
                       { title = "Job", whole = true }, { title = "Outcome", max = 200 }, { title = "File" } }

-- What an import is sent as, when that is not one job: those of its parts that were begun, of how many.
local function add_parts(lines, row, parts, now)
  local total
  for _, entry in ipairs(row.steps or {}) do
    if entry.step == "split" and type(entry.detail) == "table" then total = entry.detail.total end
  end
  if not total then return end
  lines[#lines + 1] = ""
  lines[#lines + 1] = ("%d of %s begun:"):format(#parts, report.plural(total, "part") .. (#parts == 1 and " was" or " were"))
  if #parts == 0 then return end
  local cells = {}
  for i, part in ipairs(parts) do
    cells[i] = { ("%d"):format(part.ordinal), ("%d"):format(part.id), part.state, took(part, now), part.job_id or "",
                 outcome(part), file_of(part) }
  end
  table.move(report.table(PART_COLUMNS, cells), 1, #cells + 2, #lines + 1, lines)
end

--- All that is known of a run, as lines. `continue`: the command that goes on with it, or nil. `parts`: those of an import.
function run_view.lines(row, now, continue, parts)
  local lines, path = {}, fingerprint.path_of
  local function add(name, value)
    if value ~= nil and value ~= "" then lines[#lines + 1] = ("%-12s %s"):format(name, report.safe(value)) end
  end
  add("Run", ("%d (%s)"):format(row.id, row.kind))
  add("State", row.state .. (row.attempt and row.attempt > 1 and (", attempt %d"):format(row.attempt) or ""))
  add("Begun", report.time(row.begun_at or row.queued_at))
  add("Ended", report.time(row.ended_at))
  add("Took", took(row, now))
  add("Automation", row.schedule)
  add("Part of", row.parent and ("run %d, as its %s %d"):format(row.parent, row.kind == "part" and "part" or "import",
    row.ordinal or 1))
  local files = row.options and row.options.files
  add("File", files and report.plural(#files, "file") .. ": " .. table.concat(files_of(files), ", ")
    or row.file == "-" and "standard input" or path(row.file))
  add("Mapping", path(row.mapping_file) or row.mapping and "made by the program" or nil)
  add("Script", path(row.script))
  if not row.parent then
    add("Arguments", words_of(row))
    add("Directory", path(row.directory))
  end
  add("Domain", row.domain)
  add("DisplayName", row.display_name)
  add("Run key", row.run_key)
  add("Job", row.job_id and row.job_id .. (row.job_status and (" (%s)"):format(row.job_status) or ""))
  add("Held by", row.state == "running" and row.holder or nil)
  local result = type(row.result) == "table" and row.result or {}
  add("Result", result.ResultsSummary and report.summary(result.ResultsSummary))
  add("Rejected", (result.rejected or 0) > 0 and report.plural(result.rejected, "row") or nil)
  add("Error", row.error and error_text(row.error))
  add("Exit status", row.exit_status and ("%d"):format(row.exit_status))
  add_steps(lines, row)
  if parts then add_parts(lines, row, parts, now) end
  if row.output then
    lines[#lines + 1] = ""
    for line in row.output:gmatch("[^\n]+") do lines[#lines + 1] = report.safe(line, true) end
  end
  if continue then
    lines[#lines + 1] = ""
    lines[#lines + 1] = "To go on with it: " .. continue
  end
  return lines
end

return run_view
