--- What the probe checks of segments, on the profile that its job of mappings has made: a definition a fact.
local probe = require "upjob.probe"

local segments = { facts = { "segment", "segment-taken", "segment-case", "segment-exclusive", "segment-attributes" } }

local function condition(kind, ...)
  return { DimensionType = kind, Values = { ... } }
end

-- SegmentGroups of one dimension, on custom attributes.
local function groups(kind, attributes)
  return { Include = "ALL", Groups = { { Type = kind, Dimensions = { { ProfileAttributes = { Attributes = attributes } } } } } }
end

-- By fact, what selects the profile while it holds, for a profile whose attribute `name` is `value`.
local SELECTS = {
  ["segment"] = function(name, value) return groups("ALL", { [name] = condition("INCLUSIVE", value) }) end,
  ["segment-case"] = function(name, value) return groups("NONE", { [name] = condition("INCLUSIVE", value:upper()) }) end,
  ["segment-exclusive"] = function(name) return groups("ALL", { [name .. "_none"] = condition("EXCLUSIVE", "none") }) end,
  ["segment-attributes"] = function(name, value)
    return groups("NONE", { [name] = condition("INCLUSIVE", value), [name .. "_none"] = condition("INCLUSIVE", "none") })
  end,
}

-- Makes a definition: its name | nil, err
local function define(self, fact, attribute)
  local name = fact == "segment" and self.prefix or self.prefix .. fact:gsub("^segment", "")
  local made, err = self:try("create_segment_definition", {
    SegmentDefinitionName = name, DisplayName = name, SegmentGroups = SELECTS[fact](attribute, self.prefix) })
  if not made then return nil, err end
  table.insert(self.segments, name)
  return name
end

local function judge_membership(self, fact, profile, attribute)
  local name, err = define(self, fact, attribute)
  if not name then
    -- Without the operation, or the permission for it, nothing is known of the fact.
    if err.status == 501 or err.status == 403 then
      self:skip(fact, tostring(err))
    else
      self:judge(fact, false, "refused: " .. tostring(err))
    end
    return nil
  end
  local function look()
    local reply = self:call("get_segment_membership", { SegmentDefinitionName = name, ProfileIds = { profile.ProfileId } })
    return reply.Profiles and reply.Profiles[1] and reply.Profiles[1].QueryResult
  end
  local result = probe.until_true(self.settle, look, function(seen) return seen == "PRESENT" end)
  return self:judge(fact, result == "PRESENT", ("the profile is %s in the segment after %g s"):format(result or "not told of",
    self.settle))
end

local function judge_taken_name(self, attribute)
  local again, err = define(self, "segment", attribute)
  self:judge("segment-taken", not again and err.status == 400 and err.code == "BadRequestException",
    again and "it is taken again" or "refused: " .. tostring(err))
end

function segments.judge(self, profile, attribute)
  if not judge_membership(self, "segment", profile, attribute) then
    for _, fact in ipairs(segments.facts) do
      if not self.verdicts[fact] then self:skip(fact, "there is no segment with the profile") end
    end
    return
  end
  judge_taken_name(self, attribute)
  for _, fact in ipairs { "segment-case", "segment-exclusive", "segment-attributes" } do
    judge_membership(self, fact, profile, attribute)
  end
end

return segments
