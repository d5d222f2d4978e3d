--- upjob.failures: the failed records of an upload job, one by one: { Line, Column, ColumnName, Value, Reason }. The embedded
-- service lists them; the real one tells their number only, so there they are predicted: the file is replayed, with the job's
-- own mapping, in an embedded service.
local errors = require "upjob.errors"

local failures = {}

local REPLAY_DOMAIN = "replay"

-- Whether the answer of a service says that it has no such list, rather than that the list cannot be had now.
local function has_no_list(err)
  return err.status == 501 or err.status == 403 or err.status == 405
    or err.status == 404 and err.code ~= "ResourceNotFoundException"
end

--- An iterator over the failed records that the service lists | nil, err; err.code is "NoSuchList" when it keeps none. A page
-- that fails later raises its error object.
function failures.list(client, domain, job_id)
  local request = { DomainName = domain, JobId = job_id, MaxResults = 1000 }
  local page, err
  -- AWS is not asked for what it is known not to have.
  if not client:about().endpoint:find("%.amazonaws%.com") then page, err = client:local_failures(request) end
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
      page, err = client:local_failures(request)
      if not page then error(err, 0) end
    end
    return page.Items[at]
  end
end

-- Runs a job over the file in the embedded service of this process: client, job id | nil, err
local function replay(file, fields, unique_key)
  local client, err = require("upjob.profiles").client { embedded = true }
  if not client then return nil, err end
  local made, path, sent
  made, err = client:create_domain { DomainName = REPLAY_DOMAIN, DefaultExpirationDays = 1 }
  if not made then return nil, err end
  made, err = client:create_upload_job { DomainName = REPLAY_DOMAIN, DisplayName = REPLAY_DOMAIN, UniqueKey = unique_key,
                                         Fields = fields, DataExpiry = 1 }
  if not made then return nil, err end
  path, err = client:get_upload_job_path { DomainName = REPLAY_DOMAIN, JobId = made.JobId }
  if not path then return nil, err end
  local token <close> = path.ClientToken
  sent, err = require("upjob.upload").put { url = path.Url, key = token, file = file }
  if not sent then return nil, err end
  local started
  started, err = client:start_upload_job { DomainName = REPLAY_DOMAIN, JobId = made.JobId }
  if not started then return nil, err end
  local result
  result, err = require("upjob.job").attach({ client = client, domain = REPLAY_DOMAIN, job_id = made.JobId }):wait()
  if not result then return nil, err end
  return client, made.JobId, result
end

--- An iterator over the records of a file that fail in the embedded service under a job's Fields and UniqueKey, and the
-- result of the replayed job | nil, err
function failures.predict(options)
  errors.check_options("failures.predict", options, { file = "string", fields = "table", unique_key = "string" })
  local client, job_id, result = replay(options.file, options.fields, options.unique_key)
  if not client then return nil, job_id end
  if result.Status == "FAILED" and (result.ResultsSummary.FailedRecords or 0) == 0 then
    return nil, errors.new { code = "InvalidFile", file = options.file, message =
      ("could not be replayed (%s): it is not the file that was imported, or the mapping is another one"):format(
        result.StatusReason or result.Status) }
  end
  local items, err = failures.list(client, REPLAY_DOMAIN, job_id)
  return items, items and result or err
end

return failures
