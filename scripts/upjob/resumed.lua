--- An import of the journal as a run of this process, made of what the journal has.
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local fingerprint = require "upjob.fingerprint"
local max_failed = require "upjob.max_failed"
local parts = require "upjob.parts"
local profiles = require "upjob.profiles"
local recorded = require "upjob.recorded"
local sources = require "upjob.sources"
local run = require "upjob.run"
local steps = require "upjob.steps"

local resumed = {}

--- States from which a run can be gone on with.
resumed.STATES = { "lost", "interrupted" }

--- Whether a run of the journal can be gone on with, as far as the journal tells.
function resumed.can(row)
  return row.kind == "import" and (row.state == "lost" or row.state == "interrupted")
end

local function refuse(code, format, ...)
  return nil, errors.new { code = code, message = format:format(...) }
end

-- A client as that of the run was | nil, err. What `instead` has goes before what the journal has.
local function client_of(row, instead)
  local origin = row.options and row.options.client or {}
  if origin.credentials and not instead.profile then
    return refuse("CredentialsError", "run %d had its credentials from its script%s, which are in no journal: run that again",
      row.id, row.script and " " .. row.script or "")
  end
  if origin.embedded then
    local url, err = require("upjob.embedded").start { data_dir = origin.data }
    if not url then return nil, err end
    return profiles.client { embedded = true }
  end
  return profiles.client { embedded = false, region = instead.region or origin.region,
                           endpoint_url = instead.endpoint_url or origin.endpoint_url,
                           profile = instead.profile or origin.profile }
end

-- Its service ended with the program that it was inside of, and its job with that.
local function bury(store, row)
  local claimed, err = store:claim_run { id = row.id, to_end = true }
  if not claimed then return nil, err end
  local gone = errors.new { code = "Cancelled", message =
    ("run %d cannot go on: its embedded service, which kept no data, ended with its program"):format(row.id) }
  local ok
  ok, err = store:end_run { id = row.id, fence = claimed.fence, state = "failed", error = gone,
                            exit_status = exit_status.of_error(gone) }
  return nil, ok and gone or err
end

local function files_of(row)
  local files = {}
  for i, file in ipairs(row.options and row.options.files or { row.file }) do files[i] = fingerprint.path_of(file) end
  return files
end

--- Goes on with a run of the journal: run | nil, err. It is claimed, so that no other process does. `instead`: region,
--- endpoint_url and profile where they are other ones by now.
function resumed.open(store, id, instead)
  local row, err = store:run { id = id }
  if not row then return nil, err end
  if row.kind == "part" then
    return refuse("UsageError", "run %d is part %d of run %d, which goes on with all its parts: upjob runs resume %d", id,
      row.ordinal, row.parent, row.parent)
  end
  if row.kind ~= "import" then
    local text = row.ended_at and "run %d is one of an automation and has ended; upjob schedule trigger runs %s again"
      or "run %d is one of an automation: the daemon goes on with it"
    return refuse("UsageError", text, id, row.schedule)
  end
  local options = row.options or {}
  local service = options.client or {}
  if resumed.can(row) and service.embedded and not service.data then return bury(store, row) end
  local client
  client, err = client_of(row, instead)
  if not client then return nil, err end
  local path = fingerprint.path_of
  local self = {
    client = client, domain = row.domain, file = path(row.file), files = files_of(row), name = options.name,
    key_given = options.key_given, key = options.key,
    expires = options.expires, rejects = path(options.rejects), problems = path(options.problems),
    report_file = path(options.report), max_failed = options.max_failed and max_failed.read(options.max_failed),
    stall_timeout = options.stall_timeout, encoding = options.encoding, strict = options.strict, no_check = options.no_check,
    mapping_made = options.mapping_made, status = "CREATED", tmp = path(options.tmp),
    part_bytes = options.part_bytes or parts.MOST_BYTES, parallel = options.parallel or parts.PARALLEL,
    only_changed = options.only_changed, full = options.full, gone = path(options.gone), segment = options.segment,
    replace_segment = options.replace_segment,
  }
  self.sources, err = sources.of(self.files, self)
  if not self.sources then return nil, err end
  local ok, fault = pcall(recorded.take, self, store, row)
  if not ok then
    if not errors.is(fault) then error(fault, 0) end
    return nil, fault
  end
  return run.begin(self, steps.of_import)
end

return resumed
