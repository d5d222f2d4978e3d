--- upjob demo: the embedded service, real sample files, one import each, a report.
local cli = require "upjob.cli"
local builtin = require "upjob.native.embedded"
local job = require "upjob.job"
local mapping = require "upjob.mapping"
local profile = require "upjob.cmd.profile"
local profiles = require "upjob.profiles"
local progress_line = require "upjob.progress"
local report = require "upjob.report"
local shell = require "upjob.shell"
local system = require "upjob.native.system"

local demo = { summary = "see it work: real files, the embedded service, no AWS account" }

local DOMAIN = "demo"

-- Each sample: its file in the program, and the mapping that a person would write for it.
local SAMPLES = {
  {
    file = "chinook-customers.csv", what = "the customers of a record shop, in 24 countries",
    mapping = mapping.define {
      unique_key = "customer_id",
      mapping.string "CustomerId" : to "Attributes.customer_id" : as "customer_id" : required(),
      mapping.name "FirstName" : to "FirstName",
      mapping.name "LastName" : to "LastName",
      mapping.string "Company" : to "BusinessName",
      mapping.string "Address" : to "Address.Address1",
      mapping.string "City" : to "Address.City",
      mapping.string "State" : to "Address.State",
      mapping.string "Country" : to "Address.Country",
      mapping.string "PostalCode" : to "Address.PostalCode",
      mapping.phone "Phone" : to "PhoneNumber",
      mapping.email "Email" : to "EmailAddress",
    },
  },
  {
    file = "legislators-district-offices.csv", what = "the local offices of the US Congress: several rows a person",
    mapping = mapping.define {
      unique_key = "bioguide",
      mapping.string "bioguide" : to "Attributes.bioguide" : required(),
      mapping.string "address" : to "Address.Address1",
      mapping.string "building" : to "Address.Address2",
      mapping.string "city" : to "Address.City",
      mapping.string "state" : to "Address.State",
      mapping.string "zip" : to "Address.PostalCode",
      mapping.phone "phone" : to "BusinessPhoneNumber",
    },
  },
}

local function import_sample(client, directory, sample, options, say)
  local path = directory .. "/" .. sample.file
  local ok, err = system.write_private(path, builtin.read("tests/data/" .. sample.file))
  if not ok then return nil, err end
  say(("\n%s: %s"):format(sample.file, sample.what))
  local run
  run, err = job.import { client = client, domain = DOMAIN, file = path, name = sample.file, mapping = sample.mapping,
                          expires = options.expires }
  if not run then return nil, err end
  local progress = progress_line.new(options)
  progress:follow(run)
  local function line(text)
    progress:clear()
    say("  " .. text)
  end
  run:on("checked", function(c) line(("checked   %s, %s"):format(report.plural(c.rows, "row"), report.bytes(c.bytes))) end)
  run:on("created", function(c) line("created   job " .. c.JobId) end)
  run:on("uploaded", function(s)
    line(("uploaded  %s, encrypted under the job's own key"):format(report.bytes(s.bytes)))
  end)
  run:on("started", function() line("started") end)
  local result
  result, err = run:wait { timeout = 120 }
  progress:clear()
  if result then
    local summary = result.ResultsSummary
    line(("%-9s %s in %s"):format(result.Status:lower(), report.summary(summary), report.seconds(result.seconds)))
  end
  return result, err
end

local function show_table(results, say)
  local rows = {}
  for i, result in ipairs(results) do
    local s = result.ResultsSummary
    rows[i] = { SAMPLES[i].file, report.count(result.rows), report.count(s.CreatedRecords or 0),
                report.count(s.UpdatedRecords or 0), report.count(s.FailedRecords or 0), result.Status }
  end
  say("")
  for _, line in ipairs(report.table({ { title = "File" }, { title = "Rows", right = true }, { title = "Created", right = true },
    { title = "Updated", right = true }, { title = "Failed", right = true }, { title = "Status" } }, rows)) do
    say(line)
  end
end

local function find_someone(client)
  return client:search_profiles { DomainName = DOMAIN, KeyName = "_email", Values = { "luisg@embraer.com.br" } }
end

function demo.parser()
  local p = cli.parser("demo", "Imports real sample files into an embedded service and shows what became of them.")
  cli.number_option(p, "--expires", "Days until imported profiles vanish, 1 to 1098.", "DAYS", "days, from 1 to 1098",
    { integer = true, least = 1, most = 1098 })
  return p
end

function demo.main(arguments)
  local options, status = cli.parse(demo.parser(), arguments)
  if not options then return status end
  require("upjob.defaults").no_journal = true -- there is nothing to come back to
  local began = system.time()
  local say = (options.json or options.quiet) and function() end or print
  local embedded = require "upjob.embedded"
  local url, err = embedded.start { data_dir = options.data }
  if not url then return cli.fail(err) end
  say(("The embedded service runs at %s: no AWS account is used%s."):format(url,
    options.data and "" or ", and nothing stays behind"))
  local client
  client, err = profiles.client { embedded = true }
  if not client then return cli.fail(err) end
  local reply
  reply, err = client:create_domain { DomainName = DOMAIN, DefaultExpirationDays = 366 }
  if not reply and not (options.data and err.status == 400) then return cli.fail(err) end
  local directory = embedded.directory() .. "/samples"
  local made
  made, err = system.make_directory(directory)
  if not made then return cli.fail(err) end
  local results = {}
  for i, sample in ipairs(SAMPLES) do
    results[i], err = import_sample(client, directory, sample, options, say)
    if not results[i] then return cli.fail(err) end
  end
  show_table(results, say)
  say("")
  say(report.expiry(results[1]))
  local found
  found, err = find_someone(client)
  if not found then return cli.fail(err) end
  say("\nOne of the imported people, found by e-mail address (luisg@embraer.com.br):\n")
  for _, line in ipairs(found.Items[1] and profile.lines(found.Items[1]) or {}) do say("  " .. line) end
  if options.json then
    local json = require "upjob.json"
    for i, result in ipairs(results) do
      print(json.encode { file = SAMPLES[i].file, JobId = result.JobId, Status = result.Status, rows = result.rows,
                          ResultsSummary = result.ResultsSummary, bytes = result.bytes, rejected = result.rejected,
                          seconds = result.seconds })
    end
  end
  say(("\nDone in %s. Next, your own file, still without an account:\n"):format(report.seconds(system.time() - began)))
  say("  " .. shell.command { "import", "FILE.csv", "--key", "COLUMN", "--local", "--domain", "demo" })
  for _, result in ipairs(results) do
    if result.Status ~= "SUCCEEDED" then return cli.JOB_FAILED end
  end
  return found.Items[1] and cli.OK or cli.FAILED
end

return demo
