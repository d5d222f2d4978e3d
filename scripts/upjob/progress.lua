--- How far a run is, on standard error: one line on a terminal, a log line every 10 seconds elsewhere.
local native = require "upjob.native.task"
local native_log = require "upjob.native.log"
local report = require "upjob.report"
local system = require "upjob.native.system"

local progress = {}
progress.__index = progress

local LOG_EVERY, DRAW_EVERY = 10, 0.1 -- seconds

--- options: quiet and json of the command line; log_every in seconds, 10 when not given.
function progress.new(options)
  return setmetatable({ quiet = options.quiet, log_every = options.log_every or LOG_EVERY, began = native.now(), drawn = 0,
    terminal = system.isatty("stderr") and not options.json and not report.is_json() and os.getenv("TERM") ~= "dumb",
    line = "waiting" }, progress)
end

local function bar(share, columns)
  local full = math.floor(share * columns + 0.5)
  return ("█"):rep(full) .. ("░"):rep(columns - full)
end

local function line_of(self, text, done, total)
  if not total or total <= 0 then return text end
  local share = math.min(done / total, 1)
  if not self.terminal then
    return ("%s: %.0f %%, %s of %s"):format(text, share * 100, report.bytes(done), report.bytes(total))
  end
  return ("%s %s %3.0f %%  %s of %s"):format(text, bar(share, 24), share * 100, report.bytes(done), report.bytes(total))
end

--- text: what is going on; done and total: how many bytes of it, when known.
function progress:show(text, done, total)
  if self.quiet then return end
  self.line, self.done, self.total = line_of(self, text, done, total), done, total
  if not self.terminal then return end
  local now = native.now()
  if now - self.drawn < DRAW_EVERY and text == self.text and (not done or done < (total or 0)) then return end
  self.drawn, self.text = now, text
  native_log.progress(report.cut(self.line, system.width("stderr") - 1))
  self.shown = true
end

--- Takes the line away, so that something else can be printed.
function progress:clear()
  if self.shown then
    native_log.progress()
    self.shown = false
  end
end

-- A timer and not the events says that the run is still there: when the service has gone there are none.
local function log_lines(self, run)
  local ticker = native.handler(function()
    while true do
      native.sleep(self.log_every)
      local seconds = native.now() - self.began
      report.say(("%s (%s)"):format(self.line, report.seconds(seconds)),
        { seconds = seconds, done = self.done, total = self.total })
    end
  end)
  local function stop() ticker:cancel() end
  run:on("done", stop)
  run:on("error", stop)
end

local function tell_retry(retry)
  local part = retry.part and ("part %d: "):format(retry.part) or ""
  report.say(("%s%s: trying again in %.1f s"):format(part, tostring(retry.error), retry.delay),
    { part = retry.part, step = retry.step, attempt = retry.attempt, delay = retry.delay, error = retry.error }, "warn")
end

-- Of an import in parts.
local function words_of_parts(p, rows)
  local words = ("%s, %s done"):format(report.plural(p.parts, "part"), report.count(p.ended))
  if p.making > 0 then words = ("%s, %s being made"):format(words, report.count(p.making)) end
  if p.done < p.total then return "sending " .. words, p.done, p.total end
  return ("ingesting %s: %s%s"):format(words, report.count(p.rows), rows and " of " .. report.plural(rows, "row") or "")
end

local DOING = { fetch = function(p) return "fetching", p.done, p.total end,
                check = function(p) return ("checking, %s"):format(report.plural(p.rows, "row")), p.done, p.total end,
                mend = function(p) return ("making parts, %s"):format(report.plural(p.rows, "row")), p.done, p.total end,
                upload = function(p) return "uploading", p.done, p.total end, parts = words_of_parts,
                measure = function() return "counting the segment's profiles" end }

--- Shows a run's events until it ends.
function progress:follow(run)
  local rows -- that are ingested, once it is known
  local at_work -- parts that are sent: more is to be told of them than of those that are made meanwhile
  run:on("progress", function(p)
    if p.step == "parts" then at_work = p.working > 0 end
    if p.step == "mend" and at_work then return end
    self:show(DOING[p.step](p, rows))
  end)
  run:on("checked", function(checked) rows = checked.rows - checked.bad_rows end)
  run:on("retrying", function(retry)
    self:clear()
    if not self.quiet then tell_retry(retry) end
  end)
  run:on("status", function(change)
    if change.part then return end
    self:show(change.to == "IN_PROGRESS" and "ingesting" or change.to)
  end)
  run:on("counts", function(s)
    if s.part then return end
    local done = (s.CreatedRecords or 0) + (s.UpdatedRecords or 0) + (s.FailedRecords or 0)
    self:show(("ingesting: %s%s, %s"):format(report.count(done), rows and " of " .. report.plural(rows, "row") or "",
      report.summary(s)))
  end)
  if not self.quiet and not self.terminal then log_lines(self, run) end
end

return progress
