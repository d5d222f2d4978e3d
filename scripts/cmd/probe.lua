--- upjob probe: checks on an account of one's own what is inferred of the service.
local cli = require "upjob.cli"
local json = require "upjob.json"
local probe = require "upjob.probe"
local report = require "upjob.report"

local command = { summary = "check on your own account what upjob infers of the service" }

local function what_is_made(options, between)
  local large = options.large and 2 or 0
  return table.concat({
    ("It makes up to %d upload jobs (%d when all is as inferred), some 20 profiles (AccountNumber upjob-probe-…)"):format(
      probe.MOST_JOBS + large, probe.JOBS + large) .. " and four segment definitions.",
    options.large and ("Two of the files have some %s, the others less than 10 kB."):format(report.bytes(options.large))
      or "No file has more than 10 kB.",
    "At the end the profiles and the segments are deleted; profiles that cannot be deleted vanish after a day.",
    "The upload jobs stay in the domain's list, because the API deletes none. No other profile or job is touched.",
  }, between)
end

function command.parser()
  local p = cli.parser("probe", "Checks on a domain what upjob infers of the service where its documentation is silent, and "
    .. "prints a line for each fact: held, differs (with what was seen), or not checked (with the reason).\n"
    .. what_is_made({}, " "))
  p:option("--domain", "The domain (or set UPJOB_DOMAIN): one of your own, in which nothing else goes on."):argname("NAME")
  p:flag("--yes", "Begin. Without it (or --local) the probe only says what it would make.")
  p:flag("--busy", "Begin although upload jobs of others are in progress in the domain.")
  p:flag("--rates", "Check the rates too, with bursts of calls that others in the account may be throttled for.")
  cli.number_option(p, "--large", "Check too that a file of that many bytes fails and one of a byte less does not, which uploads "
    .. "twice as much. Inferred: 1000000000.", "BYTES", "bytes, from 1000 to 5368709120",
    { integer = true, least = 1000, most = 5368709120 })
  cli.number_option(p, "--settle", "Seconds until a search shows what was imported, at most.", "S", "seconds, 0 or more", {})
    :default("120")
  cli.number_option(p, "--timeout", "Seconds to wait for jobs to end.", "S", "seconds, 1 or more", { least = 1 })
    :default("3600")
  return p
end

-- ---- what it prints ----

local COLORS = { held = "green", differs = "red", ["not checked"] = "yellow" }

local function print_facts(list, options)
  local paint = report.painter("stdout", options.color)
  for _, fact in ipairs(list) do
    local verdict = paint(COLORS[fact.verdict], ("%-11s"):format(fact.verdict))
    print(("%s  %-18s  %s"):format(verdict, fact.name, fact.sentence))
    if fact.seen then
      print(("%33s%s%s"):format("", fact.verdict == "differs" and "seen: " or "", report.safe(fact.seen)))
    end
  end
end

local function left_text(left)
  local text = ("the domain keeps the probe's %s"):format(report.plural(#left.jobs, "upload job"))
  if left.profiles ~= 0 then
    text = text .. (left.profiles and " and " .. report.plural(left.profiles, "profile") or " and its profiles")
      .. ", which vanish after a day"
  end
  if #left.segments > 0 then
    text = ("%s and %s %s"):format(text, #left.segments == 1 and "the segment definition" or "the segment definitions",
      table.concat(left.segments, ", "))
  end
  return text .. (left.why and (" (%s)"):format(left.why) or "")
end

local function print_report(run, left, options)
  local list, count = run:report()
  if options.json then
    local out = { DomainName = options.domain, held = count.held, differs = count.differs, not_checked = count["not checked"],
                  facts = json.array(list) }
    if left then out.left = { jobs = json.array(left.jobs), profiles = left.profiles } end
    print(json.encode(out))
  else
    print_facts(list, options)
    if not options.quiet then
      print(("\n%d held, %d differ, %d not checked"):format(count.held, count.differs, count["not checked"]))
    end
  end
  return count
end

-- ---- the run ----

local function make_domain(client, domain)
  if client:get_domain { DomainName = domain } then return true end
  return client:create_domain { DomainName = domain, DefaultExpirationDays = 366 }
end

-- May it begin? nil, exit status when not.
local function may_begin(run, options)
  local running, err = run:jobs_in_progress()
  if not running then return nil, cli.fail(err) end
  if #running > 0 and not options.busy then
    report.say(("%s in progress in domain %s, such as %s: wait for them, give another domain, or --busy"):format(
      #running == 1 and "1 upload job is" or #running .. " upload jobs are", options.domain, running[1]))
    return nil, cli.REFUSED
  end
  if not options.yes and not options.embedded then
    report.lines(("%s\n\nTo begin in domain %s, add --yes."):format(what_is_made(options, "\n"), options.domain))
    return nil, cli.USAGE
  end
  return true
end

local function finish(run, options)
  local left, err = run:run()
  if not left then return cli.fail(err) end
  local count = print_report(run, left, options)
  for _, job in ipairs(left.running) do report.say(("job %s could not be stopped: %s"):format(job.id, job.error)) end
  if not options.quiet and not options.embedded then report.say(left_text(left)) end
  return (count.differs > 0 or count.failed > 0) and cli.FAILED or cli.OK
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  local domain
  domain, status = cli.need_domain("probe", options)
  if not domain then return status end
  local client, err = cli.client(options)
  if not client then return cli.fail(err) end
  if options.embedded then
    local made
    made, err = make_domain(client, domain)
    if not made then return cli.fail(err) end
  end
  local run = probe.new { client = client, domain = domain, settle = options.settle, timeout = options.timeout,
                          large = options.large, rates = options.rates,
                          interrupted = function(self) print_report(self, nil, options) end,
                          say = function(text) if not options.quiet then report.say(text) end end }
  local ok
  ok, status = may_begin(run, options)
  if not ok then return status end
  return finish(run, options)
end

return command
