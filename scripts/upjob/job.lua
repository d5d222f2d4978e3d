--- upjob.job: one import from file to profiles: check, create, path, upload, start, watch; with events on the way.
local aftermath = require "upjob.aftermath"
local errors = require "upjob.errors"
local exit = require "upjob.exit"
local mapping = require "upjob.mapping"
local native = require "upjob.native.task"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local system = require "upjob.native.system"

local job = {}

local FIRST_POLL, LAST_POLL = 0.2, 15 -- seconds between two looks at a job
local LAST_POLL_EMBEDDED = 0.5
local ENDED = { SUCCEEDED = true, PARTIALLY_SUCCEEDED = true, FAILED = true, STOPPED = true }
-- A step that failed for a passing reason is taken again: the service, or the way to it, may be away for a while.
local STEP_ATTEMPTS, FIRST_PAUSE, LAST_PAUSE = 6, 0.5, 10 -- seconds; with jitter, some 15 in all
local WATCH_PATIENCE = 600 -- seconds without one answered look
job.NAME_MAX, job.RUN_KEY_MAX = 1000, 200 -- characters; of a name as many are taken as there is room for
local DEFAULT_EXPIRY = 14             -- days, when DataExpiry is not given: the service's documentation

local run = {}
run.__index = run

-- ---- events ----

--- run:on("status", function(change) … end): checked created progress retrying uploaded started status counts done error.
-- progress has step "check" or "upload", done and total in bytes; retrying has step, attempt, delay in seconds, error.
-- Each handler runs in a coroutine of its own; an error in one is logged and stops nothing else. "*" gets (name, event).
function run:on(name, handler)
  if type(name) ~= "string" or type(handler) ~= "function" then
    error("on: the name of an event and a function are needed", 2)
  end
  if not job.events[name] and name ~= "*" then
    local names = errors.names_of(job.events)
    local near = errors.did_you_mean(name, names)
    error(("on: there is no event \"%s\"%s"):format(name, near ~= "" and near or ": " .. table.concat(names, ", ")), 2)
  end
  self.handlers[name] = self.handlers[name] or {}
  table.insert(self.handlers[name], handler)
  return self
end

job.events = { checked = true, created = true, progress = true, retrying = true, uploaded = true, started = true,
               status = true, counts = true, done = true, error = true }

local function emit(self, name, event)
  for _, handler in ipairs(self.handlers[name] or {}) do native.handler(handler, event) end
  for _, handler in ipairs(self.handlers["*"] or {}) do native.handler(handler, name, event) end
  for _, queue in ipairs(self.queues) do
    queue[#queue + 1] = { name = name, event = event }
    queue.changed:set()
  end
end

--- for name, event in run:events() do … end, until the run has ended.
function run:events()
  local queue, at = { changed = native.signal() }, 0
  table.insert(self.queues, queue)
  return function()
    at = at + 1
    while at > #queue do
      if self.ended then return nil end
      queue.changed:wait()
    end
    local item = queue[at]
    queue[at] = false
    return item.name, item.event
  end
end

-- ---- the steps ----

-- An error with the step at which it came, and what exists on the service because of it.
local function step_failed(self, err)
  if not errors.is(err) then error(err, 0) end
  if err.step then return err end
  local failed = {}
  for k, v in pairs(err) do failed[k] = v end
  failed.step, failed.job_id = self.step, self.job_id
  local what = aftermath.of_failure(self, err)
  if what then failed.message = ("%s [step \"%s\"; %s]"):format(err.message, self.step, what) end
  return errors.new(failed)
end

local function must(self, value, err)
  if value == nil then error(step_failed(self, err), 0) end
  return value
end

local function check(self)
  self.step = "check"
  local map = self.mapping
  local kept, err = rejects.keep_earlier(self.rejects)
  must(self, kept ~= false or nil, err)
  local result
  result, err = require("upjob.native.check").run {
    file = self.file, fields = map:check_fields(), keys = { map.key_field.column },
    reject = map.on_invalid == "reject", rejects = self.rejects,
    progress = function(done, total, rows)
      emit(self, "progress", { step = "check", done = done, total = total, rows = rows })
    end,
  }
  self.checked = must(self, result, err)
  self.outgoing_fd = result.outgoing_fd
  self.rejected = result.bad_rows
  result.rejects_kept = kept
  emit(self, "checked", result)
  local limit = self.max_failed
  if type(limit) == "table" then limit = math.floor(result.rows * limit.percent / 100) end
  if result.bad_rows == 0 then return end
  if map.on_invalid == "stop" or result.bad_rows == result.rows or (limit and result.bad_rows > limit) then
    local why = map.on_invalid == "stop" and "the mapping says on_invalid = \"stop\""
      or result.bad_rows == result.rows and "none is left to import" or ("at most %d may fail"):format(limit)
    local first = result.problems[1]
    must(self, nil, errors.new { code = "InvalidFile", file = self.file, line = first.line,
      column = first.column ~= 0 and first.column or nil, problems = result.problems, rows = result.rows,
      rejected = result.bad_rows, message = ("%d of %d rows would be refused, and %s: nothing was sent"):format(
        result.bad_rows, result.rows, why) })
  end
end

-- The name given (or the file's), then the run key, within 255 characters: the key is never cut. The bytes of a file's name
-- need not be text.
local function display_name(self)
  local name = self.name or report.safe(self.file:match("[^/]+$") or self.file)
  local ending = self.run_key and " " .. self.run_key or ""
  local room = 255 - utf8.len(ending)
  local cut = utf8.len(name) > room and utf8.offset(name, room + 1)
  return (cut and name:sub(1, cut - 1) or name) .. ending
end

-- Takes a step until it succeeds, fails for good, or has been taken often enough: its value | nil, err
local function persist(self, step)
  local pause = FIRST_PAUSE
  for attempt = 1, STEP_ATTEMPTS do
    local value, err = step(self, attempt)
    if value or not err.retryable or attempt == STEP_ATTEMPTS then return value, err end
    local delay = pause * (0.5 + 0.5 * math.random())
    emit(self, "retrying", { step = self.step, attempt = attempt, delay = delay, error = err })
    native.sleep(delay)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
end

-- In the embedded service a domain that is not there is made; elsewhere that is for the service to say.
local function ensure_domain(self)
  if not self.client.embedded then return true end
  local domain, err = self.client:get_domain { DomainName = self.domain }
  if domain or err.status ~= 404 then return domain, err end
  local made
  made, err = self.client:create_domain { DomainName = self.domain, DefaultExpirationDays = 366 }
  -- Another import may have made it meanwhile.
  if not made and err.status == 400 then return self.client:get_domain { DomainName = self.domain } end
  if made and require("upjob.log").level() ~= "error" then
    report.say(("domain %s did not exist in the embedded service: created"):format(self.domain))
  end
  return made, err
end

-- Given up while the call is under way, it leaves open whether there is a job: `creating` stays.
local function create_once(self)
  self.creating = true
  local reply, err = self.client:create_upload_job(self.request)
  self.creating = false
  return reply, err
end

local function create(self)
  self.step = "create"
  must(self, ensure_domain(self))
  local reply, err = persist(self, create_once)
  must(self, reply, err)
  self.job_id = reply.JobId
  self.created_at = system.time()
  emit(self, "created", { JobId = self.job_id, DisplayName = self.request.DisplayName, DomainName = self.domain })
end

-- Each attempt has a URL and a key of its own, and begins at the first byte: the URL of one that failed may have expired, and
-- what has arrived of it is nothing.
local function put_once(self, attempt)
  self.step = "path"
  local path, err = self.client:get_upload_job_path { DomainName = self.domain, JobId = self.job_id }
  if not path then return nil, err end
  if not path.ClientToken then
    return nil, errors.new { code = "InvalidResponse", message =
      "the reply of GetUploadJobPath has no ClientToken: there is no key to upload the file with" }
  end
  self.step = "upload"
  local token <close> = path.ClientToken
  local sent
  sent, err = require("upjob.upload").put {
    url = path.Url, key = token, file = self.file, fd = self.outgoing_fd, content_md5 = self.checked.md5,
    identity = self.checked.identity, stall_timeout = self.stall_timeout,
    progress = function(done, total) emit(self, "progress", { step = "upload", done = done, total = total }) end,
  }
  -- A byte may have fallen over on the way once; twice, the file is not what was checked.
  if err and err.code == "BadDigest" and attempt > 1 then
    err = errors.new { code = "FileError", file = self.file, request_id = err.request_id, message =
      "is not what was checked: what arrived has another MD5; start again when nothing writes to it any more" }
  end
  return sent, err
end

local function upload_file(self)
  local sent, err = persist(self, put_once)
  self.sent = must(self, sent, err)
  emit(self, "uploaded", sent)
end

-- A start whose reply was lost, or that was answered with a fault, may have been heard: the job says so.
local function start_once(self)
  local request = { DomainName = self.domain, JobId = self.job_id }
  local reply, err = self.client:start_upload_job(request)
  if reply then return reply end
  if err.retryable or err.status == 400 then
    local found = self.client:get_upload_job(request)
    if found and found.Status ~= "CREATED" and found.Status ~= "STOPPED" then return found end
  end
  return nil, err
end

local function start(self)
  self.step = "start"
  self.starting = true
  local reply, err = persist(self, start_once)
  must(self, reply, err)
  self.started, self.starting = true, false
  emit(self, "started", { JobId = self.job_id })
end

-- Looks until the job has ended; a passing failure of a look is not the end of the watch, unless nothing else comes.
local function watch(self)
  self.step = "watch"
  local pause, status, counted = FIRST_POLL, self.status, ""
  local seen, failures = native.now(), 0
  while true do
    local reply, err = self.client:get_upload_job { DomainName = self.domain, JobId = self.job_id }
    if reply then
      seen, failures = native.now(), 0
      if reply.Status ~= status then
        self.status = reply.Status
        emit(self, "status", { JobId = self.job_id, from = status, to = reply.Status, StatusReason = reply.StatusReason })
        status = reply.Status
        pause = FIRST_POLL
      end
      local summary = reply.ResultsSummary or {}
      local counts = ("%s/%s/%s"):format(summary.CreatedRecords, summary.UpdatedRecords, summary.FailedRecords)
      if counts ~= counted and next(summary) then
        counted = counts
        emit(self, "counts", summary)
      end
      if ENDED[reply.Status] then return reply end
    elseif not err.retryable or native.now() - seen > WATCH_PATIENCE then
      must(self, nil, err)
    end
    local delay = pause * (0.8 + 0.4 * math.random())
    if err then
      failures = failures + 1
      emit(self, "retrying", { step = "watch", attempt = failures, delay = delay, error = err })
    end
    native.sleep(delay)
    pause = math.min(pause * 1.5, self.client.embedded and LAST_POLL_EMBEDDED or LAST_POLL)
  end
end

local function close_outgoing(self)
  if self.outgoing_fd then
    require("upjob.native.check").close_fd(self.outgoing_fd)
    self.outgoing_fd = nil
  end
end

-- To a millisecond: more is noise.
local function rounded(seconds)
  return seconds and math.floor(seconds * 1000 + 0.5) / 1000
end

local function result_of(self, reply)
  local sent = self.sent or {}
  return {
    JobId = self.job_id, DomainName = self.domain, DisplayName = reply.DisplayName, Status = reply.Status,
    StatusReason = reply.StatusReason, ResultsSummary = reply.ResultsSummary or {},
    DataExpiry = reply.DataExpiry or DEFAULT_EXPIRY, CreatedAt = reply.CreatedAt, CompletedAt = reply.CompletedAt,
    file = self.file, rows = self.checked and self.checked.rows, rejected = self.rejected or 0,
    rejects = self.checked and self.checked.rejects_written and self.rejects or nil,
    bytes = sent.bytes, upload_seconds = rounded(sent.seconds), seconds = rounded(system.time() - self.began),
  }
end

-- Before the start the job is stopped on the service; after it, or when it is another's, the job is left as it is.
local function given_up(self)
  if self.attached then return end
  if self.job_id and self.starting and not self.started then
    local reply = self.client:get_upload_job { DomainName = self.domain, JobId = self.job_id }
    self.started = reply ~= nil and reply.Status ~= "CREATED"
  end
  if self.job_id and not self.started then
    local _, err = self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id }
    self.stopped, self.stop_error = err == nil, err
  end
end

local function finish(self, result, err)
  close_outgoing(self)
  self.unhook()
  self.result, self.error, self.ended = result, err, true
  if result then emit(self, "done", result) else emit(self, "error", err) end
  for _, queue in ipairs(self.queues) do queue.changed:set() end
  self.ended_signal:set()
end

-- A program that ends before the run has ended gives it up, and says what is left.
local function end_with_program(self, reason)
  if reason == "done" then return end
  self:interrupt()
  local left = self:left()
  if left and not self.result then report.say(left) end
end

local function begin(self, steps)
  self.handlers, self.queues, self.ended_signal = {}, {}, native.signal()
  self.began = system.time()
  setmetatable(self, run)
  self.unhook = exit.add(function(reason) end_with_program(self, reason) end)
  self.task = native.spawn(function()
    local reply
    local ok, err = pcall(function()
      for _, step in ipairs(steps) do reply = step(self) end
    end)
    if ok then
      finish(self, result_of(self, reply))
    else
      if errors.has_code(err, "Cancelled") then given_up(self) end
      if not errors.is(err) then
        finish(self, nil, errors.new { code = "InternalError", message = tostring(err) })
        error(err, 0)
      end
      finish(self, nil, err)
    end
  end)
  return self
end

-- ---- what scripts call ----

local IMPORT_OPTIONS = { client = "any", domain = "string", file = "string", mapping = "table", key = "string",
                         name = "string", run_key = "string", expires = "number", rejects = "string",
                         max_failed = "any", stall_timeout = "number" }

local function read_max_failed(value)
  if value == nil or type(value) == "number" then return value end
  local percent = type(value) == "string" and tonumber(value:match("^(%d+%.?%d*)%%$"))
  if percent then return { percent = percent } end
  local count = type(value) == "string" and value:match("^%d+$")
  if count then return math.tointeger(count) end
  error("job.import: option \"max_failed\" is a number or a share such as \"2%\"", 3)
end

-- Checks the options of a function of this module, at the line of its caller: those that there are, and those that must be.
local function check_options(what, options, known, required)
  errors.check_options(what, options, known, 3)
  for _, name in ipairs(required) do
    if options[name] == nil then error(("%s: option \"%s\" is required"):format(what, name), 3) end
    if options[name] == "" then error(("%s: option \"%s\" is empty"):format(what, name), 3) end
  end
  if not require("upjob.profiles").is_client(options.client) then
    error(("%s: option \"client\" must be what profiles.client returns, not a %s"):format(what, type(options.client)), 3)
  end
end

--- What is wrong with a name or a run key, which go into the DisplayName: nil when nothing is.
function job.problem_of_name(value, most)
  local length = utf8.len(value)
  if not length then return "must be UTF-8 text" end
  if length < 1 or length > most then return ("must have 1 to %d characters"):format(most) end
end

local function check_name(options, name, most)
  local problem = options[name] and job.problem_of_name(options[name], most)
  if problem then error(("job.import: option \"%s\" %s"):format(name, problem), 3) end
end

-- The mapping made of the header when none was given.
local function mapping_of(options)
  if options.mapping then
    if options.key and options.mapping.key_field.column ~= options.key and options.mapping.unique_key ~= options.key then
      return nil, errors.new { code = "UsageError", message =
        ("the mapping's unique key is \"%s\", not \"%s\""):format(options.mapping.key_field.column, options.key) }
    end
    return options.mapping
  end
  local header, line = require("upjob.native.check").header { file = options.file, keys = { options.key } }
  if not header then return nil, line end
  local map, err = mapping.from_header(header, options.key, { file = options.file, line = line })
  return map, err, map ~= nil
end

--- job.import{ client=, domain=, file=, mapping= or key=, name=, run_key=, expires=, rejects=, max_failed=, stall_timeout= }
-- → run | nil, err. Starts at once; run:wait() gives the result. In the embedded service a missing domain is created.
function job.import(options)
  check_options("job.import", options, IMPORT_OPTIONS, { "client", "domain", "file" })
  if not options.mapping and not options.key then
    error("job.import: option \"mapping\" or \"key\" is required", 2)
  end
  if options.mapping and not mapping.is(options.mapping) then
    error("job.import: option \"mapping\" must be what mapping.define returns", 2)
  end
  local max_failed = read_max_failed(options.max_failed)
  check_name(options, "name", job.NAME_MAX)
  check_name(options, "run_key", job.RUN_KEY_MAX)
  local info = system.stat(options.file)
  if options.file == "-" or info and info.type == "other" then
    return nil, errors.new { code = "FileError", file = options.file == "-" and "standard input" or options.file, message =
      "is not a regular file: its size must be known, and it is read more than once: save the data in a file first" }
  end
  local map, err, made = mapping_of(options)
  if not map then return nil, err end
  local self = { client = options.client, domain = options.domain, file = options.file, mapping = map,
                 mapping_made = made or false, name = options.name, run_key = options.run_key, max_failed = max_failed,
                 stall_timeout = options.stall_timeout,
                 rejects = options.rejects or options.file .. ".rejects.csv",
                 status = "CREATED" }
  self.request = { DomainName = self.domain, DisplayName = display_name(self), Fields = map:api_fields(),
                   UniqueKey = map.unique_key,
                   DataExpiry = options.expires and math.tointeger(options.expires) or options.expires }
  -- What the service would refuse is told before the file is read, and what would be lost.
  local ok
  ok, err = rejects.check(self.rejects, { self.file, map.file })
  if not ok then return nil, err end
  ok, err = require("upjob.native.profiles").validate("CreateUploadJob", self.request)
  if not ok then return nil, err end
  if options.expires and options.expires > 90 then
    require("upjob.log").warn("DataExpiry %d: one page of the service's documentation allows at most 90 days",
      options.expires)
  end
  if #map.fields > 25 then
    require("upjob.log").warn("%d fields: the console maps at most 25", #map.fields)
  end
  return begin(self, { check, create, upload_file, start, watch })
end

--- job.attach{ client=, domain=, job_id= } → run: watches a job that exists already.
function job.attach(options)
  check_options("job.attach", options, { client = "any", domain = "string", job_id = "string" },
    { "client", "domain", "job_id" })
  return begin({ client = options.client, domain = options.domain, job_id = options.job_id, attached = true }, { watch })
end

--- Waits until the job has ended: its result, FAILED too; nil, err when the outcome is not known (the file cannot be sent,
-- the service refuses, TimeoutError after `timeout` seconds, while the run goes on).
function run:wait(options)
  if options ~= nil then errors.check_options("wait", options, { timeout = "number" }) end
  local timeout = options and options.timeout
  if timeout and (timeout < 0 or timeout ~= timeout) then error("wait: option \"timeout\" is in seconds, 0 or more", 2) end
  if not self.ended then
    if timeout then
      local task = native.spawn(function()
        while not self.ended do self.ended_signal:wait() end
      end)
      task:wait(timeout)
      task:cancel()
    else
      while not self.ended do self.ended_signal:wait() end
    end
  end
  if not self.ended then
    return nil, errors.new { code = "TimeoutError", job_id = self.job_id, step = self.step, retryable = true, message =
      ("job %s has not ended after %g s"):format(self.job_id or "(not yet created)", timeout) }
  end
  return self.result, self.error
end

--- Gives the import up: a job that was not started is stopped on the service; one that was started, too.
function run:stop()
  if (self.started or self.attached) and not self.ended then
    return self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id }
  end
  return self:interrupt()
end

--- Ends this run as an interrupted program does: before the start the job is stopped, after it is left running.
function run:interrupt()
  if self.ended then return true end
  self.task:cancel("the import was given up")
  self.task:wait()
  if not self.ended then -- it had not begun
    finish(self, nil, errors.new { code = "Cancelled", message = "the import was given up" })
  end
  return true
end

--- The command that goes on with a job where this program left it; nil when nothing can.
function run:resume_command()
  return aftermath.command(self, "watch")
end

--- What is left of a run that was given up: a sentence, nil when it is nothing.
function run:left()
  return aftermath.left(self)
end

return job
