-- Watch every running job of a domain, and stop those that are older than an hour.
-- upjob run stop_stale_jobs.lua DOMAIN [SECONDS]
local domain, limit = ...
limit = tonumber(limit or 3600)
if not domain or not limit then return nil, "usage: stop_stale_jobs.lua DOMAIN [SECONDS]" end

local client = assert(profiles.client {})

local function look_after(item)
  local run = job.attach { client = client, domain = domain, job_id = item.JobId }
  local left = item.CreatedAt + limit - os.time()
  local result, err = run:wait { timeout = math.max(left, 0) }
  if result then
    print(item.JobId, item.DisplayName, result.Status)
  elseif err.code == "TimeoutError" then
    assert(run:stop())
    print(item.JobId, item.DisplayName, "stopped after " .. limit .. " s")
  else
    error(err)
  end
end

local watches = {}
for item in client:pages("list_upload_jobs", { DomainName = domain }) do
  if item.Status == "IN_PROGRESS" or item.Status == "CREATED" then
    watches[#watches + 1] = task.spawn(look_after, item)
  end
end
assert(task.all(watches))
