--- The record of an import in the journal: its beginning, each step before and after it is taken, its end. Another process goes
--- on with a run by what is written here.
local defaults = require "upjob.defaults"
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local fingerprint = require "upjob.fingerprint"
local journal = require "upjob.journal"
local log = require "upjob.log"
local lookup = require "upjob.lookup"
local native = require "upjob.native.task"
local parts = require "upjob.parts"
local shell = require "upjob.shell"
local source = require "upjob.source"
local system = require "upjob.native.system"

local recorded = {}

local PAGE = 500 -- runs that are asked for at a time

local ordinals = 0 -- imports that this process has begun for the automation whose run it is
local before_us -- those that earlier attempts have begun
local ours = {} -- ids of those that this process has begun, or goes on with

--- The number of the next import among those of this process's automation; nil when it runs none.
function recorded.next_ordinal()
  if not defaults.parent_run then return nil end
  ordinals = ordinals + 1
  return ordinals
end

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- ---- what is written at the beginning ----

local function absolute(path)
  if source.is_remote(path) then return fingerprint.path_text(path) end
  return fingerprint.path_text(path and system.absolute(path) or path)
end

-- The files, where there are several.
local function several(run)
  if #(run.files or {}) < 2 then return nil end
  local files = {}
  for i, file in ipairs(run.files) do files[i] = absolute(file) end
  return files
end

-- What another process needs to go on with the import as it was asked for.
local function options_of(run)
  return {
    client = run.client.origin, name = run.name, key_given = run.key_given, expires = run.expires,
    rejects = absolute(run.rejects), problems = absolute(run.problems), report = absolute(run.report_file),
    max_failed = run.max_failed and run.max_failed.text, stall_timeout = run.stall_timeout, encoding = run.encoding,
    strict = run.strict, no_check = run.no_check, mapping_made = run.mapping_made, key = run.key, files = several(run),
    tmp = absolute(run.tmp), part_bytes = run.part_bytes, parallel = run.parallel, only_changed = run.only_changed,
    full = run.full, gone = absolute(run.gone), segment = run.segment, replace_segment = run.replace_segment,
  }
end

local function file_text(file)
  return file == "-" and file or absolute(file)
end

local function arguments_of()
  local words = {}
  for i, word in ipairs(shell.words or {}) do words[i] = fingerprint.path_text(word) end
  return #words > 0 and words or nil
end

local function row_of(run)
  local parent, map = defaults.parent_run, run.mapping
  return {
    kind = "import", parent = parent and parent.id, parent_fence = parent and parent.fence, ordinal = run.ordinal,
    run_key = run.run_key, script = shell.script and absolute(shell.script), arguments = arguments_of(),
    directory = absolute("."), file = file_text(run.file), file_fingerprint = fingerprint.look_all(run.files or { run.file }),
    mapping_file = map and map.file and absolute(map.file),
    mapping = map and not map.file and fingerprint.is_plain(map) and (map.base or map):to_lua() or nil,
    mapping_fingerprint = map and run.mapping_fingerprint, domain = run.domain,
    display_name = run.request and run.request.DisplayName, options = options_of(run),
  }
end

-- ---- a run that is there already ----

--- What the steps of a run in the journal say: { checked=, uploaded=, split= (details), job_id= (nil while the job is made),
--- creating=, starting=, stopping=, yielding= (the job for which its own is given up), found= (another program made it) }.
function recorded.known(row)
  local known = { job_id = row.job_id, row = row }
  for _, entry in ipairs(row.steps or {}) do
    local done = entry.state == "done"
    if (entry.step == "check" or entry.step == "keys") and done then
      known.checked, known.checked_at = entry.detail, entry.at
    elseif entry.step == "split" and done then
      known.split = entry.detail
    elseif entry.step == "create" then
      known.creating, known.job_id = true, done and row.job_id or nil
      known.uploaded, known.starting, known.stopping = nil, nil, nil
      known.found = done and entry.detail ~= nil and entry.detail.found
    elseif entry.step == "yield" then
      known.yielding, known.stopping = not done and entry.detail.job_id or nil, nil
      known.uploaded, known.found = not done and known.uploaded or nil, done or known.found
    elseif entry.step == "upload" and done then
      known.uploaded = entry.detail or {}
    elseif entry.step == "start" then
      known.starting = true
    elseif entry.step == "stop" then
      known.stopping, known.yielding = true, nil
    end
  end
  return known
end

local function find(store, params)
  local row, err = store:find_run(params)
  if not row and not errors.has_code(err, "NotFound") then error(err, 0) end
  return row
end

local function same_files(run, row)
  local now, before = several(run) or {}, row.options and row.options.files or {}
  for i = 1, math.max(#now, #before) do
    if now[i] ~= before[i] then return false end
  end
  return true
end

-- One that is made of the header of what is still to be fetched is the same when it is made of the same.
local function same_mapping(run, row)
  if run.mapping and row.mapping_fingerprint then return fingerprint.is_of_mapping(row.mapping_fingerprint, run.mapping) end
  return run.mapping_made and row.options and row.options.mapping_made and row.options.key == run.key
end

-- What the import of an earlier run has otherwise than this one: a text, nil when nothing.
local function difference(run, row)
  local file = file_text(run.file)
  if row.domain ~= run.domain then return ("it was of domain %s"):format(tostring(row.domain)) end
  if row.file ~= file then
    return ("it was of %s, not %s"):format(fingerprint.path_of(row.file or "?"), fingerprint.path_of(file))
  end
  if not same_files(run, row) then return "it was of other files" end
  local segment = row.options and row.options.segment
  if segment ~= run.segment then
    return segment and ("it was of the segment \"%s\""):format(segment) or "it was of no segment"
  end
  if not same_mapping(run, row) then
    local map = run.mapping
    return ("its mapping%s was another than that of this import%s"):format(
      row.mapping_file and " " .. fingerprint.path_of(row.mapping_file) or "", map and map.file and " " .. map.file or "")
  end
  local digest, look = fingerprint.parts(row.file_fingerprint)
  if (row.state == "succeeded" or not digest) and source.has_changed(run, look) then
    return ("%s has been changed since"):format(table.concat(run.files, " or "))
  end
end

-- Imports of earlier attempts of this process's automation, newest first; read once: nobody else writes them while it is ours.
local function of_earlier_attempts(store, parent)
  if before_us then return before_us end
  local rows, last = {}, nil
  repeat
    local page = must(store:runs { parent = parent.id, kind = "import", before_id = last, limit = PAGE })
    table.move(page, 1, #page, #rows + 1, rows)
    last = page[#page] and page[#page].id
  until #page < PAGE
  before_us = before_us or rows
  return before_us
end

local function has_failed(row)
  return row.state == "failed" or row.state == "cancelled"
end

-- The import of an earlier attempt that this one is: by its number where that is it, and else any, as files may come, go and be
-- moved between two attempts. Each is one import's only. nil when there is none; and, as the second, the one of its number.
local function earlier_of_automation(run, store)
  local parent, same_number, found = defaults.parent_run, nil, nil
  if parent.attempt == 1 then return nil end
  for _, row in ipairs(of_earlier_attempts(store, parent)) do
    local has_number = row.ordinal == run.ordinal
    if has_number then same_number = same_number or row end
    if (has_number or not found) and not ours[row.id] and not has_failed(row) and not difference(run, row) then
      found = row
      if has_number then break end
    end
  end
  if found then ours[found.id] = true end
  return found, same_number
end

-- The run of before that this import is; nil when there is none.
local function earlier(run, store)
  if defaults.parent_run then
    local row, other = earlier_of_automation(run, store)
    if row then return must(store:run { id = row.id }) end
    local differs = other and difference(run, other)
    if differs then
      log.warn("run %d, import %d of this automation, was not this one: %s", other.id, run.ordinal, differs)
    end
  end
  return run.key_given and find(store, { run_key = run.run_key, domain = run.domain }) or nil
end

local function refuse_other(run, row, differs)
  error(errors.new { code = "UsageError", message =
    ("the run key %s is that of run %d (\"%s\", %s), and %s; give another run key"):format(run.run_key, row.id,
      row.display_name, row.state, differs) }, 0)
end

-- The result of an earlier run is that of this one.
local function take_result(run, row)
  lookup.tell("run %d has done this import (%s%s): nothing is sent", row.id, tostring(row.job_status),
    row.job_id and ", job " .. row.job_id or "")
  run.answer = row.result or { Status = row.job_status or "SUCCEEDED", JobId = row.job_id, ResultsSummary = {}, rejected = 0 }
  run.job_id, run.started = row.job_id, true
end

-- Goes on with an earlier run: true; false when there is none to go on with.
local function go_on(run, store)
  local row = earlier(run, store)
  if not row or has_failed(row) then return false end
  local differs = difference(run, row)
  if differs and run.key_given and not defaults.parent_run then refuse_other(run, row, differs) end
  if differs then
    log.warn("run %d has the run key %s and was not this one: %s", row.id, run.run_key, differs)
    return false
  end
  if row.state == "succeeded" then
    take_result(run, row)
    return true
  end
  recorded.take(run, store, row)
  return true
end

-- The number under which this process works on the run of the automation that the import is of.
local function parent_fence(row)
  local parent = defaults.parent_run
  return parent and parent.id == row.parent and parent.fence or nil
end

--- Claims a run of the journal for `run` (the store's, with its state of before), and takes over what is known of it. Raises when
--- it is another process's, or has ended.
function recorded.take(run, store, row)
  local was = row.state
  row = must(store:claim_run { id = row.id, parent_fence = row.parent and parent_fence(row) })
  local steps = must(store:run { id = row.id }).steps
  row.steps = steps
  run.record = { store = store, id = row.id, fence = row.fence }
  run.known = recorded.known(row)
  run.known.was = was
  run.run_key, run.job_id, run.starting, run.found = row.run_key, run.known.job_id, run.known.starting, run.known.found
  if run.request then run.request.DisplayName = row.display_name end
  lookup.tell("run %d goes on where it was left", row.id)
end

-- ---- beginning ----

-- Whether there can be no journal, as its directory cannot be made or written: no home, a disk that is read only.
local function has_no_place()
  local directory = journal.directory()
  local info = directory and system.stat(directory)
  return not directory or not info or info.type == "directory" and not info.writable
end

-- The store; nil when the run goes on without one: its key is enough to find its job, or its service ends with this program.
-- Raises when it must not.
local function open(run)
  local store, err = journal.open {}
  if store then return store end
  local needs_none = run.key_given or not run.client.command_options
  if not needs_none or err.code ~= "ConfigurationError" or not has_no_place() then error(err, 0) end
  log.warn("%s; the run goes on without a journal%s", tostring(err), run.key_given
    and (": a later one finds its job by the run key %s"):format(run.run_key) or "")
  return nil
end

--- The first step of an import: it is in the journal before anything else is done, or raises why it cannot be.
function recorded.begin(run)
  run.step = "record"
  if run.record or defaults.no_journal then return end -- it is another process's, that was claimed
  run.mapping_fingerprint = run.mapping and fingerprint.of_mapping(run.mapping)
  local store = open(run)
  if not store or go_on(run, store) then return end
  -- In a task of its own, which is not cancelled with this one: what is begun is ended.
  run.beginning = native.spawn(function()
    local row, err = store:begin_run(row_of(run))
    if row then
      ours[row.id] = true
      run.record = { store = store, id = row.id, fence = row.fence }
    end
    return row, err
  end)
  must(run.beginning:wait())
end

-- ---- steps ----

--- Writes a step of the run: before it is taken (state "begin"), or that there was one. Raises LeaseLost when the run is
--- another's by now, and what the disk says; but what was started is watched all the same. `detail`: what there is to be said.
function recorded.step(run, step, state, detail)
  local record = run.record
  if not record or record.lost then return end
  local ok, err = record.store:step { id = record.id, fence = record.fence, step = step, state = state, detail = detail,
                                      first = record.done, set = record.set }
  if ok then
    record.done, record.set = nil, nil
    return
  end
  if errors.has_code(err, "LeaseLost") then
    record.lost = true
    error(err, 0)
  end
  if not run.started then error(err, 0) end
  if not record.told then log.error("run %d is not recorded any more: %s", record.id, tostring(err)) end
  record.told = true
end

--- After a step was taken: it is written together with the next one's beginning or the run's end, before anything else is done.
--- `set`: what is to be set of the run.
function recorded.done(run, step, detail, set)
  if run.record then run.record.done, run.record.set = { step = step, state = "done", detail = detail }, set end
end

-- Of a part, before it is started: raises when its import is another's by now.
local function check_import(run)
  local import = run.import
  if import.record and import.record.lost then
    error(errors.new { code = "LeaseLost", message =
      ("run %d was taken over: nothing more is done here"):format(import.record.id) }, 0)
  end
  recorded.step(import, "part", "begin", { run = run.record and run.record.id, number = run.item.number, job_id = run.job_id })
  recorded.check_parent(import)
end

--- Of an automation's run, before its import is started: raises when that run is another's by now.
function recorded.check_parent(run)
  if run.import then return check_import(run) end
  local parent = defaults.parent_run
  if not run.record or not parent then return end
  local ok, err = run.record.store:step { id = parent.id, fence = parent.fence, step = "import", state = "begin",
                                          detail = { run = run.record.id, job_id = run.job_id } }
  if ok then return end
  if errors.has_code(err, "LeaseLost") then run.record.lost = true end
  error(err, 0)
end

-- ---- the end ----

-- Whether there may be a job that another process can go on with.
local function may_go_on(run, err)
  if not run.client.command_options then return false end -- its service ends with this program
  if run.parts then return parts.is_begun(run) end
  if run.stopped or run.is_gone or run.refused then return false end
  if run.step == "watch" and err.status == 404 then return false end
  if run.job_id then return true end
  return run.creating or err.outcome == "unknown" or run.known ~= nil and run.known.creating and not run.refused
end

local function state_of(run, result, err)
  if result then
    return (result.Status == "SUCCEEDED" or result.Status == "PARTIALLY_SUCCEEDED") and "succeeded" or "failed"
  end
  if may_go_on(run, err) then return "interrupted" end
  return errors.has_code(err, "Cancelled") and "cancelled" or "failed"
end

--- Writes the end of a run that has a result or an error.
function recorded.finish(run, result, err)
  if run.beginning and not run.record then run.beginning:wait() end
  local record = run.record
  if not record or record.lost or err and errors.has_code(err, "LeaseLost") then return end
  local cancelled = err and errors.has_code(err, "Cancelled")
  record.state = state_of(run, result, err)
  local ok, fault = record.store:end_run {
    id = record.id, fence = record.fence, state = record.state, result = result, error = err, first = record.done,
    job_id = run.job_id, job_status = result and result.Status or run.stopped and "STOPPED" or nil,
    exit_status = result and exit_status.of_result(result, run.max_failed and run.max_failed.text)
      or not cancelled and exit_status.of_error(err) or nil,
  }
  if not ok then log.error("the end of run %d is not recorded: %s", record.id, tostring(fault)) end
end

--- Of an import that was refused before it was a run. It is told all the same when it cannot be written.
function recorded.refused(run, err)
  if defaults.no_journal then return end
  local given = run.run_key
  run.run_key = nil -- what the key stands for is in no way settled
  local store = journal.open {}
  local row = store and store:begin_run(row_of(run))
  run.run_key = given
  if row then
    store:end_run { id = row.id, fence = row.fence, state = "failed", error = err, exit_status = exit_status.of_error(err) }
  end
end

--- The command that goes on with the run; nil when none does.
function recorded.resume_command(run)
  local record = run.record
  if run.import then return nil end -- that goes on with all its parts
  if not record or record.lost or not run.client.command_options then return nil end
  if record.state and record.state ~= "interrupted" then return nil end
  return shell.command({ "runs", "resume", ("%d"):format(record.id) }, defaults.state and { "--state", defaults.state } or {})
end

return recorded
