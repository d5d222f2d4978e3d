-- job.watch: the changes of all jobs of a domain, from one poll.
local jobs_seen = require "upjob.jobs_seen"
local job = require "upjob.job"
local native = require "upjob.native.task"
local profiles = require "upjob.profiles"
local task = require "upjob.task"
local watch = require "upjob.watch"

local function item(id, status, created, more)
  local made = { JobId = id, DisplayName = "job " .. id, Status = status, CreatedAt = created or 1000 }
  for k, v in pairs(more or {}) do made[k] = v end
  return made
end

-- A client of a list that the test changes: list[domain] is a list of pages, or an error to be raised.
local function fake_client(list)
  local client = { asked = 0, list = list }
  function client.about() return { clock_offset = 0 } end
  function client:whole_pages(_, params)
    local pages, at = self.list[params.DomainName], 0
    return function()
      at = at + 1
      task.sleep(0)
      if pages.code then
        self.asked = self.asked + 1
        error(require("upjob.errors").new(pages), 0)
      end
      if pages[at] then self.asked = self.asked + 1 end
      return pages[at]
    end
  end
  return client
end

local function begin(client, more)
  local options = { client = client, domain = "acme", interval = 0.02, stale_after = math.huge }
  for k, v in pairs(more or {}) do options[k] = v end
  return assert(watch.begin(options))
end

-- What a watch tells, as "name id from to".
local function record(of)
  local told = {}
  of:on("*", function(name, event)
    told[#told + 1] = ("%s %s %s %s"):format(name, event.JobId, tostring(event.from), tostring(event.to))
  end)
  return told
end

local function eventually(is_true)
  local by = native.now() + 100
  while not is_true() do
    if native.now() > by then error("it has not come true in 100 s", 2) end
    task.sleep(0.005)
  end
end

local function looks(of, count)
  local before = of:about().looks
  eventually(function() return of:about().looks >= before + count end)
end

describe("a watch", function()
  it("tells nothing of the jobs that there are when it begins, and each change of them", function()
    local client = fake_client { acme = { { item("a", "IN_PROGRESS"), item("b", "SUCCEEDED") } } }
    local of <close> = begin(client)
    local told = record(of)
    looks(of, 2)
    assert.same({}, told)
    client.list.acme = { { item("a", "FAILED", 1000, { CompletedAt = 1060, StatusReason = "VALIDATION_FAILURE" }) } }
    looks(of, 2)
    assert.same({ "failed a IN_PROGRESS FAILED" }, told)
  end)

  it("tells a change with all that an event has", function()
    local client = fake_client { acme = { { item("a", "IN_PROGRESS") } } }
    local of <close> = begin(client)
    local event
    of:on("failed", function(e) event = e end)
    client.list.acme = { { item("a", "FAILED", 1000, { CompletedAt = 1060, StatusReason = "VALIDATION_FAILURE" }) } }
    eventually(function() return event end)
    assert.same({ name = "failed", JobId = "a", DomainName = "acme", DisplayName = "job a", from = "IN_PROGRESS", to = "FAILED",
                  StatusReason = "VALIDATION_FAILURE", at = 1060, seconds = 60,
                  job = item("a", "FAILED", 1000, { CompletedAt = 1060, StatusReason = "VALIDATION_FAILURE" }) }, event)
  end)

  it("tells a job that came and ended between two looks as created, and as what became of it", function()
    local client = fake_client { acme = { {} } }
    local of <close> = begin(client)
    local told, statuses = record(of), 0
    of:on("status", function() statuses = statuses + 1 end)
    client.list.acme = { { item("a", "PARTIALLY_SUCCEEDED"), item("b", "STOPPED"), item("c", "CREATED") } }
    looks(of, 2)
    assert.same({ "created a nil CREATED", "succeeded a CREATED PARTIALLY_SUCCEEDED", "created b nil CREATED",
                  "failed b CREATED STOPPED", "created c nil CREATED" }, told)
    assert.equals(2, statuses)
  end)

  it("sees a change on whichever page it is, and a new job at the end of the list", function()
    local pages = { {}, {}, {} }
    for page = 1, 3 do
      for n = 1, 3 do pages[page][n] = item(page .. "." .. n, "SUCCEEDED", 10000 - page * 1000) end
    end
    pages[3][2].Status = "CREATED"
    local client = fake_client { acme = pages }
    local of <close> = begin(client)
    local told = record(of)
    looks(of, 2)
    pages[3][2] = item("3.2", "IN_PROGRESS", 7000)
    looks(of, 2)
    pages[3][4] = item("last", "CREATED", 20)
    looks(of, 25)
    assert.same({ "status 3.2 CREATED IN_PROGRESS", "created last nil CREATED" }, told)
  end)

  it("tells what has happened since a time, to whoever listens first", function()
    local client = fake_client { acme = { { item("new", "CREATED", 5000), item("ended", "FAILED", 900, { CompletedAt = 5001 }),
                                            item("old", "FAILED", 900, { CompletedAt = 950 }),
                                            item("runs", "IN_PROGRESS", 10) } } }
    local of <close> = begin(client, { since = 5000 })
    looks(of, 2)
    local told = record(of)
    eventually(function() return #told > 0 end)
    assert.same({ "created new nil CREATED", "failed ended nil FAILED" }, told)
    local joined <close> = begin(client, { since = 5001 })
    local told_too = record(joined)
    looks(joined, 2)
    assert.same({ "failed ended nil FAILED" }, told_too)
    assert.same(2, #told)
  end)

  it("tells a job that stays as it is too long, once for each status", function()
    local now = os.time()
    local client = fake_client { acme = { { item("old", "CREATED", now - 100), item("young", "CREATED", now) } } }
    local of <close> = begin(client, { stale_after = 50 })
    local event
    of:on("stale", function(e) event = e end)
    local told = record(of)
    looks(of, 3)
    assert.same({ "stale old CREATED CREATED" }, told)
    assert.is_true(event.seconds >= 100 and event.seconds <= 100 + os.time() - now + 1)
    client.list.acme = { { item("old", "IN_PROGRESS", now - 100), item("young", "CREATED", now) } }
    looks(of, 3)
    assert.same({ "stale old CREATED CREATED", "status old CREATED IN_PROGRESS" }, told)
  end)

  it("does not take a list that is behind for a change", function()
    local client = fake_client { acme = { { item("a", "IN_PROGRESS"), item("b", "SUCCEEDED") } } }
    local of <close> = begin(client)
    local told = record(of)
    client.list.acme = { { item("a", "CREATED"), item("b", "IN_PROGRESS") } }
    looks(of, 2)
    assert.same({}, told)
  end)

  it("forgets jobs that are gone, but not one that a shifted page has hidden once", function()
    local client = fake_client { acme = { { item("a", "CREATED"), item("b", "SUCCEEDED") } } }
    local of <close> = begin(client)
    local told = record(of)
    local seen = jobs_seen.new()
    for _, list in ipairs { { "a", "b" }, { "a" }, { "a", "b" } } do
      seen:begin()
      for _, id in ipairs(list) do seen:take(item(id, "SUCCEEDED"), 1) end
      assert.same({}, seen:finish(true))
    end
    client.list.acme = { { item("b", "SUCCEEDED") } }
    looks(of, 4)
    assert.same(1, of:about().jobs)
    assert.same({}, told)
  end)

  it("gives a loop each event once, and lets go of it when the loop is left", function()
    local client = fake_client { acme = { {} } }
    local of <close> = begin(client)
    local got = {}
    task.spawn(function()
      task.sleep(0.03)
      client.list.acme = { { item("a", "SUCCEEDED") } }
    end)
    for name, event in of:events() do
      got[#got + 1] = name .. " " .. event.to
      if #got == 2 then break end
    end
    assert.same({ "created CREATED", "succeeded SUCCEEDED" }, got)
    assert.is_nil(next(of.queues))
  end)

  it("ends its loops when it is closed", function()
    local of = begin(fake_client { acme = { {} } })
    local loop = task.spawn(function() for _ in of:events() do end return "over" end)
    task.sleep(0.03)
    of:close()
    assert.equals("over", loop:wait(60))
    assert.is_nil(of:about())
  end)

  it("raises misuse at the caller's line", function()
    local of <close> = begin(fake_client { acme = { {} } })
    local ok, message = pcall(function() of:on("failure", print) end)
    assert.is_false(ok)
    assert.matches("watch_spec.lua:%d+: on: there is no event \"failure\" %(did you mean \"failed\"%?%)", message)
    ok, message = pcall(function() job.watch { client = 1, domain = "acme" } end)
    assert.is_false(ok)
    assert.matches("watch_spec.lua:%d+: job.watch: option \"client\" must be what profiles.client returns", message)
    local client <close> = assert(profiles.client { embedded = true })
    for option, value in pairs { interval = "soon", stale_after = -1 } do
      ok, message = pcall(function() job.watch { client = client, domain = "acme", [option] = value } end)
      assert.is_false(ok)
      assert.matches("watch_spec.lua:%d+: job.watch: option \"" .. option .. "\": ", message)
    end
  end)
end)

describe("the poll of a domain", function()
  it("is one, however many watches and handlers there are, and ends with the last", function()
    local client = fake_client { acme = { { item("a", "CREATED") } } }
    local first, second = begin(client), begin(client)
    local told, told_too = record(first), record(second)
    assert.equals(first.poller, second.poller)
    looks(first, 5)
    assert.equals(first:about().looks, client.asked)
    client.list.acme = { { item("a", "SUCCEEDED") } }
    looks(first, 1)
    eventually(function() return #told == 1 and #told_too == 1 end)
    first:close()
    looks(second, 1)
    second:close()
    local asked = client.asked
    task.sleep(0.1)
    assert.equals(asked, client.asked)
  end)

  it("is as often as the watch that wants to know soonest", function()
    local client = fake_client { acme = { {} } }
    local slow <close> = begin(client, { interval = 1000 })
    assert.equals(1000, slow:about().interval)
    do
      local fast <close> = begin(client)
      looks(fast, 2)
    end
    assert.equals(1000, slow:about().interval)
  end)

  it("tells at once that a domain cannot be watched", function()
    local client = fake_client { acme = { code = "ResourceNotFoundException", status = 404, message = "no such domain" } }
    local of, err = watch.begin { client = client, domain = "acme", interval = 1, stale_after = 1 }
    assert.is_nil(of)
    assert.equals("ResourceNotFoundException", err.code)
    client.list.acme = { {} }
    local again <close> = begin(client)
    looks(again, 1)
  end)

  it("ends when whoever began the watch was given up before it had looked", function()
    local client = fake_client { acme = { {}, {} } }
    local whole_pages = client.whole_pages
    function client:whole_pages(...)
      task.sleep(0.05)
      return whole_pages(self, ...)
    end
    local beginning = task.spawn(begin, client)
    task.sleep(0.01)
    beginning:cancel()
    beginning:wait()
    task.sleep(0.2)
    assert.equals(0, client.asked)
  end)

  it("goes on after failures, and misses nothing that it has not told", function()
    local client = fake_client { acme = { { item("a", "CREATED") } } }
    local of <close> = begin(client)
    local told = record(of)
    client.list.acme = { code = "AccessDeniedException", status = 403, message = "not now" }
    eventually(function() return of:about().failures >= 2 end)
    client.list.acme = { { item("b", "CREATED", 2000), item("a", "SUCCEEDED") } }
    eventually(function() return #told == 2 end)
    assert.same({ "created b nil CREATED", "succeeded a CREATED SUCCEEDED" }, told)
    eventually(function() return of:about().failures == 0 end) -- what a look shows is told before the look has ended
  end)

  it("tells an outage of several domains once, and its end", function()
    local log = require "upjob.log"
    local warn, lines = log.warn, {}
    log.warn = function(format, ...) lines[#lines + 1] = format:format(...) end -- luacheck: ignore 122
    local client = fake_client { acme = { {} }, other = { {} } }
    local of <close> = begin(client)
    local other <close> = begin(client, { domain = "other" })
    for _, domain in ipairs { "acme", "other" } do
      client.list[domain] = { code = "ConnectionError", retryable = true, message = "no network" }
    end
    eventually(function() return of:about().failures >= 4 and other:about().failures >= 4 end)
    assert.equals(1, #lines)
    assert.matches("^the upload jobs of domain %w+ are not seen: no network; they are looked for until they are", lines[1])
    client.list.acme = { {} }
    eventually(function() return of:about().failures == 0 end)
    assert.equals(1, #lines)
    client.list.other = { {} }
    eventually(function() return other:about().failures == 0 end)
    log.warn = warn -- luacheck: ignore 122
    assert.equals(2, #lines)
    assert.matches("^the upload jobs of 2 domains are seen again, after ", lines[2])
    assert.is_nil(next(of.poller.group.outages))
  end)

  it("takes what is created after a first look that failed for something new", function()
    local client = fake_client { acme = { code = "ConnectionError", retryable = true, message = "no network" } }
    local of <close> = begin(client)
    local told = record(of)
    client.list.acme = { { item("new", "CREATED", os.time() + 1), item("old", "CREATED", os.time() - 3600) } }
    eventually(function() return #told > 0 end)
    assert.same({ "created new nil CREATED" }, told)
  end)

  it("slows down for all domains of a client while the service throttles", function()
    local client = fake_client { acme = { {} }, other = { {} } }
    local of <close> = begin(client)
    local other <close> = begin(client, { domain = "other" })
    client.list.acme = { code = "ThrottlingException", status = 429, retryable = true, message = "Rate exceeded" }
    eventually(function() return of:about().failures >= 1 end)
    assert.is_true(other.poller.group.slow > 1)
    client.list.acme = { {} }
    eventually(function() return other.poller.group.slow == 1 end)
  end)
end)

describe("what is remembered of a list", function()
  -- Pages of a domain, newest first, with `open` ids that have not ended.
  local function take_pages(seen, pages, whole)
    seen:begin(whole)
    local changes, read = {}, 0
    for _, page in ipairs(pages) do
      read = read + 1
      for _, one in ipairs(page) do
        local is_new, from = seen:take(one, 1)
        if is_new ~= nil then changes[#changes + 1] = one.JobId .. " " .. tostring(from) end
      end
      if seen:may_end() then
        seen:finish(false)
        return changes, read
      end
    end
    seen:finish(true)
    return changes, read
  end
  local function pages_of(status)
    local pages = {}
    for page = 1, 4 do
      pages[page] = {}
      for n = 1, 5 do pages[page][n] = item(page .. "." .. n, status, 100000 - page * 10000 - n) end
    end
    return pages
  end

  it("spares the pages of old ended jobs of a list that was seen newest first", function()
    local seen, pages = jobs_seen.new(), pages_of "SUCCEEDED"
    assert.equals(4, select(2, take_pages(seen, pages)))
    assert.equals(2, select(2, take_pages(seen, pages)))
    assert.equals(4, select(2, take_pages(seen, pages, true)))
  end)

  it("goes as deep as there is a job that has not ended", function()
    local seen, pages = jobs_seen.new(), pages_of "SUCCEEDED"
    pages[3][3].Status = "IN_PROGRESS"
    take_pages(seen, pages)
    assert.equals(3, select(2, take_pages(seen, pages)))
    pages[3][3] = item("3.3", "FAILED", pages[3][3].CreatedAt)
    assert.same({ "3.3 IN_PROGRESS" }, (take_pages(seen, pages)))
  end)

  it("goes to the end of a list that is in no order, or tells no times", function()
    local seen, pages = jobs_seen.new(), pages_of "SUCCEEDED"
    pages[4][1].CreatedAt = 1e6
    take_pages(seen, pages)
    assert.equals(4, select(2, take_pages(seen, pages)))
    seen, pages = jobs_seen.new(), pages_of "SUCCEEDED"
    pages[2][2].CreatedAt = nil
    take_pages(seen, pages)
    assert.equals(4, select(2, take_pages(seen, pages)))
  end)

  it("finds in time what a list that is in another order after all has hidden", function()
    local seen, pages = jobs_seen.new(), pages_of "SUCCEEDED"
    take_pages(seen, pages)
    pages[4][6] = item("hidden", "CREATED", 1)
    local found = {}
    for _ = 1, 20 do
      for _, change in ipairs((take_pages(seen, pages))) do found[#found + 1] = change end
    end
    assert.same({ "hidden nil" }, found)
  end)
end)

describe("job.watch", function()
  it("tells what becomes of jobs on a service", function()
    local client <close> = assert(profiles.client { embedded = true })
    assert(client:create_domain { DomainName = "watched", DefaultExpirationDays = 30 })
    local of <close> = assert(job.watch { client = client, domain = "watched", interval = 0.1 })
    local told = record(of)
    local id = assert(client:create_upload_job { DomainName = "watched", DisplayName = "spring", UniqueKey = "id",
      Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } }).JobId
    eventually(function() return #told == 1 end)
    assert(client:stop_upload_job { DomainName = "watched", JobId = id })
    eventually(function() return #told == 2 end)
    assert.same({ ("created %s nil CREATED"):format(id), ("failed %s CREATED STOPPED"):format(id) }, told)
    local none, err = job.watch { client = client, domain = "nowhere" }
    assert.is_nil(none)
    assert.equals(404, err.status)
  end)

  it("ends with its client", function()
    local client = assert(profiles.client { embedded = true })
    client:create_domain { DomainName = "watched", DefaultExpirationDays = 30 }
    local of = assert(job.watch { client = client, domain = "watched", interval = 0.1 })
    client:close()
    for _ in of:events() do end
    assert.matches("the client was closed", tostring(of.error))
  end)
end)
