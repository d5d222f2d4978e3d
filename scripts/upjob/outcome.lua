--- What became of a run, in words for a person.
local aftermath = require "upjob.aftermath"
local errors = require "upjob.errors"
local parts = require "upjob.parts"
local report = require "upjob.report"

-- "3 rows were rejected before sending and 1 record failed on the service", nil when there are none.
local function losses(n)
  local list = {}
  if n.rejected > 0 then
    list[1] = ("%s %s rejected before sending"):format(report.plural(n.rejected, "row"), n.rejected == 1 and "was" or "were")
  end
  if n.failed > 0 then list[#list + 1] = ("%s failed on the service"):format(report.plural(n.failed, "record")) end
  return #list > 0 and table.concat(list, " and ") or nil
end

local function of_success(n)
  local done, lost = n.created + n.updated, losses(n)
  if n.only_changed and n.rows == 0 then return { kind = "good", words = "Done: nothing has changed, and nothing was sent." } end
  if n.only_changed and not lost then
    return { kind = "good", words = ("Done: %s that %s new or changed %s imported."):format(report.plural(n.rows, "row"),
      n.rows == 1 and "is" or "are", n.rows == 1 and "was" or "were") }
  end
  if not lost then
    return { kind = "good", words = n.rows == 1 and "Done: the only row was imported."
      or ("Done: all %s were imported."):format(report.plural(n.rows, "row")) }
  end
  return { kind = "warning", words = ("Done, but not all: %s of %s imported."):format(report.count(done),
    report.plural(n.rows, "row") .. (done == 1 and " was" or " were")), detail = ("%s."):format(lost) }
end

-- How many jobs of an import in parts ended as the whole did.
local function count_of(jobs, status)
  local count = 0
  for _, job in ipairs(jobs) do
    if job.Status == status then count = count + 1 end
  end
  return count
end

local function of_bad_parts(result, reason)
  local verb = result.Status == "FAILED" and "failed" or "ended before all of their rows were imported"
  return { kind = "bad", detail = reason, words = ("Of %s %d %s."):format(report.plural(#result.jobs, "job"),
    count_of(result.jobs, result.Status), verb) }
end

local function of_result(result, n)
  if result.Status == "SUCCEEDED" or result.Status == "PARTIALLY_SUCCEEDED" then return of_success(n) end
  local reason = result.StatusReason and ("The service says: %s."):format(result.StatusReason)
  if result.jobs and #result.jobs > 1 then return of_bad_parts(result, reason) end
  if result.Status == "STOPPED" then
    return { kind = "bad", words = "Stopped: the job ended before all of the file was imported.", detail = reason }
  end
  return { kind = "bad", words = ("The job %s."):format(result.Status == "FAILED" and "failed" or "ended as " .. result.Status),
           detail = reason }
end

local function of_given_up(run)
  local left = aftermath.left(run)
  if run.started or run.attached then
    return { kind = "open", words = run.attached and "Not watched to its end: the outcome is not known here."
      or "Not finished: the job was started, and the outcome is not known here.", detail = left }
  end
  if run.starting and not run.stopped then
    return { kind = "open", words = "Interrupted at the start: whether the job was started is not known.", detail = left }
  end
  return { kind = "bad", words = "Interrupted before the import was started: nothing was imported.", detail = left }
end

local function of_error(run, err)
  local detail = tostring(err)
  if run.started or run.attached then return { kind = "open", words = "The outcome is not known.", detail = detail } end
  if run.starting then
    return { kind = "open", words = "Failed at the start: whether the job was started is not known.", detail = detail }
  end
  local words = run.step ~= "check" and run.step ~= "fetch" and "Failed before the start: nothing was imported."
    or err.code == "InvalidFile" and "Refused by the check: nothing was sent." or "Failed: nothing was sent."
  return { kind = "bad", words = words, detail = detail }
end

local function of_open_parts(run, err)
  local n = parts.standing(run)
  return { kind = parts.is_begun(run) and "open" or "bad", detail = err and tostring(err) or aftermath.left(run),
           words = ("Not finished: of %s %d %s imported."):format(report.plural(n.total, "part"), n.ended,
             n.ended == 1 and "was" or "were") }
end

--- outcome(run, numbers) → { kind = "good" | "warning" | "bad" | "open", words=, detail= or nil }
return function(run, numbers)
  if run.result then return of_result(run.result, numbers) end
  if not run.error then
    return { kind = "open", words = ("Not finished yet: at the step \"%s\"."):format(run.step or "check") }
  end
  local cancelled = errors.has_code(run.error, "Cancelled")
  if run.parts and run.step == "parts" then return of_open_parts(run, not cancelled and run.error or nil) end
  if cancelled then return of_given_up(run) end
  return of_error(run, run.error)
end
