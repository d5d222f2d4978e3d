--- The segment of the profiles of an import: a constant attribute on its rows, and the definition that selects them.
---
--- A segment refers to profiles, not to a job, so each segment has an attribute of its own, Attributes.segment_NAME, whose
--- value is the same at every import: tonight's profiles join those of yesterday, and leave when they expire. A profile can be in
--- several.
local errors = require "upjob.errors"
local events = require "upjob.events"
local header_mapping = require "upjob.mapping_header"
local log = require "upjob.log"
local recorded = require "upjob.recorded"
local report = require "upjob.report"
local synonyms = require "upjob.synonyms"

local segment = {}

local NAME_PATTERN, NAME_MAX = "^[%w_-]+$", 64 -- of a SegmentDefinitionName, and
local DISPLAY_NAME_MAX = 255                   -- characters of a DisplayName: the service model
local PATIENCE = 60                            -- seconds for an estimate

--- What is wrong with the name of a segment: nil when nothing is.
function segment.problem_of_name(name)
  local length = utf8.len(name)
  if not length then return "must be UTF-8 text" end
  if length < 1 or length > DISPLAY_NAME_MAX then return ("must have 1 to %d characters"):format(DISPLAY_NAME_MAX) end
end

--- The name that the service takes: the name itself where it can be, else its letters and digits; where none are left, a digest.
function segment.slug(name)
  if #name <= NAME_MAX and name:find(NAME_PATTERN) then return name end
  local slug = header_mapping.slug(synonyms.fold(name))
  return slug or "s_" .. require("upjob.native.upload").digest(name):gsub("[^%w]", ""):sub(1, 12)
end

--- The attribute of a segment's profiles, and its value.
function segment.attribute(name)
  return "segment_" .. segment.slug(name), segment.slug(name)
end

--- The mapping with the segment's attribute: map | nil, err
function segment.apply(map, name)
  local attribute, value = segment.attribute(name)
  local with, other = map:with_constant("Attributes." .. attribute, value)
  if with then
    with.segment = name
    return with
  end
  return nil, errors.new { code = "InvalidMapping", message =
    ("%sAttributes.%s is the attribute of the segment \"%s\", and %s goes there: give one of them another name"):format(
      other.where and other.where .. ": " or "", attribute, name, require("upjob.mapping_field").title(other)) }
end

-- ---- the definition ----

local function groups_of(name)
  local attribute, value = segment.attribute(name)
  local dimension = { ProfileAttributes = { Attributes = { [attribute] = { DimensionType = "INCLUSIVE", Values = { value } } } } }
  return { Groups = { { Dimensions = { dimension }, Type = "ALL" } }, Include = "ALL" }
end

--- What CreateSegmentDefinition is asked for.
function segment.request(domain, name)
  return { DomainName = domain, SegmentDefinitionName = segment.slug(name), DisplayName = name, SegmentGroups = groups_of(name) }
end

-- A value as a text that is the same for what means the same: without what is empty, names in order.
local function canonical(value)
  if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
  local list = {}
  if #value > 0 then
    for i, item in ipairs(value) do list[i] = canonical(item) end
    return "[" .. table.concat(list, ",") .. "]"
  end
  for _, name in ipairs(errors.names_of(value)) do
    local text = canonical(value[name])
    if text ~= "{}" then list[#list + 1] = name .. "=" .. text end
  end
  return "{" .. table.concat(list, ",") .. "}"
end

-- Defaults that the service need not repeat.
local function groups_text(groups)
  if type(groups) ~= "table" then return "{}" end
  local copy = { Include = groups.Include or "ALL", Groups = {} }
  for i, group in ipairs(groups.Groups or {}) do
    copy.Groups[i] = { Dimensions = group.Dimensions, SourceSegments = group.SourceSegments, Type = group.Type or "ALL" }
  end
  return canonical(copy)
end

-- What a definition has otherwise than it is wanted: a text, nil when nothing.
local function difference(wanted, found)
  if found.DisplayName ~= wanted.DisplayName then
    return ("its DisplayName is \"%s\", not \"%s\""):format(tostring(found.DisplayName), wanted.DisplayName)
  end
  if found.SegmentSqlQuery or groups_text(found.SegmentGroups) ~= groups_text(wanted.SegmentGroups) then
    local attribute, value = segment.attribute(wanted.DisplayName)
    return ("it does not select Attributes.%s = \"%s\" alone"):format(attribute, value)
  end
end

-- ---- calls ----

local function add_action(err, action)
  if err.code == "AccessDeniedException" then
    err.message = ("%s (--segment needs the action profile:%s; upjob doctor --iam-policy lists all)"):format(
      err.message:gsub("%.$", ""), action)
  end
  return err
end

local function names(run)
  return { DomainName = run.domain, SegmentDefinitionName = segment.slug(run.segment) }
end

-- The definition of that name; nil when there is none.
local function find(run)
  local found, err = run.client:get_segment_definition(names(run))
  if not found and err.status ~= 404 then error(add_action(err, "GetSegmentDefinition"), 0) end
  return found
end

local function refuse(run, differs)
  error(errors.new { code = "UsageError", message =
    ("domain %s has another segment definition %s: %s; give another name, or --replace-segment to delete it and make this one")
    :format(run.domain, segment.slug(run.segment), differs) }, 0)
end

-- What is to be done of a definition that was found, or not: "reused", "created", "replaced".
local function plan(run, found)
  if not found then return "created" end
  local differs = difference(segment.request(run.domain, run.segment), found)
  if not differs then return "reused" end
  if not run.replace_segment then refuse(run, differs) end
  return "replaced"
end

local function delete(run)
  local ok, err = run.client:delete_segment_definition(names(run))
  if not ok and err.status ~= 404 then error(add_action(err, "DeleteSegmentDefinition"), 0) end
end

-- Creates it. An answer that was lost, or another import that was faster, is looked for.
local function create(run)
  local made, err = run.client:create_segment_definition(segment.request(run.domain, run.segment))
  if made then return end
  local found = (err.retryable or err.outcome == "unknown" or err.status == 400) and run.client:get_segment_definition(names(run))
  if found and not difference(segment.request(run.domain, run.segment), found) then return end
  error(add_action(err, "CreateSegmentDefinition"), 0)
end

-- ---- steps of an import ----

-- Whether the import was begun before, and its job is there: then the definition is, too.
local function is_past(run)
  return not run.segment or run.answer ~= nil or run.job_id ~= nil or run.started or run.parts ~= nil and run.known ~= nil
end

--- Before the check: whether there is a definition of that name, and whether it is the one that is wanted. Raises when it is not.
function segment.look(run)
  if is_past(run) then return nil end
  run.step = "segment"
  run.segment_plan = plan(run, find(run))
end

--- After the check, before the first job: the definition is there.
function segment.define(run)
  if is_past(run) or not run.segment_plan then return nil end
  run.step = "segment"
  if run.segment_plan == "reused" then return nil end
  require("upjob.own_domain").ensure(run)
  recorded.step(run, "segment", "begin")
  if run.segment_plan == "replaced" then delete(run) end
  create(run)
  recorded.done(run, "segment", { name = segment.slug(run.segment), made = run.segment_plan })
  events.emit(run, "segment", { name = segment.slug(run.segment), DisplayName = run.segment, made = run.segment_plan })
end

-- How many profiles the segment has | nil, err
local function estimate(run)
  local begun, err = run.client:create_segment_estimate { DomainName = run.domain, SegmentQuery = groups_of(run.segment) }
  if not begun then return nil, add_action(err, "CreateSegmentEstimate") end
  local ended
  ended, err = run.client:wait_until("segment_estimate_done", { DomainName = run.domain, EstimateId = begun.EstimateId },
    { timeout = PATIENCE })
  if not ended then return nil, add_action(err, "GetSegmentEstimate") end
  local size = math.tointeger(tonumber(ended.Estimate))
  if ended.Status == "SUCCEEDED" and size then return size end
  return nil, errors.new { code = "InvalidResponse", message =
    ("the estimate is %s%s"):format(tostring(ended.Status), ended.Message and ": " .. ended.Message or "") }
end

local HAS_PROFILES = { SUCCEEDED = true, PARTIALLY_SUCCEEDED = true }

--- After the end: how many profiles the segment has. That this cannot be told changes nothing of the import.
function segment.measure(run)
  if not run.segment or run.answer then return nil end
  local attribute, value = segment.attribute(run.segment)
  run.segment_told = { name = segment.slug(run.segment), DisplayName = run.segment, attribute = attribute, value = value,
                       made = run.segment_plan }
  if not HAS_PROFILES[run.status] then return nil end
  run.step = "measure"
  events.emit(run, "progress", { step = "measure" })
  local size, err = estimate(run)
  run.segment_told.size = size
  if not size then log.warn("the size of segment %s is not known: %s", run.segment_told.name, tostring(err)) end
end

--- What is told of a segment, as a list of lines. days: until profiles vanish.
function segment.lines(told, days)
  local name = told.DisplayName == told.name and told.name or ("%s (%s)"):format(report.safe(told.DisplayName), told.name)
  local size = told.size and report.plural(told.size, "profile") or "its size is not known"
  return { ("%s: %s"):format(name, size),
           ("Its profiles have Attributes.%s = \"%s\": those of the next import join them, and each leaves when it vanishes, "
             .. "%s after it was last imported."):format(told.attribute, told.value, report.plural(days, "day")) }
end

return segment
