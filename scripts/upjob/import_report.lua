--- The report of a run: what is known of it as the plain table that html_report takes, and the file.
local aftermath = require "upjob.aftermath"
local changes = require "upjob.changes"
local errors = require "upjob.errors"
local html_report = require "upjob.html_report"
local mapping_text = require "upjob.mapping_text"
local outcome_of = require "upjob.outcome"
local parts_result = require "upjob.parts_result"
local recorded = require "upjob.recorded"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local segment = require "upjob.segment"
local system = require "upjob.native.system"
local timeline = require "upjob.timeline"

local import_report = {}

local DELIMITERS = { [","] = "commas", [";"] = "semicolons", ["\t"] = "tabs", ["|"] = "bars" }

-- What the check found, also when it refused the file: the result, or the error.
local function findings(run)
  return run.checked or errors.is(run.error) and run.error or {}
end

-- ---- the job and the file ----

local function text_of_file(facts)
  local parts = { facts.encoding .. (facts.converted and " (converted to UTF-8)" or "") }
  if facts.delimiter_known then parts[#parts + 1] = "cells between " .. (DELIMITERS[facts.delimiter] or facts.delimiter) end
  if facts.compression ~= "none" then parts[#parts + 1] = "compressed with " .. facts.compression end
  return table.concat(parts, ", ")
end

local function about(run)
  local list, result, found = {}, run.result or {}, findings(run)
  local function add(name, text)
    if text and text ~= "" then list[#list + 1] = { name, text } end
  end
  local several = #(run.files or {}) > 1
  if several then
    add("Files", table.concat(run.files, "\n"))
  elseif run.file then
    add("File", run.file == "-" and "standard input" or run.file)
  end
  local facts = found.facts
  if facts then
    add("Size", ("%s, %s"):format(report.bytes(facts.file_bytes), report.plural(facts.lines, "line")))
    add("Text", text_of_file(facts))
  end
  local one = not run.parts or #run.parts == 1
  if one then add("Job", result.JobId or run.job_id or "none was created") else add("Jobs", report.count(#run.parts)) end
  add("Name of the job", run.parts and one and result.DisplayName or run.request and run.request.DisplayName
    or result.DisplayName)
  add("Status", result.Status or run.job_id and (run.stopped and "STOPPED" or run.started and run.status) or nil)
  add("Reason", result.StatusReason)
  local sent = run.parts and result.bytes or run.sent and run.sent.bytes
  add("Sent", sent and report.bytes(sent) or not run.parts and "nothing" or nil)
  add("Took", timeline.seconds((run.ended_at or system.time()) - run.began))
  return list
end

-- ---- the numbers ----

local function numbers(run)
  local summary = run.result and run.result.ResultsSummary or run.parts and parts_result.reply(run).ResultsSummary
    or run.counted or {}
  local created, updated, failed = summary.CreatedRecords or 0, summary.UpdatedRecords or 0, summary.FailedRecords or 0
  local rejected = run.checked and run.checked.bad_rows or 0
  local changed = run.checked and run.checked.changes
  local rows = changed and changed.rows + rejected or run.checked and run.checked.rows or created + updated + failed
  return { only_changed = changed ~= nil, created = created, updated = updated, failed = failed, rejected = rejected, rows = rows,
           open = math.max(rows - rejected - created - updated - failed, 0) }
end

-- What is said of rows of which the service has told nothing.
local function open_label(run)
  if run.result then return "not counted by the service" end
  return (run.started or run.starting) and "outcome not known" or "not imported"
end

-- What is not known has no number.
local function counts(run, n)
  local runs = not run.result and (run.started or run.starting or run.attached)
  local told, yet = not runs or run.counted, runs and " so far" or ""
  local function known(condition, count) return condition and count or nil end
  local list = {
    { label = "rows", count = known(run.checked or run.result or run.counted, n.rows) },
    { label = "created" .. yet, count = known(told, n.created) }, { label = "updated" .. yet, count = known(told, n.updated) },
    { label = "failed on the service" .. yet, count = known(told, n.failed) },
    { label = "rejected before sending", count = known(run.checked, n.rejected) },
  }
  if n.open > 0 then list[#list + 1] = { label = open_label(run), count = n.open } end
  return list
end

local function parts(run, n)
  return { { name = "created", label = "created", count = n.created }, { name = "updated", label = "updated", count = n.updated },
           { name = "failed", label = "failed", count = n.failed }, { name = "rejected", label = "rejected", count = n.rejected },
           { name = "open", label = open_label(run), count = n.open } }
end

local function notes(run)
  local list, checked = {}, run.checked
  if checked and checked.unwanted > 0 then
    list[#list + 1] = ("%s left out, as the mapping says: %s not counted here."):format(
      report.plural(checked.unwanted, "row"), checked.unwanted == 1 and "it is" or "they are")
  end
  if checked and checked.blanked > 0 then
    list[#list + 1] = ("%s emptied, as the mapping says of what is invalid."):format(report.plural(checked.blanked, "value"))
  end
  local result = run.result
  if checked and checked.changes then
    local line, more = table.unpack(changes.lines_of(checked.changes))
    list[#list + 1], list[#list + 2] = "Changed: " .. line .. ".", more
  end
  if result and result.segment then
    local size, why = table.unpack(segment.lines(result.segment, result.DataExpiry))
    list[#list + 1], list[#list + 2] = "Segment " .. size .. ".", why
  end
  if result and (result.Status == "SUCCEEDED" or result.Status == "PARTIALLY_SUCCEEDED") then
    list[#list + 1] = report.expiry(result)
  end
  return list
end

-- ---- problems ----

local function problem_count(found)
  local count = 0
  for _, class in ipairs(found.classes or {}) do count = count + class.count end
  return math.max(count, #(found.problems or {}))
end

-- Each with its class, for an error that has problems alone.
local function classes(found)
  if found.classes then return found.classes end
  local list, by_name = {}, {}
  for _, problem in ipairs(found.problems or {}) do
    local class = by_name[problem.class]
    if not class then
      class = { class = problem.class, severity = problem.severity, count = 0 }
      by_name[problem.class], list[#list + 1] = class, class
    end
    class.count = class.count + 1
  end
  return list
end

local function problem_files(run, found)
  local list = {}
  for _, file in ipairs(run.checked and run.checked.files or {}) do
    if file.rejects then
      list[#list + 1] = { ("The rejected rows of %s, each with its reason, are in"):format(file.file), file.rejects, "." }
    end
  end
  if run.checked and run.checked.rejects_written and not run.checked.files then
    list[#list + 1] = { "The rejected rows, each with its reason, are in", run.rejects,
                        run.job_id and ": correct them there and import that file." or "." }
  end
  if found.problems_written then list[#list + 1] = { "All problems are in", run.problems, "." } end
  return list
end

-- ---- the mapping ----

local function source_of(field)
  return #field.columns > 0 and table.concat(field.columns, " + ") or ("\"%s\" in every row"):format(field.constant)
end

local function fields(map)
  if not map then return nil end
  local list = {}
  for i, field in ipairs(map.fields) do
    local steps = mapping_text.steps(field, "a Lua function")
    if field.is_required then steps[#steps + 1] = "required" end
    list[i] = { from = source_of(field), target = field.target, kind = mapping_text.kind(field), is_key = field == map.key_field,
                steps = table.concat(steps, ", ") }
  end
  return list
end

local ON_INVALID = { reject = "A row with an invalid value is rejected.", blank = "An invalid value is emptied.",
                     stop = "With an invalid value nothing is sent." }

local function about_mapping(run)
  local map = run.mapping
  if not map then return "" end
  return ("%s %s"):format(map.file and "From " .. map.file .. "." or run.mapping_made and "Made of the file's header." or "",
    ON_INVALID[map.on_invalid])
end

-- ---- what happened, and what can be done ----

local function happened(run)
  local list = timeline.lines(run.timeline)
  -- The end of the job is told as its status.
  if run.ended_at and not run.result then
    local given_up = (run.started or run.attached) and "no longer watched" or "given up"
    local how = errors.has_code(run.error, "Cancelled") and given_up or ("failed at the step \"%s\""):format(run.step)
    list[#list + 1] = { time = run.ended_at, text = how }
  end
  return list
end

local function commands(run, n)
  local list = {}
  local function add(purpose, command)
    if command then list[#list + 1] = { purpose, command } end
  end
  if not run.result and (run.started or run.attached) then add("To watch the job:", aftermath.watch_command(run)) end
  if run.ended_at and not run.result then add("To go on with the run:", recorded.resume_command(run)) end
  if run.result and not run.parts then add("To look at the job:", aftermath.get_command(run)) end
  if n.failed > 0 and not run.parts then add("To list what failed on the service:", aftermath.failures_command(run)) end
  add("To run this import again:", run.command)
  return list
end

local function title(run)
  if #(run.files or {}) > 1 then return report.plural(#run.files, "file") end
  return run.file and (run.file == "-" and "standard input" or run.file:match("[^/]+$") or run.file) or "job " .. run.job_id
end

--- What is known of a run by now, as html_report.text takes it.
function import_report.facts(run)
  local found, n = findings(run), numbers(run)
  return {
    title = title(run),
    domain = run.domain, outcome = outcome_of(run, n), about = about(run), counts = counts(run, n), parts = parts(run, n),
    notes = notes(run), checked = run.checked ~= nil, classes = classes(found), problems = found.problems or {},
    part_table = run.parts and #run.parts > 0 and { parts_result.cells(parts_result.jobs(run)) } or nil,
    problem_count = problem_count(found), problem_files = problem_files(run, found), mapping = about_mapping(run),
    fields = fields(run.mapping), began = run.began, timeline = happened(run), commands = commands(run, n),
    version = system.version, written = system.time(),
  }
end

--- Writes the report of a run: true | nil, err. A report that an earlier run left is kept as `path`~; that of this run gives way.
function import_report.write(run, path)
  run.reported = run.reported or {}
  if not run.reported[path] then
    local kept, err = rejects.keep_earlier(path)
    if kept == false then return nil, err end
  end
  local ok, err = system.write_private(path, html_report.text(import_report.facts(run)))
  if not ok then return nil, err end
  run.reported[path] = true
  return true
end

return import_report
