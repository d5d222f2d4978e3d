-- Runs of upload jobs, as scripts see them.
local errors = require "upjob.errors"
local job = require "upjob.job"
local profiles = require "upjob.profiles"

local path = os.tmpname()
local file = io.open(path, "w")
file:write("id,name\n1,Ann\n2,Bob\n")
file:close()

local client = assert(profiles.client { embedded = true })
require("upjob.exit").add(function() os.remove(path) end)

local function import(extra)
  local options = { client = client, domain = "acme", file = path, key = "id", rejects = path .. ".rejects.csv" }
  for k, v in pairs(extra or {}) do options[k] = v end
  return assert(job.import(options))
end

describe("an import", function()
  it("says that the outcome is not known when the creation was not answered", function()
    local broken = assert(profiles.client { endpoint_url = "http://127.0.0.1:9", region = "us-east-1",
      credentials = { access_key_id = "a", secret_access_key = "b" } })
    rawset(broken, "create_upload_job", function()
      return nil, errors.new { code = "TimeoutError", message = "no reply", outcome = "unknown" }
    end)
    local result, err = import { client = broken }:wait()
    assert.is_nil(result)
    assert.matches("whether the job was created is not known", err.message)
    assert.matches("job list --domain acme --region us-east-1 --endpoint-url http://127.0.0.1:9", err.message, 1, true)
    assert.equals("unknown", err.outcome)
  end)

  it("creates a missing domain of the embedded service", function()
    assert.equals("SUCCEEDED", assert(import { domain = "fresh" }:wait()).Status)
  end)

  it("of two that create one missing domain both go on", function()
    local first, second = import { domain = "fresh2" }, import { domain = "fresh2" }
    assert.equals("SUCCEEDED", assert(first:wait()).Status)
    assert.equals("SUCCEEDED", assert(second:wait()).Status)
  end)

  it("goes on when a wait for it has timed out", function()
    local run = import()
    local result, err = run:wait { timeout = 0 }
    assert.is_nil(result)
    assert.equals("TimeoutError", err.code)
    assert.equals("SUCCEEDED", assert(run:wait()).Status)
  end)

  it("that is given up before it has begun ends, and leaves nothing", function()
    local run = import()
    assert.is_true(run:interrupt())
    local result, err = run:wait()
    assert.is_nil(result)
    assert.equals("Cancelled", err.code)
    assert.is_nil(run:left())
  end)

  it("leaves nothing to do at exit once it has ended", function()
    local exit = require "upjob.exit"
    local before = #exit.hooks
    local run = import()
    assert.equals(before + 1, #exit.hooks)
    assert(run:wait())
    assert.equals(before, #exit.hooks)
  end)
end)

-- A client of the embedded service some of whose calls are the test's, and whose commands would be those of a real one.
local function client_with(calls)
  local changed = assert(profiles.client { embedded = true })
  changed.command_options = { "--region", "us-east-1" }
  for name, call in pairs(calls) do rawset(changed, name, call) end
  return changed
end

local function refused(operation)
  return function()
    return nil, errors.new { code = "BadRequestException", operation = operation, status = 400, message = "no" }
  end
end

describe("an import that fails before the start", function()
  it("stops its job", function()
    local run = import { client = client_with { get_upload_job_path = refused "GetUploadJobPath" } }
    local _, err = run:wait()
    assert.equals("BadRequestException", err.code)
    assert.matches(("job %s in domain acme was not started: it was stopped"):format(run.job_id), err.message, 1, true)
    assert.equals("STOPPED", client:get_upload_job { DomainName = "acme", JobId = run.job_id }.Status)
  end)

  it("says how to stop its job when that fails too", function()
    local run = import { client = client_with { get_upload_job_path = refused "GetUploadJobPath",
                                                stop_upload_job = refused "StopUploadJob" } }
    local _, err = run:wait()
    assert.matches("could not be stopped (StopUploadJob: BadRequestException: no)", err.message, 1, true)
    assert.matches(("job stop %s --domain acme --region us-east-1"):format(run.job_id), err.message, 1, true)
  end)

  it("for a fault of the program says so too, and the fault has its traceback", function()
    local run = import { client = client_with { get_upload_job_path = function() error("a fault") end } }
    local _, err = run:wait()
    assert.equals("InternalError", err.code)
    assert.equals(run.job_id, err.job_id)
    assert.matches("a fault.* was not started: it was stopped", err.message)
    local _, fault = run.task:wait()
    assert.matches("a fault.*stack traceback:.*upjob.steps", tostring(fault))
  end)
end)

describe("a start that fails for good", function()
  it("leaves the job with its file, and says how to start it", function()
    local run = import { client = client_with { start_upload_job = refused "StartUploadJob" } }
    local _, err = run:wait()
    assert.equals("start", err.step)
    assert.matches("with its file, and its start failed: when the cause is mended, .*job start " .. run.job_id, err.message)
    assert.equals("CREATED", client:get_upload_job { DomainName = "acme", JobId = run.job_id }.Status)
    assert(client:start_upload_job { DomainName = "acme", JobId = run.job_id })
    assert.equals("SUCCEEDED", client:wait_until("upload_job_done", { DomainName = "acme", JobId = run.job_id }).Status)
  end)
end)

describe("a creation whose answer was lost", function()
  local function lost(carried_out)
    local calls = 0
    return function(_, request, options)
      calls = calls + 1
      if calls > 1 then return client:create_upload_job(request, options) end
      for _ = 1, carried_out do assert(client:create_upload_job(request, options)) end
      return nil, errors.new { code = "ConnectionError", outcome = "unknown", operation = "CreateUploadJob", message =
        "the connection broke; whether it was carried out is not known: look with ListUploadJobs before you send it again" }
    end
  end

  local function jobs_called(name)
    local count = 0
    for item in client:pages("list_upload_jobs", { DomainName = "acme" }) do
      if item.DisplayName:sub(1, #name + 1) == name .. " " then count = count + 1 end
    end
    return count
  end

  it("is looked for by its name, and the job that it made is used", function()
    local result = assert(import { client = client_with { create_upload_job = lost(1) }, name = "lost, made" }:wait())
    assert.equals("SUCCEEDED", result.Status)
    assert.equals(1, jobs_called "lost, made")
  end)

  it("is made again when there is no such job", function()
    local result = assert(import { client = client_with { create_upload_job = lost(0) }, name = "lost, not made" }:wait())
    assert.equals("SUCCEEDED", result.Status)
    assert.equals(1, jobs_called "lost, not made")
  end)

  it("does not take the job of another run of the same name", function()
    assert(import { name = "of another" }:wait())
    assert(import { client = client_with { create_upload_job = lost(0) }, name = "of another" }:wait())
    assert.equals(2, jobs_called "of another")
  end)

  it("that made two leaves none waiting", function()
    local run = import { client = client_with { create_upload_job = lost(2) }, name = "twice" }
    assert.equals("SUCCEEDED", assert(run:wait()).Status)
    local statuses = {}
    for item in client:pages("list_upload_jobs", { DomainName = "acme" }) do
      if item.DisplayName == run.request.DisplayName then statuses[#statuses + 1] = item.Status end
    end
    table.sort(statuses)
    assert.same({ "STOPPED", "SUCCEEDED" }, statuses)
  end)

  it("is not made again when none can be looked for, nor when the job that may be it cannot be looked at", function()
    local function refuse() return nil, errors.new { code = "ThrottlingException", status = 429, message = "no" } end
    local function fail() error(errors.new { code = "TimeoutError", message = "no" }, 0) end
    for i, calls in ipairs { { pages = fail }, { get_upload_job = refuse },
                             { get_upload_job = function() return { Status = "CREATED" } end } } do
      local name = "not seen " .. i
      calls.create_upload_job = lost(1)
      local _, err = import { client = client_with(calls), name = name }:wait()
      assert.equals("unknown", err.outcome)
      assert.matches("whether the job was created is not known", err.message)
      assert.equals(1, jobs_called(name))
    end
  end)
end)

describe("client:wait_until", function()
  local function new_job()
    return assert(client:create_upload_job { DomainName = "acme", DisplayName = "x", UniqueKey = "x",
      Fields = { x = { Source = "_source.id", Target = "_profile.Attributes.x" } } }).JobId
  end

  it("gives the job when it has ended", function()
    local id = assert(import():wait()).JobId
    assert.equals("SUCCEEDED", assert(client:wait_until("upload_job_done", { DomainName = "acme", JobId = id })).Status)
  end)

  it("looks again until then, through failures that pass", function()
    local id, looks = assert(import():wait()).JobId, 0
    local slow = client_with { get_upload_job = function(_, request)
      looks = looks + 1
      if looks == 1 then return nil, errors.new { code = "ConnectionError", retryable = true, message = "away" } end
      local found = assert(client:get_upload_job(request))
      if looks < 4 then found.Status = "IN_PROGRESS" end
      return found
    end }
    local done = assert(slow:wait_until("upload_job_done", { DomainName = "acme", JobId = id }, { first = 0.01 }))
    assert.equals("SUCCEEDED", done.Status)
    assert.equals(4, looks)
  end)

  it("ends with an error that does not pass, or when its time is up", function()
    local _, err = client:wait_until("upload_job_done", { DomainName = "acme", JobId = ("0"):rep(32) })
    assert.equals("ResourceNotFoundException", err.code)
    local id = new_job()
    _, err = client:wait_until("upload_job_done", { DomainName = "acme", JobId = id }, { timeout = 0.5 })
    assert.equals("TimeoutError", err.code)
    assert.equals(("upload job %s is CREATED after 0.5 s"):format(id), err.message)
  end)

  it("refuses what there is not at the caller's line", function()
    local function refusal(...)
      local arguments = table.pack(...)
      local ok, message = pcall(function()
        client:wait_until(table.unpack(arguments, 1, arguments.n))
      end)
      assert.is_false(ok)
      assert.matches("job_spec.lua:%d+: ", message)
      return (message:gsub("^.*job_spec.lua:%d+: ", ""))
    end
    assert.equals('wait_until: there is nothing called "upload_job_dome" to wait for (did you mean "upload_job_done"?)',
      refusal("upload_job_dome", {}))
    assert.equals('wait_until: option "timeout" is in seconds, more than 0', refusal("upload_job_done", {}, { timeout = 0 / 0 }))
    assert.equals('wait_until: option "first" is in seconds, more than 0', refusal("upload_job_done", {}, { first = -1 }))
    assert.equals('wait_until: unknown option "time_out" (did you mean "timeout"?)',
      refusal("upload_job_done", {}, { time_out = 1 }))
  end)
end)

describe("a reply that breaks the service model", function()
  local function answers(reply) return function() return reply end end
  local function fails(calls, operation, text)
    local run = import { client = client_with(calls) }
    local result, err = run:wait()
    assert.is_nil(result)
    assert.equals("InvalidResponse", err.code)
    assert.equals(operation, err.operation)
    assert.matches(text, err.message, 1, true)
    return run, err
  end

  it("to a creation is an error, whose outcome is not known", function()
    for _, reply in ipairs { {}, { JobId = 7 }, { JobId = "" }, { JobId = "../x" } } do
      local _, err = fails({ create_upload_job = answers(reply) }, "CreateUploadJob", "no JobId")
      assert.equals("unknown", err.outcome)
      assert.matches("whether the job was created is not known: look for ", err.message, 1, true)
    end
  end)

  it("to a request for the path is an error that names what is missing or wrong", function()
    local secret = require "upjob.native.secret"
    local key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    local function reply(url, token) return { get_upload_job_path = function() return { Url = url, ClientToken = token } end } end
    fails(reply(nil, secret.new(key)), "GetUploadJobPath", "no Url")
    fails(reply({}, secret.new(key)), "GetUploadJobPath", "no Url")
    fails(reply("http://127.0.0.1:9/", nil), "GetUploadJobPath", "no ClientToken")
    fails(reply("http://127.0.0.1:9/", 5), "GetUploadJobPath", "no ClientToken")
    fails(reply("http://127.0.0.1:9/", secret.new("c2hvcnQ=")), "GetUploadJobPath", "ClientToken) is not base64 of 32 bytes")
    fails(reply("http://example.com/", secret.new(key)), "GetUploadJobPath", "Url and ClientToken cannot be used: ")
    local run = fails(reply("nonsense at all", secret.new(key)), "GetUploadJobPath",
      "the URL must begin with https:// or http://")
    assert.matches("was not started: it was stopped", run.error.message, 1, true)
  end)

  it("to a look at the job ends the watch, and does not go on for ever", function()
    for _, status in ipairs { false, 5, {} } do
      local run = fails({ get_upload_job = answers { Status = status or nil } }, "GetUploadJob", "no Status")
      assert.matches("goes on; to watch it again: ", run.error.message, 1, true)
    end
  end)

  it("to a request for the failed records is an error", function()
    for _, reply in ipairs { {}, { Items = 5 }, { Items = {}, NextToken = {} } } do
      local items, err = require("upjob.failures").list(client_with { local_failures = answers(reply) }, "acme", ("0"):rep(32))
      assert.is_nil(items)
      assert.equals("InvalidResponse", err.code)
    end
  end)

  it("in what is told for information only is left out", function()
    local odd = { Status = "SUCCEEDED", StatusReason = {}, DataExpiry = "soon", CompletedAt = 1e300, DisplayName = 5,
      ResultsSummary = { CreatedRecords = "3", UpdatedRecords = -1, FailedRecords = 1.5 } }
    local run, seen = import { client = client_with { get_upload_job = answers(odd) } }, nil
    run:on("counts", function(counts) seen = counts end)
    local result = assert(run:wait())
    assert.same({ CreatedRecords = 3, UpdatedRecords = 0, FailedRecords = 1 }, result.ResultsSummary)
    assert.same(result.ResultsSummary, seen)
    assert.same({ 14 }, { result.DataExpiry, result.StatusReason, result.CompletedAt, result.DisplayName })
    for _, summary in ipairs { {}, "many", 7 } do
      result = assert(import { client = client_with { get_upload_job = answers {
        Status = "SUCCEEDED", ResultsSummary = summary } } }:wait())
      assert.same({}, result.ResultsSummary)
    end
  end)
end)

describe("a watch", function()
  it("that gets no answer for long gives the command that goes on with it", function()
    local native = require "upjob.native.task"
    local now, jumped = native.now, 0
    local run = import { client = client_with { get_upload_job = function()
      jumped = jumped + 1000
      return nil, errors.new { code = "ConnectionError", operation = "GetUploadJob", message = "gone", retryable = true }
    end } }
    rawset(native, "now", function() return now() + jumped end)
    local _, err = run:wait()
    rawset(native, "now", now)
    assert.equals("watch", err.step)
    assert.matches(("job %s in domain acme goes on; to watch it again: "):format(run.job_id), err.message, 1, true)
    assert.matches(("job watch %s --domain acme --region us-east-1"):format(run.job_id), err.message, 1, true)
  end)
end)

describe("the record of an import", function()
  local journal = require "upjob.journal"
  local defaults = require "upjob.defaults"

  -- The run of an import by its key | nil
  local function row_of(run)
    return journal.open({}):find_run { run_key = run.run_key, domain = run.domain }
  end

  it("has each step before and after it is taken, and the result", function()
    local run = import { name = "recorded" }
    assert(run:wait())
    local row, steps = row_of(run), {}
    for i, step in ipairs(row.steps) do steps[i] = step.step .. " " .. step.state end
    assert.equals("check begin, check done, create begin, create done, upload begin, upload done, start begin, start done, "
      .. "watch begin, watch done", table.concat(steps, ", "))
    assert.same({ "succeeded", "SUCCEEDED", run.job_id, 0 }, { row.state, row.job_status, row.job_id, row.exit_status })
    assert.equals("recorded " .. run.run_key, row.display_name)
  end)

  it("has a step before the service hears of it", function()
    local seen = {}
    local run
    local function looks(name)
      return function(_, ...)
        local steps = row_of(run).steps
        seen[#seen + 1] = ("%s: %s %s"):format(name, steps[#steps].step, steps[#steps].state)
        return client[name](client, ...)
      end
    end
    local calls = {}
    for _, name in ipairs { "create_upload_job", "get_upload_job_path", "start_upload_job" } do calls[name] = looks(name) end
    run = import { client = client_with(calls) }
    assert(run:wait())
    assert.same({ "create_upload_job: create begin", "get_upload_job_path: upload begin", "start_upload_job: start begin" }, seen)
  end)

  it("that is another's by the time of the start ends the run: it starts nothing, and stops nothing", function()
    local run, started
    run = import { client = client_with {
      get_upload_job_path = function(_, ...)
        local row = row_of(run)
        assert(journal.open({}):end_run { id = row.id, fence = row.fence, state = "cancelled" })
        return client:get_upload_job_path(...)
      end,
      start_upload_job = function() started = true end,
    } }
    local _, err = run:wait()
    assert.equals("LeaseLost", err.code)
    assert.is_nil(started)
    assert.equals("CREATED", client:get_upload_job { DomainName = "acme", JobId = run.job_id }.Status)
    assert.equals("cancelled", row_of(run).state)
  end)

  it("of an automation whose run is another's by the time of the start ends it too", function()
    local store = journal.open {}
    local run, started
    local parent = assert(store:begin_run { kind = "automation" })
    defaults.parent_run = { id = parent.id, fence = parent.fence, attempt = 1 }
    run = import { client = client_with {
      get_upload_job_path = function(_, ...)
        assert(store:end_run { id = parent.id, fence = parent.fence, state = "cancelled" })
        return client:get_upload_job_path(...)
      end,
      start_upload_job = function() started = true end,
    } }
    local _, err = run:wait()
    defaults.parent_run = nil
    assert.equals("LeaseLost", err.code)
    assert.is_nil(started)
    assert.equals("CREATED", client:get_upload_job { DomainName = "acme", JobId = run.job_id }.Status)
  end)

  it("tells that what fails at the service can be gone on with, where there is a job that nobody stopped", function()
    local unavailable = function()
      return nil, errors.new { code = "InternalServerException", status = 500, message = "no", retryable = false }
    end
    for state, calls in pairs { interrupted = { start_upload_job = unavailable },
                                failed = { get_upload_job_path = unavailable } } do
      local run = import { client = client_with(calls) }
      assert.is_nil((run:wait()))
      assert.equals(state, row_of(run).state)
    end
  end)

  it("does not go on with a run that was given up while it was begun", function()
    local seen, i = {}, 0
    while i <= 30 or not seen.cancelled and i <= 2000 do -- on a busy machine it takes longer to begin
      local run = import()
      require("upjob.task").sleep(i / 4000)
      i = i + 1
      run:interrupt()
      local row = row_of(run)
      local state = row and row.state or "none"
      seen[state] = true
      assert.is_true(state == "none" or state == "cancelled" or state == "succeeded" or state == "failed", state)
    end
    assert.is_true(seen.cancelled)
  end)

  it("is written of no import whose options say otherwise, and of none that is a rehearsal", function()
    local before = #journal.open({}):runs {}
    assert(import { dry_run = true }:wait())
    assert.equals(before, #journal.open({}):runs {})
  end)
end)

describe("a run key", function()
  local run_key = require "upjob.run_key"

  it("that is made is ten letters and digits, and another each time", function()
    local seen = {}
    for _ = 1, 200 do
      local key = run_key.make()
      assert.matches("^[%l%d]+$", key)
      assert.equals(10, #key)
      assert.is_nil(seen[key])
      seen[key] = true
    end
  end)

  it("ends a name of 255 characters, whatever they are", function()
    local name = run_key.display_name(("é"):rep(300), "nightly-1")
    assert.equals(255, utf8.len(name))
    assert.is_true(run_key.is_of(name, "nightly-1"))
    assert.is_false(run_key.is_of(name, "ightly-1"))
    assert.is_false(run_key.is_of("nightly-1", "nightly-1"))
  end)
end)

describe("the check of a large file", function()
  it("tells how far it is", function()
    local large = os.tmpname()
    local out <close> = io.open(large, "w")
    out:write("id,name\n")
    for i = 1, 300000 do out:write(i, ",", ("x"):rep(200), "\n") end
    out:flush()
    local run, seen = import { file = large }, nil
    run:on("progress", function(p) seen = seen or p.step == "check" and p end)
    while not seen and not run.ended do require("upjob.task").sleep(0.01) end
    run:interrupt()
    os.remove(large)
    assert.equals(out:seek("end"), seen.total)
    assert.is_true(seen.rows >= 0 and seen.done <= seen.total)
  end)
end)

describe("misuse of job", function()
  local function fails(fn, text)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    assert.matches(text, message, 1, true)
    assert.matches("^tests/lua/job_spec.lua:%d+: ", message)
  end
  local function changed(fn, base, changes)
    local options = {}
    for k, v in pairs(base) do options[k] = v end
    for k, v in pairs(changes) do options[k] = v end
    return function() local _ = fn(options) end
  end

  it("is told at the caller's line and names the field", function()
    local base = { client = client, domain = "acme", file = path, key = "id" }
    fails(changed(job.import, base, { client = {} }),
      'job.import: option "client" must be what profiles.client returns, not a table')
    fails(changed(job.import, base, { client = "x" }), 'option "client" must be what profiles.client returns, not a string')
    fails(changed(job.import, base, { domain = 7 }), 'job.import: option "domain" must be a string, not a number')
    fails(changed(job.import, base, { file = "" }), 'job.import: option "file" is empty')
    fails(changed(job.import, base, { expire = 7 }), 'unknown option "expire" (did you mean "expires"?)')
    for _, value in ipairs { "some", "500%", "-1", "", 1.5, -1, 0 / 0, math.huge, true, ("9"):rep(30) } do
      fails(changed(job.import, base, { max_failed = value }),
        'option "max_failed" takes a number of rows, or a share from 0% to 100% such as 2%, not')
    end
    for _, value in ipairs { -1, 0, 0 / 0, math.huge } do
      fails(changed(job.import, base, { stall_timeout = value }), 'option "stall_timeout" takes seconds, more than 0')
    end
    for _, value in ipairs { 0 / 0, 1.5, math.huge } do
      fails(changed(job.import, base, { expires = value }), 'option "expires" takes a whole number of days, not')
    end
    fails(changed(job.import, base, { mapping = {} }), 'option "mapping" must be what mapping.define returns')
    fails(function() local _ = job.import() end, "job.import: a table of options is needed")
    base = { client = client, domain = "acme", job_id = ("0"):rep(32) }
    fails(changed(job.attach, base, { client = true }), 'job.attach: option "client" must be what profiles.client returns')
    fails(changed(job.attach, base, { job_id = false }), 'job.attach: option "job_id" must be a string, not a boolean')
    fails(changed(job.attach, base, { max_failed = 0.5 }), 'job.attach: option "max_failed" takes a number of rows')
    fails(changed(job.attach, base, { jobid = "x" }), 'unknown option "jobid" (did you mean "job_id"?)')
    fails(function() local _ = job.attach { client = client, domain = "acme" } end, 'job.attach: option "job_id" is required')
  end)

  it("of a run is told at the caller's line and names what was meant", function()
    local run = import()
    fails(function() run:on("stauts", print) end, 'there is no event "stauts" (did you mean "status"?)')
    fails(function() run:wait { timeout = -1 } end, 'option "timeout" is in seconds')
    fails(function() run:wait { timeuot = 1 } end, '(did you mean "timeout"?)')
    assert(run:wait())
  end)
end)
