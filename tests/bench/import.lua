-- One import into an embedded service of this process, its parts timed. Prints one JSON object.
-- upjob run import.lua FILE KEY-COLUMN
local json = require "upjob.json"
local system = require "upjob.native.system"
local file, key = ...

local client = assert(profiles.client { embedded = true })
assert(client:create_domain { DomainName = "bench", DefaultExpirationDays = 30 })

local parts, last = {}, system.time()
local function lap(name)
  local now = system.time()
  parts[name] = now - last
  last = now
end

local run = assert(job.import { client = client, domain = "bench", file = file, key = key })
for _, name in ipairs { "checked", "created", "uploaded", "started" } do run:on(name, function() lap(name) end) end
local result = assert(run:wait())
lap "ingested"
parts.rows, parts.status, parts.counts = result.rows, result.Status, result.ResultsSummary
print(json.encode(parts))
