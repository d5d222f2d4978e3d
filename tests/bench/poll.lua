-- Clients that look at one job five times a second until it has ended. Prints how long the calls took, as JSON.
-- upjob run poll.lua URL DOMAIN JOB-ID CLIENTS
local system = require "upjob.native.system"
local url, domain, job_id, clients = ...

local client = assert(profiles.client { endpoint_url = url, region = "us-east-1",
                                        credentials = { access_key_id = "local", secret_access_key = "local" } })
local took, ended = {}, false

local function poll(number)
  task.sleep(number / clients * 0.2)
  while not ended do
    local began = system.time()
    local found = assert(client:get_upload_job { DomainName = domain, JobId = job_id })
    took[#took + 1] = system.time() - began
    ended = ended or found.Status ~= "IN_PROGRESS"
    task.sleep(0.2)
  end
end

local polls = {}
for i = 1, clients do polls[i] = function() poll(i) end end
assert(task.all(polls))
table.sort(took)
local function at(share) return took[math.max(1, math.ceil(#took * share))] end
print(json.encode { calls = #took, median = at(0.5), p99 = at(0.99), longest = took[#took] })
