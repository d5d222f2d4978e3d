--- What a run that failed or was given up leaves behind, said for a person, with the commands to look or to go on.
local agreement = require "upjob.agreement"
local errors = require "upjob.errors"
local max_failed = require "upjob.max_failed"
local parts = require "upjob.parts"
local recorded = require "upjob.recorded"
local report = require "upjob.report"
local shell = require "upjob.shell"

local aftermath = {}

-- A command line about the run's job with these words after it, nil when there will be nothing to ask.
local function command(run, word, ...)
  if not run.job_id or not run.client.command_options then return nil end
  return shell.command({ "job", word, run.job_id, "--domain", run.domain, ... }, run.client.command_options)
end

--- The command that goes on with the job, nil when there will be nothing to ask. Its exit status is the run's: of the rows that
-- may fail those are taken off that were rejected, of which the service knows nothing.
function aftermath.watch_command(run)
  if run.parts then return recorded.resume_command(run) end
  local limit, rejected = run.max_failed, run.rejected or 0
  if not limit then return command(run, "watch") end
  local left = rejected > 0 and ("%d"):format(max_failed.of(limit, run.checked.rows) - rejected) or limit.text
  return command(run, "watch", "--max-failed", left)
end

--- The command that shows the job, nil when there will be nothing to ask.
function aftermath.get_command(run)
  return command(run, "get")
end

--- The command that lists the job's failed records, nil when there will be nothing to ask. Where the service lists none they are
--- told from the file.
function aftermath.failures_command(run)
  if not run.file or run.file == "-" then return command(run, "failures") end
  return command(run, "failures", "--file", run.file)
end

-- The end of a sentence that is about what can be done; nothing where there will be nothing to ask.
local function with(purpose, line)
  return line and purpose .. line or ""
end

-- The command that goes on with the whole run, as the end of a sentence.
local function or_continue(run)
  return with("; to go on with the run: ", recorded.resume_command(run))
end

-- The job may exist, but its id is not known: its name is.
local function creation_unknown(run)
  local list = run.client.command_options
    and shell.command({ "job", "list", "--domain", run.domain }, run.client.command_options)
  return "whether the job was created is not known"
    .. with((": look for \"%s\" with "):format(run.request.DisplayName), list) .. or_continue(run)
end

-- Of a job that will have no start.
local function not_started(run)
  if run.stopped then return ("job %s in domain %s was not started: it was stopped"):format(run.job_id, run.domain) end
  return ("job %s in domain %s was not started, and could not be stopped (%s): it imports nothing as it is%s"):format(
    run.job_id, run.domain, tostring(run.stop_error), with("; to stop it: ", command(run, "stop")))
end

-- Of a job that was being started; what was tried after that told nothing.
local function start_unknown(run)
  return ("whether job %s in domain %s was started is not known (%s)%s%s"):format(run.job_id, run.domain,
    tostring(run.stop_error), with(": look with ", command(run, "get")), or_continue(run))
end

-- Of a job that was started, or is another's.
local function goes_on(run)
  local what = run.attached and "is left as it is" or agreement.is_left(run) and "is left to the program that made it"
    or "goes on"
  return ("job %s in domain %s %s%s%s"):format(run.job_id, run.domain, what,
    with("; to watch it again: ", aftermath.watch_command(run)), or_continue(run))
end

-- A sentence about an import that was given up or has failed.
local function left_of_parts(run)
  local n = parts.standing(run)
  local none = ("none of %s was imported"):format(report.plural(n.total, "part"))
  local some = ("of %s %d %s imported"):format(report.plural(n.total, "part"), n.ended, n.ended == 1 and "was" or "were")
  local words = { n.total == 1 and n.ended == 0 and "it was not imported" or n.ended == 0 and none or some }
  local function add(count, one, many)
    if count > 0 then words[#words + 1] = count == 1 and one or many:format(count) end
  end
  add(n.started, "1 was started and goes on", "%d were started and go on")
  add(n.stopped, "1 job was stopped before its start", "%d jobs were stopped before their start")
  add(n.waiting, "1 job may wait for its file", "%d jobs may wait for their files")
  return table.concat(words, ", ") .. with("; to go on with the import: ", parts.is_begun(run) and recorded.resume_command(run))
end

-- What an error at the run's step means for the job: what exists on the service, and how to find out or go on; nil when there
-- is nothing to say.
local function of_failure(run, err)
  if run.step == "check" or run.step == "record" or run.step == "fetch" then return nil end
  if errors.has_code(err, "LeaseLost") or run.refused then return nil end
  if run.parts then return left_of_parts(run) end
  if run.is_gone then return "the job is gone, and what became of it is not known" end
  if run.step == "look" then return "nothing was changed" .. or_continue(run) end
  if not run.job_id then
    local unknown = run.creating or err.outcome == "unknown" or run.known and run.known.creating
    return unknown and creation_unknown(run) or "no job was created"
  end
  if run.step == "watch" then
    -- Another's job that was never seen may not be there.
    local is_there = err.status ~= 404 and (run.started or run.status or err.retryable)
    return is_there and goes_on(run) or nil
  end
  if run.step == "start" then
    -- A refusal is an answer: the job has its file, and waits.
    local refused = err.status and err.status >= 400 and err.status < 500 and not err.retryable
    return ("job %s exists in domain %s, with its file, and its start failed%s%s"):format(run.job_id, run.domain,
      with(refused and ": when the cause is mended, " or ": look with ", command(run, refused and "start" or "get")),
      or_continue(run))
  end
  return (run.started or agreement.is_left(run)) and goes_on(run) or not_started(run)
end

-- Where it came: behind what follows, a command to be copied, nothing else stands then. Of a part it was said already.
local function place_of(step, err)
  local words = { "step " .. step }
  if err.request_id and not err.message:find(err.request_id, 1, true) then words[#words + 1] = "request id " .. err.request_id end
  if (err.attempts or 1) > 1 then words[#words + 1] = ("%d attempts"):format(err.attempts) end
  return table.concat(words, ", ")
end

--- The error that ended a run, with the step at which it came, and what exists on the service because of it.
function aftermath.failure(run, err)
  local failed = {}
  for k, v in pairs(err) do failed[k] = v end
  failed.step, failed.job_id = run.step, run.job_id
  local what = of_failure(run, err)
  if what then failed.message = ("%s (%s): %s"):format(err.message:gsub("%.$", ""), place_of(run.step, err), what) end
  return errors.new(failed)
end

--- What is left of a run that was given up: a sentence, nil when it is nothing.
function aftermath.left(run)
  if run.parts then return (parts.is_begun(run) or parts.standing(run).stopped > 0) and left_of_parts(run) or nil end
  if not run.job_id then
    return run.creating and run.client.command_options and creation_unknown(run) or nil
  end
  if run.stopped then return not_started(run) end
  if run.stop_error then return run.starting and start_unknown(run) or not_started(run) end
  if not run.client.command_options then
    return ("job %s was not finished; the embedded service ends with this program"):format(run.job_id)
  end
  return goes_on(run)
end

return aftermath
