-- The segment operations of the client: what is refused before anything is sent, and what the embedded service answers.
local json = require "upjob.json"
local profiles = require "upjob.profiles"

local client = assert(profiles.client { embedded = true })

local function segment(dimension, change)
  local request = { DomainName = "acme", SegmentDefinitionName = "vip", DisplayName = "Very important",
                    SegmentGroups = { Include = "ALL", Groups = { { Type = "ALL", Dimensions = { dimension } } } } }
  for name, value in pairs(change or {}) do request[name] = value end
  return request
end

local function attribute(kind, ...)
  return { ProfileAttributes = { Attributes = { tier = { DimensionType = kind, Values = { ... } } } } }
end

describe("a segment definition", function()
  -- What the client says of a request before it is sent.
  local function refusal(request)
    local ok, reply, err = pcall(client.create_segment_definition, client, request)
    if not ok then return (reply:gsub("^.-create_segment_definition: ", "")) end
    assert.is_nil(reply)
    assert.equals("ParamValidationError", err.code)
    return err.message
  end

  it("is refused before it is sent where the model does", function()
    local there = "SegmentGroups.Groups[1].Dimensions[1]"
    assert.equals(there .. ": exactly one of its fields must be given, not 0", refusal(segment {}))
    assert.equals(there .. ": exactly one of its fields must be given, not 2", refusal(segment {
      ProfileAttributes = {}, CalculatedAttributes = {} }))
    assert.matches("ProfileAttributes: unknown field \"FristName\" %(did you mean \"FirstName\"%?%)",
      refusal(segment { ProfileAttributes = { FristName = {} } }))
    assert.matches("FirstName.DimensionType: .* is not one of INCLUSIVE, EXCLUSIVE, CONTAINS, BEGINS_WITH, ENDS_WITH",
      refusal(segment { ProfileAttributes = { FirstName = { DimensionType = "EQUAL", Values = { "Ann" } } } }))
    assert.matches("tier.Values: 0 entries, at least 1 required", refusal(segment {
      ProfileAttributes = { Attributes = { tier = { DimensionType = "INCLUSIVE", Values = json.array {} } } } }))
    assert.matches("SegmentDefinitionName: \"v i p\" does not match", refusal(segment(attribute("INCLUSIVE", "gold"),
      { SegmentDefinitionName = "v i p" })))
    assert.matches("DisplayName is required", refusal { DomainName = "acme", SegmentDefinitionName = "vip" })
  end)

  it("shows no value of a condition in an error", function()
    local secret = ("Zebedee "):rep(40)
    for _, dimension in ipairs { attribute("INCLUSIVE", secret),
      { ProfileAttributes = { FirstName = { DimensionType = "CONTAINS", Values = { secret } } } } } do
      local message = refusal(segment(dimension))
      assert.matches("Values%[1%]: 320 characters, at most 255 allowed", message)
      assert.not_matches("Zebedee", message)
    end
  end)
end)
