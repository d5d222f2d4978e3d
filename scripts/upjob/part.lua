--- A part of an import as a run of its own: in the journal, and on the service a job.
local agreement = require "upjob.agreement"
local errors = require "upjob.errors"
local events = require "upjob.events"
local fingerprint = require "upjob.fingerprint"
local lookup = require "upjob.lookup"
local native = require "upjob.native.task"
local recorded = require "upjob.recorded"
local replies = require "upjob.replies"
local report = require "upjob.report"
local run = require "upjob.run"
local run_key = require "upjob.run_key"
local sources = require "upjob.sources"
local steps = require "upjob.steps"
local system = require "upjob.native.system"

local part = {}

part.DIGITS = 10 -- of the digest that ends a part's run key

local HELD_FOR = 40 -- seconds for which another process may hold a part of an import that is this one's: more than a lease

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- The first digits, in hex, of an MD5 that is written in base64.
function part.digits(md5)
  local bits = 0
  for i = 1, 7 do bits = bits << 6 | BASE64:find(md5:sub(i, i), 1, true) - 1 end -- 42 of them
  return ("%010x"):format(bits >> 2)
end

--- What ends the DisplayName of a part: the key of its import, its number, and what its bytes are.
function part.key(import, item)
  local is_known = item.md5 and import.run_key ~= run_key.SOME
  return ("%s-%d-%s"):format(import.run_key, item.number, is_known and part.digits(item.md5) or "<digest>")
end

--- The request that makes the job of a part.
function part.request(import, item)
  local request, key = {}, part.key(import, item)
  for name, value in pairs(import.request) do request[name] = value end
  request.Fields = rawget(item.source, "fields") or request.Fields
  request.DisplayName = run_key.display_name(import.name or report.safe(sources.name_of(item.source.file)),
    #import.parts == 1 and key or ("part %d of %d %s"):format(item.number, #import.parts, key))
  return request
end

--- "part 3 of 12 (big.csv)", or the file alone where that is all that is sent.
function part.title(import, item)
  local file = item.source.file == "-" and "standard input" or item.source.file
  return #import.parts == 1 and file or ("part %d of %d (%s)"):format(item.number, #import.parts, file)
end

-- ---- in the journal ----

local function row_of(self)
  local item, import = self.item, self.import
  local file = item.source.file
  return {
    kind = "part", parent = import.record.id, parent_fence = import.record.fence, ordinal = item.number, run_key = self.run_key,
    file = fingerprint.path_text(file ~= "-" and system.absolute(file) or file),
    file_fingerprint = fingerprint.of_file(item.source.look, item.md5), mapping_fingerprint = import.mapping_fingerprint,
    domain = self.domain, display_name = self.request.DisplayName,
    options = { part = { number = item.number, total = #import.parts, low = item.low, high = item.high } },
  }
end

-- Takes over a part that another process began. Its holder may be there for a moment longer than that of the import.
local function claim(self, store, row)
  local by = native.now() + HELD_FOR
  while true do
    local claimed, err = store:claim_run { id = row.id, parent_fence = self.import.record.fence }
    if claimed then return claimed end
    if not errors.has_code(err, "LeaseHeld") or native.now() > by then error(err, 0) end
    native.sleep(1)
  end
end

local function begin_row(self, store)
  local row, err = store:begin_run(row_of(self))
  if row then self.record = { store = store, id = row.id, fence = row.fence } end
  return row, err
end

-- The first step: it is in the journal before anything else is done.
local function record(self)
  self.step = "record"
  local store = self.import.record and self.import.record.store
  if not store then return end
  local row = self.item.row
  if row then
    row = claim(self, store, row)
    row.steps = must(store:run { id = row.id }).steps
    self.record = { store = store, id = row.id, fence = row.fence }
    self.known = recorded.known(row)
    self.job_id, self.starting, self.found = self.known.job_id, self.known.starting, self.known.found
  else
    -- In a task of its own, which is not cancelled with this one: what is begun is ended.
    self.beginning = native.spawn(function() return begin_row(self, store) end)
    must(self.beginning:wait())
  end
end

-- ---- where its job stands ----

-- A job that was being stopped when its process ended is stopped.
local function stop_job(self)
  recorded.step(self, "stop", "begin")
  must(self.client:stop_upload_job { DomainName = self.domain, JobId = self.job_id })
  recorded.step(self, "stop", "done")
end

-- What its job was to be sent may be there no more: the job was started, and has gone since.
local function check_content(self)
  if self.started or self.uploaded or self.outgoing_fd or self.item.as_it_stands then return end
  self.item.is_missing = true
  error(errors.new { code = "Conflict", message =
    "its job, which was there, is there no more: what it was to be sent is to be made again" }, 0)
end

-- The job that was made for the part will not be its: another is made, for what is still there.
local function forget_job(self)
  self.job_id, self.starting, self.uploaded, self.found = nil, nil, nil, nil
  self.known.creating = nil
  check_content(self)
end

local function locate(self)
  local known = self.known
  if not known or not self.job_id then return end
  self.step = "look"
  agreement.know(self)
  if known.yielding then agreement.yield(self, known.yielding) end
  local job, err = replies.get_upload_job(self.client, { DomainName = self.domain, JobId = self.job_id })
  if not job then
    self.is_gone = err.status == 404
    error(err, 0)
  end
  if job.Status == "CREATED" and known.stopping then
    stop_job(self)
    return forget_job(self)
  end
  if job.Status == "STOPPED" and not known.starting then return forget_job(self) end
  self.started, self.starting = job.Status ~= "CREATED", false
  if self.job_id == known.job_id then self.sent, self.uploaded = known.uploaded, known.uploaded ~= nil end
end

-- ---- its turn ----

local function close(self)
  if self.outgoing_fd then require("upjob.native.check").close_fd(self.outgoing_fd) end
  self.outgoing_fd = nil
end

-- Later rows of a key win: a part waits until all parts of the files before its own have ended. What it was sent may be needed
-- once more where another program may have made a job for it: until its job is started.
local function wait_for_turn(self)
  if self.started or not agreement.is_needed(self) then close(self) end
  if self.started then return end
  self.step = "turn"
  while true do
    local may, never = self.import.sender.may_start(self.item)
    if may then return end
    if never then
      error(errors.new { code = "Cancelled", message = "a part that must be imported before it was not" }, 0)
    end
    self.import.sender.changed:wait()
  end
end

local STEPS = { record, locate, steps.create, steps.upload, wait_for_turn, steps.start, close, steps.watch }

-- What happens to a part happens to its import.
local FORWARDED = { created = true, uploaded = true, started = true, status = true, counts = true, retrying = true }

local function forward(self, name, event)
  if not FORWARDED[name] then return end
  local copy = { part = self.item.number }
  for field, value in pairs(event) do copy[field] = value end
  events.emit(self.import, name, copy)
end

--- Begins a part: the run. Its file (item.fd) is the run's from then on.
function part.begin(import, item)
  local row = item.row
  local self = {
    import = import, item = item, client = import.client, domain = import.domain, file = item.source.file, name = import.name,
    mapping = import.mapping, stall_timeout = import.stall_timeout, status = "CREATED", rejected = 0, outgoing_fd = item.fd,
    check_content = check_content, run_key = row and row.run_key or part.key(import, item), key_given = item.may_be_there,
    request = import.request and part.request(import, item) or {},
    checked = { md5 = item.md5, identity = item.identity, rows = item.rows, bad_rows = 0, blanked = 0, unwanted = 0,
                bytes = item.bytes },
  }
  if row then self.request.DisplayName = row.display_name end
  item.fd, item.state = nil, "busy"
  item.run = run.begin(self, STEPS)
  item.run:on("*", function(name, event)
    if name == "progress" then item.sent = event.done end
    forward(self, name, event)
    import.sender.changed:set()
  end)
  return item.run
end

--- Whether a job of an item of the service's list is a part of the import: its number and the digits of its digest.
function part.of_name(import, display_name)
  if type(display_name) ~= "string" then return nil end
  local number, digits = display_name:match("%-(%d+)%-(%x+)$")
  if not number or #digits ~= part.DIGITS then return nil end
  local key = ("%s-%s-%s"):format(import.run_key, number, digits)
  if not run_key.is_of(display_name, key) then return nil end
  return math.tointeger(tonumber(number)), digits
end

part.tell = lookup.tell

return part
