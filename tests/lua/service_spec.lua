-- The API client, uploads and jobs against the embedded service, as scripts use them.
local http = require "upjob.http"
local profiles = require "upjob.profiles"
local job = require "upjob.job"
local mapping = require "upjob.mapping"
local upload = require "upjob.upload"
local task = require "upjob.task"

local client = assert(profiles.client { embedded = true })
local FIELDS = { customer_id = { Source = "_source.CustomerId", Target = "_profile.Attributes.customer_id" },
                 email = { Source = "_source.Email", Target = "_profile.EmailAddress", ContentType = "EMAIL_ADDRESS" } }
local domains = 0

local function new_domain()
  domains = domains + 1
  local name = "spec" .. domains
  assert(client:create_domain { DomainName = name, DefaultExpirationDays = 30 })
  return name
end

local function new_job(domain, name)
  return assert(client:create_upload_job { DomainName = domain, DisplayName = name or "job", UniqueKey = "customer_id",
                                           DataExpiry = 30, Fields = FIELDS }).JobId
end

local function temporary(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

local function customers()
  return temporary("CustomerId,Email\n1,ann@example.com\n2,bob@example.com\n1,ann@example.org\n")
end

local function define()
  return mapping.define { unique_key = "customer_id",
    mapping.string "CustomerId" : to "Attributes.customer_id" : as "customer_id" : required(),
    mapping.email "Email" : to "EmailAddress" : as "email" }
end

local function code_of(value, err)
  assert.is_nil(value)
  return err.code, err.status
end

describe("profiles.client", function()
  local function refusal(options)
    local ok, message = pcall(function()
      local made = profiles.client(options) -- no tail call: the message names this line
      return made
    end)
    assert.is_false(ok)
    return (message:gsub("^.*service_spec.lua:%d+: ", ""))
  end

  it("refuses half a pair of credentials and no credentials in a table, naming what is missing", function()
    assert.equals('profiles.client: credentials: option "access_key_id" is required', refusal { credentials = {} })
    assert.equals('profiles.client: credentials: option "access_key_id" is required',
      refusal { credentials = { secret_access_key = "b" } })
    assert.equals('profiles.client: credentials: option "secret_access_key" is required',
      refusal { credentials = { access_key_id = "a", session_token = "c" } })
    assert.matches('^profiles.client: credentials: unknown option "access_key" ', refusal { credentials = { access_key = "a" } })
  end)

  it("refuses a number of attempts that is none", function()
    for shown, attempts in pairs { ["0"] = 0, ["-3"] = -3, ["2.5"] = 2.5, ["1001"] = 1001, inf = math.huge } do
      assert.equals('profiles.client: option "max_attempts" must be a whole number from 1 to 1000, not ' .. shown,
        refusal { max_attempts = attempts })
    end
    assert(profiles.client { embedded = true, max_attempts = 1 })
  end)

  it("refuses rates of operations that there are not, and rates that are none", function()
    local known = 'profiles.client: option "rates"'
    assert.equals(known .. ': there is no operation "create_uploadjob" (did you mean "create_upload_job"?)',
      refusal { rates = { create_uploadjob = 1 } })
    for _, rate in ipairs { 0, -1, 0 / 0, math.huge, "5" } do
      assert.equals(known .. ": get_upload_job must be calls a second, more than 0",
        refusal { rates = { get_upload_job = rate } })
    end
    assert.equals(known .. " is a table of calls a second by operation, or false for no limit, not number", refusal { rates = 5 })
    assert(profiles.client { embedded = true, rates = { create_upload_job = 2, get_upload_job = 0.5 } })
    assert(profiles.client { embedded = true, rates = false })
  end)
end)

describe("the six operations", function()
  it("go through the life of a job", function()
    local domain, before = new_domain(), os.time()
    local id = new_job(domain, "spring")
    assert.matches("^%x+$", id)
    assert.equals(32, #id)
    local made = assert(client:get_upload_job { DomainName = domain, JobId = id })
    assert.equals("CREATED", made.Status)
    assert.equals("spring", made.DisplayName)
    assert.equals("customer_id", made.UniqueKey)
    assert.equals(30, made.DataExpiry)
    assert.equals("EMAIL_ADDRESS", made.Fields.email.ContentType)
    assert.is_true(made.CreatedAt >= before - 1 and made.CreatedAt <= os.time() + 1)
    local path = assert(client:get_upload_job_path { DomainName = domain, JobId = id })
    assert.equals("<secret>", tostring(path.ClientToken))
    assert.is_true(path.ValidUntil > os.time())
    local file = customers()
    local sent = assert(upload.put { url = path.Url, key = path.ClientToken, file = file })
    os.remove(file)
    assert.is_true(sent.bytes > 0)
    assert.same({}, assert(client:start_upload_job { DomainName = domain, JobId = id }))
    local run = job.attach { client = client, domain = domain, job_id = id }
    local result = assert(run:wait { timeout = 100 })
    assert.equals("SUCCEEDED", result.Status)
    assert.same({ CreatedRecords = 2, UpdatedRecords = 1, FailedRecords = 0 }, result.ResultsSummary)
    assert.equals("BadRequestException", (code_of(client:start_upload_job { DomainName = domain, JobId = id })))
    assert.equals("BadRequestException", (code_of(client:stop_upload_job { DomainName = domain, JobId = id })))
    assert.equals("BadRequestException", (code_of(client:get_upload_job_path { DomainName = domain, JobId = id })))
    local found = assert(client:search_profiles { DomainName = domain, KeyName = "customer_id", Values = { "1" } })
    assert.equals("ann@example.org", found.Items[1].EmailAddress)
    assert.equals("1", found.Items[1].Attributes.customer_id)
  end)

  it("stop a job that was not started, and that is the end of it", function()
    local domain = new_domain()
    local id = new_job(domain)
    assert.same({}, assert(client:stop_upload_job { DomainName = domain, JobId = id }))
    assert.equals("STOPPED", client:get_upload_job({ DomainName = domain, JobId = id }).Status)
    assert.equals("BadRequestException", (code_of(client:start_upload_job { DomainName = domain, JobId = id })))
  end)

  it("fail a job that was started without a file", function()
    local domain = new_domain()
    local id = new_job(domain)
    assert(client:start_upload_job { DomainName = domain, JobId = id })
    local result = assert(job.attach({ client = client, domain = domain, job_id = id }):wait { timeout = 100 })
    assert.equals("FAILED", result.Status)
    assert.equals("VALIDATION_FAILURE", result.StatusReason)
  end)

  it("list the jobs page by page", function()
    local domain, made, seen = new_domain(), {}, {}
    for i = 1, 7 do made[new_job(domain, "job " .. i)] = true end
    local page = assert(client:list_upload_jobs { DomainName = domain, MaxResults = 3 })
    assert.equals(3, #page.Items)
    assert.is_string(page.NextToken)
    for item in client:pages("list_upload_jobs", { DomainName = domain, MaxResults = 3 }) do seen[item.JobId] = true end
    assert.same(made, seen)
    assert.equals("BadRequestException",
      (code_of(client:list_upload_jobs { DomainName = domain, NextToken = "forged" })))
  end)

  it("answer 404 for what is not there", function()
    local domain = new_domain()
    local nothing = ("0"):rep(32)
    for _, call in ipairs {
      function() return client:get_upload_job { DomainName = domain, JobId = nothing } end,
      function() return client:get_upload_job_path { DomainName = domain, JobId = nothing } end,
      function() return client:start_upload_job { DomainName = domain, JobId = nothing } end,
      function() return client:stop_upload_job { DomainName = domain, JobId = nothing } end,
      function() return client:list_upload_jobs { DomainName = "nowhere" } end,
      function() return client:get_domain { DomainName = "nowhere" } end,
    } do
      local code, status = code_of(call())
      assert.equals("ResourceNotFoundException", code)
      assert.equals(404, status)
    end
  end)

  it("carry the request's id and the operation in an error", function()
    local _, err = client:get_domain { DomainName = "nowhere" }
    assert.equals("GetDomain", err.operation)
    assert.is_string(err.request_id)
    assert.is_false(err.retryable)
    assert.matches("GetDomain: ResourceNotFoundException: .+ %(request id .+%)", tostring(err))
  end)
end)

describe("misuse", function()
  local function raises(fn, pattern)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches(pattern, tostring(message))
    assert.matches("service_spec.lua:%d+", tostring(message))
  end

  it("is told at the caller's line before anything is sent", function()
    raises(function() client:get_domain { DomanName = "x" } end, 'did you mean "DomainName"')
    raises(function() client:get_domain {} end, "DomainName is required")
    raises(function() client:get_domain { DomainName = 5 } end, "DomainName: must be a string")
    raises(function() client:get_domian { DomainName = "x" } end, 'did you mean "get_domain"')
    raises(function() client.get_domain { DomainName = "x" } end, "colon")
    raises(function() profiles.client { regoin = "x" } end, 'did you mean "region"')
    raises(function() upload.put { url = "https://x", file = "x" } end, '"key" is required')
    raises(function() job.import { client = client } end, '"domain" is required')
    raises(function() client:pages("get_domain", {}) end, "no pages")
  end)

  it("of a value is an error with the field's name and the rule", function()
    for _, case in ipairs {
      { { DomainName = "no good" }, "DomainName", "^[a-zA-Z0-9_-]+$" },
      { { DomainName = ("x"):rep(65) }, "DomainName", "64" },
    } do
      local reply, err = client:get_domain(case[1])
      assert.is_nil(reply)
      assert.equals("ParamValidationError", err.code)
      assert.matches(case[2], err.message, 1, true)
      assert.matches(case[3], err.message, 1, true)
    end
    local reply, err = client:create_upload_job { DomainName = "a", DisplayName = "b", UniqueKey = "c", DataExpiry = 2000,
      Fields = { c = { Source = "_source.c", Target = "_profile.FirstName" } } }
    assert.is_nil(reply)
    assert.matches("DataExpiry: 2000 is above the maximum 1098", err.message, 1, true)
  end)
end)

describe("job.import", function()
  it("tells its events in order", function()
    local domain, file, names = new_domain(), customers(), {}
    local run = assert(job.import { client = client, domain = domain, file = file, mapping = define(), name = "spring" })
    for name, event in run:events() do
      if name ~= "progress" and name ~= "counts" then
        names[#names + 1] = name == "status" and event.from .. "→" .. event.to or name
      end
    end
    os.remove(file)
    local told = table.concat(names, " ")
    assert.matches("^checked created uploaded started ", told)
    assert.matches("→SUCCEEDED done$", told)
    local result = assert(run:wait())
    assert.matches("^spring [%l%d]+$", result.DisplayName)
    assert.equals(0, result.rejected)
    assert.is_true(result.bytes > 0 and result.seconds > 0)
  end)

  it("calls handlers, whose errors stop nothing", function()
    local domain, file, seen = new_domain(), customers(), {}
    local run = assert(job.import { client = client, domain = domain, file = file, mapping = define() })
    run:on("created", function(event) seen.created = event.JobId error("a handler's own fault") end)
    run:on("done", function(result) task.sleep(0.01) seen.done = result.Status end)
    assert(run:wait())
    while not seen.done do task.sleep(0.01) end
    os.remove(file)
    assert.equals(32, #seen.created)
    assert.equals("SUCCEEDED", seen.done)
    assert.has_error(function() run:on("finished", print) end)
  end)

  it("says at which step it failed and what exists", function()
    local file = customers()
    -- As another program's service: a missing domain is its word, not made.
    local outside = assert(profiles.client { endpoint_url = client:about().endpoint, region = "us-east-1",
                                             credentials = { access_key_id = "local", secret_access_key = "local" } })
    local run = assert(job.import { client = outside, domain = "nowhere", file = file, mapping = define() })
    local result, err = run:wait()
    os.remove(file)
    assert.is_nil(result)
    assert.equals("create", err.step)
    assert.matches("no job was created", tostring(err))
  end)

  it("ends the display name with the run key, within 255 characters", function()
    local domain, file = new_domain(), customers()
    local run = assert(job.import { client = client, domain = domain, file = file, mapping = define(),
                                    name = ("ü"):rep(300), run_key = "nightly-2026-11-23" })
    local result = assert(run:wait())
    os.remove(file)
    assert.equals(255, utf8.len(result.DisplayName))
    assert.matches("ü nightly%-2026%-11%-23$", result.DisplayName)
  end)

  it("rejects what the service would fail and imports the rest", function()
    local domain = new_domain()
    local file = temporary("CustomerId,Email\n1,a@example.com\n,b@example.com\n3,c@example.com,x\n")
    local run = assert(job.import { client = client, domain = domain, file = file, mapping = define() })
    local result = assert(run:wait())
    assert.equals(2, result.rejected)
    assert.equals(1, result.ResultsSummary.CreatedRecords)
    local text = io.open(result.rejects):read("a")
    assert.matches("^CustomerId,Email,upjob_reason\n,b@example.com,", text)
    os.remove(result.rejects)
    os.remove(file)
  end)

  it("stops when the mapping says so", function()
    local domain = new_domain()
    local file = temporary("CustomerId,Email\n1,a@example.com\n,b@example.com\n")
    local map = define()
    map.on_invalid = "stop"
    local result, err = assert(job.import { client = client, domain = domain, file = file, mapping = map }):wait()
    os.remove(file)
    assert.is_nil(result)
    assert.equals("InvalidFile", err.code)
    assert.same({}, assert(client:list_upload_jobs { DomainName = domain }).Items)
  end)

  it("can be given up before it is started", function()
    local domain = new_domain()
    local file = temporary("CustomerId,Email\n" .. ("1,a@example.com\n"):rep(200000))
    local run = assert(job.import { client = client, domain = domain, file = file, mapping = define() })
    run:on("created", function() run:stop() end)
    local result, err = run:wait()
    os.remove(file)
    assert.is_nil(result)
    assert.equals("Cancelled", err.code)
    assert.equals("STOPPED", client:list_upload_jobs({ DomainName = domain }).Items[1].Status)
  end)

  it("runs several at once", function()
    local domain, runs = new_domain(), {}
    local file = customers()
    for i = 1, 5 do
      runs[i] = assert(job.import { client = client, domain = domain, file = file, mapping = define(), name = "job " .. i })
    end
    local created = 0
    for _, run in ipairs(runs) do created = created + assert(run:wait()).ResultsSummary.CreatedRecords end
    os.remove(file)
    assert.equals(2, created)
  end)
end)

describe("the failed records of the embedded service", function()
  it("are listed with line, column, value and reason", function()
    local domain = new_domain()
    local id = new_job(domain)
    local path = assert(client:get_upload_job_path { DomainName = domain, JobId = id })
    local file = temporary("CustomerId,Email\n1,a@example.com\n,b@example.com\n3," .. ("x"):rep(300) .. "\n")
    assert(upload.put { url = path.Url, key = path.ClientToken, file = file })
    os.remove(file)
    assert(client:start_upload_job { DomainName = domain, JobId = id })
    local result = assert(job.attach({ client = client, domain = domain, job_id = id }):wait { timeout = 100 })
    assert.equals("PARTIALLY_SUCCEEDED", result.Status)
    assert.equals(2, result.ResultsSummary.FailedRecords)
    local failures = assert(client:local_failures { DomainName = domain, JobId = id }).Items
    assert.equals(2, #failures)
    assert.equals(3, failures[1].Line)
    assert.equals(4, failures[2].Line)
    assert.equals("Email", failures[2].ColumnName)
    assert.matches("255", failures[2].Reason)
  end)
end)

describe("profiles.endpoint", function()
  it("is the service's for a region", function()
    assert.equals("https://profile.us-east-1.amazonaws.com", profiles.endpoint { region = "us-east-1" })
    assert.equals("https://profile-fips.us-gov-west-1.amazonaws.com",
      profiles.endpoint { region = "us-gov-west-1", use_fips = true })
    assert.equals("https://profile.eu-west-1.api.aws", profiles.endpoint { region = "eu-west-1", use_dual_stack = true })
    local url, err = profiles.endpoint { endpoint_url = "https://x.example", use_fips = true }
    assert.is_nil(url)
    assert.equals("ConfigurationError", err.code)
  end)
end)

describe("a number that makes no sense", function()
  local nan = 0 / 0

  it("as a call's timeout is refused; math.huge is no limit", function()
    for _, seconds in ipairs { nan, -1, 1e300 } do
      assert.has_error(function() client:list_domains({}, { timeout = seconds }) end,
        "list_domains: option \"timeout\" is in seconds, from 0 to 1000000")
    end
    assert.is_table(client:list_domains({}, { timeout = math.huge }))
  end)

  it("as an option of a client or a request is refused", function()
    local url = "http://127.0.0.1:9/"
    for _, count in ipairs { nan, -1, 0.5, 1e300, math.huge } do
      assert.has_error(function() local _ = profiles.client { embedded = true, max_attempts = count } end)
      assert.has_error(function() local _ = http.request { url = url, max_response = count } end)
    end
    assert.has_error(function() local _ = http.request { url = url, timeout = nan } end,
      "http.request: option \"timeout\" is not a number (0/0)")
  end)
end)

describe("a call that was tried again", function()
  it("tells how often, in its error and its text", function()
    local own <close> = assert(profiles.client { endpoint_url = "http://127.0.0.1:9", region = "us-east-1",
      max_attempts = 2, credentials = { access_key_id = "local", secret_access_key = "local" } })
    local _, err = own:list_domains {}
    assert.equals(2, err.attempts)
    assert.matches("^ListDomains: ConnectionError: cannot connect to 127.0.0.1:9: .+ %(2 attempts%)$", tostring(err))
    _, err = client:get_domain { DomainName = "none" }
    assert.equals(1, err.attempts)
    assert.matches("%(request id [^,]+%)$", tostring(err))
  end)
end)

describe("a client that is closed", function()
  local function own_client() return assert(profiles.client { embedded = true }) end

  it("while a call is under way in another task lets the call end", function()
    local domain = new_domain()
    local own = own_client()
    local under_way = task.spawn(function() return own:get_domain { DomainName = domain } end)
    task.sleep(0)
    own:close()
    assert.equals(domain, assert(under_way:wait()).DomainName)
  end)

  it("by leaving its block while a call is tried again lets the call end", function()
    local under_way
    do
      local own <close> = assert(profiles.client { endpoint_url = "http://127.0.0.1:9", region = "us-east-1",
        max_attempts = 3, credentials = { access_key_id = "local", secret_access_key = "local" } })
      under_way = task.spawn(function() return own:list_domains {} end)
      task.sleep(0.01)
    end
    assert.equals("ConnectionError", code_of(under_way:wait()))
  end)

  it("while a call is cancelled is freed once", function()
    local own = own_client()
    local under_way = task.spawn(function() return own:list_domains {} end)
    task.sleep(0)
    own:close()
    under_way:cancel()
    assert.equals("Cancelled", code_of(under_way:wait()))
    own:close()
  end)

  it("takes no more calls", function()
    local own = own_client()
    own:close()
    assert.has_error(function() own:list_domains {} end, "the client was closed")
  end)
end)

describe("a data key", function()
  it("that is closed while its file is digested is sent all the same", function()
    local domain = new_domain()
    local path = assert(client:get_upload_job_path { DomainName = domain, JobId = new_job(domain) })
    local file = customers()
    local putting = task.spawn(upload.put, { url = path.Url, key = path.ClientToken, file = file })
    task.sleep(0)
    path.ClientToken:close()
    assert(putting:wait())
    os.remove(file)
  end)
end)
