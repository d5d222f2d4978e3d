-- Import a file and post the result to a webhook.
-- upjob run import_and_notify.lua FILE DOMAIN KEY-COLUMN WEBHOOK-URL
local file, domain, key, webhook = ...
if not webhook then return nil, "usage: import_and_notify.lua FILE DOMAIN KEY-COLUMN WEBHOOK-URL" end

local client = assert(profiles.client {})
local run = assert(job.import { client = client, domain = domain, file = file, key = key })

run:on("status", function(change) log.info("%s: %s → %s", file, change.from, change.to) end)

local result = assert(run:wait { timeout = 3600 })
local reply = assert(http.post(webhook, result, { timeout = 30 }))
print(result.Status, "webhook answered " .. reply.status)
