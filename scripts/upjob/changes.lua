--- Imports of only what has changed since the last one that succeeded.
---
--- For each mapping and domain the state directory keeps a set: of each key that was there a fingerprint of what was sent of its
--- rows, when its profile expires, and its text (core/keyset.h). An import compares its file with the set, sends the rows of the
--- keys that are new or differ, and writes a set of its own, which is staged until all its jobs have SUCCEEDED and takes the
--- other's place then. After PARTIALLY_SUCCEEDED it does not: three counts name no row, so the next import sends them all again.
---
--- A profile vanishes when its days are over, also when its row has not changed. So what would vanish before the next usual
--- import is sent again: what expires within 1.5 times the usual time between two imports, which is the median of the last ones
--- of the set, a day where there is only one, and an hour at least.
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local input = require "upjob.source"
local log = require "upjob.log"
local native = require "upjob.native.changes"
local rejects = require "upjob.rejects"
local replies = require "upjob.replies"
local report = require "upjob.report"
local system = require "upjob.native.system"

local changes = {}

local DAY, HOUR = 86400, 3600
local MARGIN = 1.5                       -- of the usual time between two imports
local FAR = math.maxinteger              -- all expires before
local STAGED, CURRENT = ".staged", "keys"

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- ---- which set ----

-- The domain, as one that was deleted and made again has nothing of what was sent to the first: a text.
local function domain_text(run)
  require("upjob.own_domain").ensure(run)
  local domain, err = run.client:get_domain { DomainName = run.domain }
  if domain then return ("created %.3f"):format(domain.CreatedAt or 0) end
  if err.status ~= 403 then error(err, 0) end
  log.warn("GetDomain is not allowed (%s): should domain %s be deleted and made again, --only-changed does not notice it",
    err.code, run.domain)
  return "profile " .. (run.client.origin.profile or "")
end

-- What the set is of, a line each.
local function about(run)
  local origin = run.client.origin
  return table.concat({
    "domain " .. run.domain, domain_text(run), "region " .. (origin.region or ""),
    "service " .. (origin.data or origin.endpoint_url or ""), "mapping " .. (run.mapping.file or "made of the header"),
    "fingerprint " .. require("upjob.fingerprint").of_mapping(run.mapping), "",
  }, "\n")
end

local function directory_of(store, text)
  local id = require("upjob.native.upload").digest(text):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
  return store.directory .. "/changes/" .. id
end

-- An embedded service that keeps no data has nothing that an import could be compared with.
local function keeps_nothing(run)
  return run.client.origin.embedded and not run.client.origin.data
end

-- Where the set is, and where its next one is staged: { directory, current, staged }; nil when there is none to be.
local function places(run)
  if keeps_nothing(run) then return nil end
  local store = run.record and run.record.store
  if not store then
    error(errors.new { code = "ConfigurationError", message = "--only-changed keeps what it compares with in the state "
      .. "directory, which there is none of: give one with --state, or import without --only-changed" }, 0)
  end
  local text = about(run)
  local directory = directory_of(store, text)
  must(system.make_directory(directory, tonumber("700", 8)))
  if not system.stat(directory .. "/about") then must(system.write_private(directory .. "/about", text)) end
  return { directory = directory, current = directory .. "/" .. CURRENT,
           staged = ("%s/%d%s"):format(directory, run.record.id, STAGED) }
end

-- The set of the last import that succeeded: its facts; nil when there is none. A damaged one is kept aside, and told.
local function last(place)
  if not system.stat(place.current) then return nil end
  local info, err = native.check(place.current)
  if info then return info end
  local aside = place.current .. os.date(".damaged-%Y%m%dT%H%M%S")
  must(os.rename(place.current, aside))
  log.warn("what the last import was compared with cannot be read (%s): it is kept as %s, and all rows are sent", tostring(err),
    aside)
  return nil
end

-- ---- imports that ended before their sets took the place ----

-- What has become of the job of a run: "promote", "discard", or "wait".
local function fate_of(run, row)
  if not row then return "discard" end
  if row.state == "succeeded" then return row.job_status == "SUCCEEDED" and "promote" or "discard" end
  if row.state == "failed" or row.state == "cancelled" then return "discard" end
  local job = row.job_id and replies.get_upload_job(run.client, { DomainName = run.domain, JobId = row.job_id })
  if not job or job.Status == "CREATED" or job.Status == "IN_PROGRESS" then return "wait" end
  return job.Status == "SUCCEEDED" and "promote" or "discard"
end

-- Whether another set has been promoted since that one was begun.
local function is_outdated(place, path)
  local staged, current = native.info(path), native.info(place.current)
  return not staged or (current and current.generation or 0) ~= staged.base
end

local function settle_one(run, place, path, id)
  local row, err = run.record.store:run { id = id }
  if not row and not errors.has_code(err, "NotFound") then return end
  local fate = fate_of(run, row)
  if fate == "promote" then
    local ok, why = native.promote(path, place.current)
    if ok then return log.info("run %d has succeeded: what it sent is what is compared with", id) end
    if not errors.has_code(why, "Outdated") then log.warn("what run %d sent cannot be compared with: %s", id, tostring(why)) end
    os.remove(path)
  elseif fate == "discard" then
    os.remove(path)
  elseif is_outdated(place, path) then
    os.remove(path)
  elseif log.level() ~= "error" then
    report.say(("run %d has not ended, so what it sends is not compared with (upjob runs resume %d goes on with it)"):format(
      id, id))
  end
end

-- Sees to what earlier imports have staged, oldest first.
local function settle(run, place)
  local ids = {}
  for _, entry in ipairs(system.list_files(place.directory, STAGED) or {}) do
    local id = math.tointeger(tonumber(entry.name:match("^(%d+)%.staged$")))
    if id and id ~= run.record.id then ids[#ids + 1] = id end
  end
  table.sort(ids)
  for _, id in ipairs(ids) do settle_one(run, place, ("%s/%d%s"):format(place.directory, id, STAGED), id) end
end

-- ---- the check ----

-- The usual seconds between two imports, of the times of the last ones.
local function usual_interval(times)
  local intervals = {}
  for i = 2, #times do intervals[#intervals + 1] = times[i] - times[i - 1] end
  if #intervals == 0 then return DAY end
  table.sort(intervals)
  return math.max(intervals[(#intervals + 1) // 2], HOUR)
end

-- What checking.run is asked for.
local function asked_for(run, place, before)
  local now = math.floor(system.time())
  local due = before and now + math.floor(MARGIN * usual_interval(before.times))
  return { before = before and place.current or nil, staged = place and not run.dry_run and place.staged or nil,
           due_before = run.full and FAR or due, expires = now + (run.expires or report.DEFAULT_EXPIRY) * DAY }
end

local COUNTS = { "new", "changed", "due", "same", "held", "gone", "rows" }

-- What is told of the changes: numbers of keys, and of the rows that are sent.
local function told_of(found, place, before)
  local told = { since = before and before.written_at, set = place and place.directory:match("[^/]+$") }
  for _, name in ipairs(COUNTS) do told[name] = found[name] end
  return told
end

-- Where a set is looked for: a dry run has no journal of its own, and changes nothing.
local function look_for(run)
  if run.dry_run then return nil end
  local place = places(run)
  if place then
    settle(run, place)
    os.remove(place.staged) -- of a try of this run that was cut short
  end
  return place
end

local function first_pass(options, asked)
  local copy = { changes = asked }
  for name, value in pairs(options) do
    if name ~= "split" then copy[name] = value end
  end
  return copy
end

-- The pass over the rows that are to be sent. What was read once is there as a descriptor.
local function pass(run, options, found, lines)
  local spool = found.outgoing_fd
  local result, err = checking.run {
    file = options.file or run.file, fd = spool or options.fd, mapping = options.mapping,
    encoding = options.encoding, no_check = options.no_check, reject = options.reject, tmp = options.tmp,
    split = options.split, select = lines,
  }
  found.outgoing_fd = nil
  if spool and result and not result.outgoing_fd and not result.split then
    result.outgoing_fd, result.outgoing_bytes = spool, result.bytes -- all of it is sent, as it stands
  elseif spool then
    require("upjob.native.check").close_fd(spool)
  end
  return result, err
end

local TAKEN = { "outgoing_fd", "outgoing_bytes", "md5", "identity", "split", "sources", "mended" }

--- checking.run of an import: with --only-changed, what it makes to be sent has the rows that are new or differ. The result's
--- `changes` are how many there are, `rows` are those of the file.
function changes.check(run, options)
  if not run.only_changed then return checking.run(options) end
  local place = look_for(run)
  local before = place and last(place)
  local result, err = checking.run(first_pass(options, asked_for(run, place, before)))
  if not result then return nil, err end
  local lines = result.changes.lines
  result.changes = told_of(result.changes, place, before)
  if result.bad_rows > 0 and not options.reject or result.changes.rows == 0 then
    lines:close()
    checking.close(result)
    return result
  end
  local sent
  sent, err = pass(run, options, result, lines)
  if not sent then
    lines:close()
    return nil, err
  end
  run.lines = lines
  for _, name in ipairs(TAKEN) do result[name] = sent[name] end
  return result
end

--- The rows of an import that are to be sent, as checking.run takes them: nil for all. Another process finds them out again.
function changes.lines(run)
  if not run.only_changed or run.lines then return run.lines end
  local place = places(run)
  local before = place and last(place)
  local asked = asked_for(run, place, before)
  asked.staged = nil
  local result = must(checking.run {
    file = run.file, fd = input.of_run(run, run.file).fd, mapping = run.mapping, encoding = run.encoding, strict = run.strict,
    no_check = run.no_check, reject = run.mapping.on_invalid ~= "stop", tmp = run.tmp, changes = asked,
  })
  run.lines = result.changes.lines
  checking.close(result)
  return run.lines
end

--- Whether there is nothing to be sent.
function changes.is_none(run)
  local told = run.checked and run.checked.changes
  return told ~= nil and told.rows == 0
end

-- ---- the end ----

local function write_gone(run, place)
  local before = system.stat(place.current) and place.current or place.staged
  must(native.write_gone { before = before, staged = place.staged, file = run.gone, tmp = run.tmp })
  run.checked.changes.file = run.gone
end

local function promote(run, place)
  if run.gone then write_gone(run, place) end
  local ok, err = native.promote(place.staged, place.current)
  if ok then return end
  os.remove(place.staged)
  log.warn("%s; the next import with --only-changed sends these rows again", errors.has_code(err, "Outdated")
    and "another import of this mapping and domain has succeeded meanwhile" or tostring(err))
end

--- The end of an import: what it sent is what the next one compares with, when all of it has succeeded.
function changes.promote(run)
  local told = run.only_changed and run.checked and run.checked.changes
  if run.lines then run.lines:close() end
  if not told or not told.set or run.answer then return nil end
  local directory = run.record.store.directory .. "/changes/" .. told.set
  local place = { current = directory .. "/" .. CURRENT, staged = ("%s/%d%s"):format(directory, run.record.id, STAGED) }
  if not system.stat(place.staged) then return nil end
  if run.status == "SUCCEEDED" then
    local ok, err = pcall(promote, run, place)
    if not ok and not errors.is(err) then error(err, 0) end
    if not ok then log.error("%s; the next import with --only-changed sends these rows again", tostring(err)) end
    return nil
  end
  os.remove(place.staged)
  log.warn("the job is %s, and no count names a row: the next import with --only-changed sends these rows again", run.status)
end

--- Whether an import of these files can be compared with the last one, and whether the keys that are gone can be written to where
--- they are to be: true | nil, err. `others`: the names of the other files of the import.
function changes.check_options(options, files, others)
  if not options.only_changed then return true end
  if #files > 1 then
    return nil, errors.new { code = "UsageError", message = "--only-changed compares one file with the last one: import several "
      .. "one by one, each with a mapping of its own" }
  end
  if not options.gone then return true end
  return rejects.check_gone(options.gone, others)
end

-- ---- in words ----

--- What has changed, as a list of lines.
function changes.lines_of(told)
  local sent = told.new + told.changed + told.due
  local all = sent + told.same + told.held
  local lines = {}
  if told.since then
    local parts = { report.count(told.new) .. " new", report.count(told.changed) .. " changed" }
    if told.due > 0 then parts[#parts + 1] = report.count(told.due) .. " sent again" end
    parts[#parts + 1] = report.count(told.gone) .. " gone"
    lines[1] = ("%s of %s since %s: %s"):format(report.count(sent), report.plural(all, "key"), report.time(told.since),
      table.concat(parts, ", "))
    if told.due > 0 then
      lines[2] = "Those sent again have not changed, and would have vanished before the next usual import, or --full was given."
    end
  elseif told.set then
    lines[1] = ("all %s, as nothing was sent with this mapping before: the next import sends what has changed since"):format(
      report.plural(all, "key"))
  else
    lines[1] = ("all %s: there is nothing to compare with"):format(report.plural(all, "key"))
  end
  if told.file then lines[#lines + 1] = ("The keys that are gone are in %s."):format(report.safe(told.file)) end
  return lines
end

return changes
