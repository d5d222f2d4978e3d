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

describe("the segments of a domain", function()
  local ids = {}

  setup(function()
    assert(client:create_domain { DomainName = "acme", DefaultExpirationDays = 30 })
    local fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" },
                     tier = { Source = "_source.tier", Target = "_profile.Attributes.tier" } }
    local made = assert(client:create_upload_job { DomainName = "acme", UniqueKey = "id", Fields = fields,
                                                 DisplayName = "tiers" })
    local job = { DomainName = "acme", JobId = made.JobId }
    local path = assert(client:get_upload_job_path(job))
    local file = os.tmpname()
    local handle = assert(io.open(file, "wb"))
    handle:write("id,tier\n1,gold\n2,silver\n3,gold\n")
    handle:close()
    assert(require("upjob.upload").put { url = path.Url, key = path.ClientToken, file = file })
    os.remove(file)
    assert(client:start_upload_job(job))
    assert(client:wait_until("upload_job_done", job))
    for number = 1, 3 do
      local found = assert(client:search_profiles { DomainName = "acme", KeyName = "id", Values = { tostring(number) } })
      ids[number] = found.Items[1].ProfileId
    end
  end)

  it("are made, told, and deleted", function()
    local request = segment(attribute("INCLUSIVE", "gold"), { Description = "all of gold" })
    local made = assert(client:create_segment_definition(request))
    assert.equals("Very important", made.DisplayName)
    local named = { DomainName = "acme", SegmentDefinitionName = "vip" }
    local told = assert(client:get_segment_definition(named))
    assert.same({ "gold" }, told.SegmentGroups.Groups[1].Dimensions[1].ProfileAttributes.Attributes.tier.Values)
    assert.same({ made.CreatedAt, made.SegmentDefinitionArn, "CLASSIC" },
      { told.CreatedAt, told.SegmentDefinitionArn, told.SegmentType })
    local reply, err = client:create_segment_definition(segment(attribute("INCLUSIVE", "silver")))
    assert.is_nil(reply)
    assert.same({ "BadRequestException", 400, false }, { err.code, err.status, err.retryable })
    assert.matches("vip already exists", err.message)
    assert(client:delete_segment_definition(named))
    reply, err = client:get_segment_definition(named)
    assert.is_nil(reply)
    assert.equals("ResourceNotFoundException", err.code)
  end)

  it("are listed over pages", function()
    for number = 1, 5 do
      local change = { SegmentDefinitionName = "s" .. number }
      assert(client:create_segment_definition(segment(attribute("INCLUSIVE", "gold"), change)))
    end
    local names = {}
    for item in client:pages("list_segment_definitions", { DomainName = "acme", MaxResults = 2 }) do
      names[#names + 1] = item.SegmentDefinitionName
    end
    assert.same({ "s1", "s2", "s3", "s4", "s5" }, names)
  end)

  it("are estimated, and the end can be waited for", function()
    local query = segment(attribute("INCLUSIVE", "gold")).SegmentGroups
    local asked = assert(client:create_segment_estimate { DomainName = "acme", SegmentQuery = query })
    assert.equals(200, asked.StatusCode)
    local estimate = assert(client:wait_until("segment_estimate_done", { DomainName = "acme", EstimateId = asked.EstimateId }))
    assert.same({ "SUCCEEDED", "2" }, { estimate.Status, estimate.Estimate })
    local _, err = client:wait_until("segment_estimate_done", { DomainName = "acme", EstimateId = "none" })
    assert.equals("ResourceNotFoundException", err.code)
  end)

  it("tell who is in them", function()
    assert(client:create_segment_definition(segment(attribute("EXCLUSIVE", "gold"), { SegmentDefinitionName = "rest" })))
    local reply = assert(client:get_segment_membership { DomainName = "acme", SegmentDefinitionName = "rest", ProfileIds = ids })
    local results = {}
    for i, item in ipairs(reply.Profiles) do results[i] = item.QueryResult .. " " .. item.Profile.Attributes.id end
    assert.same({ "ABSENT 1", "PRESENT 2", "ABSENT 3" }, results)
  end)

  it("cannot have what the embedded service does not evaluate", function()
    local reply, err = client:create_segment_definition(segment(attribute("GREATER_THAN", "5"), { SegmentDefinitionName = "x" }))
    assert.is_nil(reply)
    assert.same({ "NotImplementedException", 501 }, { err.code, err.status })
    assert.matches("Attributes.tier of DimensionType GREATER_THAN", err.message)
  end)
end)
