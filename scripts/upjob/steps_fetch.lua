--- The step of an import that fetches what is read from S3, and makes the mapping where that is made of a header which had to be
--- fetched: a function of the run; it raises the run's error. The run is in the journal before.
local events = require "upjob.events"
local fingerprint = require "upjob.fingerprint"
local import_mapping = require "upjob.import_mapping"
local recorded = require "upjob.recorded"
local resuming = require "upjob.resuming"
local source = require "upjob.source"

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- Makes the mapping: what is to be set of the run in the journal.
local function make_mapping(run)
  must(import_mapping.take(run, must(import_mapping.make(run))))
  run.mapping_fingerprint = fingerprint.of_mapping(run.mapping)
  events.emit(run, "mapped", { mapping = run.mapping })
  return { mapping = (run.mapping.base or run.mapping):to_lua(), mapping_fingerprint = run.mapping_fingerprint }
end

return function(run)
  if resuming.has_all(run) or run.parts or not source.has_remote(run.files) then return end
  run.step = "fetch"
  recorded.step(run, "fetch", "begin")
  local bytes = 0
  for _, file in ipairs(run.files) do
    if source.is_remote(file) then bytes = bytes + source.of_run(run, file).bytes end
  end
  local set = run.mapping and {} or make_mapping(run)
  -- Once it was checked, what the journal has says more.
  if not run.known or not run.known.row.file_fingerprint then set.file_fingerprint = source.look_all(run) end
  recorded.done(run, "fetch", { bytes = bytes }, set)
end
