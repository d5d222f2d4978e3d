--- Imports of only what has changed since the last one that succeeded.
---
--- For each mapping and domain the state directory keeps a set: of each key that was there a fingerprint of what was sent of
--- its rows, when its profile expires, and its text (core/keyset.h). The files of an import are one stream of rows in their
--- order: it compares them with the set and sends the rows of the keys that are new or differ. Before it does, those keys are in
--- doubt in the set: they are sent again, or are gone, whatever comes. It stages a set of its own, which takes the other's place
--- when all its jobs have SUCCEEDED, and in no other case: after PARTIALLY_SUCCEEDED three counts name no row, so the next import
--- sends them all again.
---
--- A profile vanishes when its days are over, also when its row has not changed. So what would vanish before the next usual
--- import is sent again: what expires within 1.5 times the usual time between two imports, which is the median of the last ones
--- of the set and the time since, a day at least where there was only one, and an hour at least.
local changes_store = require "upjob.changes_store"
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local input = require "upjob.source"
local log = require "upjob.log"
local native = require "upjob.native.changes"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local system = require "upjob.native.system"

local changes = {}

local DAY, HOUR = 86400, 3600
local MARGIN = 1.5                       -- of the usual time between two imports
local FAR = math.maxinteger              -- all expires before
local TURNS = 64                         -- generations of a set that are told apart
local DOUBT = 1                          -- what is in doubt expires before

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- ---- the check ----

-- The usual seconds between two imports, of the times of the last ones and of now.
local function usual_interval(times, now)
  local intervals = {}
  for i = 2, #times do intervals[#intervals + 1] = times[i] - times[i - 1] end
  if #times > 0 then intervals[#intervals + 1] = now - times[#times] end
  if #times == 1 then intervals[1] = math.max(intervals[1], DAY) end
  if #intervals == 0 then return DAY end
  table.sort(intervals)
  return math.max(intervals[(#intervals + 1) // 2], HOUR)
end

-- When what is sent expires: to a minute, as it also tells what an import has sent from what those before it have, whatever days
-- they were sent for.
local function expiry_of(run, now, before)
  local expires = now + (run.expires or report.DEFAULT_EXPIRY) * DAY
  return expires - (expires - (before and before.generation or 0)) % TURNS
end

-- What native.compare is asked for.
local function asked_for(run, place, before)
  local now = math.floor(system.time())
  local due = before and now + math.floor(MARGIN * usual_interval(before.times, now))
  return { before = before and place.current or nil, staged = place and not run.dry_run and place.staged or nil,
           due_before = (run.full or changes_store.uncompared(place)) and FAR or due, expires = expiry_of(run, now, before) }
end

local COUNTS = { "new", "changed", "due", "same", "held", "gone", "keyless", "rows" }

-- The counts of the first check of a run that is gone on with; nil when there was none. What it is to send is in doubt since.
local function known_of(run)
  local checked = run.known and run.known.checked
  return checked and checked.changes and checked.changes.set and checked.changes or nil
end

-- Of a run that is gone on with: what its first check chose, and not what has become due since.
local function asked_again(known, place, before)
  return { before = before and place.current or nil, staged = place.staged, due_before = DOUBT, expires = known.expires }
end

-- What is told of the changes: numbers of keys, and of the rows that are sent.
local function told_of(run, found, comparison)
  local place, before, asked = comparison.place, comparison.before, comparison.asked
  local told = { since = before and before.times[#before.times], set = place and place.directory:match("[^/]+$"),
                 full = run.full, expires = asked.expires, damaged = place and place.damaged,
                 uncompared = before and comparison.uncompared }
  for _, name in ipairs(COUNTS) do told[name] = found[name] end
  return told
end

-- Where a set is looked for: a dry run has no journal of its own, and changes nothing.
local function look_for(run)
  if run.dry_run then return changes_store.look(run) end
  local place = changes_store.places(run)
  if place then
    changes_store.settle(run, place)
    os.remove(place.staged) -- of a try of this run that was cut short
  end
  return place
end

--- Before the files of an import are checked: with --only-changed, what they are compared with, all of them together.
function changes.begin(run)
  if not run.only_changed then return end
  local place = look_for(run)
  local before = place and changes_store.last(place)
  local known = place and known_of(run)
  local asked = known and asked_again(known, place, before) or asked_for(run, place, before)
  asked.files, asked.tmp = #run.sources, run.tmp
  run.comparison = { place = place, before = before, known = known, asked = asked, sources = run.sources,
                     uncompared = changes_store.uncompared(place),
                     handle = must(native.compare(asked)), bad_rows = 0 }
end

-- After the last file: what is to be sent of each. What a run that is gone on with told before is told again.
local function take_found(run, comparison, found)
  local known = comparison.known
  for i, source in ipairs(comparison.sources) do
    source.lines, source.to_send = found.lines[i], #found.lines[i]
  end
  comparison.handle:close()
  if known and known.rows == found.rows then return known end
  return told_of(run, found, comparison)
end

--- checking.run of a file of an import. With --only-changed it makes nothing to be sent, which changes.choose does when all files
--- were looked through; with the last one the result's `changes` are how many there are in all of them.
function changes.check(run, options)
  local comparison = run.comparison
  if not comparison then return checking.run(options) end
  local copy = { changes = comparison.handle }
  for name, value in pairs(options) do
    if name ~= "split" then copy[name] = value end
  end
  local result, err = checking.run(copy)
  if not result then return nil, err end
  comparison.bad_rows = comparison.bad_rows + result.bad_rows
  if result.changes then result.changes = take_found(run, comparison, result.changes) end
  return result
end

-- The pass over the rows that are to be sent. What was read once is there as a descriptor.
local function pass(options, found, lines)
  local spool = found.outgoing_fd
  local result, err = checking.run {
    file = options.file, fd = spool or options.fd, mapping = options.mapping,
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

--- With --only-changed, when all files were checked: makes what is to be sent of one (the run, or one of its sources), in another
--- pass over it. Nothing where it has no such row, or nothing may be sent at all.
function changes.choose(self, options)
  local comparison, found = self.comparison, self.checked
  if not comparison then return end
  local source = rawget(self, "sources") and self.sources[1] or self
  if source.to_send == 0 or comparison.bad_rows > 0 and not options.reject then return checking.close(found) end
  local sent = must(pass(options, found, source.lines))
  for _, name in ipairs(TAKEN) do found[name] = sent[name] end
end

--- After the check, before anything of what is to be sent is recorded: its keys are in doubt from now on; all are, of an import
--- that is not compared.
function changes.mark(run)
  if not run.only_changed and not run.dry_run then changes_store.note_uncompared(run, "begin") end
  local told = run.checked.changes
  if run.dry_run or not told or not told.set or told.rows == 0 then return end
  local place = changes_store.at(run, told.set)
  must(native.mark(place.staged, place.current, told.expires))
end

--- The rows of a file of an import that are to be sent, as checking.run takes them: nil for all. Another process finds them out
--- again, by that file alone: their keys are in doubt.
function changes.lines(run, source)
  if not run.only_changed or source.lines then return source.lines end
  local told = run.checked and run.checked.changes
  local place = told and told.set and changes_store.at(run, told.set)
  local before = place and changes_store.last(place)
  local comparison <close> = must(native.compare { before = before and place.current or nil, due_before = DOUBT,
                                                   only_due = before ~= nil, tmp = run.tmp })
  local result = must(checking.run {
    file = source.file, fd = rawget(source, "again") or input.of_run(run, source.file).fd, mapping = run.mapping,
    encoding = run.encoding, strict = run.strict, no_check = run.no_check, reject = run.mapping.on_invalid ~= "stop",
    tmp = run.tmp, changes = comparison,
  })
  source.lines = result.changes.lines[1]
  checking.close(result)
  return source.lines
end

--- Closes what is open of a run that ends.
function changes.close(run)
  if run.comparison then run.comparison.handle:close() end
  for _, source in ipairs(run.sources or {}) do
    local lines = rawget(source, "lines")
    if lines then lines:close() end
  end
end

--- Of a run that is gone on with: whether another import of the mapping and the domain has succeeded since its first check, and
--- so may have sent some of what this one was to send.
function changes.is_overtaken(run)
  local first = run.only_changed and known_of(run)
  local last = first and changes_store.last(changes_store.at(run, first.set))
  return last ~= nil and last.times[#last.times] ~= first.since
end

--- Whether there is nothing to be sent.
function changes.is_none(run)
  local told = run.checked and run.checked.changes
  return told ~= nil and told.rows == 0
end

-- ---- the end ----

local PLACES = 5 -- that are told of rows without a key

-- Where they are, as far as the check has kept that, and what is to be done of them.
local function with_places(run, why)
  local places, more = {}, run.checked.changes.keyless
  for _, problem in ipairs(run.checked.problems or {}) do
    local is_of_key = problem.severity == "error" and (problem.column == 0 or problem.column_name == run.mapping.key_field.column)
    if is_of_key and #places < math.min(PLACES, more) then
      places[#places + 1] = ("%s:%d"):format(report.safe(problem.file or run.file), problem.line)
    end
  end
  if #places == 0 then return why end
  local others = more > #places and (" and %s more"):format(report.count(more - #places)) or ""
  return ("%s (%s%s: give these rows their keys, and import again)"):format(why, table.concat(places, ", "), others)
end

local function write_gone(run, place)
  if run.checked.changes.damaged then
    run.gone_error = "which keys are gone since the last import is not known"
    return log.error("%s was not written: %s", run.gone, run.gone_error)
  end
  local why = changes_store.why_not_gone(run.checked.changes)
  if why then error(with_places(run, why), 0) end
  local before = system.stat(place.current) and place.current or place.staged
  must(native.write_gone { before = before, staged = place.staged, file = run.gone, tmp = run.tmp })
  run.checked.changes.file = run.gone
end

-- Raises why the set cannot take the other's place; it is of no use then.
local function promote(run, place)
  if changes_store.was_promoted(place) then -- by an import that came after its jobs had succeeded
    run.checked.changes.file = run.gone
    return
  end
  local ok, err = pcall(function()
    if not system.stat(place.staged) then error("it was taken away meanwhile", 0) end
    if run.gone then write_gone(run, place) end
    must(native.promote(place.staged, place.current))
    changes_store.forget_uncompared(place, run.checked.changes.uncompared)
  end)
  if ok then return end
  os.remove(place.staged)
  error(errors.has_code(err, "Outdated") and "another import of this mapping and domain has ended meanwhile" or tostring(err), 0)
end

-- The end of an import that is not compared: whatever was compared meanwhile, it is not known what is there.
local function note_end(run)
  if run.only_changed or run.answer then return end
  local ok, why = pcall(changes_store.note_uncompared, run, "end")
  if not ok and not errors.is(why) then error(why, 0) end
  if not ok then
    log.warn("that this import was not compared could not be noted (%s): give the next one with --only-changed --full too",
      tostring(why))
  end
end

--- The end of an import: what it sent is what the next one compares with, when all of it has succeeded.
function changes.promote(run)
  note_end(run)
  local told = run.only_changed and run.checked and run.checked.changes
  if not told or not told.set or run.answer then return nil end
  local place = changes_store.at(run, told.set)
  local ok, why = false, ("the job is %s, and no count names a row"):format(run.status)
  if run.status == "SUCCEEDED" then ok, why = pcall(promote, run, place) else os.remove(place.staged) end
  if ok then return nil end
  run.gone_error = run.gone and tostring(why)
  local tell = run.gone and run.status == "SUCCEEDED" and log.error or log.warn
  local what = run.gone and ("%s was not written, as %s"):format(run.gone, tostring(why)) or tostring(why)
  tell("%s: the next import with --only-changed sends these rows again%s", what,
    run.gone and ", and tells the keys that are gone" or "")
  return nil
end

--- Whether the keys that are gone can be written to where they are to be: true | nil, err. `others`: the names of the other files
--- of the import; `key`: of the unique key.
function changes.check_gone(options, others, key)
  if options.client and not options.dry_run and changes_store.keeps_nothing(options) then
    return nil, errors.new { code = "UsageError", message = "--gone has nothing to compare with in an embedded service that "
      .. "keeps no data: give it --data DIR" }
  end
  return rejects.check_gone(options.gone, others, key)
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
      lines[2] = told.full and "All that has not changed is sent again, as --full says."
        or told.uncompared and "All is sent again, as an import without --only-changed has sent rows of this mapping since."
        or "Sent again are those that would vanish before the next usual import, or that an import sent which did not succeed."
    end
  elseif told.damaged then
    lines[1] = ("all %s, as what the last import was compared with cannot be read"):format(report.plural(all, "key"))
  elseif told.set then
    lines[1] = ("all %s, as no import of this mapping has succeeded before: the next one sends what has changed since"):format(
      report.plural(all, "key"))
  else
    lines[1] = ("all %s: there is nothing to compare with"):format(report.plural(all, "key"))
  end
  if told.file then lines[#lines + 1] = ("The keys that are gone are in %s."):format(report.safe(told.file)) end
  return lines
end

return changes
