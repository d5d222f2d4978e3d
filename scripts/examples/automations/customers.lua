-- Imports each file that is dropped into a directory, and tells every working morning which jobs have not ended.
-- upjob daemon scripts/examples/automations      UPJOB_DOMAIN, DROP (a directory) and KEY (a column) say for what.
local domain = os.getenv "UPJOB_DOMAIN" or "acme"
local drop = os.getenv "DROP" or "/srv/drop"
local key = os.getenv "KEY" or "CustomerId"

schedule.on_file(drop .. "/*.csv", {
  name = "import", timeout = "6h", retries = 3, backoff = "5m", limits = { memory = "512M" },
  run = function(event)
    local client = assert(profiles.client {})
    local run = assert(job.import { client = client, domain = domain, file = event.path, key = key })
    return assert(run:wait())
  end,
  on_failure = function(event, err) log.error("%s was not imported: %s", event.path, tostring(err)) end,
  on_recovery = function() log.info("files are imported again") end,
})

schedule.cron("0 7 * * MON-FRI", {
  name = "unfinished", tz = "Europe/Berlin", jitter = "5m",
  run = function()
    local client = assert(profiles.client {})
    for item in client:pages("list_upload_jobs", { DomainName = domain }) do
      if item.Status == "CREATED" or item.Status == "IN_PROGRESS" then
        log.warn("job %s (%s) is %s", item.JobId, item.DisplayName, item.Status)
      end
    end
  end,
})
