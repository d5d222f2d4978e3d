--- What the service answers about upload jobs, as the rest relies on it: a reply that lacks what is needed is an error, and what
-- is told for information is there in the type that the service model has, or not at all.
local errors = require "upjob.errors"
local secret = require "upjob.native.secret"

local replies = {}

local LATEST = 1e11 -- seconds since the epoch; what is later is no time that can be shown

-- An error of a reply that breaks the service model.
local function invalid(operation, message, outcome)
  return nil, errors.new { code = "InvalidResponse", operation = operation, message = message, outcome = outcome }
end

-- A count that may be a text or have a fraction; nil when it is none.
local function count(value)
  local number = tonumber(value)
  return number and number >= 0 and number < 2^53 and math.floor(number) or nil
end

local function text(value)
  return type(value) == "string" and value or nil
end

local function time(value)
  return type(value) == "number" and value >= 0 and value < LATEST and value or nil
end

-- All three counts, when any is told: 0 for what is none.
local function summary(value)
  if type(value) ~= "table" or next(value) == nil then return nil end
  local counts = {}
  for _, name in ipairs { "CreatedRecords", "UpdatedRecords", "FailedRecords" } do counts[name] = count(value[name]) or 0 end
  return counts
end

-- A job's Fields, all of them; nil when one cannot be read.
local function fields(value)
  if type(value) ~= "table" or next(value) == nil then return nil end
  for name, field in pairs(value) do
    if not text(name) or type(field) ~= "table" or not text(field.Source) or not text(field.Target) then return nil end
  end
  return value
end

local MEMBERS = { JobId = text, DisplayName = text, Status = text, StatusReason = text, UniqueKey = text, CreatedAt = time,
                  CompletedAt = time, DataExpiry = count, ResultsSummary = summary, Fields = fields }

--- A job, or an item of a list of jobs, with only what is in its type.
function replies.job(reply)
  local job = {}
  for name, value in pairs(type(reply) == "table" and reply or {}) do
    local read = MEMBERS[name]
    if read then job[name] = read(value) else job[name] = value end
  end
  return job
end

--- GetUploadJob: the job, which has a Status | nil, err
function replies.get_upload_job(client, request, options)
  local reply, err = client:get_upload_job(request, options)
  if not reply then return nil, err end
  local job = replies.job(reply)
  if not job.Status then return invalid("GetUploadJob", "the reply has no Status: what became of the job is not known") end
  return job
end

--- CreateUploadJob: the JobId | nil, err. Without one there may be a job all the same.
function replies.create_upload_job(client, request, options)
  local reply, err = client:create_upload_job(request, options)
  if not reply then return nil, err end
  local about = { DomainName = request.DomainName, JobId = text(reply.JobId) }
  if not about.JobId or not require("upjob.native.profiles").validate("GetUploadJob", about) then
    return invalid("CreateUploadJob", "the reply has no JobId of 32 hex digits", "unknown")
  end
  return reply.JobId
end

--- GetUploadJobPath: a reply with Url and ClientToken | nil, err
function replies.get_upload_job_path(client, request)
  local path, err = client:get_upload_job_path(request)
  if not path then return nil, err end
  if not text(path.Url) or path.Url == "" then
    return invalid("GetUploadJobPath", "the reply has no Url: there is no place to upload the file to")
  end
  if not secret.is(path.ClientToken) then
    return invalid("GetUploadJobPath", "the reply has no ClientToken: there is no key to upload the file with")
  end
  return path
end

--- The error of an upload, when Url and ClientToken are such that nothing could be sent: a fault of the reply that had them.
function replies.upload_error(err)
  if err.code ~= "ConfigurationError" or err.status then return err end
  local _, fault = invalid("GetUploadJobPath", "the reply's Url and ClientToken cannot be used: " .. err.message)
  return fault
end

return replies
