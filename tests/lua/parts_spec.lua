-- Imports that are sent in parts, as scripts see them.
local errors = require "upjob.errors"
local job = require "upjob.job"
local part = require "upjob.part"
local profiles = require "upjob.profiles"
local sources = require "upjob.sources"
local system = require "upjob.native.system"

local directory = assert(system.temporary_directory())
local client = assert(profiles.client { embedded = true })
require("upjob.exit").add(function() system.remove_tree(directory) end)

-- A file with a row for each key.
local function write(name, first, last, word)
  local path = directory .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write("id,name\n")
  for key = first, last do file:write(("%d,%s\n"):format(key, word)) end
  return path
end

local function import(files, extra)
  local options = { client = client, domain = "acme", files = files, key = "id", part_bytes = "2K" }
  for name, value in pairs(extra or {}) do options[name] = value end
  return job.import(options)
end

-- What the service is asked, in its order: { { operation, params }, … }; `answer` may give a reply, or nil and an error.
local function listen(answer)
  local calls, wrapped = {}, assert(profiles.client { embedded = true })
  for _, operation in ipairs { "create_upload_job", "get_upload_job_path", "start_upload_job", "get_upload_job" } do
    rawset(wrapped, operation, function(_, params, options)
      calls[#calls + 1] = { operation, params }
      local reply, err = nil, nil
      if answer then reply, err = answer(operation, params, calls) end
      if reply or err then return reply, err end
      return client[operation](client, params, options)
    end)
  end
  return wrapped, calls
end

describe("the digits of a part's digest", function()
  it("are the first ten of its MD5 in hex", function()
    assert.equals("900150983c", part.digits("kAFQmDzST7DWlj99KOF/cg==")) -- of "abc"
    assert.equals("0000000000", part.digits(("A"):rep(22) .. "=="))
    assert.equals("ffffffffff", part.digits(("/"):rep(22) .. "=="))
  end)
end)

describe("the files of an import", function()
  it("are those that patterns stand for, in the order of their bytes", function()
    for _, name in ipairs { "g10.csv", "g9.csv", "gA.csv" } do write(name, 1, 1, "x") end
    local found = assert(sources.expand { directory .. "/g*.csv" })
    for i, file in ipairs(found) do found[i] = file:match("[^/]+$") end
    assert.same({ "g10.csv", "g9.csv", "gA.csv" }, found)
  end)

  it("are refused when one of them is there twice", function()
    local path = write("twice.csv", 1, 1, "x")
    local run, err = import { path, directory .. "/./twice.csv" }
    assert.is_nil(run)
    assert.equals("UsageError", err.code)
    assert.matches("is to be imported twice", err.message, 1, true)
  end)
end)

describe("an import in parts", function()
  local old, new = write("old.csv", 1, 600, "old"), write("new.csv", 1, 300, "new")

  it("has one result, with its jobs", function()
    local result = assert(assert(import { old, new }):wait())
    assert.equals("SUCCEEDED", result.Status)
    assert.equals(900, result.rows)
    assert.equals(600, result.ResultsSummary.CreatedRecords)
    assert.equals(300, result.ResultsSummary.UpdatedRecords)
    assert.is_nil(result.JobId)
    local rows = 0
    for number, one in ipairs(result.jobs) do
      assert.equals(number, one.number)
      rows = rows + one.rows
    end
    assert.equals(900, rows)
  end)

  it("starts no part of a file before all of those of the file before it have ended", function()
    local wrapped, calls = listen()
    assert(assert(import({ old, new }, { client = wrapped, domain = "order" })):wait())
    local of_old, started_new, ended, wanted = {}, 0, {}, 0
    for _, call in ipairs(calls) do
      if call[1] == "create_upload_job" and call[2].DisplayName:find("old.csv", 1, true) then wanted = wanted + 1 end
    end
    local jobs = {}
    for item in client:pages("list_upload_jobs", { DomainName = "order" }) do jobs[item.JobId] = item end
    for id, item in pairs(jobs) do of_old[id] = item.DisplayName:find("old.csv", 1, true) ~= nil end
    for i, call in ipairs(calls) do
      local id = call[2].JobId
      if call[1] == "get_upload_job" and of_old[id] then ended[id] = i end
      if call[1] == "start_upload_job" and not of_old[id] then
        started_new = started_new + 1
        local count = 0
        for _ in pairs(ended) do count = count + 1 end
        assert.equals(wanted, count)
        for later = i, #calls do
          assert.is_false(calls[later][1] == "get_upload_job" and of_old[calls[later][2].JobId] or false)
        end
      end
    end
    assert.is_true(started_new > 0 and wanted > 1)
  end)

  it("has no more parts in work than slots", function()
    local open, most = 0, 0
    local run = assert(import({ old }, { parallel = 2, domain = "slots" }))
    run:on("created", function()
      open = open + 1
      most = math.max(most, open)
    end)
    run:on("started", function() open = open - 1 end)
    local result = assert(run:wait())
    assert.is_true(#result.jobs > 2)
    assert.is_true(most <= 2)
  end)

  it("tells what happens to a part with its number", function()
    local seen, run = {}, assert(import({ old }, { domain = "events" }))
    run:on("started", function(event) seen[event.part] = event.JobId end)
    local result = assert(run:wait())
    for number, one in ipairs(result.jobs) do assert.equals(one.JobId, seen[number]) end
  end)

  it("begins no part after one that was refused, sees what is under way to its end, and names the part", function()
    local created = 0
    local wrapped = listen(function(operation)
      if operation ~= "create_upload_job" then return nil end
      created = created + 1
      if created == 2 then
        return nil, errors.new { code = "AccessDeniedException", message = "not allowed", status = 403, operation = operation }
      end
    end)
    local result, err = assert(import({ old, new }, { client = wrapped, parallel = 2, domain = "refused" })):wait()
    assert.is_nil(result)
    assert.equals("AccessDeniedException", err.code)
    assert.matches("^part 2 of %d+ %(.*old%.csv%): not allowed", err.message)
    -- Before the refusal is written, and so known, another part may have taken the place of the first.
    assert.is_true(created <= 3)
    assert.matches(created == 2 and "1 was imported" or "2 were imported", err.message, 1, true)
    for item in client:pages("list_upload_jobs", { DomainName = "refused" }) do assert.equals("SUCCEEDED", item.Status) end
  end)

  it("goes on with the other parts when one FAILED, and is FAILED", function()
    local failing
    local wrapped = listen(function(operation, params)
      if operation == "start_upload_job" and not failing then failing = params.JobId end
      if operation == "get_upload_job" and params.JobId == failing then
        return { JobId = failing, Status = "FAILED", StatusReason = "no luck", ResultsSummary = { CreatedRecords = 1 } }
      end
    end)
    local result = assert(assert(import({ old }, { client = wrapped, domain = "failing" })):wait())
    assert.equals("FAILED", result.Status)
    assert.matches("part %d: no luck", result.StatusReason)
    local succeeded = 0
    for _, one in ipairs(result.jobs) do succeeded = succeeded + (one.Status == "SUCCEEDED" and 1 or 0) end
    assert.equals(#result.jobs - 1, succeeded)
  end)

  it("is refused before anything is sent when one key alone is more than a part may have", function()
    local path = directory .. "/key.csv"
    local file <close> = assert(io.open(path, "w"))
    file:write("id,name\n")
    for row = 1, 600 do file:write(row % 3 == 0 and "same" or row, ",", "some name\n") end
    file:close()
    local wrapped, calls = listen()
    local result, err = assert(import({ old, path }, { client = wrapped, domain = "key" })):wait()
    assert.is_nil(result)
    assert.equals("InvalidFile", err.code)
    assert.matches("200 rows with one key %(lines 4, 7, 10", err.message)
    assert.equals(0, #calls)
  end)

  it("is refused in the same words when several keys among many are more than a part may have", function()
    local path = directory .. "/keys.csv"
    local file <close> = assert(io.open(path, "w"))
    file:write("id,name\n")
    for row = 1, 30000 do file:write(row % 10 == 0 and "same" .. row // 10 % 12 or row, ",", "some name\n") end
    file:close()
    local wrapped, calls = listen()
    for i = 1, 3 do -- the key of the run says where the keys fall
      local run = assert(import({ path }, { client = wrapped, domain = "keys", parallel = 12, run_key = "k" .. i }))
      local result, err = run:wait()
      assert.is_nil(result)
      assert.equals("InvalidFile", err.code, err.message)
      assert.matches("rows with one key", err.message)
    end
    assert.equals(0, #calls)
  end)

  it("is sent when the only two keys of a file fall beside each other", function()
    local path = directory .. "/two.csv"
    local file <close> = assert(io.open(path, "w"))
    file:write("id,name\n")
    for row = 1, 90 do file:write(row % 2 == 0 and "a" or "b", ",some text here\n") end
    file:close()
    -- Under this key both are in one of the ranges that are counted first.
    local options = { domain = directory:match("[^/]+$"), part_bytes = 1024, run_key = "k5306" }
    local result = assert(assert(import({ path }, options)):wait())
    assert.equals(2, #result.jobs)
    assert.equals("SUCCEEDED", result.Status)
  end)

  it("is not sent when its file is changed before a part of it is made", function()
    local path = write("changing.csv", 1, 600, "then")
    local run = assert(import({ path }, { parallel = 1, domain = "changing" }))
    run:on("checked", function() write("changing.csv", 1, 600, "otherwise") end)
    local result, err = run:wait()
    assert.is_nil(result)
    assert.matches("is not what was checked", err.message, 1, true)
  end)
end)
