--- upjob.probe: checks what is inferred of the real service on a domain: a handful of tiny jobs, and a verdict a fact.
-- This file has the probe itself: its calls, its jobs, its verdicts, what it leaves. What is checked, and how, is in
-- probe_jobs.lua, probe_records.lua, probe_mapping.lua, probe_segments.lua and probe_limits.lua.
local errors = require "upjob.errors"
local exit = require "upjob.exit"
local facts = require "upjob.facts"
local native = require "upjob.native.task"
local report = require "upjob.report"
local system = require "upjob.native.system"

local probe = {}
probe.__index = probe

-- Jobs of a run, when all is as inferred, and when mappings must be tried one by one. The help tells them.
probe.JOBS, probe.MOST_JOBS = 12, 16

local ENDED = { SUCCEEDED = true, PARTIALLY_SUCCEEDED = true, FAILED = true, STOPPED = true }
local PUT_ATTEMPTS = 3
local FIRST_POLL, LAST_POLL = 0.05, 15 -- seconds

-- ---- verdicts ----

local function set(self, name, verdict, seen)
  assert(facts.sentence[name], name)
  local old = self.verdicts[name]
  -- One look that differs is not outweighed by others that do not, nor by what could not be looked at.
  if old and (old.verdict == "differs" or verdict == "not checked") then return end
  self.verdicts[name] = { verdict = verdict, seen = seen }
end

--- The fact holds, or `seen` says what is so instead.
function probe:judge(name, holds, seen)
  set(self, name, holds and "held" or "differs", not holds and seen or nil)
  return holds
end

--- `failed`: because of something that was not expected, and not by the nature of it.
function probe:skip(name, why, failed)
  set(self, name, "not checked", why)
  if self.verdicts[name].seen == why then self.verdicts[name].failed = failed end
end

--- Ends the scenario: what it has not judged cannot be.
function probe.give_up(format, ...)
  error(errors.new { code = "NotChecked", message = format:format(...) }, 0)
end

--- Runs a part of the probe. Facts that it has not judged when it fails are not checked, because of that.
function probe:scenario(names, fn, ...)
  local ok, err = pcall(fn, self, ...)
  if ok then return true end
  if not errors.is(err) or err.code == "Interrupted" or err.code == "Cancelled" then error(err, 0) end
  local why = err.code == "NotChecked" and err.message or tostring(err)
  self.trouble = self.trouble or why
  for _, name in ipairs(names) do
    if not self.verdicts[name] then self:skip(name, why, true) end
  end
  return false
end

--- The verdicts in their order: { name=, sentence=, verdict=, seen= }, and how many there are of each.
function probe:report()
  local list, count = {}, { held = 0, differs = 0, ["not checked"] = 0, failed = 0 }
  for i, name in ipairs(facts.list) do
    local found = self.verdicts[name]
      or { verdict = "not checked", failed = true, seen = self.trouble or "the probe ended before it" }
    list[i] = { name = name, sentence = facts.sentence[name], verdict = found.verdict, seen = found.seen }
    count[found.verdict] = count[found.verdict] + 1
    if found.failed then count.failed = count.failed + 1 end
  end
  return list, count
end

-- ---- calls ----

--- reply | nil, err
function probe:try(operation, params)
  params = params or {}
  params.DomainName = self.domain
  return self.client[operation](self.client, params)
end

--- A call whose failure ends the scenario.
function probe:call(operation, params)
  local reply, err = self:try(operation, params)
  if not reply then error(err, 0) end
  return reply
end

--- Calls again, until `enough(value)` or the time for it is over: the last value.
function probe.until_true(seconds, look, enough)
  local until_, pause = native.now() + seconds, FIRST_POLL
  while true do
    local value = look()
    if enough(value) or native.now() > until_ then return value end
    native.sleep(pause)
    pause = math.min(pause * 1.5, LAST_POLL)
  end
end

-- ---- jobs ----

--- A field of a mapping.
function probe.field(column, target, content_type)
  return { Source = "_source." .. column, Target = "_profile." .. target, ContentType = content_type }
end

--- The mapping of the jobs that need no other.
function probe.simple_fields()
  return { Account = probe.field("Account", "AccountNumber"), First = probe.field("First", "FirstName") }
end

--- The key of a record. Every profile that the probe makes has one as its AccountNumber, and by it is found and deleted.
function probe:key(name)
  local key = self.prefix .. "-" .. name
  if not self.keys[key] then
    self.keys[key] = true
    table.insert(self.keys, key)
  end
  return key
end

--- Creates a job: the job | nil, err. options: name, fields, unique_key, expires.
function probe:try_create(options)
  local before = self.unanswered
  self.unanswered = true -- and so it stays when this is interrupted
  local reply, err = self:try("create_upload_job", {
    DisplayName = self.prefix .. " " .. options.name, Fields = options.fields or probe.simple_fields(),
    UniqueKey = options.unique_key or "Account", DataExpiry = options.expires or 1,
  })
  self.unanswered = before or not reply and err.outcome == "unknown"
  if not reply then return nil, err end
  local job = { id = reply.JobId, name = options.name, looks = {} }
  table.insert(self.jobs, job)
  return job
end

function probe:create(options)
  local job, err = self:try_create(options)
  if not job then error(err, 0) end
  return job
end

function probe:look(job)
  local reply = self:call("get_upload_job", { JobId = job.id })
  job.reply = reply
  job.ended = ENDED[reply.Status] or false
  table.insert(job.looks, reply.Status)
  return reply
end

--- GetUploadJobPath, with what is to be said of the key.
function probe:path(job)
  local path = self:call("get_upload_job_path", { JobId = job.id })
  local token = path.ClientToken
  if not token then probe.give_up("GetUploadJobPath gave no ClientToken: no file can be uploaded") end
  local text = token:reveal()
  if #text ~= 44 or not text:find("^[%w+/]+=$") then
    self:judge("client-token", false, ("%d characters, not the 44 of base64"):format(#text))
    probe.give_up("no file can be uploaded: ClientToken is not base64 of 32 bytes")
  end
  return path
end

--- Puts a text as the file of a job; the result of the PUT | nil, err
function probe:put(path, text)
  self.files = self.files + 1
  local file = ("%s/%d.csv"):format(self.directory, self.files)
  assert(system.write_private(file, text))
  local sent, err
  for attempt = 1, PUT_ATTEMPTS do
    sent, err = require("upjob.upload").put { url = path.Url, key = path.ClientToken, file = file, allow_empty = true }
    if sent or not err.retryable or attempt == PUT_ATTEMPTS then break end
    native.sleep(attempt)
  end
  os.remove(file)
  if sent then
    self:judge("client-token", true)
    self:judge("content-md5", sent.attempts == 1, "refused; sent again without it, the file was taken")
  end
  return sent, err
end

function probe:upload(job, text)
  local sent, err = self:put(self:path(job), text)
  if not sent then error(err, 0) end
  return sent
end

--- Starts a job and looks at it at once.
function probe:start(job)
  self:call("start_upload_job", { JobId = job.id })
  job.started = true
  return self:look(job)
end

--- Creates, uploads and starts a job.
function probe:begin(options, text)
  local job = self:create(options)
  self:upload(job, text)
  self:start(job)
  return job
end

--- Waits until all jobs that were started have ended, or the time is over.
function probe:wait()
  local function running()
    for _, job in ipairs(self.jobs) do
      if job.started and not job.ended then self:look(job) end
    end
  end
  local function all_ended()
    for _, job in ipairs(self.jobs) do
      if job.started and not job.ended then return false end
    end
    return true
  end
  probe.until_true(self.timeout, running, all_ended)
end

--- What a job came to; one that has not ended, or was not begun, ends the scenario.
function probe:outcome(job, what)
  if not job or not job.started then probe.give_up("%s was not started", what) end
  if not job.ended then probe.give_up("%s (%s) has not ended within %g s: %s", what, job.id, self.timeout, job.reply.Status) end
  return job.reply
end

--- A status and its reason, to be read.
function probe.status_text(reply)
  return reply.StatusReason and ("%s (%s)"):format(reply.Status, reply.StatusReason) or reply.Status
end

-- ---- profiles ----

--- The profiles that a search finds.
function probe:search(key, value)
  return self:call("search_profiles", { KeyName = key, Values = { value }, MaxResults = 100 }).Items or {}
end

--- The profiles of a key.
function probe:find(name)
  return self:search("_account", self:key(name))
end

-- ---- the end ----

-- Deletes the profiles of the probe, and no others: how many are left | nil, err
local function delete_profiles(self)
  local left, refusal = 0, nil
  for _, key in ipairs(self.keys) do
    local found = self:search("_account", key)
    for _, profile in ipairs(found) do
      local ok, err
      -- What the search gives is not trusted with a deletion.
      if profile.AccountNumber == key and not refusal then
        ok, err = self:try("delete_profile", { ProfileId = profile.ProfileId })
      end
      if not ok then left = left + 1 end
      refusal = refusal or err
    end
  end
  return left, refusal
end

-- A job whose creation was not answered may be there all the same: its name tells.
local function adopt_unanswered(self)
  local known = {}
  for _, job in ipairs(self.jobs) do known[job.id] = true end
  for item in self.client:pages("list_upload_jobs", { DomainName = self.domain, MaxResults = 100 }) do
    if item.DisplayName:sub(1, #self.prefix) == self.prefix and not known[item.JobId] then
      table.insert(self.jobs, { id = item.JobId, name = item.DisplayName, looks = {}, ended = ENDED[item.Status] })
    end
  end
end

--- Stops what has not ended. What then is left: { jobs = list of ids, running = those that could not be stopped }
function probe:stop_jobs()
  local left = { jobs = {}, running = {} }
  if self.unanswered then self:scenario({}, adopt_unanswered) end
  for _, job in ipairs(self.jobs) do
    table.insert(left.jobs, job.id)
    if not job.ended then
      local ok, err = self:try("stop_upload_job", { JobId = job.id })
      if not ok then
        local reply = self:try("get_upload_job", { JobId = job.id })
        if not reply or not ENDED[reply.Status] then
          table.insert(left.running, { id = job.id, error = tostring(err) })
        end
      end
      job.ended = true
    end
  end
  return left
end

-- nil, or the error that it is left for.
local function delete_segments(self)
  local left, why = {}, nil
  for _, name in ipairs(self.segments) do
    local _, err = self:try("delete_segment_definition", { SegmentDefinitionName = name })
    if err then
      table.insert(left, name)
      why = why or err
    end
  end
  self.segments = left
  return why
end

--- Cleans up as far as the API allows: what is left behind.
function probe:clean_up()
  local left = self:stop_jobs()
  local segment_error = delete_segments(self)
  local ok, profiles, refusal = pcall(delete_profiles, self)
  if not ok and (not errors.is(profiles) or profiles.code == "Interrupted") then error(profiles, 0) end
  left.profiles = ok and profiles or nil
  left.segments = self.segments
  local why = not ok and profiles or refusal or segment_error
  left.why = why and tostring(why)
  return left
end

-- ---- the probe ----

--- probe.new{ client=, domain=, settle=, timeout=, large=, rates=, say=function(text) end, interrupted=function(probe) end }
function probe.new(options)
  return setmetatable({
    client = options.client, domain = options.domain, settle = options.settle, timeout = options.timeout,
    large = options.large, rates = options.rates, say = options.say, on_interrupt = options.interrupted,
    prefix = ("upjob-probe-%04x%04x%04x"):format(math.random(0, 65535), math.random(0, 65535), os.time() & 65535),
    verdicts = {}, segments = {}, jobs = {}, keys = {}, files = 0,
  }, probe)
end

--- The upload jobs of others that are IN_PROGRESS in the domain | nil, err. Judges what a list can show.
function probe:jobs_in_progress()
  local page, err = self:try("list_upload_jobs")
  if not page then return nil, err end
  if page.NextToken then
    self:judge("list-page", #page.Items == 100, ("%d"):format(#page.Items))
  else
    local many = #page.Items > 100
    if many then
      self:judge("list-page", false, ("%d on one page"):format(#page.Items))
    else
      self:skip("list-page", ("one page has all of the domain's %s"):format(report.plural(#page.Items, "upload job")))
    end
  end
  local running = {}
  for _, item in ipairs(page.Items) do
    if item.Status == "IN_PROGRESS" then running[#running + 1] = item.JobId end
  end
  return running
end

--- Checks everything.
function probe:run()
  local jobs, records = require "upjob.probe_jobs", require "upjob.probe_records"
  local mappings, limits = require "upjob.probe_mapping", require "upjob.probe_limits"
  local directory, err = system.temporary_directory()
  if not directory then return nil, err end
  self.directory = directory
  local unhook = exit.add(function(reason)
    system.remove_tree(directory)
    if reason ~= "done" then self:interrupted() end
  end)
  self.say("creating and starting jobs")
  self:scenario(jobs.facts, jobs.prepare)
  self:scenario(records.facts, records.prepare)
  self:scenario(mappings.facts, mappings.prepare)
  self.say(("waiting for %d jobs to end"):format(#self.jobs))
  self:scenario({}, probe.wait)
  self:scenario(jobs.facts, jobs.judge)
  self.say("looking at what they have imported")
  self:scenario(records.facts, records.judge)
  self:scenario(mappings.facts, mappings.judge)
  self:scenario(records.later_facts, records.judge_later)
  self:scenario(jobs.late_facts, jobs.judge_late)
  limits.judge(self)
  self.say("cleaning up")
  local left = self:clean_up()
  unhook()
  system.remove_tree(directory)
  return left
end

--- The probe was interrupted: its jobs are stopped; profiles are left to vanish.
function probe:interrupted()
  self:on_interrupt()
  local left = self:stop_jobs()
  delete_segments(self)
  if #left.jobs == 0 then return end
  local word = #left.running == 0 and "are stopped" or "are stopped, but for those named here"
  self.say(("interrupted: the probe's %d jobs %s; profiles that they made vanish after a day (AccountNumber %s-…)"):format(
    #left.jobs, word, self.prefix))
  for _, job in ipairs(left.running) do self.say(("job %s could not be stopped: %s"):format(job.id, job.error)) end
end

return probe
