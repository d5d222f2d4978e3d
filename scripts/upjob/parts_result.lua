--- What became of an import that has parts: one result of all of them.
local json = require "upjob.json"
local report = require "upjob.report"

local parts_result = {}

local WORST = { "FAILED", "STOPPED", "PARTIALLY_SUCCEEDED" }

local function status_of(run)
  for _, status in ipairs(WORST) do
    for _, item in ipairs(run.parts) do
      if item.result and item.result.Status == status then return status end
    end
  end
  return "SUCCEEDED"
end

local COUNTS = { "CreatedRecords", "UpdatedRecords", "FailedRecords" }

local function summary_of(run)
  local summary = { CreatedRecords = 0, UpdatedRecords = 0, FailedRecords = 0 }
  for _, item in ipairs(run.parts) do
    local counts = item.result and item.result.ResultsSummary or item.run and item.run.counted or {}
    for _, name in ipairs(COUNTS) do summary[name] = summary[name] + (counts[name] or 0) end
  end
  return summary
end

local function reason_of(run, status)
  for _, item in ipairs(run.parts) do
    local result = item.result
    if result and result.Status == status and result.StatusReason then
      return #run.parts == 1 and result.StatusReason or ("part %d: %s"):format(item.number, result.StatusReason)
    end
  end
end

local function extreme(run, name, choose)
  local found
  for _, item in ipairs(run.parts) do
    local value = item.result and item.result[name]
    if value then found = found and choose(found, value) or value end
  end
  return found
end

--- What the service would say of the import, if it were one job.
function parts_result.reply(run)
  local status = status_of(run)
  return { Status = status, StatusReason = reason_of(run, status), ResultsSummary = summary_of(run),
           DisplayName = run.request and run.request.DisplayName or run.known and run.known.row.display_name,
           DataExpiry = extreme(run, "DataExpiry", math.max),
           CreatedAt = extreme(run, "CreatedAt", math.min), CompletedAt = extreme(run, "CompletedAt", math.max) }
end

local function bytes_of(item)
  return item.result and item.result.bytes or item.run and item.run.sent and item.run.sent.bytes or item.bytes
end

--- The parts, each with what is known of its job: a list in the order of their numbers.
function parts_result.jobs(run)
  local jobs = json.array {}
  for i, item in ipairs(run.parts) do
    local result, part_run = item.result or {}, item.run or {}
    jobs[i] = { number = item.number, file = item.source.file, JobId = result.JobId or part_run.job_id,
                DisplayName = result.DisplayName or part_run.request and part_run.request.DisplayName,
                Status = result.Status or part_run.started and part_run.status or nil, StatusReason = result.StatusReason,
                ResultsSummary = result.ResultsSummary or part_run.counted, rows = item.rows, bytes = bytes_of(item),
                seconds = result.seconds }
  end
  return jobs
end

-- Of an import that came to one job: which that is.
local function take_only_job(result)
  local job = #result.jobs == 1 and result.jobs[1]
  if job then result.JobId, result.DisplayName = job.JobId, job.DisplayName end
  return result
end

--- The result of an import that has parts.
function parts_result.of(run, seconds)
  local result, bytes = parts_result.reply(run), 0
  for _, item in ipairs(run.parts) do bytes = bytes + (bytes_of(item) or 0) end
  local checked = run.checked or {}
  result.DomainName, result.file, result.files = run.domain, run.file, checked.files
  result.rows, result.rejected = checked.rows, run.rejected or 0
  result.blanked, result.unwanted = checked.blanked, checked.unwanted
  result.rejects = checked.rejects_written and run.rejects or nil
  result.DataExpiry = result.DataExpiry or report.DEFAULT_EXPIRY
  result.bytes, result.seconds, result.jobs = bytes, seconds, parts_result.jobs(run)
  return take_only_job(result)
end

--- A list of jobs, or of files, as JSON can have it: names of files need not be text.
function parts_result.plain(list)
  local copies = json.array {}
  for i, one in ipairs(list) do
    copies[i] = {}
    for name, value in pairs(one) do
      local is_path = name == "file" or name == "rejects" or name == "rejects_kept"
      copies[i][name] = is_path and report.safe(value) or value
    end
  end
  return copies
end

-- ---- as lines ----

local COLUMNS = { { title = "Part", right = true, whole = true }, { title = "Job", whole = true },
                  { title = "Status", whole = true },
                  { title = "Rows", right = true, whole = true }, { title = "Size", right = true, whole = true },
                  { title = "Created", right = true, whole = true }, { title = "Updated", right = true, whole = true },
                  { title = "Failed", right = true, whole = true }, { title = "File" } }

local function number(value)
  return value and report.count(value) or ""
end

--- The parts as a table: its columns (report.table) and its cells. The file is told where there are several.
function parts_result.cells(jobs)
  local rows, files = {}, {}
  for i, job in ipairs(jobs) do
    local s = job.ResultsSummary or {}
    rows[i] = { ("%d"):format(job.number), job.JobId or "", job.Status or "", number(job.rows),
                job.bytes and report.bytes(job.bytes) or "", number(s.CreatedRecords), number(s.UpdatedRecords),
                number(s.FailedRecords), job.file == "-" and "standard input" or job.file }
    if job.file then files[job.file] = true end
  end
  local several = next(files) and next(files, (next(files))) ~= nil
  local columns = table.move(COLUMNS, 1, several and 9 or 8, 1, {})
  if not several then
    for _, row in ipairs(rows) do row[9] = nil end
  end
  return columns, rows
end

--- The same as lines, each behind `indent`.
function parts_result.lines(jobs, indent)
  local columns, rows = parts_result.cells(jobs)
  local lines = report.table(columns, rows, report.room() - #indent)
  for i, line in ipairs(lines) do lines[i] = indent .. line end
  return lines
end

return parts_result
