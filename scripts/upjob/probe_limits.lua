--- What the probe checks only when asked: the rates, which takes calls that others in the account may miss, and the largest
-- file, which takes twice its size of traffic.
local native = require "upjob.native.task"
local probe = require "upjob.probe"
local task = require "upjob.task"

local limits = {}

local PACED_SECONDS, BURST = 2, 5 -- calls at the rate for so long; then so many times the rate at once
local WRITE_RATE, READ_RATE = 1, 5 -- calls a second

-- ---- rates ----

-- One call that is not made again: whether it was throttled.
local function is_throttled(client, operation, params)
  local reply, err = client[operation](client, params)
  return reply == nil and err.code == "ThrottlingException"
end

local function judge_rate(self, fact, operation, rate)
  local job = self.jobs[1]
  if not job then probe.give_up("there is no job to ask for") end
  local client <close> = assert(require("upjob.profiles").client { rates = false, max_attempts = 1 })
  local params = { DomainName = self.domain, JobId = job.id }
  native.sleep(2 / rate) -- what was called before is forgotten
  local calls, throttled = 0, 0
  for _ = 1, math.max(3, PACED_SECONDS * rate) do
    if is_throttled(client, operation, params) then throttled = throttled + 1 end
    calls = calls + 1
    native.sleep(1.05 / rate)
  end
  if not self:judge(fact, throttled == 0, ("of %d calls at %g a second %d were throttled"):format(calls, rate, throttled)) then
    return
  end
  local burst, began = {}, native.now()
  for i = 1, BURST * rate do
    burst[i] = function() return is_throttled(client, operation, params) end
  end
  local results = assert(task.all(burst))
  throttled = 0
  for _, struck in ipairs(results) do throttled = throttled + (struck and 1 or 0) end
  self:judge(fact, throttled > 0, ("all of %d calls within %.1f s were taken"):format(#burst, native.now() - began))
end

-- ---- the largest file ----

-- A file of that many bytes: one profile over and over, and a column that is not mapped for the bulk of it.
local function write_file(path, key, size)
  local header, padding = "Account,First,Padding\n", ("x"):rep(8000)
  local row = ("%s,Ann,%s\n"):format(key, padding)
  local file <close> = assert(io.open(path, "wb"))
  file:write(header)
  local left = size - #header
  for _ = 1, left // #row - 1 do assert(file:write(row)) end
  left = left - math.max(0, left // #row - 1) * #row
  assert(left > #key + 6, "a file of that size is too small")
  assert(file:write(key, ",Ann,", ("x"):rep(left - #key - 6), "\n"))
end

-- A job with a file of that size: what it came to, or "refused: …".
local function outcome_of_size(self, name, size)
  local job = self:create { name = name }
  local path = ("%s/%s.csv"):format(self.directory, name)
  write_file(path, self:key(name), size)
  local given = self:path(job)
  local sent, err = require("upjob.upload").put { url = given.Url, key = given.ClientToken, file = path }
  os.remove(path)
  if not sent then return "the upload was refused: " .. tostring(err) end
  self:start(job)
  self:wait()
  return probe.status_text(self:outcome(job, "the job of the large file"))
end

local function judge_size(self)
  local too_large = outcome_of_size(self, "large", self.large)
  local largest = outcome_of_size(self, "less", self.large - 1)
  local seen = "a file of %d bytes: %s"
  self:judge("max-file-bytes", too_large == "FAILED (VALIDATION_FAILURE)", seen:format(self.large, too_large))
  self:judge("max-file-bytes", largest == "SUCCEEDED", seen:format(self.large - 1, largest))
end

--- Judges what was asked for, and says what was not.
function limits.judge(self)
  if self.rates then
    self:scenario({ "read-rate" }, judge_rate, "read-rate", "get_upload_job", READ_RATE)
    self:scenario({ "write-rate" }, judge_rate, "write-rate", "stop_upload_job", WRITE_RATE)
  else
    for _, fact in ipairs { "read-rate", "write-rate" } do
      self:skip(fact, "it takes a burst of calls, which others in the account may miss: --rates")
    end
  end
  if self.large then
    self.say(("sending files of %d bytes"):format(self.large))
    self:scenario({ "max-file-bytes" }, judge_size)
  else
    self:skip("max-file-bytes", "it takes two gigabytes of upload: --large 1000000000")
  end
end

return limits
