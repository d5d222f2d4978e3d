--- upjob profile: find.
local cli = require "upjob.cli"
local json = require "upjob.json"
local report = require "upjob.report"

local words, parsers = {}, {}

local command = { name = "profile", summary = "find profiles by e-mail, phone, name, account or custom attribute",
                  order = { "find" }, words = words, parsers = parsers }

-- Short names for the predefined search keys: Customer Profiles developer guide, "Key definition details".
local KEYS = { email = "_email", phone = "_phone", name = "_fullName", account = "_account", id = "_profileId" }

--- Lines of "Name  value" for a profile, in the order of the API reference.
function command.lines(profile)
  local lines = {}
  local function add(name, value)
    lines[#lines + 1] = { name, tostring(value) }
  end
  local order = { "ProfileId", "AccountNumber", "FirstName", "MiddleName", "LastName", "BusinessName" }
  local placed = { Attributes = true }
  for _, name in ipairs(order) do
    placed[name] = true
    if profile[name] then add(name, profile[name]) end
  end
  local rest = {}
  for name in pairs(profile) do
    if not placed[name] then rest[#rest + 1] = name end
  end
  table.sort(rest)
  for _, name in ipairs(rest) do
    local value = profile[name]
    if type(value) == "table" and name ~= "FoundByItems" then
      local parts = {}
      for part in pairs(value) do parts[#parts + 1] = part end
      table.sort(parts)
      for _, part in ipairs(parts) do add(name .. "." .. part, value[part]) end
    elseif type(value) ~= "table" then
      add(name, value)
    end
  end
  local attributes = {}
  for name in pairs(profile.Attributes or {}) do attributes[#attributes + 1] = name end
  table.sort(attributes)
  for _, name in ipairs(attributes) do add("Attributes." .. name, profile.Attributes[name]) end
  local width = 0
  for _, line in ipairs(lines) do width = math.max(width, #line[1]) end
  for i, line in ipairs(lines) do
    lines[i] = ("%s%s  %s"):format(report.safe(line[1]), (" "):rep(width - #line[1]), report.safe(line[2]))
  end
  return lines
end

function parsers.find()
  local p = cli.parser("profile find", "Finds profiles: upjob profile find email=luisg@embraer.com.br")
  cli.argument(p, "terms", "KEY=VALUE", "1 to 5 of them; KEY: email, phone, name, account, id, or a custom attribute's name.")
    :args("1-5")
  p:option("--domain", "The domain (or set UPJOB_DOMAIN)."):argname("NAME")
  p:flag("--all", "A profile must have all of the values (any of them is enough otherwise).")
  cli.number_option(p, "--max", "At most that many profiles.", "N", "a whole number, 1 or more", { integer = true, least = 1 })
    :default("20")
  return p
end

function words.find(arguments)
  local options, status = cli.parse(parsers.find(), arguments)
  if not options then return status end
  local domain
  domain, status = cli.need_domain("profile find", options)
  if not domain then return status end
  local terms = {}
  for i, term in ipairs(options.terms) do
    local key, value = term:match("^([^=]+)=(.+)$")
    if not key then return cli.usage("profile find", ("\"%s\" is not KEY=VALUE"):format(term)) end
    terms[i] = { KeyName = KEYS[key] or key, Values = { value } }
  end
  local client, err = cli.client(options)
  if not client then return cli.fail(err) end
  local request = { DomainName = domain, KeyName = terms[1].KeyName, Values = terms[1].Values,
                    LogicalOperator = #terms > 1 and (options.all and "AND" or "OR") or nil,
                    AdditionalSearchKeys = #terms > 1 and table.move(terms, 2, #terms, 1, {}) or nil,
                    MaxResults = math.min(options.max, 100) }
  local found = 0
  local ok
  ok, err = pcall(function()
    for profile in client:pages("search_profiles", request) do
      if found >= options.max then break end
      found = found + 1
      if options.json then
        print(json.encode(profile))
      else
        if found > 1 then print("") end
        print(table.concat(command.lines(profile), "\n"))
      end
    end
  end)
  if not ok then return cli.fail(err) end
  if found == 0 and not options.json and not options.quiet then
    report.say(("no profile in domain %s has that"):format(domain), { domain = domain })
  end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
