--- When a run did what: its events as lines for a person, with their times. Calls that were made again and again for one reason
--- are one line.
local report = require "upjob.report"
local system = require "upjob.native.system"

local timeline = {}

local MOST = 500 -- lines: a job may be watched for days, from the other end of a bad line

-- What was being done when a call had to be made again.
local DOING = { check = "checking", create = "creating the job", path = "asking where to upload", upload = "uploading",
                agree = "looking for other jobs of the run key", wait = "waiting for the start", start = "starting the job",
                watch = "watching the job" }

--- 0.0123 → "0.012 s"; from a second on as report.seconds
function timeline.seconds(n)
  return n < 1 and ("%.3f s"):format(n) or report.seconds(n)
end

local function rate(sent)
  if not sent.bytes or not sent.seconds or sent.seconds <= 0 then return "" end
  return (", %s/s"):format(report.bytes(math.floor(sent.bytes / sent.seconds)))
end

local SAID = {
  checked = function(checked)
    local out = checked.unwanted > 0 and (", %s left out by the mapping"):format(report.count(checked.unwanted)) or ""
    return ("checked: %s, %s of them rejected%s"):format(report.plural(checked.rows, "row"), report.count(checked.bad_rows), out)
  end,
  created = function(created) return ("job created: %s"):format(created.JobId) end,
  uploaded = function(sent)
    local attempts = (sent.attempts or 1) > 1 and (", at the %d. attempt"):format(sent.attempts) or ""
    return ("uploaded: %s in %s%s%s"):format(report.bytes(sent.bytes), timeline.seconds(sent.seconds), rate(sent), attempts)
  end,
  started = function() return "job started" end,
  status = function(change)
    local reason = change.StatusReason and (" (%s)"):format(change.StatusReason) or ""
    return change.from and ("status: %s → %s%s"):format(change.from, change.to, reason)
      or ("status: %s%s"):format(change.to, reason)
  end,
}

SAID.retrying = function(retry, times)
  return ("%s: %s; tried again%s"):format(DOING[retry.step] or retry.step, tostring(retry.error),
    times > 1 and (" %d times"):format(times) or (" after %s"):format(timeline.seconds(retry.delay)))
end

-- Whether a call was made again for the reason that the last line tells.
local function is_same(last, name, event)
  return name == "retrying" and last.name == name and last.event.step == event.step and last.event.part == event.part
    and tostring(last.event.error) == tostring(event.error)
end

--- A timeline that begins now, with a line of text.
function timeline.new(text)
  return { { time = system.time(), text = text } }
end

--- Takes an event of a run, by its name (upjob.events); most are told, some say nothing.
function timeline.note(list, name, event)
  local last = list[#list]
  if not SAID[name] then return end
  if is_same(last, name, event) then
    last.times = last.times + 1
    return
  end
  if #list == MOST then table.remove(list, 2) end
  list[#list + 1] = { time = system.time(), name = name, event = event, times = 1 }
end

--- As lines: { { time = epoch, text= }, … }.
function timeline.lines(list)
  local lines = {}
  for i, entry in ipairs(list) do
    local part = entry.event and entry.event.part
    local text = entry.text or SAID[entry.name](entry.event, entry.times)
    lines[i] = { time = entry.time, text = part and ("part %d: %s"):format(part, text) or text }
  end
  return lines
end

return timeline
