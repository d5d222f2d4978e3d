--- What a run that failed or was given up leaves behind, said for a person, with the commands to look or to go on.
local shell = require "upjob.shell"

local aftermath = {}

--- A command line about the run's job ("watch", "get"), nil when there will be nothing to ask.
function aftermath.command(run, word)
  if not run.job_id or not run.client.command_options then return nil end
  return shell.command({ "job", word, run.job_id, "--domain", run.domain }, run.client.command_options)
end

-- The command that lists the jobs of the domain, nil when there will be nothing to ask.
local function list_command(run)
  if not run.client.command_options then return nil end
  return shell.command({ "job", "list", "--domain", run.domain }, run.client.command_options)
end

-- The end of a sentence about what is not known; nothing where there will be nothing to ask.
local function then_look(command)
  return command and ": look with " .. command or ""
end

--- What an error at the run's step means for the job: what exists on the service, and how to find out; nil when there is
-- nothing to say.
function aftermath.of_failure(run, err)
  if run.step == "check" then return nil end
  if err.outcome == "unknown" and not run.job_id then
    return "whether the job was created is not known" .. then_look(list_command(run))
  end
  if not run.job_id then return "no job was created" end
  if run.step == "watch" then
    return run.started and err.status ~= 404 and ("job %s in domain %s was started and goes on"):format(run.job_id, run.domain)
      or nil
  end
  if run.step == "start" then
    return ("job %s exists in domain %s, and its start failed%s"):format(run.job_id, run.domain,
      then_look(aftermath.command(run, "get")))
  end
  return ("job %s exists in domain %s and was not started: it imports nothing as it is"):format(run.job_id, run.domain)
end

--- What is left of a run that was given up: a sentence, nil when it is nothing.
function aftermath.left(run)
  if not run.job_id then
    local list = run.creating and list_command(run)
    return list and "whether a job was created is not known" .. then_look(list) or nil
  elseif run.stopped then
    return ("job %s was not started: it was stopped"):format(run.job_id)
  elseif run.stop_error then
    return ("job %s was not started, and could not be stopped: %s"):format(run.job_id, tostring(run.stop_error))
  end
  local resume = aftermath.command(run, "watch")
  if not resume then
    return ("job %s was not finished; the embedded service ends with this program"):format(run.job_id)
  end
  return ("job %s %s; to watch it again: %s"):format(run.job_id, run.attached and "is left as it is" or "goes on", resume)
end

return aftermath
