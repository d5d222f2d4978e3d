--- upjob doctor: what is configured, what is wrong, how to mend it.
local cli = require "upjob.cli"
local json = require "upjob.json"
local profiles = require "upjob.profiles"
local report = require "upjob.report"
local system = require "upjob.native.system"

local command = { summary = "what is configured, what is wrong, how to mend it" }

local function check_client(add, options)
  local client, err = cli.client(options)
  if not client then
    add("client", false, tostring(err))
    return nil
  end
  local about = client:about()
  add("region", true, about.region)
  add("endpoint", true, about.endpoint)
  add("credentials", true, about.credentials_source)
  local reply
  reply, err = client:list_domains({ MaxResults = 1 }, { timeout = 15 })
  add("service", reply ~= nil, reply and "answers ListDomains" or tostring(err))
  if not reply then return nil end
  if options.domain then
    reply, err = client:get_domain { DomainName = options.domain }
    add("domain", reply ~= nil, reply and options.domain or tostring(err))
  end
  return client
end

-- What stands in the way of a directory's being made or written to: nil when nothing does. Nothing is made.
local function obstacle(directory)
  local info = system.stat(directory)
  while not info do
    local parent = directory:match("^(.*)/[^/]+/*$")
    directory = parent == nil and "." or parent == "" and "/" or parent
    info = system.stat(directory)
  end
  if info.type ~= "directory" then return directory .. " is not a directory: move it away, or say --state DIR" end
  return not info.writable and directory .. " cannot be written to: say --state DIR" or nil
end

local function check_state(add, options)
  local directory = cli.state_directory(options)
  if not directory then
    add("state", false, "HOME is not set: say with --state DIR where upjob keeps its state")
    return
  end
  local problem = obstacle(directory)
  add("state", not problem, problem or directory .. (system.stat(directory) and "" or " (made when it is first needed)"))
end

function command.parser()
  local p = cli.parser("doctor", "Tells what is configured, what is wrong, and how to mend it.")
  p:option("--domain", "Look at this domain too (or set UPJOB_DOMAIN)."):argname("NAME")
  return p
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  local checks, bad = {}, 0
  local function add(name, ok, text)
    checks[#checks + 1] = { name = name, ok = ok, text = text }
    if not ok then bad = bad + 1 end
  end
  add("upjob", true, system.version)
  check_client(add, options)
  check_state(add, options)
  if options.json then
    print(json.encode { ok = bad == 0, checks = json.array(checks) })
  else
    local paint = report.painter("stdout", options.color)
    for _, check in ipairs(checks) do
      local verdict = check.ok and paint("green", "ok ") or paint("red", "bad")
      print(("%s %-12s %s"):format(verdict, check.name, report.safe(check.text)))
    end
    if bad > 0 and not options.embedded then
      print(("\nTo work without an AWS account, add --local. Endpoint for a region: %s"):format(
        (profiles.endpoint { region = options.region or "us-east-1" })))
    end
  end
  return bad == 0 and cli.OK or cli.CONFIG
end

return command
