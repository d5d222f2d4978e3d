-- Parts of a file that are sent while the check of it has not ended.
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local job = require "upjob.job"
local profiles = require "upjob.profiles"
local system = require "upjob.native.system"
local task = require "upjob.native.task"

local directory = assert(system.temporary_directory())
local client = assert(profiles.client { embedded = true })
require("upjob.exit").add(function() system.remove_tree(directory) end)

-- 6000 rows: some have a key that stands in another, and some have none.
local function write(name, bad)
  local path = directory .. "/" .. name
  local file <close> = assert(io.open(path, "w"))
  file:write("id,name\n")
  for key = 1, 6000 - bad do file:write(("%d,%s\n"):format(key % 5000, "some text")) end
  for _ = 1, bad do file:write(",none\n") end
  return path
end

local run_check = checking.run

-- From now on a check that goes on beside what is sent ends when the function is called that this returns; with `err`, by that.
local function hold(err)
  local gate, is_open = task.signal(), false
  checking.run = function(options)
    local found = table.pack(run_check(options))
    while options.settled and not is_open do gate:wait() end
    if options.settled and err then return nil, err end
    return table.unpack(found, 1, found.n)
  end
  return function()
    is_open = true
    gate:set()
  end
end

-- Begins an import, and waits until all of its parts are there and have not been started: the run, what happened.
local function send(path, domain)
  local seen, changed = {}, task.signal()
  local run = assert(job.import { client = client, domain = domain, file = path, key = "id", part_bytes = "40K", parallel = 16 })
  run:on("*", function(name, event)
    seen[#seen + 1] = { name, event }
    changed:set()
  end)
  local function sent()
    local count = 0
    for _, one in ipairs(seen) do count = count + (one[1] == "uploaded" and 1 or 0) end
    return count
  end
  while not run.ended and not (run.parts and #run.parts > 0 and sent() == #run.parts) do changed:wait() end
  return run, seen
end

-- Where an event came first; nil: it did not.
local function first(seen, name)
  for i, one in ipairs(seen) do
    if one[1] == name then return i, one[2] end
  end
end

local function statuses(domain)
  local found = {}
  for item in client:pages("list_upload_jobs", { DomainName = domain }) do found[item.Status] = (found[item.Status] or 0) + 1 end
  return found
end

describe("parts of a file whose check has not ended", function()
  after_each(function() checking.run = run_check end)

  it("are sent, and started when it has", function()
    local go_on = hold()
    local run, seen = send(write("ahead.csv", 0), "ahead")
    assert.is_nil(first(seen, "started"))
    assert.is_nil(first(seen, "checked"))
    assert.same({ CREATED = #run.parts }, statuses "ahead")
    go_on()
    local result = assert(run:wait())
    assert.equals("SUCCEEDED", result.Status)
    assert.equals(5000, result.ResultsSummary.CreatedRecords)
    local at, checked = first(seen, "checked")
    assert.is_true(at < first(seen, "started"))
    assert.equals(1000, checked.counts["duplicate key"])
    assert.equals("duplicate key", checked.problems[1].class)
  end)

  it("leave the rejected rows in their place", function()
    local path, go_on = write("rejecting.csv", 7), hold()
    local run, seen = send(path, "rejecting")
    local rejects <close> = assert(io.open(path .. ".rejects.csv"))
    go_on()
    local result = assert(run:wait())
    assert.equals(7, result.rejected)
    local _, checked = first(seen, "checked")
    assert.is_true(checked.rejects_written)
    assert.equals(7, select(2, rejects:read("a"):gsub(",none,", "")))
  end)

  it("are never started when it fails", function()
    local go_on = hold(errors.new { code = "SystemError", message = "there is no room for the keys" })
    local run, seen = send(write("failing.csv", 0), "failing")
    go_on()
    local result, err = run:wait()
    assert.is_nil(result)
    assert.matches("there is no room for the keys", err.message, 1, true)
    assert.is_nil(first(seen, "started"))
    assert.is_nil(first(seen, "checked"))
    assert.is_true(run.check_failed) -- what it found is told with its error, then
    assert.same({ STOPPED = #run.parts }, statuses "failing")
  end)

  it("are not sent any more, nor waited for, when it fails while they are", function()
    local go_on = hold(errors.new { code = "SystemError", message = "there is no room for the keys" })
    local run = assert(job.import { client = client, domain = "sending", file = write("sending.csv", 0), key = "id",
                                    part_bytes = "8K", parallel = 16 })
    run:on("created", go_on)
    local result, err = run:wait()
    assert.is_nil(result)
    assert.matches("there is no room for the keys", err.message, 1, true)
    assert.is_true(#run.parts > 6)
    local found = statuses "sending"
    assert.is_true(found.STOPPED < #run.parts)
    assert.same({ STOPPED = found.STOPPED }, found)
  end)

  it("leave no job behind when the import is given up meanwhile", function()
    hold()
    local run, seen = send(write("stopped.csv", 0), "stopped")
    assert(run:stop())
    assert.is_nil(first(seen, "started"))
    assert.same({ STOPPED = #run.parts }, statuses "stopped")
  end)

  it("are not sent when so many rows are refused that nothing is", function()
    hold()()
    local path = write("refused.csv", 7)
    local run = assert(job.import { client = client, domain = "refused", file = path, key = "id", part_bytes = "40K",
                                    max_failed = 6 })
    local result, err = run:wait()
    assert.is_nil(result)
    assert.matches("7 of 6000 rows would be refused, and at most 6 may fail", err.message, 1, true)
    assert.equals(993, run.checked.counts["duplicate key"])
  end)
end)
