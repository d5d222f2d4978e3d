--- upjob.failures: the failed records of an upload job, one by one: { Line, Column, ColumnName, Value, Reason }. The embedded
-- service lists them; the real one tells their number only, so there they are predicted: the file is replayed, with the job's
-- own mapping, in an embedded service.
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local mapping_plan = require "upjob.mapping_plan"
local report = require "upjob.report"

local failures = {}

local MOST_PROBLEMS = 10000 -- of the rows that are kept back, whose lines are known
local replays = 0           -- in the embedded service of this process, so far

-- Whether the answer of a service says that it has no such list, rather than that the list cannot be had now.
local function has_no_list(err)
  return err.status == 501 or err.status == 403 or err.status == 405
    or err.status == 404 and err.code ~= "ResourceNotFoundException"
end

-- A page of the list | nil, err
local function list_page(client, request)
  local page, err = client:local_failures(request)
  if page and (type(page.Items) ~= "table" or page.NextToken ~= nil and type(page.NextToken) ~= "string") then
    return nil, errors.new { code = "InvalidResponse", operation = "ListFailedRecords", message =
      "the reply is not a list of failed records: it is not the embedded service that answers at this endpoint" }
  end
  return page, err
end

--- An iterator over the failed records that the service lists | nil, err; err.code is "NoSuchList" when it keeps none. A page
-- that fails later raises its error object.
function failures.list(client, domain, job_id)
  local request = { DomainName = domain, JobId = job_id, MaxResults = 1000 }
  local page, err
  -- AWS is not asked for what it is known not to have.
  if not client:about().endpoint:find("%.amazonaws%.com") then page, err = list_page(client, request) end
  if not page and (not err or has_no_list(err)) then
    return nil, errors.new { code = "NoSuchList", operation = "ListFailedRecords", message =
      "this service tells how many records failed, not which" }
  end
  if not page then return nil, err end
  local at = 0
  return function()
    at = at + 1
    while at > #page.Items do
      if not page.NextToken then return nil end
      request.NextToken, at = page.NextToken, 1
      page, err = list_page(client, request)
      if not page then error(err, 0) end
    end
    return page.Items[at]
  end
end

-- Runs a job over the file, or over what stands in a descriptor, in a fresh domain of the embedded service of this process:
-- what failures.list takes, and the result | nil, err
local function replay(options, fd)
  local client, err = require("upjob.profiles").client { embedded = true }
  if not client then return nil, err end
  replays = replays + 1
  local domain = "replay-" .. replays
  local made, path, sent, started, result
  made, err = client:create_domain { DomainName = domain, DefaultExpirationDays = 1 }
  if not made then return nil, err end
  made, err = client:create_upload_job { DomainName = domain, DisplayName = domain, UniqueKey = options.unique_key,
                                         Fields = options.fields, DataExpiry = 1 }
  if not made then return nil, err end
  local request = { DomainName = domain, JobId = made.JobId }
  path, err = client:get_upload_job_path(request)
  if not path then return nil, err end
  local token <close> = path.ClientToken
  sent, err = require("upjob.upload").put { url = path.Url, key = token, file = options.file, fd = fd }
  if not sent then return nil, err end
  started, err = client:start_upload_job(request)
  if not started then return nil, err end
  result, err = require("upjob.job").attach({ client = client, domain = domain, job_id = made.JobId }):wait()
  if not result then return nil, err end
  return { client = client, domain = domain, job_id = made.JobId }, result
end

-- What `upjob import` makes of the file: the check's result; nil when that cannot be told, or it would refuse the file.
local function check(options)
  local plan
  if options.mapping then plan = mapping_plan.of(options.mapping)
  else plan = mapping_plan.of_fields(options.fields, options.unique_key) end
  return plan and require("upjob.native.check").run { file = options.file, mapping = plan, reject = true,
                                                      max_problems = MOST_PROBLEMS }
end

-- What `upjob import` keeps back of the file before it sends: how many rows, and a set of their lines, the first ones. `refused`
-- is how many records fail of what is left.
-- `failed` of them are known where what import makes of the file was replayed.
local function kept_back(options, checked, failed)
  local kept = { rows = checked and checked.bad_rows or 0, lines = {} }
  if kept.rows == 0 then return kept end
  kept.refused = failed or 0
  for _, problem in ipairs(checked.problems) do
    if problem.severity == "error" then kept.lines[problem.line] = true end
  end
  if failed then return kept end
  local replayed, result = true, nil
  if checked.bad_rows < checked.rows then replayed, result = replay(options, checked.outgoing_fd) end
  if not replayed then return nil, result end
  if result then kept.refused = result.ResultsSummary.FailedRecords or 0 end
  return kept
end

-- As failures.predict, with the check's result, whose descriptor stays open.
local function predict(options, checked)
  -- A file that import has to mend, or to leave empty rows out of, is not what was sent.
  local mended = checked and (checked.mended or checked.counts["empty row"]) and checked.outgoing_fd or nil
  local replayed, result = replay(options, mended)
  if not replayed then return nil, result end
  local failed = result.ResultsSummary.FailedRecords or 0
  if result.Status == "FAILED" and failed == 0 then
    return nil, errors.new { code = "InvalidFile", file = options.file, message =
      ("could not be replayed (%s): it is not the file that was imported, or the mapping is another one"):format(
        result.StatusReason or result.Status) }
  end
  local kept, err = kept_back(options, checked, mended and failed)
  if not kept then return nil, err end
  local items
  items, err = failures.list(replayed.client, replayed.domain, replayed.job_id)
  if not items then return nil, err end
  return items, { failed = mended and failed + kept.rows or failed, kept = kept.rows, lines = kept.lines,
                  refused = kept.refused or failed }
end

--- The records of a file that fail in the embedded service under a job's Fields and UniqueKey: an iterator, and
-- { failed = how many, kept = how many of the file's rows upjob import keeps back, lines = a set of these rows' lines,
-- refused = how many records fail when they are kept back } | nil, err. With `mapping`, what it requires is kept back too,
-- and what it changes is changed; of a file that import has to mend first the lines are those of what is sent.
function failures.predict(options)
  errors.check_options("failures.predict", options, { file = "string", fields = "table", unique_key = "string",
                                                      mapping = "table" })
  local checked = check(options)
  local items, predicted = predict(options, checked)
  if checked then checking.close(checked) end
  return items, predicted
end

--- How the job ended, or that it has not: "SUCCEEDED with 0 failed records"
function failures.ending(job)
  local failed = job.ResultsSummary and job.ResultsSummary.FailedRecords
  if job.Status == "FAILED" and (failed or 0) == 0 then return failures.of_whole(job) end
  return ("the job is %s with %s"):format(job.Status,
    failed and report.plural(failed, "failed record") or "a number of failed records that is not told")
end

--- A sentence about a job that has no failed records.
function failures.of_whole(job)
  if job.Status == "FAILED" then
    return ("the job FAILED as a whole%s, not single records of it"):format(
      job.StatusReason and (" (%s)"):format(job.StatusReason) or "")
  end
  if job.Status == "SUCCEEDED" or job.Status == "PARTIALLY_SUCCEEDED" then return "the job has no failed records" end
  return ("the job has no failed records: it is %s"):format(job.Status)
end

--- What a prediction says beside what the job says: a sentence. Rows that were not kept back, because the job counts them as
-- failed, are taken off the prediction's.
function failures.heading(job, file, predicted)
  local told = job.ResultsSummary and job.ResultsSummary.FailedRecords
  if told == predicted.failed then predicted.kept, predicted.lines, predicted.refused = 0, {}, told end
  local text = ("predicted: this service does not tell which records failed; %s. Of %s, replayed in the embedded service, "
    .. "%s would fail"):format(failures.ending(job), file, report.plural(predicted.refused, "record"))
  if predicted.kept > 0 then
    text = ("%s, and %s would be kept back by upjob import before sending"):format(text, report.plural(predicted.kept, "row"))
  end
  if not told or told == predicted.refused then return text .. "." end
  return text .. (". The numbers differ: the file or the mapping is not that of the job, or the service refuses what the "
    .. "embedded one does not know of.")
end

return failures
