--- Looks at something on the service again and again, until it is as it is waited for.
local errors = require "upjob.errors"
local native = require "upjob.native.task"
local replies = require "upjob.replies"

local waiter = {}

local FIRST_PAUSE, LAST_PAUSE = 0.2, 15 -- seconds between two looks
local LAST_PAUSE_EMBEDDED = 0.5
local PATIENCE = 600 -- seconds without one answered look

local ENDED = { SUCCEEDED = true, PARTIALLY_SUCCEEDED = true, FAILED = true, STOPPED = true }

--- Looks until seen(reply) says true: that reply | nil, err, whether the time was up. A passing failure of a look is not the
-- end, unless nothing else comes.
-- client, look = function(call options) → reply | nil, err, seen = function(reply) → whether that is all, whether something has
-- changed, failed = function(count, delay, err) or nil, timeout = seconds or nil, first= and last= (seconds between two looks).
function waiter.poll(options)
  local last = options.last or options.client.embedded and LAST_PAUSE_EMBEDDED or LAST_PAUSE
  local first = math.min(options.first or FIRST_PAUSE, last)
  local pause, seen, failures = first, native.now(), 0
  local by = seen + (options.timeout or math.huge)
  while true do
    local now = native.now()
    local reply, err = options.look { timeout = options.timeout and math.max(by - now, 0.001) }
    now = native.now()
    if reply then
      seen, failures = now, 0
      local done, changed = options.seen(reply)
      if done then return reply end
      if changed then pause = first end
    elseif not err.retryable or now - seen > PATIENCE then
      return nil, err
    end
    if now >= by then return nil, err, true end
    local delay = math.min(pause * (0.8 + 0.4 * math.random()), by - now)
    if err then
      failures = failures + 1
      if options.failed then options.failed(failures, delay, err) end
    end
    native.sleep(delay)
    pause = math.min(pause * 1.5, last)
  end
end

-- What can be waited for: the call that looks, and whether its reply is the end of it.
local WAITERS = {
  upload_job_done = { look = replies.get_upload_job, ended = function(job) return ENDED[job.Status] end,
                      is = function(job) return ("upload job %s is %s"):format(tostring(job.JobId), job.Status) end },
  segment_estimate_done = { look = function(client, params, call) return client:get_segment_estimate(params, call) end,
                            ended = function(estimate) return estimate.Status ~= "RUNNING" end,
                            is = function(estimate)
                              return ("segment estimate %s is %s"):format(tostring(estimate.EstimateId), estimate.Status)
                            end },
}

--- True for a Status from which a job does not go on.
function waiter.has_ended(status)
  return ENDED[status] or false
end

--- client:wait_until("upload_job_done", { DomainName=, JobId= }, { timeout=, first=, last= }) → what GetUploadJob says of a job
-- that has ended, in whatever way | nil, err. It looks again after 0.2 s (`first`), then less often, up to every 15 s (`last`).
-- TimeoutError after `timeout` seconds; without one it waits as long as the job takes. "segment_estimate_done", { DomainName=,
-- EstimateId= } likewise gives what GetSegmentEstimate says at last, SUCCEEDED with its Estimate (a text) or FAILED.
function waiter.wait_until(client, name, params, options)
  local what = WAITERS[name]
  if not what then
    local names = errors.names_of(WAITERS)
    local near = errors.did_you_mean(name, names)
    error(("wait_until: there is nothing called \"%s\" to wait for%s"):format(tostring(name),
      near ~= "" and near or ": " .. table.concat(names, ", ")), 3)
  end
  options = options or {}
  errors.check_options("wait_until", options, { timeout = "number", first = "number", last = "number" }, 3)
  for option, value in pairs(options) do
    if value ~= value or value <= 0 or option ~= "timeout" and value == math.huge then
      error(("wait_until: option \"%s\" is in seconds, more than 0"):format(option), 3)
    end
  end
  local timeout = options.timeout ~= math.huge and options.timeout or nil
  local latest
  local reply, err, timed_out = waiter.poll {
    client = client, timeout = timeout, first = options.first, last = options.last,
    look = function(call) return what.look(client, params, call) end,
    seen = function(job)
      local changed = latest and latest.Status ~= job.Status
      latest = job
      return what.ended(job), changed
    end,
  }
  if reply then return reply end
  if timed_out then
    local why = err and err.code ~= "TimeoutError" and ": " .. tostring(err) or ""
    return nil, errors.new { code = "TimeoutError", retryable = true, message =
      ("%s after %g s%s"):format(latest and what.is(latest) or "nothing was seen", timeout, why) }
  end
  return nil, err
end

return waiter
