--- The requests that an import sends, as a dry run tells them: nothing is sent.
local file_facts = require "upjob.file_facts"
local lookup = require "upjob.lookup"
local native = require "upjob.native.profiles"

local rehearsal = {}

local SOME_ID, JOB_ID, ESTIMATE_ID = ("0"):rep(32), "<JobId>", "<EstimateId>" -- the service gives them
local SECRET = "<secret>"
local SSE = "x-amz-server-side-encryption-customer-"
local DOMAIN_DAYS = 366
local EXPECT_FROM = 1 << 20 -- bytes: core/upload.c

--- The domain that is made in the embedded service where it is missing.
function rehearsal.domain_request(run)
  return { DomainName = run.domain, DefaultExpirationDays = DOMAIN_DAYS }
end

-- A call of the API | nil, err. `note`: when it is made.
local function call(name, params, note)
  local request, err = native.request(name, params)
  if not request then return nil, err end
  request.path = request.path:gsub(SOME_ID, params.EstimateId and ESTIMATE_ID or JOB_ID)
  request.note = note
  return request
end

-- What is sent to the URL that the service signs, which may ask for a Content-Type too. `file`: when it is sent as it stands.
local function put(bytes, md5, file)
  local headers = { { "Content-Length", ("%d"):format(bytes) }, { "Content-MD5", md5 or "<digest>" },
                    { SSE .. "algorithm", "AES256" }, { SSE .. "key", SECRET }, { SSE .. "key-MD5", SECRET } }
  if bytes >= EXPECT_FROM then headers[#headers + 1] = { "Expect", "100-continue" } end
  return { operation = "upload", method = "PUT", path = "<Url>", headers = headers, bytes = bytes,
           file = file,
           note = "to the URL and under the key that GetUploadJobPath gives" }
end

-- Before the first job.
local function add_segment(add, run)
  local segment = require "upjob.segment"
  local request = segment.request(run.domain, run.segment)
  local named = { DomainName = run.domain, SegmentDefinitionName = request.SegmentDefinitionName }
  add("GetSegmentDefinition", named)
  if run.replace_segment then add("DeleteSegmentDefinition", named, "when there is another one of that name") end
  add("CreateSegmentDefinition", request, "when there is none")
end

-- After the end.
local function add_estimate(add, run)
  local groups = require("upjob.segment").request(run.domain, run.segment).SegmentGroups
  add("CreateSegmentEstimate", { DomainName = run.domain, SegmentQuery = groups }, "of how many profiles the segment has")
  add("GetSegmentEstimate", { DomainName = run.domain, EstimateId = SOME_ID }, "again and again, until it is known")
end

-- What is sent of a run that has no parts, or of each part: { { request =, put =, part = number or nil }, … }
local function sendings(run)
  local checked, list = run.checked, {}
  if not run.parts then
    local bytes = checked.outgoing_fd and checked.outgoing_bytes or checked.bytes
    return { { request = run.request, put = put(bytes, checked.md5,
      file_facts.as_it_stands(checked) and not checked.changes and run.file or nil) } }
  end
  for i, item in ipairs(run.parts) do
    list[i] = { request = require("upjob.part").request(run, item), part = item.number,
                put = put(item.bytes, (item.whole or run.key_given) and item.md5, item.as_it_stands and item.source.file or nil) }
  end
  return list
end

--- The requests of a run whose check is done, in their order: a list | nil, err. Each has operation ("upload" is the PUT of the
--- file), method, path, and where there are any query, body (JSON as it is sent), headers (a list of names and values), note,
--- bytes, file (when it is sent as it stands), part (its number). `embedded`: a domain that is not there would be made.
function rehearsal.requests(run, embedded)
  local of_domain, of_job = { DomainName = run.domain }, { DomainName = run.domain, JobId = SOME_ID }
  local list, err = {}, nil
  local function add(name, params, note)
    local request
    if not err then request, err = call(name, params, note) end
    list[#list + 1] = request
  end
  if embedded then
    add("GetDomain", of_domain)
    add("CreateDomain", rehearsal.domain_request(run), "when there is no such domain")
  end
  if run.segment then add_segment(add, run) end
  if run.key_given then
    add("ListUploadJobs", lookup.request(run), "for a job that has the run key already"
      .. (embedded and "" or ("; again after %d seconds, when there is none"):format(lookup.AGAIN_AFTER)))
  end
  for _, sending in ipairs(sendings(run)) do
    local before = #list
    add("CreateUploadJob", sending.request)
    add("GetUploadJobPath", of_job)
    list[#list + 1] = sending.put
    if run.key_given and not embedded then
      add("ListUploadJobs", lookup.request(run), ("%d seconds after the creation or later, for a job with the run key that goes "
        .. "before this one: then this one is stopped"):format(lookup.AGAIN_AFTER))
    end
    add("StartUploadJob", of_job)
    add("GetUploadJob", of_job, "again and again, until the job has ended")
    for i = before + 1, #list do list[i].part = sending.part end
  end
  if run.segment then add_estimate(add, run) end
  if err then return nil, err end
  return list
end

return rehearsal
