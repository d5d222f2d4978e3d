--- The mapping of an import, given or made of the header of its first file, and what is known of the import with it only.
local changes = require "upjob.changes"
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local job_request = require "upjob.job_request"
local log = require "upjob.log"
local mapping = require "upjob.mapping"
local segment = require "upjob.segment"
local source = require "upjob.source"

local import_mapping = {}

local CONSOLE_FIELDS = 25

--- That the mapping which was given has the key which was given: true | nil, err
function import_mapping.agrees(map, key)
  if not key or map.key_field.column == key or map.unique_key == key then return true end
  return nil, errors.new { code = "UsageError", message =
    ("the mapping's unique key is \"%s\", not \"%s\""):format(map.key_field.column, key) }
end

--- Whether it is made only when the import is a run: of a file that has to be fetched first.
function import_mapping.is_later(given, file)
  return not given and source.is_remote(file)
end

--- The mapping made of the header of a run's first file, which is left open for the check: map | nil, err. Raises when an object
--- cannot be fetched.
function import_mapping.make(run)
  local opened, err = checking.open { file = run.file, fd = source.of_run(run, run.file).fd, encoding = run.encoding,
                                      strict = run.strict, tmp = run.tmp }
  if not opened then return nil, err end
  local map
  map, err = mapping.from_header(opened.header, run.key, { file = run.file, line = opened.line })
  if not map then return nil, err end
  run.opened = opened
  return map
end

-- Where the keys that are gone are to go, if they are wanted.
local function check_gone(run)
  if not run.gone then return true end
  local others = {}
  for _, one in ipairs(run.sources) do
    others[#others + 1] = one.file
    others[#others + 1] = one.rejects
    others[#others + 1] = one.problems
  end
  others[#others + 1] = run.mapping.file
  others[#others + 1] = run.report_file
  return changes.check_gone(run, others, run.mapping.unique_key)
end

--- Gives a run its mapping: true | nil, err, what the service would refuse of it, or what would be lost. The run has its request,
--- with its DisplayName.
function import_mapping.take(run, map)
  local ok, err
  if run.segment then
    map, err = segment.apply(map, run.segment)
    if not map then return nil, err end
  end
  run.mapping, run.request = map, job_request(run, map, run.request.DisplayName)
  ok, err = check_gone(run)
  if not ok then return nil, err end
  ok, err = require("upjob.native.profiles").validate("CreateUploadJob", run.request)
  if ok and #map.fields > CONSOLE_FIELDS then log.warn("%d fields: the console maps at most %d", #map.fields, CONSOLE_FIELDS) end
  return ok, err
end

return import_mapping
