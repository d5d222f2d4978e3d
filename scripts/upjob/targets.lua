--- The places of a profile that a field can go to. Source: Customer Profiles API reference, "Profile" and "Address".
local targets = { list = {}, kind = {} }

local function add(name, kind)
  targets.list[#targets.list + 1] = name
  targets.kind[name] = kind
end

for _, name in ipairs { "AccountNumber", "AdditionalInformation", "PartyType", "PartyTypeString", "BusinessName",
                        "BirthDate", "Gender", "GenderString", "ProfileType" } do
  add(name, "STRING")
end
for _, name in ipairs { "FirstName", "MiddleName", "LastName" } do add(name, "NAME") end
for _, name in ipairs { "PhoneNumber", "MobilePhoneNumber", "HomePhoneNumber", "BusinessPhoneNumber" } do
  add(name, "PHONE_NUMBER")
end
for _, name in ipairs { "EmailAddress", "PersonalEmailAddress", "BusinessEmailAddress" } do add(name, "EMAIL_ADDRESS") end
for _, address in ipairs { "Address", "ShippingAddress", "MailingAddress", "BillingAddress" } do
  for _, part in ipairs { "Address1", "Address2", "Address3", "Address4", "City", "County", "State", "Province",
                          "Country", "PostalCode" } do
    add(address .. "." .. part, "STRING")
  end
end

--- Longest value in characters.
function targets.max_length(name)
  return name == "AdditionalInformation" and 1000 or 255
end

--- nil when `name` is a target, else what is wrong with it.
function targets.check(name)
  if targets.kind[name] then return nil end
  local attribute = name:match("^Attributes%.(.*)$")
  if attribute then
    if #attribute >= 1 and utf8.len(attribute) and utf8.len(attribute) <= 255 then return nil end
    return "a custom attribute's name has 1 to 255 characters"
  end
  local nearest = require("upjob.native.profiles").nearest
  local near = nearest(name, targets.list)
  local group, rest = name:match("^([^.]+)%.(.+)$")
  if not near and group and nearest(group, { "Attributes" }) then near = "Attributes." .. rest end
  return ("\"%s\" is no place in a profile%s; anything else goes to Attributes.<name>"):format(name,
    near and (" (did you mean \"%s\"?)"):format(near) or "")
end

-- A name without its spelling: case, spaces and punctuation.
local function plain(name)
  return (name:lower():gsub("[^%w]", ""))
end

local by_plain_name

--- The target that a header equals, spelling and case aside ("first name", "FIRST_NAME" → FirstName), or nil.
function targets.equal(header)
  if not by_plain_name then
    by_plain_name = {}
    for _, name in ipairs(targets.list) do by_plain_name[plain(name)] = name end
  end
  return by_plain_name[plain(header)]
end

return targets
