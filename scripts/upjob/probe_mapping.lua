--- What the probe checks of mappings, and of the attributes that they fill. All is tried in one job; where that fails, each
-- thing in a job of its own, so that one tells which it was.
local probe = require "upjob.probe"
local segments = require "upjob.probe_segments"

-- What needs a profile with a custom attribute.
local OF_ATTRIBUTE = table.move(segments.facts, 1, #segments.facts, 2, { "attribute-search" })

local mapping = {
  facts = table.move(OF_ATTRIBUTE, 1, #OF_ATTRIBUTE, 5, { "source-macro", "attribute-target", "unique-key", "many-fields" }),
}

local ATTRIBUTE = "upjob_probe"
local FILLERS = { "BillingAddress", "MailingAddress", "ShippingAddress" }
local PARTS = { "Address1", "Address2", "Address3", "Address4", "City", "County", "State", "Province", "Country", "PostalCode" }

-- By fact, what it adds to the mapping.
local ADDS = {
  ["source-macro"] = function(request)
    request.fields.Whole = { Source = "{{_source.First}} {{_source.Last}}", Target = "_profile.BusinessName" }
  end,
  ["attribute-target"] = function(request)
    request.fields.Mark = probe.field("Mark", "Attributes." .. ATTRIBUTE)
  end,
  -- The one field whose name is no column's.
  ["unique-key"] = function(request)
    request.fields.uid, request.fields.Account = request.fields.Account, nil
    request.unique_key = "uid"
  end,
  ["many-fields"] = function(request)
    for _, address in ipairs(FILLERS) do
      for _, part in ipairs(PARTS) do
        request.fields[address .. part] = probe.field("Filler", ("%s.%s"):format(address, part))
      end
    end
  end,
}
local IN_ORDER = { "unique-key", "source-macro", "attribute-target", "many-fields" }

-- How the profile shows that it worked: true | false, what is seen
local SHOWS = {
  ["source-macro"] = function(profile)
    return profile.BusinessName == "Ann Probe", ("the value is \"%s\""):format(profile.BusinessName or "")
  end,
  ["attribute-target"] = function(profile, self)
    local value = profile.Attributes and profile.Attributes[ATTRIBUTE]
    return value == self.prefix, ("Attributes.%s is \"%s\""):format(ATTRIBUTE, value or "")
  end,
  ["unique-key"] = function() return true end,
  ["many-fields"] = function(profile)
    local last = profile.ShippingAddress and profile.ShippingAddress.PostalCode
    return last == "filler", ("ShippingAddress.PostalCode is \"%s\""):format(last or "")
  end,
}

-- A job with these facts in its mapping: the job | nil, err
local function begin(self, name, list)
  local request = { name = name, fields = probe.simple_fields() }
  for _, fact in ipairs(list) do ADDS[fact](request) end
  local job, err = self:try_create(request)
  if not job then return nil, err end
  self:upload(job, ("Account,First,Last,Mark,Filler\n%s,Ann,Probe,%s,filler\n"):format(self:key(name), self.prefix))
  self:start(job)
  return job
end

function mapping.prepare(self)
  self.mapping, self.mapping_error = begin(self, "mapping", IN_ORDER)
end

-- The profile that a job has made, once it is found.
local function profile_of(self, job, what)
  local reply = self:outcome(job, what)
  local found = probe.until_true(self.settle, function() return self:find(job.name) end, function(items) return #items > 0 end)
  if #found == 0 then
    probe.give_up("SearchProfiles has not found the record of %s within %g s: it is %s", what, self.settle,
      probe.status_text(reply))
  end
  return found[1]
end

local function show(self, fact, profile)
  self:judge(fact, SHOWS[fact](profile, self))
end

local function judge_alone(self, fact)
  local job, err = begin(self, fact, { fact })
  if not job then
    if err.status ~= 400 then error(err, 0) end
    self:judge(fact, false, "refused: " .. tostring(err))
    return
  end
  self:wait()
  local reply = self:outcome(job, "its job")
  if reply.Status == "FAILED" then
    self:judge(fact, false, "its job is " .. probe.status_text(reply))
    return
  end
  local profile = profile_of(self, job, "its job")
  show(self, fact, profile)
  return profile
end

-- ---- attributes ----

local function judge_search(self, profile)
  local found = probe.until_true(self.settle, function() return self:search(ATTRIBUTE, self.prefix) end,
    function(items) return #items > 0 end)
  local is_found = false
  for _, item in ipairs(found) do is_found = is_found or item.ProfileId == profile.ProfileId end
  self:judge("attribute-search", is_found, ("not found within %g s"):format(self.settle))
end

local function judge_attribute(self, profile)
  if not profile or self.verdicts["attribute-target"].verdict ~= "held" then
    probe.give_up("there is no profile with a custom attribute")
  end
  self:scenario({ "attribute-search" }, judge_search, profile)
  self:scenario(segments.facts, segments.judge, profile, ATTRIBUTE)
end

-- ---- the whole ----

function mapping.judge(self)
  local with_attribute
  if not self.mapping and not self.mapping_error then probe.give_up("its job was not started") end
  local reply = self.mapping and self:outcome(self.mapping, "the job of mappings")
  if reply and reply.Status ~= "FAILED" then
    with_attribute = profile_of(self, self.mapping, "the job of mappings")
    for _, fact in ipairs(IN_ORDER) do show(self, fact, with_attribute) end
  else
    self.say("trying what is in the mapping one by one")
    for _, fact in ipairs(IN_ORDER) do
      self:scenario({ fact }, function()
        local profile = judge_alone(self, fact)
        if fact == "attribute-target" then with_attribute = profile end
      end)
    end
  end
  self:scenario(OF_ATTRIBUTE, judge_attribute, with_attribute)
end

return mapping
