--- upjob job: list, get, start, stop, watch, failures.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local failures = require "upjob.failures"
local json = require "upjob.json"
local log = require "upjob.log"
local progress_line = require "upjob.progress"
local replies = require "upjob.replies"
local report = require "upjob.report"
local run_key = require "upjob.run_key"

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
  log.context { domain = domain, job = options.job_id }
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
    report.say(("domain %s has no upload jobs"):format(options.domain), { domain = options.domain })
    return cli.OK
  end
  local rows = {}
  for i, item in ipairs(jobs) do
    local shown = replies.job(item)
    rows[i] = { shown.JobId, status_text(shown), report.time(shown.CreatedAt), shown.DisplayName }
  end
  local columns = { { title = "JobId", whole = true }, { title = "Status" }, { title = "Created", whole = true },
                    { title = "DisplayName", ends = run_key.LENGTH + 1 } }
  for _, line in ipairs(report.table(columns, rows)) do print(line) end
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
  local p = cli.parser("job watch", "Watches an upload job until it has ended; or with --all, until it is interrupted, all jobs "
    .. "of a domain: a line for each change, and for a job that stays as it is for hours.")
  cli.argument(p, "job_id", "JOB-ID", "The JobId: 32 hex digits."):args("?")
  p:option("--domain", "The domain (or set UPJOB_DOMAIN)."):argname("NAME")
  p:flag("--all", "Watch all jobs of the domain instead.")
  cli.number_option(p, "--timeout", "Seconds to wait; the job goes on after that.", "S", "seconds, 0 or more", {})
  cli.max_failed_option(p, "Up to that many records (or that share) may fail.")
  return p
end

-- Prints what becomes of all jobs of a domain.
local function watch_all(client, options)
  local watch, err = require("upjob.job").watch { client = client, domain = options.domain }
  if not watch then return cli.fail(err) end
  local print_all = require("upjob.watch_lines").print
  if options.timeout then
    require("upjob.task").timeout(options.timeout, print_all, watch, options.json)
  else
    print_all(watch, options.json)
  end
  watch:close()
  return watch.error and cli.status_of(watch.error) or options.timeout and cli.TIMED_OUT or cli.OK
end

function words.watch(arguments)
  local options, client = open("watch", arguments)
  if not options then return client end
  if options.all and (options.job_id or options.max_failed) then
    return cli.usage("job watch", ("%s and --all do not go together"):format(options.job_id and "JOB-ID" or "--max-failed"))
  end
  if options.all then return watch_all(client, options) end
  if not options.job_id then return cli.usage("job watch", "which job? give its JOB-ID, or --all for all of the domain") end
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
  return exit_status.of_result(result, options.max_failed)
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
  return ("line %d%s: %s%s%s"):format(item.Line, name, report.safe(item.Reason), value,
    item.KeptBack and " (kept back by upjob import)" or "")
end

-- A function that writes an item as CSV. A terminal gets what it would obey shown; a file has the bytes.
local function csv_printer(writer, predicted)
  local columns = table.move(FAILURE_COLUMNS, 1, #FAILURE_COLUMNS, 1, {})
  if predicted then columns[#columns + 1] = "KeptBack" end
  local shown = require("upjob.native.system").isatty("stdout") and report.safe or tostring
  writer:write(columns)
  return function(item)
    local cells = { item.Line, item.Column ~= 0 and item.Column or "", shown(item.ColumnName or ""), shown(item.Value or ""),
                    shown(item.Reason) }
    if predicted then cells[#cells + 1] = item.KeptBack and "true" or "" end
    writer:write(cells)
  end
end

-- Prints the records in the form that was asked for; how many they were. `predicted`: failures.predict's second result, nil when
-- the service listed them.
local function print_failures(items, options, predicted)
  local shown = 0
  local writer <close> = options.csv and require("upjob.csv").writer("-") or nil
  local show = writer and csv_printer(writer, predicted) or options.json and function(item) print(json.encode(item)) end
    or function(item) print(failure_text(item)) end
  for item in items do
    if options.max and shown >= options.max then break end
    shown = shown + 1
    if predicted then item.Predicted, item.KeptBack = true, predicted.lines[item.Line] end
    show(item)
  end
  return shown
end

-- What failures.predict needs beside the file: the mapping that was given, or that of the job | nil, err
local function mapping_of(found, options)
  if options.map then
    local map, err = require("upjob.mapping").load(options.map)
    if not map then return nil, err end
    return { fields = map:api_fields(), unique_key = map.unique_key, mapping = map }
  end
  if not found.Fields or not found.UniqueKey or not found.Fields[found.UniqueKey] then
    return nil, errors.new { code = "InvalidResponse", operation = "GetUploadJob", message =
      "the reply does not have the job's Fields with its UniqueKey: give the mapping with --map FILE" }
  end
  return { fields = found.Fields, unique_key = found.UniqueKey }
end

local function predict(found, options)
  local wanted, err = mapping_of(found, options)
  if not wanted then return nil, err end
  wanted.file = options.file
  local items, predicted = failures.predict(wanted)
  if not items then return nil, predicted end
  local heading = failures.heading(found, options.file, predicted)
  if options.json or options.csv then
    if not options.quiet then report.say(heading) end
  else
    print(report.safe(heading))
  end
  return items, predicted
end

-- What the service lists, or what is predicted: items, what predicts them | nil, err
local function find_failures(client, options)
  local items, err = failures.list(client, options.domain, options.job_id)
  if items or err.code ~= "NoSuchList" then return items, err end
  local found
  found, err = replies.get_upload_job(client, { DomainName = options.domain, JobId = options.job_id })
  if not found then return nil, err end
  if options.file then return predict(found, options) end
  return nil, errors.new { code = "NoSuchList", message =
    ("this service tells how many records failed, not which; %s: give the imported file with --file, and they are predicted")
    :format(failures.ending(found)) }
end

function words.failures(arguments)
  local options, client = open("failures", arguments)
  if not options then return client end
  if options.json and options.csv then return cli.usage("job failures", "--json and --csv do not go together") end
  if options.map and not options.file then return cli.usage("job failures", "--map goes with --file") end
  local items, predicted = find_failures(client, options)
  if not items then return cli.fail(predicted) end
  local ok, shown = pcall(print_failures, items, options, predicted)
  if not ok then
    if not errors.is(shown) then error(shown, 0) end
    return cli.fail(shown)
  end
  if shown == 0 and not predicted and not options.quiet then
    local found, err = replies.get_upload_job(client, { DomainName = options.domain, JobId = options.job_id })
    if not found then return cli.fail(err) end
    report.say(failures.of_whole(found))
  end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
