--- What an event of this program is to a person: one subject, and a text. Events are the changes that job.watch tells, the
-- results and errors of imports, and what becomes of automations; any other table is told by its fields.
local errors = require "upjob.errors"
local report = require "upjob.report"

local notify_text = {}

local SUBJECT_MOST = 200 -- columns
local TEXT_MOST = 8192   -- bytes of one text: an event is no log
local DEPTH_MOST = 8
-- Values of cells are personal data, and stay where they are.
local LEFT_OUT = { value = true, values = true, problems = true, traceback = true }

-- ---- what can be told of an event ----

local function text_of(value)
  local text = utf8.len(value) and value or report.safe(value)
  if #text <= TEXT_MOST then return text end
  local last = TEXT_MOST
  while text:byte(last + 1) & 0xC0 == 0x80 do last = last - 1 end
  return text:sub(1, last) .. "…"
end

local function plain(value, depth)
  local kind = type(value)
  if kind == "string" then return text_of(value) end
  if kind == "number" then return value == value and math.abs(value) ~= math.huge and value or tostring(value) end
  if kind == "boolean" then return value end
  if kind ~= "table" or depth == 0 then return nil end
  local copy, list = {}, {}
  for k, v in pairs(value) do
    if type(k) == "string" and not LEFT_OUT[k] then copy[text_of(k)] = plain(v, depth - 1) end
  end
  for i, v in ipairs(value) do list[i] = plain(v, depth - 1) or false end
  return #list > 0 and next(copy) == nil and list or copy
end

--- The event as plain data, which can be JSON: without functions, secrets and values of cells.
function notify_text.plain(event)
  if type(event) ~= "table" then return { message = text_of(tostring(event)) } end
  local copy = plain(event, DEPTH_MOST)
  if errors.is(event) then copy = { error = copy } end
  if event.error ~= nil and type(event.error) ~= "table" then copy.error = { message = text_of(tostring(event.error)) } end
  return copy
end

-- ---- the subject ----

local function job_name(event)
  return event.DisplayName and ("job \"%s\""):format(event.DisplayName) or ("job %s"):format(event.JobId)
end

local function in_domain(event)
  local domain = event.DomainName
  return domain and (" in " .. domain) or ""
end

local function reason(event)
  return event.StatusReason and (" (%s)"):format(event.StatusReason) or ""
end

local function of_change(event)
  local what = job_name(event) .. in_domain(event)
  if event.name == "created" then return what .. " was created" end
  if event.name == "stale" then return ("%s has been %s for %s"):format(what, event.to, report.seconds(event.seconds or 0)) end
  return ("%s: %s%s"):format(what, event.to, reason(event))
end

local function of_result(event)
  local file = type(event.files) == "table" and report.plural(#event.files, "file")
    or event.file and event.file:match("[^/]+$")
  local what = file and ("import of %s%s"):format(file, event.DomainName and " to " .. event.DomainName or "")
    or job_name(event) .. in_domain(event)
  local counts = type(event.ResultsSummary) == "table" and next(event.ResultsSummary)
    and ", " .. report.summary(event.ResultsSummary) or ""
  local rejected = (tonumber(event.rejected) or 0) > 0 and (", %s rejected"):format(report.count(event.rejected)) or ""
  return ("%s: %s%s%s%s"):format(what, event.Status, reason(event), counts, rejected)
end

local function message_of(err)
  return type(err) == "table" and tostring(err.message or err.code or "an error") or tostring(err)
end

-- An automation that runs because of another tells what became of that one.
local function of_automation(event)
  local id = event.of or event.schedule
  local file = event.path and (" for %s"):format(tostring(event.path):match("[^/]+$") or event.path) or ""
  if event.error then return ("automation %s failed%s: %s"):format(id, file, message_of(event.error)) end
  if event.hook == "recovery" then return ("automation %s succeeds again%s"):format(id, file) end
  return ("automation %s%s: %s"):format(id, file, event.state or event.name or "it is due")
end

local function subject(event)
  if event.schedule then return of_automation(event) end
  if event.error then
    local what = event.file or event.JobId and job_name(event) or event.error.operation or event.error.file
    return (what and what .. ": " or "") .. message_of(event.error)
  end
  if event.JobId and event.to then return of_change(event) end
  if event.Status then return of_result(event) end
  if event.JobId then return ("%s%s: %s"):format(job_name(event), in_domain(event), event.name or "event") end
  return tostring(event.subject or event.message or event.name or "event")
end

-- ---- the text ----

local FIRST = { "message", "schedule", "path", "run", "DomainName", "JobId", "DisplayName", "from", "to", "Status",
                "StatusReason", "file", "rows", "rejected", "rejects", "seconds" }
local TIMES = { at = true, CreatedAt = true, CompletedAt = true, due = true, queued_at = true, begun_at = true, ended_at = true }

local function shown(name, value)
  if type(value) ~= "number" then return report.safe(value) end
  if TIMES[name] and value >= 0 and value < 1e11 then return report.time(value) end
  if name == "seconds" then return report.seconds(value) end
  return math.type(value) == "integer" and report.count(value) or ("%g"):format(value)
end

local function lines_of(event)
  local lines, told = {}, { name = true, job = true, subject = true }
  local function add(name)
    local value = event[name]
    if told[name] or value == nil or type(value) == "table" then return end
    told[name] = true
    lines[#lines + 1] = ("%-13s %s"):format(report.safe(name), shown(name, value))
  end
  for _, name in ipairs(FIRST) do add(name) end
  if type(event.ResultsSummary) == "table" and next(event.ResultsSummary) then
    lines[#lines + 1] = ("%-13s %s"):format("results", report.summary(event.ResultsSummary))
  end
  for _, name in ipairs(errors.names_of(event)) do add(name) end
  if type(event.error) == "table" then
    lines[#lines + 1] = ("%-13s %s"):format("error", report.safe(message_of(event.error)))
    if event.error.code then lines[#lines + 1] = ("%-13s %s"):format("code", report.safe(event.error.code)) end
  end
  return lines
end

--- The name of a plain event, for programs: its own, or what it is: "failure" and "recovery" of an automation, "error" and "done"
-- of an import.
function notify_text.name(event)
  return event.name or event.hook or event.error and "error" or event.Status and "done" or "event"
end

--- A plain event → its subject, one line; and its text, of several.
function notify_text.of(event)
  local line = report.cut(report.safe("upjob: " .. subject(event)), SUBJECT_MOST)
  return line, line .. "\n\n" .. table.concat(lines_of(event), "\n") .. "\n"
end

return notify_text
