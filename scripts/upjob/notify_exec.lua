--- notify.exec: a program that gets an event as JSON on its standard input.
local errors = require "upjob.errors"
local json = require "upjob.json"
local native = require "upjob.native.task"

local exec = { options = { command = "table" }, required = { "command" }, timeout = 60 }

local TEMPORARY = 75 -- exit status of sysexits.h: try again later
local GRACE = 2      -- seconds between SIGTERM and SIGKILL

-- Few variables, for a program of one line.
local function environment(message)
  local event = message.event
  return { UPJOB_EVENT = message.name, UPJOB_SUBJECT = message.subject, UPJOB_DOMAIN = event.DomainName or false,
           UPJOB_JOB_ID = event.JobId or false, UPJOB_STATUS = event.to or event.Status or false }
end

-- Ends the program when its time is up, and when whoever waits for it is given up.
local function guard(process, timeout)
  local self = { timed_out = false }
  local clock = native.handler(function()
    native.sleep(timeout)
    self.timed_out = true
    process:kill("TERM")
    native.sleep(GRACE)
    process:kill("KILL")
  end)
  return setmetatable(self, { __close = function()
    clock:cancel()
    process:kill("KILL")
  end })
end

--- The channel | nil, what is wrong.
function exec.open(options)
  local command = table.move(options.command, 1, #options.command, 1, {})
  if #command == 0 then return nil, "\"command\" must be a list of words: the program, and its arguments" end
  for _, word in ipairs(command) do
    if type(word) ~= "string" or word:find("\0", 1, true) then return nil, "\"command\" must be a list of strings" end
  end
  local name = command[1]:match("[^/]+$") or command[1]

  local function deliver(message, timeout)
    local process, err = require("upjob.native.process").spawn { argv = command, env = environment(message),
                                                                 input = json.encode(message.event) .. "\n" }
    if not process then return nil, err end
    local watched <close> = guard(process, timeout)
    local ended = process:wait()
    if ended.status == 0 and not ended.signal then return true end
    local how = watched.timed_out and ("has not ended within %g s"):format(timeout)
      or ended.signal and ("was ended by signal %d"):format(ended.signal) or ("ended with status %d"):format(ended.status)
    return nil, errors.new { code = watched.timed_out and "TimeoutError" or "NotificationRefused",
                             retryable = not ended.signal and ended.status == TEMPORARY, message = ("%s %s"):format(name, how) }
  end
  -- Arguments may be secrets.
  local mark = require("upjob.native.notify").fingerprint(table.concat(command, "\n"))
  return { target = ("%s #%s"):format(name, mark), deliver = deliver }
end

return exec
