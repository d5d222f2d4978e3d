--- The changes of a domain's jobs as lines: for a person, or JSON lines.
local json = require "upjob.json"
local report = require "upjob.report"

local watch_lines = {}

-- "created", "CREATED → IN_PROGRESS", "FAILED (VALIDATION_FAILURE)", "CREATED for 6 h 00 min"
local function what(event)
  if event.name == "created" then return "created" end
  if event.name == "stale" then return ("%s for %s"):format(event.to, report.seconds(event.seconds)) end
  local reason = event.StatusReason and (" (%s)"):format(event.StatusReason) or ""
  return (event.from and event.from .. " → " or "") .. event.to .. reason
end

--- "2026-11-29 06:00:12  3f…9c  CREATED → IN_PROGRESS  customers.csv"
function watch_lines.text(event)
  return report.safe(("%s  %s  %s  %s"):format(report.time(event.at), event.JobId, what(event), event.DisplayName or ""))
end

--- Prints each event of the watch until it ends, or nobody reads.
function watch_lines.print(watch, as_json)
  for _, event in watch:events() do
    local line = as_json and json.encode(event) or watch_lines.text(event)
    if not io.stdout:write(line, "\n") or not io.stdout:flush() then return end
  end
end

return watch_lines
