--- upjob.job: one import from file to profiles: check, create, path, upload, start, watch; with events on the way.
local checking = require "upjob.checking"
local duration = require "upjob.duration"
local errors = require "upjob.errors"
local import_mapping = require "upjob.import_mapping"
local job_request = require "upjob.job_request"
local mapping = require "upjob.mapping"
local max_failed = require "upjob.max_failed"
local parts = require "upjob.parts"
local recorded = require "upjob.recorded"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local run = require "upjob.run"
local run_key = require "upjob.run_key"
local segment = require "upjob.segment"
local sources = require "upjob.sources"
local steps = require "upjob.steps"

local job = {}

job.NAME_MAX, job.RUN_KEY_MAX = 1000, 200 -- characters; of a name as many are taken as there is room for

local IMPORT_OPTIONS = { client = "any", domain = "string", file = "string", files = "table", mapping = "table", key = "string",
                         name = "string", run_key = "string", expires = "number", rejects = "string",
                         max_failed = "any", stall_timeout = "number", encoding = "string", strict = "boolean",
                         no_check = "boolean", problems = "string", report = "string", command = "string",
                         dry_run = "boolean", tmp = "string", part_bytes = "any", parallel = "number",
                         only_changed = "boolean", full = "boolean", gone = "string",
                         segment = "string", replace_segment = "boolean", no_wait = "boolean" }

-- Checks the options of a function of this module, at the line of its caller: those that there are, and those that must be.
local function check_options(what, options, known, required)
  errors.check_options(what, options, known, 3)
  for _, name in ipairs(required) do
    if options[name] == nil then error(("%s: option \"%s\" is required"):format(what, name), 3) end
    if options[name] == "" then error(("%s: option \"%s\" is empty"):format(what, name), 3) end
  end
  local needed = options.client ~= nil or not options.dry_run
  if needed and not require("upjob.profiles").is_client(options.client) then
    error(("%s: option \"client\" must be what profiles.client returns, not a %s"):format(what, type(options.client)), 3)
  end
end

-- Raises at the line of the caller of this module, unless the option is not given or is good.
local function check_value(what, options, name, good, takes)
  local value = options[name]
  if value ~= nil and not good(value) then
    error(("%s: option \"%s\" takes %s, not %s"):format(what, name, takes, type(value) == "string" and ("\"%s\""):format(value)
      or tostring(value)), 3)
  end
end

-- NaN is none of these.
local function is_whole(value) return math.tointeger(value) ~= nil end
local function is_parallel(value) return is_whole(value) and value >= 1 and value <= parts.MOST_PARALLEL end
local function is_stall_timeout(value) return value > 0 and value <= 1e6 end

--- What is wrong with a name or a run key, which go into the DisplayName: nil when nothing is.
function job.problem_of_name(value, most)
  local length = utf8.len(value)
  if not length then return "must be UTF-8 text" end
  if length < 1 or length > most then return ("must have 1 to %d characters"):format(most) end
end

--- The same of a run key. It is the last word of a DisplayName: of two keys one must not end the other.
function job.problem_of_run_key(value)
  return job.problem_of_name(value, job.RUN_KEY_MAX) or value:find("%s") and "must be one word, without a space" or nil
end

local function check_name(name, problem)
  if problem then error(("job.import: option \"%s\" %s"):format(name, problem), 3) end
end

-- The name given (or the file's), then the run key. The bytes of a file's name need not be text.
local function display_name(self)
  local more = #self.files > 1 and (" and %d more"):format(#self.files - 1) or ""
  return run_key.display_name(self.name or report.safe(sources.name_of(self.file)) .. more, self.run_key)
end

-- The files of an import: a list. `file` is one, `files` are several.
local function files_of(options)
  if options.file and options.files then error("job.import: give option \"file\" or \"files\", not both", 3) end
  if options.file == "" then error("job.import: option \"file\" is empty", 3) end
  if options.file then return { options.file } end
  if not options.files or #options.files == 0 then error("job.import: option \"file\" is required", 3) end
  for i, file in ipairs(options.files) do
    if type(file) ~= "string" or file == "" then
      error(("job.import: option \"files\": item %d is no name of a file"):format(i), 3)
    end
  end
  return table.move(options.files, 1, #options.files, 1, {})
end

-- An option that is nothing without another.
local function check_needs(options, name, needed)
  if options[name] and not options[needed] then
    error(("job.import: option \"%s\" needs \"%s\""):format(name, needed), 3)
  end
end

local function check_report(options, files)
  if not options.report then return true end
  local others = table.move(files, 1, #files, 1, {})
  for _, other in pairs { options.mapping and options.mapping.file or nil, options.rejects or nil, options.problems or nil } do
    others[#others + 1] = other
  end
  return rejects.check_report(options.report, others)
end

--- job.import{ client=, domain=, file= or files=, mapping= or key=, name=, run_key=, expires=, rejects=, max_failed=,
-- stall_timeout=, encoding=, strict=, no_check=, problems=, report=, command=, dry_run=, tmp=, part_bytes=, parallel=,
-- only_changed=, full=, gone=, segment=, replace_segment=, no_wait= } → run | nil, err. The file is CSV, plain, gzip or zstd,
-- a pipe, "-" for standard input, or s3://bucket/key, which is fetched first with the client's credentials; with `key` its header
-- gives the run its mapping then (the event "mapped"), and errors of that are the run's. `files` are names and
-- patterns of them (* ? [ ]): of several, and of one of `part_bytes` (a number, or "500M") or more, each part is a job; up to
-- `parallel` are made or sent at once, and the result has `jobs`. For several files, rejects and problems name a directory.
-- encoding names its character set, which is recognised otherwise; strict refuses what would be converted; no_check sends rows as
-- they are, but for what the mapping changes; problems is a file for all that the check finds; report one for an HTML page about
-- the import, written at its end, whatever that is, with `command` as what runs it again. dry_run sends nothing, needs no client
-- and writes no rejects file: its result has rows, rejected, bytes and requests (upjob.rehearsal). tmp is the directory of
-- temporary files. only_changed sends what is new or differs, in all files together, since the last import of the mapping and
-- domain that succeeded (upjob.changes): the result has `changes`, and its `files` have the rows `to_send` of each; full sends
-- all, gone is a file for keys that are not there any more; no_wait says that this program will not see the end, so that another
-- writes them. segment names a segment for the profiles (upjob.segment): the result
-- has `segment`.
-- What it does is recorded in the journal, so that another process can go on with it (upjob.recorded); run_key ends the
-- DisplayName, so that a later import of the same file with the same key finds this one's job.
-- Starts at once; run:wait() gives the result. In the embedded service a missing domain is created.
function job.import(options)
  local is_dry = type(options) == "table" and options.dry_run
  check_options("job.import", options, IMPORT_OPTIONS, is_dry and { "domain" } or { "client", "domain" })
  local files = files_of(options)
  if not options.mapping and not options.key then
    error("job.import: option \"mapping\" or \"key\" is required", 2)
  end
  if options.mapping and not mapping.is(options.mapping) then
    error("job.import: option \"mapping\" must be what mapping.define returns", 2)
  end
  if is_dry and options.report then
    error("job.import: options \"dry_run\" and \"report\" do not go together: a dry run imports nothing", 2)
  end
  check_value("job.import", options, "max_failed", max_failed.read, max_failed.takes)
  check_value("job.import", options, "expires", is_whole, "a whole number of days")
  check_value("job.import", options, "stall_timeout", is_stall_timeout, "seconds, more than 0 and up to 1000000")
  check_value("job.import", options, "part_bytes", parts.read_bytes, parts.takes_bytes)
  check_value("job.import", options, "parallel", is_parallel, ("a whole number from 1 to %d"):format(parts.MOST_PARALLEL))
  check_needs(options, "full", "only_changed")
  check_needs(options, "gone", "only_changed")
  check_needs(options, "replace_segment", "segment")
  check_name("name", options.name and job.problem_of_name(options.name, job.NAME_MAX))
  check_name("run_key", options.run_key and job.problem_of_run_key(options.run_key))
  check_name("segment", options.segment and segment.problem_of_name(options.segment))
  local list, ok, err
  ok, err = checking.check_tmp(options.tmp)
  if not ok then return nil, err end
  files, err = sources.expand(files)
  if not files then return nil, err end
  list, err = sources.of(files, options)
  if not list then return nil, err end
  ok, err = check_report(options, files)
  if not ok then return nil, err end
  if options.mapping then
    ok, err = import_mapping.agrees(options.mapping, options.key)
    if not ok then return nil, err end
  end
  local self = { client = options.client, domain = options.domain, file = files[1], files = files, sources = list,
                 key = not options.mapping and options.key or nil, fetched = {},
                 mapping_made = options.mapping == nil, name = options.name,
                 ordinal = not is_dry and recorded.next_ordinal() or nil,
                 run_key = options.run_key or is_dry and run_key.SOME or run_key.make(), key_given = options.run_key ~= nil,
                 expires = options.expires and math.tointeger(options.expires),
                 max_failed = options.max_failed and max_failed.read(options.max_failed), stall_timeout = options.stall_timeout,
                 rejects = options.rejects or #files == 1 and list[1].rejects or nil,
                 encoding = options.encoding, strict = options.strict, no_check = options.no_check,
                 problems = options.problems, dry_run = options.dry_run, report_file = options.report,
                 command = options.command, status = "CREATED", tmp = options.tmp,
                 part_bytes = options.part_bytes and parts.read_bytes(options.part_bytes) or parts.MOST_BYTES,
                 parallel = options.parallel and math.tointeger(options.parallel) or parts.PARALLEL,
                 only_changed = options.only_changed, full = options.full, gone = options.gone, segment = options.segment,
                 replace_segment = options.replace_segment, no_wait = options.no_wait }
  self.request = job_request(self, nil, display_name(self))
  -- What the service would refuse is told before the file is read, and what would be lost.
  ok, err = sources.check_places(list, { options.mapping and options.mapping.file or nil, self.report_file })
  if not ok then return nil, err end
  if not import_mapping.is_later(options.mapping, self.file) then
    local map = options.mapping
    if not map then map, err = import_mapping.make(self) end
    if not map then
      run.refused(self, err)
      return nil, err
    end
    ok, err = import_mapping.take(self, map)
    if not ok then return nil, err end
  end
  if options.expires and options.expires > 90 then
    require("upjob.log").warn("DataExpiry %d: one page of the service's documentation allows at most 90 days",
      options.expires)
  end
  if self.dry_run then return run.begin(self, { steps.fetch, steps.check, steps.rehearse }) end
  return run.begin(self, steps.of_import)
end

--- job.attach{ client=, domain=, job_id=, max_failed= } → run: watches a job that exists already. max_failed goes into the
-- command that goes on with it.
function job.attach(options)
  check_options("job.attach", options, { client = "any", domain = "string", job_id = "string", max_failed = "any" },
    { "client", "domain", "job_id" })
  check_value("job.attach", options, "max_failed", max_failed.read, max_failed.takes)
  local self = { client = options.client, domain = options.domain, job_id = options.job_id, attached = true,
                 max_failed = options.max_failed and max_failed.read(options.max_failed) }
  return run.begin(self, { steps.watch })
end

local WATCH_OPTIONS = { client = "any", domain = "string", interval = "any", stale_after = "any", since = "number" }

--- job.watch{ client=, domain=, interval="15s", stale_after="6h", since= } → watch, to be closed | nil, err. Tells every change
-- of status of every job of a domain: watch:on("status" | "created" | "failed" | "succeeded" | "stale" | "*", function(event) …
-- end), for name, event in watch:events() do … end, watch:close(). It returns when it has seen the jobs that there are, which
-- are no news, except what has happened at or after `since` (epoch). However many watches there are, the jobs of a domain are
-- looked for once for each client. An event has name, JobId, DomainName, DisplayName, from, to, StatusReason, at (epoch),
-- seconds (since the job was created; of "stale", without a change) and job, as ListUploadJobs tells it. Durations are seconds
-- or texts.
function job.watch(options)
  check_options("job.watch", options, WATCH_OPTIONS, { "client", "domain" })
  local interval = duration.option("job.watch", options, "interval", 15)
  if interval < 0.1 then error("job.watch: option \"interval\" must be 0.1 s or more", 2) end
  local ok, err = require("upjob.native.profiles").validate("ListUploadJobs", { DomainName = options.domain })
  if not ok then return nil, err end
  return require("upjob.watch").begin { client = options.client, domain = options.domain, interval = interval,
    stale_after = duration.option("job.watch", options, "stale_after", "6h"), since = options.since }
end

return job
