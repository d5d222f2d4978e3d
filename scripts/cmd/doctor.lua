--- upjob doctor: what is configured, what is wrong, how to mend it.
local cli = require "upjob.cli"
local json = require "upjob.json"
local profiles = require "upjob.profiles"
local report = require "upjob.report"
local system = require "upjob.native.system"

local command = { summary = "what is configured, what is wrong, how to mend it" }

-- What takes the place of a setting that is missing or wrong, so that those behind it can be looked at too.
local STAND_INS = {
  { name = "region", option = "region", value = "us-east-1" },
  { name = "endpoint", option = "endpoint_url", value = "https://localhost" },
}

local DAEMON_SECONDS = 5 -- for a daemon to answer

-- Tells each setting that is wrong. Returns a client | nil, and the names of the wrong ones as a set.
local function configure(add)
  local settings, wrong = {}, {}
  local client, err = profiles.client(settings)
  for _, stand_in in ipairs(STAND_INS) do
    if client then break end
    settings[stand_in.option] = stand_in.value
    local other, other_err = profiles.client(settings)
    if other or tostring(other_err) ~= tostring(err) then
      add(stand_in.name, false, tostring(err))
      wrong[stand_in.name] = true
      client, err = other, other_err
    end
  end
  if not client then add(err.code == "CredentialsError" and "credentials" or "client", false, tostring(err)) end
  return client, wrong
end

local function credentials_text(about)
  local ends = about.credentials_expire
  return about.credentials_source .. (ends and ", until " .. os.date("!%Y-%m-%dT%H:%M:%SZ", ends) or "")
end

local function check_service(add, client, domain)
  local reply, err = client:list_domains({ MaxResults = 1 }, { timeout = 90 }) -- a credential_process may take a minute
  if err and err.code == "CredentialsError" then
    add("credentials", false, tostring(err))
    return
  end
  add("credentials", true, credentials_text(client:about()))
  add("service", reply ~= nil, reply and "answers ListDomains" or tostring(err))
  local answers = reply or err.code ~= "ConnectionError" and err.code ~= "TimeoutError"
  if domain and answers then
    reply, err = client:get_domain({ DomainName = domain }, { timeout = 15 })
    add("domain", reply ~= nil, reply and domain or tostring(err))
  end
end

local function check_client(add, options)
  local client, wrong = configure(add)
  if not client then return end
  local about = client:about()
  if not wrong.region then add("region", true, about.region) end
  if not wrong.region and not wrong.endpoint then add("endpoint", true, about.endpoint) end
  if next(wrong) == nil then
    check_service(add, client, options.domain)
  else
    local asked = about.credentials_at_hand and "" or " (not asked for keys while the above is wrong)"
    add("credentials", true, about.credentials_source .. asked)
  end
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

-- A journal that is not there is not made.
local function check_journal(add, directory)
  if not system.stat(directory .. "/journal.db") then return end
  local store, err = require("upjob.journal").open {}
  local runs, letters
  if store then runs, err = store:runs { limit = 1 } end
  if runs then letters, err = store:dead_letters {} end
  if not letters then return add("journal", false, tostring(err)) end
  local newest = runs[1] and ("the newest run is %d: %s"):format(runs[1].id, runs[1].state) or "no run yet"
  local dead = #letters > 0 and ("; %s: upjob notify list"):format(report.plural(#letters, "dead letter")) or ""
  add("journal", true, newest .. dead)
end

local function check_daemon(add)
  local status, err = require("upjob.control").ask(nil, { command = "status" }, DAEMON_SECONDS)
  if status then
    add("daemon", true, ("runs %s of %s, %d at the moment"):format(report.plural(#status.schedules, "schedule"), status.directory,
      status.running))
  else
    add("daemon", err.code == "NoDaemon", err.code == "NoDaemon" and "none is running" or tostring(err))
  end
end

local function check_state(add)
  local directory = require("upjob.journal").directory()
  if not directory then
    add("state", false, "HOME is not set: say with --state DIR where upjob keeps its state")
    return
  end
  local problem = obstacle(directory)
  local is_there = system.stat(directory) ~= nil
  add("state", not problem, problem or directory .. (is_there and "" or " (made when it is first needed)"))
  if problem or not is_there then return end
  check_journal(add, directory)
  check_daemon(add)
end

-- Prints the least policy; nothing is asked of the service.
local function print_policy(options)
  local domain, status = cli.need_domain("doctor", options)
  if not domain then return status end
  local ok, err = require("upjob.native.profiles").validate("GetDomain", { DomainName = domain })
  if not ok then return cli.fail(err) end
  if options.source then
    ok, err = require("upjob.native.s3").name(options.source)
    if not ok then return cli.fail(err) end
  end
  local region = options.region
  if not region then
    -- Keys of nobody: the region is that of the environment or the profile, whether there are keys or not.
    local client = profiles.client { credentials = { access_key_id = "nobody", secret_access_key = "nobody" } }
    region = client and client:about().region or nil
  end
  print(json.encode(require("upjob.iam").policy(domain, region, options.source), { pretty = true }))
  if not options.quiet then
    report.say("put the number of your account in place of * where your rules ask for it; the upload itself goes to a URL that "
      .. "the service signs, and takes no permission of yours")
  end
  return cli.OK
end

function command.parser()
  local p = cli.parser("doctor", "Tells what is configured, what is wrong, and how to mend it. Ends with 3 when something is.")
  p:option("--domain", "Look at this domain too (or set UPJOB_DOMAIN)."):argname("NAME")
  p:flag("--iam-policy", "Print the least IAM policy that import, job and profile need on that domain, and do nothing else.")
  p:option("--source", "With --iam-policy: what reading this object takes too; s3://BUCKET/FOLDER/* is all in a folder.")
    :argname("s3://BUCKET/KEY")
  return p
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  if options.source and not options.iam_policy then return cli.usage("doctor", "--source goes with --iam-policy") end
  if options.iam_policy then return print_policy(options) end
  local checks, bad = {}, 0
  local function add(name, ok, text)
    checks[#checks + 1] = { name = name, ok = ok, text = text }
    if not ok then bad = bad + 1 end
  end
  local ok, err = cli.use_service(options)
  if not ok then return cli.fail(err) end
  add("upjob", true, system.version)
  check_client(add, options)
  check_state(add)
  if options.json then
    print(json.encode { ok = bad == 0, checks = json.array(checks) })
  else
    local paint = report.painter("stdout", options.color)
    for _, check in ipairs(checks) do
      local verdict = check.ok and paint("green", "ok ") or paint("red", "bad")
      print(("%s %-12s %s"):format(verdict, check.name, report.safe(check.text)))
    end
    if bad > 0 and not options.embedded then print("\nTo work without an AWS account, add --local.") end
  end
  return bad == 0 and cli.OK or cli.CONFIG
end

return command
