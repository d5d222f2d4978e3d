-- Signed calls of GetDomain, one after another and eight at a time. Prints seconds and CPU seconds of both, as JSON.
-- upjob run calls.lua URL COUNT
local system = require "upjob.native.system"
local url, count = ...
count = math.tointeger(count)
local client = assert(profiles.client { endpoint_url = url, region = "us-east-1",
                                        credentials = { access_key_id = "local", secret_access_key = "local" } })

local function timed(work)
  local began, used = system.time(), os.clock()
  work()
  return { seconds = system.time() - began, cpu = os.clock() - used }
end

local function call(times)
  for _ = 1, times do assert(client:get_domain { DomainName = "bench" }) end
end

call(20)
local one = timed(function() call(count) end)
local eight = timed(function()
  local callers = {}
  for i = 1, 8 do callers[i] = function() call(count // 8) end end
  assert(task.all(callers))
end)
print(json.encode { one = one, eight = eight })
