--- What the probe checks of calls and of the life of a job: jobs that fail as a whole, are stopped, or are called at the wrong
-- time. No record of theirs becomes a profile, as far as what is inferred holds.
local probe = require "upjob.probe"
local system = require "upjob.native.system"

local jobs = {
  facts = { "timestamps", "display-name", "max-expiry", "client-token", "content-md5", "after-start", "stop-created",
            "stop-running", "missing-file", "empty-file", "not-utf8", "missing-column", "missing-key-column", "no-records",
            "all-failed" },
  late_facts = { "second-start", "late-path", "stop-ended", "wrong-state" },
}

local DAY = 86400

-- A job that fails as a whole: the fact, the file, other fields than the simple ones.
local FAILING = {
  { fact = "empty-file", text = function() return "" end },
  { fact = "not-utf8", text = function(key) return ("Account,First\n%s,M\xFCller\n"):format(key) end },
  { fact = "missing-column", text = function(key) return ("Account,Other\n%s,Ann\n"):format(key) end },
  { fact = "missing-key-column", text = function() return "First,Other\nAnn,x\n" end },
  { fact = "no-records", text = function() return "Account,First\n" end },
  -- The one record is wrong in every way that is inferred to fail a record which has its key.
  { fact = "all-failed",
    text = function(key) return ("Account,First,Number,Email\n%s,%s\0,none,none,more\n"):format(key, ("x"):rep(300)) end,
    fields = function()
      local fields = probe.simple_fields()
      fields.Number = probe.field("Number", "BusinessName", "NUMBER")
      fields.Email = probe.field("Email", "EmailAddress", "EMAIL_ADDRESS")
      return fields
    end },
}

-- ---- before the wait ----

-- Two jobs of one name, the first with the longest expiry. The second is started without a file.
local function prepare_twins(self)
  local first, err = self:try_create { name = "twin", expires = 1098 }
  if not self:judge("max-expiry", first ~= nil, first == nil and "refused: " .. tostring(err)) then
    first = self:create { name = "twin" }
  end
  self.twin = first
  local second
  second, err = self:try_create { name = "twin" }
  if not self:judge("display-name", second ~= nil, second == nil and "refused: " .. tostring(err)) then
    second = self:create { name = "without a file" }
  end
  local ok
  ok, err = self:try("start_upload_job", { JobId = second.id })
  if ok then
    second.started = true
    self:look(second)
    self.fileless = second
  else
    self:judge("missing-file", false, "StartUploadJob was refused: " .. tostring(err))
  end
end

local function prepare_failing(self, case)
  local options = { name = case.fact, fields = case.fields and case.fields() }
  self.failing[case.fact] = self:begin(options, case.text(self:key(case.fact)))
end

-- Nothing is done between the start and the stop.
local function prepare_stopped(self)
  local job = self:create { name = "stopped" }
  self:upload(job, ("Account,First\n%s,Ann\n"):format(self:key("stopped")))
  self:call("start_upload_job", { JobId = job.id })
  job.started = true
  local ok, err = self:try("stop_upload_job", { JobId = job.id })
  local reply = self:look(job)
  self.stopped = job
  if ok then return end
  if job.ended then
    self:skip("stop-running", "the job had ended before it could be stopped")
  else
    self:judge("stop-running", false, ("refused while %s: %s"):format(reply.Status, tostring(err)))
  end
end

function jobs.prepare(self)
  self.failing = {}
  self:scenario({ "display-name", "max-expiry", "missing-file" }, prepare_twins)
  for _, case in ipairs(FAILING) do self:scenario({ case.fact }, prepare_failing, case) end
  self:scenario({ "stop-running" }, prepare_stopped)
end

-- ---- after it ----

local function judge_failing(self, name, job)
  local reply = self:outcome(job, "its job")
  self:judge(name, reply.Status == "FAILED" and reply.StatusReason == "VALIDATION_FAILURE", probe.status_text(reply))
end

local function judge_stops(self)
  local ok, err = self:try("stop_upload_job", { JobId = self.twin.id })
  local reply = self:look(self.twin)
  self:judge("stop-created", ok ~= nil and reply.Status == "STOPPED",
    ok and "taken, and then " .. reply.Status or "refused: " .. tostring(err))
end

local function judge_stopped(self)
  local reply = self:outcome(self.stopped, "its job")
  self:judge("stop-running", reply.Status == "STOPPED", "taken, and then " .. probe.status_text(reply))
end

local function judge_times(self)
  local times, fractions = 0, 0
  for _, job in ipairs(self.jobs) do
    for _, name in ipairs { "CreatedAt", "CompletedAt" } do
      local time = job.reply and job.reply[name]
      if time then
        if type(time) ~= "number" or math.abs(time - system.time()) > DAY then
          self:judge("timestamps", false, ("%s is %s, which is no epoch in seconds of today"):format(name, tostring(time)))
          return
        end
        times = times + 1
        if time % 1 ~= 0 then fractions = fractions + 1 end
      end
    end
  end
  if times == 0 then probe.give_up("no job had a timestamp") end
  self:judge("timestamps", fractions > 0, ("whole seconds in all of %d"):format(times))
end

-- From the start on a job is IN_PROGRESS, in whatever of its looks it is, until it has ended.
local function judge_progress(self)
  local seen = 0
  for _, job in ipairs(self.jobs) do
    for _, status in ipairs(job.started and job.looks or {}) do
      if status == "CREATED" then
        self:judge("after-start", false, "CREATED, still, after StartUploadJob was answered")
        return
      end
      if status == "IN_PROGRESS" then seen = seen + 1 end
    end
  end
  if seen > 0 then
    self:judge("after-start", true)
  else
    self:skip("after-start", "every job had ended before it was looked at")
  end
end

function jobs.judge(self)
  self:scenario({ "missing-file" }, judge_failing, "missing-file", self.fileless)
  for _, case in ipairs(FAILING) do self:scenario({ case.fact }, judge_failing, case.fact, self.failing[case.fact]) end
  if not self.verdicts["stop-running"] then self:scenario({ "stop-running" }, judge_stopped) end
  self:scenario({ "stop-created" }, judge_stops)
  self:scenario({ "timestamps" }, judge_times)
  self:scenario({ "after-start" }, judge_progress)
end

-- ---- calls in the wrong state ----

-- A call that is to be refused, and how.
local function expect_refusal(self, fact, operation, job, when)
  local reply, err = self:try(operation, { JobId = job.id })
  self:judge(fact, reply == nil, "taken " .. when)
  if reply then return end
  self:judge("wrong-state", err.status == 400 and err.code == "BadRequestException", ("%s (%s)"):format(err.code, err.status))
end

--- Right after the start of a job.
function jobs.start_again(self, job)
  expect_refusal(self, "second-start", "start_upload_job", job, "right after the first")
end

--- The last of all: a start that is taken may run the job again.
function jobs.judge_late(self)
  local ended
  for _, job in ipairs(self.jobs) do ended = ended or job.started and job.ended and job.reply.Status ~= "STOPPED" and job end
  if not ended then probe.give_up("no job has ended by itself") end
  expect_refusal(self, "late-path", "get_upload_job_path", ended, "when the job had ended")
  expect_refusal(self, "stop-ended", "stop_upload_job", ended, "when the job had ended")
  expect_refusal(self, "second-start", "start_upload_job", ended, "when the job had ended")
  if not self.verdicts["wrong-state"] then self:skip("wrong-state", "no call in the wrong state was refused") end
  self:look(ended) -- one that runs again is to be stopped
end

return jobs
