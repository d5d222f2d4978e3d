--- upjob job: list, get, start, stop, watch, failures.
local cli = require "upjob.cli"
local import = require "upjob.cmd.import"
local json = require "upjob.json"
local progress_line = require "upjob.progress"
local replies = require "upjob.replies"
local report = require "upjob.report"

local words, parsers = {}, {}

local command = { name = "job", summary = "list, get, start, stop and watch upload jobs, and list failed records",
                  order = { "list", "get", "start", "stop", "watch", "failures" }, words = words, parsers = parsers }

local function parser(word, description, with_job)
  local p = cli.parser("job " .. word, description)
  if with_job then cli.argument(p, "job_id", "JOB-ID", "The JobId: 32 hex digits.") end
  p:option("--domain", "The domain (or set UPJOB_DOMAIN)."):argname("NAME")
  return p
end

-- Options, domain and client of a word | nil, exit status
local function open(word, arguments)
  local options, status = cli.parse(parsers[word](), arguments)
  if not options then return nil, status end
  local domain
  domain, status = cli.need_domain("job " .. word, options)
  if not domain then return nil, status end
  local client, err = cli.client(options)
  if not client then return nil, cli.fail(err) end
  return options, client
end

local function counts(job)
  return job.ResultsSummary and report.summary(job.ResultsSummary) or ""
end

-- "FAILED (VALIDATION_FAILURE)"
local function status_text(job)
  return (job.Status or "?") .. (job.StatusReason and (" (" .. job.StatusReason .. ")") or "")
end

function parsers.list()
  local p = parser("list", "Lists the upload jobs of a domain, newest first.")
  cli.number_option(p, "--max", "At most that many.", "N", "a whole number, 1 or more", { integer = true, least = 1 })
  return p
end

function words.list(arguments)
  local options, client = open("list", arguments)
  if not options then return client end
  local jobs = {}
  local ok, err = pcall(function()
    for item in client:pages("list_upload_jobs", { DomainName = options.domain, MaxResults = 100 }) do
      if options.max and #jobs >= options.max then break end
      jobs[#jobs + 1] = item
    end
  end)
  if not ok then return cli.fail(err) end
  if options.json then
    for _, item in ipairs(jobs) do print(json.encode(item)) end
    return cli.OK
  end
  if #jobs == 0 then
    io.stderr:write(("upjob: domain %s has no upload jobs\n"):format(options.domain))
    return cli.OK
  end
  local rows = {}
  for i, item in ipairs(jobs) do
    local shown = replies.job(item)
    rows[i] = { shown.JobId, status_text(shown), report.time(shown.CreatedAt), shown.DisplayName }
  end
  for _, line in ipairs(report.table({ { title = "JobId", whole = true }, { title = "Status" }, { title = "Created" },
                                       { title = "DisplayName" } }, rows)) do
    print(line)
  end
  return cli.OK
end

function parsers.get() return parser("get", "Shows an upload job.", true) end

function words.get(arguments)
  local options, client = open("get", arguments)
  if not options then return client end
  local reply, err = client:get_upload_job { DomainName = options.domain, JobId = options.job_id }
  if not reply then return cli.fail(err) end
  if options.json then
    print(json.encode(reply))
    return cli.OK
  end
  local found = replies.job(reply)
  local function line(name, value)
    if value ~= nil and value ~= "" then print(("%-12s %s"):format(name, report.safe(value))) end
  end
  line("JobId", found.JobId)
  line("DisplayName", found.DisplayName)
  line("Status", status_text(found))
  line("Results", counts(found))
  line("Created", report.time(found.CreatedAt))
  line("Completed", report.time(found.CompletedAt))
  line("DataExpiry", report.plural(found.DataExpiry or report.DEFAULT_EXPIRY, "day"))
  line("UniqueKey", found.UniqueKey)
  local rows, names = {}, {}
  for name in pairs(found.Fields or {}) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do
    local f = found.Fields[name]
    rows[i] = { name, f.Source, f.Target, f.ContentType or "STRING" }
  end
  print("")
  for _, text in ipairs(report.table({ { title = "Field" }, { title = "Source" }, { title = "Target" },
                                       { title = "ContentType" } }, rows)) do
    print(text)
  end
  return cli.OK
end

local function simple(word, operation, done)
  parsers[word] = function() return parser(word, done.description, true) end
  words[word] = function(arguments)
    local options, client = open(word, arguments)
    if not options then return client end
    local reply, err = client[operation](client, { DomainName = options.domain, JobId = options.job_id })
    if not reply then return cli.fail(err) end
    if options.json then
      print(json.encode { JobId = options.job_id, Status = done.status })
    elseif not options.quiet then
      print(("%s  job %s"):format(done.word, options.job_id))
    end
    return cli.OK
  end
end

simple("start", "start_upload_job",
  { description = "Starts an upload job whose file was uploaded.", word = "started", status = "IN_PROGRESS" })
simple("stop", "stop_upload_job",
  { description = "Stops an upload job; what it has imported stays.", word = "stopped", status = "STOPPED" })

function parsers.watch()
  local p = parser("watch", "Watches an upload job until it has ended.", true)
  cli.number_option(p, "--timeout", "Seconds to wait; the job goes on after that.", "S", "seconds, 0 or more", {})
  import.max_failed_option(p, "Up to that many records (or that share) may fail.")
  return p
end

function words.watch(arguments)
  local options, client = open("watch", arguments)
  if not options then return client end
  local run = require("upjob.job").attach { client = client, domain = options.domain, job_id = options.job_id,
                                             max_failed = options.max_failed }
  local progress = progress_line.new(options)
  progress:follow(run)
  run:on("status", function(change)
    if options.json then print(json.encode(change)) end
  end)
  local result, err = run:wait { timeout = options.timeout }
  progress:clear()
  if not result and run.ended then return cli.fail(err) end
  if not result then
    local status
    result, status = cli.give_up(run, options.timeout)
    if not result then return status end
  end
  if options.json then
    print(json.encode { JobId = result.JobId, Status = result.Status, StatusReason = result.StatusReason,
                        ResultsSummary = result.ResultsSummary, seconds = result.seconds })
  elseif not options.quiet then
    print(("%s  %s"):format(report.safe(result.Status), report.summary(result.ResultsSummary)))
    if result.StatusReason then print("  reason    " .. report.safe(result.StatusReason)) end
  end
  return import.status_of(result, options.max_failed)
end

function parsers.failures()
  local p = parser("failures", "Lists the failed records of a job, with line, column, value and reason. The embedded service "
    .. "keeps them. The real one tells only their number: with --file they are predicted, by replaying the file in an embedded "
    .. "service.", true)
  p:option("--file", "The file that was imported: for a service that lists no failed records."):argname("FILE")
  p:option("--map", "With --file: the mapping, if not that of the job."):argname("FILE")
  cli.number_option(p, "--max", "At most that many.", "N", "a whole number, 1 or more", { integer = true, least = 1 })
  p:flag("--csv", "As CSV.")
  return p
end

local FAILURE_COLUMNS = { "Line", "Column", "ColumnName", "Value", "Reason" }

local function failure_text(item)
  local name = (item.ColumnName or "") ~= "" and (", column \"%s\" (%d)"):format(report.safe(item.ColumnName), item.Column) or ""
  local value = (item.Value or "") ~= "" and (": \"%s\""):format(report.cut(report.safe(item.Value), 60)) or ""
  return ("line %d%s: %s%s"):format(item.Line, name, report.safe(item.Reason), value)
end

-- Prints the records in the form that was asked for; how many they were.
local function print_failures(items, options, predicted)
  local shown = 0
  local writer <close> = options.csv and require("upjob.csv").writer("-") or nil
  if writer then writer:write(FAILURE_COLUMNS) end
  for item in items do
    if options.max and shown >= options.max then break end
    shown = shown + 1
    if writer then
      writer:write { item.Line, item.Column ~= 0 and item.Column or "", item.ColumnName, item.Value, item.Reason }
    elseif options.json then
      item.Predicted = predicted or nil
      print(json.encode(item))
    else
      print(failure_text(item))
    end
  end
  return shown
end

-- The fields of the job, or those of the mapping that was given: Fields, UniqueKey | nil, err
local function fields_of(client, options)
  if options.map then
    local map, err = require("upjob.mapping").load(options.map)
    if not map then return nil, err end
    return map:api_fields(), map.unique_key
  end
  local found, err = client:get_upload_job { DomainName = options.domain, JobId = options.job_id }
  if not found then return nil, err end
  return found.Fields, found.UniqueKey
end

local function predict(client, options)
  local fields, unique_key = fields_of(client, options)
  if not fields then return nil, unique_key end
  local items, result = require("upjob.failures").predict { file = options.file, fields = fields, unique_key = unique_key }
  if not items then return nil, result end
  local heading = ("predicted: this service does not tell which records failed; %s, replayed in the embedded service, ended "
    .. "%s (%s)"):format(report.safe(options.file), result.Status, report.summary(result.ResultsSummary))
  if options.json or options.csv then
    if not options.quiet then report.say(heading) end
  else
    print(heading)
  end
  return items
end

function words.failures(arguments)
  local options, client = open("failures", arguments)
  if not options then return client end
  if options.json and options.csv then return cli.usage("job failures", "--json and --csv do not go together") end
  if options.map and not options.file then return cli.usage("job failures", "--map goes with --file") end
  local items, err = require("upjob.failures").list(client, options.domain, options.job_id)
  local predicted = false
  if not items and err.code == "NoSuchList" and options.file then
    predicted = true
    items, err = predict(client, options)
  end
  if not items then
    if err.code == "NoSuchList" then
      report.say(err.message .. ": give the imported file with --file, and they are predicted")
      return cli.REFUSED
    end
    return cli.fail(err)
  end
  local ok, shown = pcall(print_failures, items, options, predicted)
  if not ok then
    if not require("upjob.errors").is(shown) then error(shown, 0) end
    return cli.fail(shown)
  end
  local silent = options.json or options.csv or options.quiet
  if shown == 0 and not silent and not predicted then report.say("the job has no failed records") end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
