--- Which job is a run's, where programs that share a run key, and nothing else, may each have made one: each looks at the list
--- again before it starts a job, and gives its own up when another goes before it.
--
-- The service makes a job whoever asks, so two programs that look at once find none and make two. What they have in common is
-- the list, and the order of what is in it: by CreatedAt, then by JobId, which is total. The rules:
--
-- 1. A job is started only after a look that was taken AGAIN_AFTER, or later, after the program first knew of the job, and that
--    showed none before it: none that was started or has ended well, and none that waits and is earlier in the order.
-- 2. Who sees one before its own stops its own and goes on with that one: it waits for its start, and when none comes, as the
--    other program may be gone, it sends the file and starts it, after a look of its own (rule 1).
-- 3. A job that may still be started is stopped by who made it alone, or by who waited for it in vain and has another file by
--    now; in both cases after a look that it waits. Who waited and is interrupted leaves it: its maker may only be slow. Once a
--    job before it in the order has ended well, rule 1 keeps it from being started for good: then it is stopped by who sees it.
--
-- Never two, whatever the number of programs: let x go before y in the order, both be started, and neither be lost (STOPPED or
-- FAILED, from which no job returns). Who started y looked AGAIN_AFTER, or more, after y was there. A job that is made after that
-- look is later in the order than y (the service's clocks, and the fractions that it leaves out of CreatedAt, are less apart than
-- that), and one that was made before is in the list (which lags by less than that). So the look showed x, which was not lost,
-- and y was not started. Which of two looks first is no matter, nor how long a program takes between its look and its start.
--
-- Always one: a job is given up for one before it alone, so the first that is not lost is given up by nobody, and all who have
-- looked go on with it. Whoever of them lives starts it; of several starts of one job the service takes one. Nobody waits for
-- anybody for longer than `patience`, so none waits for ever. When it is stopped before the start (rule 3), it is lost
-- for all: those who went on with it look for one again, or make one, from the beginning.
local errors = require "upjob.errors"
local events = require "upjob.events"
local lookup = require "upjob.lookup"
local native = require "upjob.native.task"
local recorded = require "upjob.recorded"
local replies = require "upjob.replies"
local waiter = require "upjob.waiter"

local agreement = {}

local LEAST_PATIENCE = 2 * lookup.AGAIN_AFTER -- seconds: another program's job is started within about AGAIN_AFTER
local LAST_PAUSE = 2 -- seconds between two looks at the job that is waited for

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- Whether another program may have made a job for a run too: not of a key that was made here, nor in this program's own service.
function agreement.is_needed(run)
  return lookup.is_shared(run) and not run.client.embedded
end

--- Whether the run's job is another program's, and is left to that when the run ends before its start: that may only be slow.
function agreement.is_left(run)
  return run.found and not run.started or false
end

--- From now on the run's job is there for certain.
function agreement.know(run)
  run.known_since = native.now()
end

--- The job that goes before the run's own, which is not started yet; nil when none does. Raises what the service says.
function agreement.first(run)
  local left = run.known_since + lookup.AGAIN_AFTER - native.now()
  if left > 0 then native.sleep(left) end
  local job, behind = lookup.before(run)
  run.behind = behind
  return job
end

local function about(run)
  return { DomainName = run.domain, JobId = run.job_id }
end

-- Stops the run's own job: false when another program, which had found it, has started it. Others may stop it too (rule 3).
local function stop_own(run)
  local job = must(replies.get_upload_job(run.client, about(run)))
  if job.Status == "CREATED" then
    local stopped, err = run.client:stop_upload_job(about(run))
    if stopped then return true end
    job = replies.get_upload_job(run.client, about(run))
    if not job or job.Status == "CREATED" then error(err, 0) end
  end
  return lookup.is_lost(job)
end

--- Gives the run's job up for another that goes before it. Killed meanwhile, it is done once more by who goes on with the run.
function agreement.yield(run, job_id)
  local own = run.job_id
  recorded.step(run, "yield", "begin", { job_id = job_id })
  if run.found then -- another program's: it gives it up itself, or it is seen to at the end
    run.behind = run.behind or {}
    table.insert(run.behind, own)
  elseif not stop_own(run) then
    run.started = true
    return
  end
  lookup.tell("job %s has the run key %s too, and was there before job %s%s", job_id, run.run_key, own,
    run.found and "" or ", which was stopped")
  run.job_id, run.found, run.waited, run.uploaded, run.sent = job_id, true, nil, nil, nil
  run.took = native.now() - run.known_since
  agreement.know(run)
  recorded.done(run, "yield", { found = true }, { job_id = job_id })
end

--- The run has no job any more: another program's that it went on with was stopped.
function agreement.forget(run)
  lookup.tell("job %s, which another program made, was given up: another is made", run.job_id)
  run.job_id, run.found, run.waited, run.uploaded, run.sent = nil, nil, nil, nil, nil
end

-- Seconds to wait for another program: it may be about as long at work on its job as this one was on its own.
local function patience(run)
  return math.max(LEAST_PATIENCE, run.took or 0)
end

--- Leaves a job that another program made to that program for a while: its Status then.
function agreement.wait(run)
  local seconds, status = patience(run), "CREATED"
  recorded.step(run, "wait", "begin", { job_id = run.job_id })
  local reply, err, timed_out = waiter.poll {
    client = run.client, timeout = seconds, last = LAST_PAUSE,
    look = function(options) return replies.get_upload_job(run.client, about(run), options) end,
    failed = function(attempt, delay, fault)
      events.emit(run, "retrying", { step = "wait", attempt = attempt, delay = delay, error = fault })
    end,
    seen = function(job)
      status = job.Status
      return status ~= "CREATED"
    end,
  }
  if not reply and not timed_out then error(err, 0) end
  run.waited = true
  recorded.done(run, "wait", { Status = status })
  if status == "CREATED" then
    lookup.tell("job %s was not started by another program in %d s: it gets its file", run.job_id, math.floor(seconds))
  elseif not lookup.is_lost(reply) then
    lookup.tell("job %s was started by another program: nothing more is sent", run.job_id)
  end
  return status
end

--- After the end of the run's job: jobs that came after it and still wait, as their programs are gone, are not left behind.
function agreement.clear(run, job)
  local behind = run.behind
  run.behind = nil
  if not behind or not lookup.has_ended_well(job) then return end
  local ok, err = pcall(lookup.stop_left, run, behind)
  if not ok and (not errors.is(err) or errors.has_code(err, "Cancelled")) then error(err, 0) end
end

return agreement
