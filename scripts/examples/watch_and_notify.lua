-- Watch all upload jobs of a domain, and tell a webhook of those that fail or get stuck, until interrupted.
-- upjob run watch_and_notify.lua DOMAIN WEBHOOK-URL [SECONDS]
local domain, url, seconds = ...
if not url then return nil, "usage: watch_and_notify.lua DOMAIN WEBHOOK-URL [SECONDS]" end

local client = assert(profiles.client {})
local ops = notify.webhook { name = "ops", url = url } -- or notify.slack{…}, notify.email{…}, notify.exec{…}
local watch <close> = assert(job.watch { client = client, domain = domain, interval = "5s", stale_after = "6h" })

watch:on("failed", ops):on("stale", ops)
watch:on("status", function(event) print(event.JobId, event.DisplayName, event.from, "→", event.to) end)

task.sleep(tonumber(seconds) or math.huge)
