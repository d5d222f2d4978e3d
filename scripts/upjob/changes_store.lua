--- Where the sets are that --only-changed compares with: a directory of the state directory for each mapping and domain, with
--- the set of the last import that succeeded ("keys"), those that imports which have not ended have staged, and what it is of
--- ("about").
local errors = require "upjob.errors"
local fingerprint = require "upjob.fingerprint"
local log = require "upjob.log"
local native = require "upjob.native.changes"
local replies = require "upjob.replies"
local report = require "upjob.report"
local system = require "upjob.native.system"

local changes_store = {}

local STAGED, CURRENT = ".staged", "keys"
local UNCOMPARED = "/uncompared" -- which import was the last that sent rows of the mapping without comparing them
local PROMOTED = ".promoted" -- of a run that has not ended: its set has taken the place

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
  local origin = run.client.origin
  return ("profile %s, service %s"):format(origin.profile or "", origin.data or origin.endpoint_url or "")
end

-- What the set is of, a line each: it is known by these lines. Feeds that are mapped alike are told apart by their mapping files.
local function about(run, domain, mapping_fingerprint, name)
  return table.concat({ "domain " .. run.domain, domain, "region " .. (run.client.origin.region or ""),
                        "fingerprint " .. mapping_fingerprint, name and "name " .. name }, "\n") .. "\n"
end

local function name_of(map)
  return map.file and map.file:match("[^/]+$") or nil
end

local function directory_of(store, text)
  local id = require("upjob.native.upload").digest(text):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
  return store.directory .. "/changes/" .. id
end

local function place_in(directory, run_id)
  return { directory = directory, current = directory .. "/" .. CURRENT,
           staged = run_id and ("%s/%d%s"):format(directory, run_id, STAGED) or nil,
           promoted = run_id and ("%s/%d%s"):format(directory, run_id, PROMOTED) or nil }
end

--- Whether the service is an embedded one that keeps no data, which has nothing that an import could be compared with.
function changes_store.keeps_nothing(run)
  return run.client.origin.embedded and not run.client.origin.data
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a") or ""
end

-- Of a set that an earlier version knew by the text of the mapping: it is known by the meaning from now on, unless runs that have
-- not ended know where it is: true, and it is used as it is.
local function take_over(before, directory)
  if system.stat(directory) or not system.stat(before) then return false end
  if #(system.list_files(before, STAGED) or {}) > 0 then return true end
  os.rename(before, directory) -- or another import was faster
  return false
end

--- Where the set is, and where its next one is staged: { directory, current, staged }; nil when there is none to be. Raises when
--- the state directory cannot have it.
function changes_store.places(run)
  if changes_store.keeps_nothing(run) then return nil end
  local store = run.record and run.record.store
  if not store then
    error(errors.new { code = "ConfigurationError", message = "--only-changed keeps what it compares with in the state "
      .. "directory, which there is none of: give one with --state, or import without --only-changed" }, 0)
  end
  local domain = domain_text(run)
  local text = about(run, domain, fingerprint.of_mapping(run.mapping), name_of(run.mapping))
  local directory = directory_of(store, text)
  local before = directory_of(store, about(run, domain, fingerprint.of_mapping_before(run.mapping)))
  if take_over(before, directory) then return place_in(before, run.record.id) end
  must(system.make_directory(directory, tonumber("700", 8)))
  if not read(directory .. "/about"):find(text, 1, true) then
    local map = run.mapping.file
    text = text .. ("mapping %s\n"):format(map and system.absolute(map) or "made of the header")
    must(system.write_private(directory .. "/about", text))
  end
  return place_in(directory, run.record.id)
end

-- Whether a set that was damaged is kept aside.
local function has_damaged(place)
  for _, entry in ipairs(system.list_files(place.directory, "") or {}) do
    if entry.name:find("^keys%.damaged%-") then return true end
  end
  return false
end

--- The set of the last import that succeeded: its facts; nil when there is none. A damaged one is told, and kept aside unless
--- this is a dry run; the place is `damaged` then, and stays so until an import succeeds: what one that did not has left of its
--- own keys is not what was there before.
function changes_store.last(place)
  if not system.stat(place.current) then return nil end
  local info, err = native.check(place.current)
  if info then
    place.damaged = #info.times == 0 and has_damaged(place) or nil
    return info
  end
  local aside = place.current
  if place.staged then
    aside = place.current .. os.date(".damaged-%Y%m%dT%H%M%S")
    must(os.rename(place.current, aside))
  end
  place.damaged = true
  log.warn("what the last import was compared with cannot be read (%s): it is kept as %s, all rows are sent, and which keys are "
    .. "gone is not known", tostring(err), aside)
  return nil
end

--- Why it is not known for certain which keys are gone: a text; nil when it is.
function changes_store.why_not_gone(told)
  if (told.keyless or 0) == 0 then return nil end
  return ("%s no key that can be read, so which keys are gone is not known"):format(
    told.keyless == 1 and "a row has" or report.count(told.keyless) .. " rows have")
end

-- ---- imports that ended before their sets took the place ----

-- What has become of the job of a run: "promote", "discard", or "wait".
local function fate_of_job(run, row)
  if row.state == "succeeded" then return row.job_status == "SUCCEEDED" and "promote" or "discard" end
  local job = row.job_id and replies.get_upload_job(run.client, { DomainName = run.domain, JobId = row.job_id })
  if not job or job.Status == "CREATED" or job.Status == "IN_PROGRESS" then return "wait" end
  return job.Status == "SUCCEEDED" and "promote" or "discard"
end

-- The same of an import in so many parts. Those that have not succeeded may be made anew, when it is gone on with.
local function fate_of_parts(run, row, total)
  local parts = require("upjob.parts_earlier").rows(run.record.store, row)
  if not parts or #parts < total then return "wait" end
  for _, part in ipairs(parts) do
    if fate_of_job(run, part) ~= "promote" then return "wait" end
  end
  return "promote"
end

local function fate_of(run, row)
  if not row or row.state == "failed" or row.state == "cancelled" then return "discard" end
  if row.state == "succeeded" then return fate_of_job(run, row) end
  local split = require("upjob.recorded").known(row).split
  if split then return fate_of_parts(run, row, split.total) end
  return fate_of_job(run, row)
end

-- Whether another set has been promoted since that one was begun.
local function is_outdated(place, path)
  local staged, current = native.info(path), native.info(place.current)
  return not staged or (current and current.generation or 0) ~= staged.base
end

-- The keys that were gone in a run which ended before it wrote them. Where this import tells such keys too, and is waited for, it
-- tells them all: its file is compared with the set of before, at the price of sending again what that run sent.
local function tell_gone(run, place, path, row)
  local file = fingerprint.path_of(row.options and row.options.gone)
  if not file then return true end
  local known = require("upjob.recorded").known(row).checked
  local why = known and known.changes and changes_store.why_not_gone(known.changes)
  if why then return nil, why end
  if run.gone and not run.no_wait then
    return nil, ("it ended before it wrote the keys that were gone: %s will have them too"):format(report.safe(run.gone))
  end
  local count, err = native.write_gone { before = place.current, staged = path, file = file, tmp = run.tmp }
  if not count then return nil, err end
  if log.level() ~= "error" then
    report.say(("the keys that were gone in run %d, which ended before it wrote them, are in %s"):format(row.id,
      report.safe(file)))
  end
  return true
end

local function promote(run, place, path, row)
  local ok, why
  if not is_outdated(place, path) then ok, why = tell_gone(run, place, path, row) end
  if ok then ok, why = native.promote(path, place.current) end
  if ok then
    local known = require("upjob.recorded").known(row).checked
    changes_store.forget_uncompared(place, known and known.changes and known.changes.uncompared)
  end
  if ok and row.state ~= "succeeded" then
    system.write_private(("%s/%d%s"):format(place.directory, row.id, PROMOTED), "")
  end
  if ok then return log.info("run %d has succeeded: what it sent is what is compared with", row.id) end
  if why and not errors.has_code(why, "Outdated") then
    log.warn("what run %d sent is not compared with, and is sent again: %s", row.id, tostring(why))
  end
  os.remove(path)
end

local function settle_one(run, place, path, id)
  local row, err = run.record.store:run { id = id }
  if not row and not errors.has_code(err, "NotFound") then return end
  if row and row.state == "running" then return end -- it sees to that itself
  local fate = fate_of(run, row)
  if fate == "promote" then
    promote(run, place, path, row)
  elseif fate == "discard" then
    os.remove(path)
  elseif is_outdated(place, path) then
    os.remove(path)
  elseif log.level() ~= "error" then
    report.say(("run %d has not ended, so what it sends is not compared with (upjob runs resume %d goes on with it)"):format(
      id, id))
  end
end

-- The runs that have a file of this kind in the place of a set, but this one: a list, oldest first.
local function ids_of(run, place, ending)
  local ids = {}
  for _, entry in ipairs(system.list_files(place.directory, ending) or {}) do
    local id = math.tointeger(tonumber(entry.name:match("^(%d+)%.")))
    if id and id ~= run.record.id then ids[#ids + 1] = id end
  end
  table.sort(ids)
  return ids
end

local OPEN = { queued = true, running = true, lost = true, interrupted = true }

-- What was noted for runs that nobody goes on with any more.
local function forget_promoted(run, place)
  for _, id in ipairs(ids_of(run, place, PROMOTED)) do
    local row, err = run.record.store:run { id = id }
    local has_ended = row and not OPEN[row.state] or not row and errors.has_code(err, "NotFound")
    if has_ended then os.remove(("%s/%d%s"):format(place.directory, id, PROMOTED)) end
  end
end

--- Sees to what earlier imports have staged, oldest first.
function changes_store.settle(run, place)
  forget_promoted(run, place)
  for _, id in ipairs(ids_of(run, place, STAGED)) do
    settle_one(run, place, ("%s/%d%s"):format(place.directory, id, STAGED), id)
  end
end

--- Whether what a run that is gone on with had sent is what is compared with already.
function changes_store.was_promoted(place)
  return not system.stat(place.staged) and system.stat(place.promoted) ~= nil
end

-- ---- without a run of its own ----

-- Directories of sets: a list.
local function all(state)
  local escaped = state:gsub("[%*%?%[%]\\]", "\\%0")
  local paths = system.glob(escaped .. "/changes/*/about") or {}
  for i, path in ipairs(paths) do paths[i] = path:match("^(.*)/about$") end
  return paths
end

--- The place of a set that is known by its name.
function changes_store.at(run, set)
  return place_in(run.record.store.directory .. "/changes/" .. set, run.record.id)
end

-- Whether a set is that of a domain and a mapping, by what it is of.
local function is_of(text, run)
  if text:find("domain " .. run.domain .. "\n", 1, true) ~= 1 then return false end
  local name = name_of(run.mapping)
  local now = ("\nfingerprint %s\n%s"):format(fingerprint.of_mapping(run.mapping), name and "name " .. name .. "\n" or "mapping ")
  return text:find(now, 1, true) ~= nil
    or text:find(("\nfingerprint %s\n"):format(fingerprint.of_mapping_before(run.mapping)), 1, true) ~= nil
end

--- The place of the newest set of the mapping and the domain of a dry run, which asks no service: nil when there is none.
function changes_store.look(run)
  local state = require("upjob.journal").directory()
  local newest, at
  for _, directory in ipairs(state and all(state) or {}) do
    local text, info = read(directory .. "/about"), system.stat(directory .. "/" .. CURRENT)
    if info and is_of(text, run) and (not at or info.mtime > at) then
      newest, at = place_in(directory), info.mtime
    end
  end
  return newest
end

-- ---- imports that were not compared ----

--- What says that an import has sent rows since without comparing them, so that it is not known what is there: a text; nil when
--- none has.
function changes_store.uncompared(place)
  local text = place and read(place.directory .. UNCOMPARED) or ""
  return text ~= "" and text or nil
end

--- Notes an import that is not compared, where there is a set of its mapping and domain; `moment`: "begin" or "end".
function changes_store.note_uncompared(run, moment)
  local store = run.record and run.record.store
  if not store or not run.mapping or changes_store.keeps_nothing(run) then return end
  local is_there = false
  for _, directory in ipairs(all(store.directory)) do is_there = is_there or is_of(read(directory .. "/about"), run) end
  if not is_there then return end
  local domain, map = domain_text(run), run.mapping
  for _, text in ipairs { about(run, domain, fingerprint.of_mapping(map), name_of(map)),
                          about(run, domain, fingerprint.of_mapping_before(map)) } do
    local directory = directory_of(store, text)
    if system.stat(directory) then
      must(system.write_private(directory .. UNCOMPARED, ("run %d %s\n"):format(run.record.id, moment)))
    end
  end
end

--- After an import that has sent all rows since, as `noted` said that it must.
function changes_store.forget_uncompared(place, noted)
  if noted and changes_store.uncompared(place) == noted then os.remove(place.directory .. UNCOMPARED) end
end

--- Forgets sets that no import has used since `before` (epoch): how many.
function changes_store.prune(state, before)
  local count = 0
  for _, directory in ipairs(all(state)) do
    local newest = 0
    for _, entry in ipairs(system.list_files(directory, "") or {}) do
      local info = system.stat(directory .. "/" .. entry.name)
      newest = math.max(newest, info and info.mtime or 0)
    end
    if newest < before and system.remove_tree(directory) then count = count + 1 end
  end
  return count
end

return changes_store
