--- The control socket of a daemon: JSON, a line for a request and a line for its answer, in the state directory.
--
-- Request: { command =, … }. Answer: { ok = true, result = … } or { ok = false, error = { code =, message = } }.
local errors = require "upjob.errors"
local journal = require "upjob.journal"
local json = require "upjob.json"
local log = require "upjob.log"
local native = require "upjob.native.control"
local report = require "upjob.report"
local system = require "upjob.native.system"
local task = require "upjob.task"

local control = {}

control.TIMEOUT = 30 -- seconds that an answer may take, unless told otherwise

local function directory_of(state)
  local directory = journal.directory(state)
  if directory then return directory end
  return nil, errors.new { code = "ConfigurationError", message =
    "there is no state directory: neither HOME nor XDG_STATE_HOME is set (choose one with --state DIR)" }
end

-- ---- serving ----

local function refused(code, message)
  return json.encode { ok = false, error = { code = code, message = message } }
end

-- What a message is about need not be UTF-8, which JSON is.
local function text_of(value)
  return value ~= nil and report.safe(value, true) or nil
end

local function plain_error(err)
  if not errors.is(err) then return { code = "InternalError", message = text_of(err) } end
  return { code = text_of(err.code), message = text_of(err.message), retryable = err.retryable or nil, file = text_of(err.file) }
end

-- The answer to a request that is JSON: result | nil, err
local function handle(handlers, line)
  local request, err = json.decode(line)
  if type(request) ~= "table" or type(request.command) ~= "string" then
    return nil, errors.new { code = "UsageError", message =
      "a request is an object in JSON with a command" .. (err and (": " .. tostring(err)) or "") }
  end
  local handler = handlers[request.command]
  if not handler then
    return nil, errors.new { code = "UsageError", message = ("there is no command \"%s\"%s"):format(request.command,
      errors.did_you_mean(request.command, errors.names_of(handlers))) }
  end
  return handler(request)
end

-- The line that answers, whatever a handler does.
local function answer_to(handlers, line)
  local function traced(raised) return errors.is(raised) and raised or debug.traceback(tostring(raised), 2) end
  local ok, result, err = xpcall(handle, traced, handlers, line)
  if not ok then
    if not errors.is(result) then log.error("a request on the control socket: %s", result) end
    err, result = errors.is(result) and result
      or errors.new { code = "InternalError", message = "the daemon could not answer: its log tells why" }, nil
  end
  if result == nil then
    if err == nil then return json.encode { ok = true } end
    return json.encode { ok = false, error = plain_error(err) }
  end
  local encoded, text = pcall(json.encode, { ok = true, result = result })
  if encoded then return text end
  log.error("a request on the control socket: its answer cannot be JSON: %s", tostring(text))
  return refused("InternalError", "the daemon's answer cannot be JSON: its log tells more")
end

local function serve(self)
  while not self.closed do
    local caller, line = self.native:next()
    if caller then
      local handling
      handling = task.spawn(function()
        self.native:answer(caller, answer_to(self.handlers, line))
        self.handling[handling] = nil
      end)
      self.handling[handling] = true
    else
      self.native:wait()
    end
  end
end

local server_methods = {}

--- Removes the socket. Requests that are under way are given up, and not answered.
function server_methods.close(self)
  if self.closed then return end
  self.closed = true
  self.native:close()
  for handling in pairs(self.handling) do handling:cancel() end
end

local server_class = { __index = server_methods, __close = server_methods.close, __name = "upjob.control.server" }

--- Answers requests on the socket of a state directory (nil: the one that the command line names): → server | nil, err;
-- server:close(). handlers: by command, functions of the request that return what is to be answered, a value that JSON can hold,
-- or nil, err; each call is a task of its own. "about" is answered with { pid, since, version } unless there is a handler for it.
-- Where a daemon listens already it is an error.
function control.serve(state, handlers)
  local directory, err = directory_of(state)
  if not directory then return nil, err end
  local server
  server, err = native.listen(directory, refused("RequestTooLong", ("a request has %d bytes at most"):format(native.LINE)),
    refused("Busy", "the daemon has as many callers as it takes: try again"))
  if not server then return nil, err end
  local about = { pid = system.pid(), since = system.time(), version = system.version }
  local all = { about = function() return about end }
  for name, handler in pairs(handlers) do all[name] = handler end
  local self = setmetatable({ native = server, handlers = all, directory = directory, handling = {} },
    server_class)
  self.task = task.spawn(serve, self)
  return self
end

-- ---- asking ----

--- Asks the daemon of a state directory: its result | nil, err; "NoDaemon" when none is running. request: { command =, … }.
-- timeout: seconds to wait for the answer, 30 unless given.
function control.ask(state, request, timeout)
  local directory, err = directory_of(state)
  if not directory then return nil, err end
  local line
  line, err = native.ask(directory, json.encode(request), timeout or control.TIMEOUT)
  if not line then return nil, err end
  local answer = json.decode(line)
  if type(answer) ~= "table" then
    return nil, errors.new { code = "InvalidResponse", message = "what the daemon answered is not JSON" }
  end
  if answer.ok then return answer.result == nil and true or answer.result end
  return nil, errors.new(type(answer.error) == "table" and answer.error or { code = "InvalidResponse", message =
    "the daemon has refused it, and does not say why" })
end

return control
