-- Watches domains, with two handlers each, at the rate that the real service is taken to allow. Prints what it costs, as JSON.
-- upjob run watch.lua URL DOMAINS SECONDS EVENTS
local url, domains, seconds, expected = ...
domains, seconds, expected = math.tointeger(domains), tonumber(seconds), math.tointeger(expected)

local client = assert(profiles.client { endpoint_url = url, region = "us-east-1", rates = { list_upload_jobs = 5 },
                                        credentials = { access_key_id = "local", secret_access_key = "local" } })
local began, events, watches = os.time(), 0, {}
for i = 1, domains do
  watches[i] = assert(job.watch { client = client, domain = "bench-" .. i })
  watches[i]:on("status", function() events = events + 1 end)
  watches[i]:on("*", function() end)
end

local function sum(name)
  local total = 0
  for _, watch in ipairs(watches) do total = total + watch:about()[name] end
  return total
end

local function memory(name)
  for line in io.lines "/proc/self/status" do
    local kib = line:match("^" .. name .. ":%s*(%d+)")
    if kib then return kib / 1024 end
  end
end

print(json.encode { begun = os.time() - began, jobs = sum "jobs" })
io.stdout:flush()
local cpu, calls = os.clock(), sum "calls"
task.sleep(seconds)
cpu, calls = os.clock() - cpu, sum "calls" - calls
for _ = 1, 60 do
  if events >= expected then break end
  task.sleep(1)
end
print(json.encode { cpu = cpu / seconds, calls = calls / seconds, resident = memory "VmRSS", peak = memory "VmHWM",
                    failures = sum "failures", events = events, open = sum "open" })
for _, watch in ipairs(watches) do watch:close() end
