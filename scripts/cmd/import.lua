--- upjob import: create, upload, start, watch, report, in one command.
local changes = require "upjob.changes"
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local job = require "upjob.job"
local json = require "upjob.json"
local log = require "upjob.log"
local mapping = require "upjob.mapping"
local max_failed = require "upjob.max_failed"
local native = require "upjob.native.task"
local parts = require "upjob.parts"
local parts_result = require "upjob.parts_result"
local problem_lines = require "upjob.problem_lines"
local progress_line = require "upjob.progress"
local rehearsal_report = require "upjob.rehearsal_report"
local report = require "upjob.report"
local segment = require "upjob.segment"
local shell = require "upjob.shell"
local task = require "upjob.task"

local import = { summary = "create, upload, start, watch, report, in one command" }

function import.parser()
  local p = cli.parser("import", "Loads a CSV file into a domain of Customer Profiles and waits for the outcome.")
  cli.argument(p, "files", "FILE", 'The CSV file, with a header row, compressed or not; "-" is standard input, '
    .. "s3://BUCKET/KEY an object, which is fetched first. Several files, "
    .. "and patterns (*, ?) of their names, are one import."):args("+")
  p:option("--domain", "The domain (or set UPJOB_DOMAIN)."):argname("NAME")
  p:option("--map", "Mapping file: which column goes where."):argname("FILE")
  p:option("--key", "The column that tells profiles apart; without --map, columns that equal a place in a profile go there "
    .. "and the rest become custom attributes."):argname("COLUMN")
  p:option("--name", "DisplayName of the job; the file's name otherwise."):argname("NAME")
  p:option("--run-key", "Ends the DisplayName, as ten letters and digits do otherwise: this import, given again with "
    .. "its key, finds its job, and several at once are one."):argname("KEY")
  cli.number_option(p, "--expires", "Days until imported profiles vanish, 1 to 1098; 14 otherwise.", "DAYS",
    "days, from 1 to 1098", { integer = true, least = 1, most = 1098 })
  cli.max_failed_option(p, "Up to that many rows (or that share) may be rejected or fail.")
  p:option("--encoding", "The character set of the file; without it, it is found out."):argname("NAME")
  p:flag("--strict", "Refuse what would be converted to UTF-8 or renamed.")
  p:flag("--no-check", "Do not look at values: send all rows, with what the mapping changes.")
  p:option("--problems", "Write all that the check finds to this CSV file, with the values of cells."):argname("FILE")
  p:option("--rejects", "Where rejected rows are written; FILE.rejects.csv otherwise, upjob.rejects.csv for standard input. "
    .. "An earlier rejects file there is kept as FILE~; nothing else is overwritten."):argname("FILE")
  p:option("--report", "Where a report of the import is written, also when it fails: one HTML page, for a browser or a printer, "
    .. "that needs no network. An earlier report there is kept as FILE~; nothing else is overwritten."):argname("FILE")
  cli.number_option(p, "--timeout", "Seconds to wait for the outcome; then a job that was started goes on, one that was not "
    .. "is stopped.", "S", "seconds, 0 or more", {})
  cli.number_option(p, "--stall-timeout", "Seconds without a byte moved after which an upload is begun anew (60).", "S",
    "seconds, 1 or more", { least = 1, most = 1e6 })
  cli.tmp_option(p)
  p:option("--part-size", "A file of so many bytes or more is sent in parts, each a job (1000000000, which is what the service "
    .. "takes)."):argname("SIZE"):target("part_bytes"):convert(function(text)
    if parts.read_bytes(text) then return text end
    return nil, ("option '--part-size' takes %s, not '%s'"):format(parts.takes_bytes, text)
  end)
  cli.number_option(p, "--parallel", ("Parts that are made or sent at once, each a file of its size on the disk (%d)."):format(
    parts.PARALLEL), "N", ("a whole number from 1 to %d"):format(parts.MOST_PARALLEL),
    { integer = true, least = 1, most = parts.MOST_PARALLEL })
  p:flag("--only-changed", "Send only rows that are new or differ since the last successful import of this mapping and domain; "
    .. "several files are compared together.")
  p:flag("--full", "With --only-changed: send all of them, once.")
  p:option("--gone", "With --only-changed: write the keys that were there last time, and are not now, to this file, when "
    .. "the import has succeeded.")
    :argname("FILE")
  p:option("--segment", "Put the imported profiles into a segment of this name, which is made where it is missing.")
    :argname("NAME")
  p:flag("--replace-segment", "With --segment: where there is another one of that name, delete it and make this one.")
  p:flag("--dry-run", "Check the file and print the requests that would be sent; nothing is sent.")
  p:flag("--no-wait", "Return as soon as the job was started.")
  return p
end

local function print_problems(options, found)
  for _, line in ipairs(problem_lines.of(found, { shown = cli.show_values(options) })) do report.lines(line, nil, "warn") end
end

-- files: of an import of several, what was found in each.
local function print_rejected(rows, file, files)
  if rows == 0 then return end
  if not files then
    print(("  rejected  %s before sending%s"):format(report.plural(rows, "row"), file and ": see " .. report.safe(file) or ""))
    return
  end
  print(("  rejected  %s before sending:"):format(report.plural(rows, "row")))
  for _, one in ipairs(files) do
    if one.rejects then print(("            %s of %s: see %s"):format(report.count(one.rejected), report.safe(one.file),
      report.safe(one.rejects))) end
  end
end

-- What an import was of, and the job or jobs that it was sent as.
local function print_sent(result)
  local what = result.files and report.plural(#result.files, "file")
    or result.file == "-" and "standard input" or report.safe(result.file)
  print(("  %s %s (%s%s)"):format(result.files and "files    " or "file     ", what, report.plural(result.rows or 0, "row"),
    result.bytes and (", %s sent"):format(report.bytes(result.bytes)) or ""))
  if result.jobs and #result.jobs == 0 then
    print("  job       none: nothing was to be sent")
  elseif not result.jobs or #result.jobs == 1 then
    local of = result.jobs and ", of " .. report.safe(result.jobs[1].file) or ""
    print(("  job       %s in domain %s%s"):format(report.safe(result.JobId), result.DomainName, of))
  else
    print(("  jobs      %s in domain %s"):format(report.count(#result.jobs), result.DomainName))
  end
end

-- Of an import of what has changed.
local function print_changes(told)
  local line, more = table.unpack(changes.lines_of(told))
  print("  changed   " .. line)
  if more then print("            " .. more) end
end

local function print_result(options, result)
  local paint = report.painter("stdout", options.color)
  local good = result.Status == "SUCCEEDED" and result.rejected == 0
  local color = good and "green" or (result.Status == "FAILED" or result.Status == "STOPPED") and "red" or "yellow"
  print(("%s  %s"):format(paint(color, report.safe(result.Status)), report.summary(result.ResultsSummary)))
  print_sent(result)
  if result.changes then print_changes(result.changes) end
  print(("  took      %s%s"):format(report.seconds(result.seconds), result.upload_seconds
    and (", of it %s uploading"):format(report.seconds(result.upload_seconds)) or ""))
  print_rejected(result.rejected, result.rejects, result.files)
  if (result.blanked or 0) > 0 then print("  blanked   " .. report.plural(result.blanked, "invalid value")) end
  if (result.unwanted or 0) > 0 then print(("  left out  %s, by the mapping"):format(report.plural(result.unwanted, "row"))) end
  if result.segment then
    local line, more = table.unpack(segment.lines(result.segment, result.DataExpiry))
    print("  segment   " .. line)
    if result.segment.size then print("            " .. more) end
  end
  if result.report then print("  report    " .. report.safe(result.report)) end
  if result.StatusReason then print("  reason    " .. report.safe(result.StatusReason)) end
  if (result.ResultsSummary.FailedRecords or 0) > 0 and options.embedded and not options.data then
    print("  The embedded service's list of failed records is gone with it: keep it with --data DIR.")
  end
  if result.jobs and #result.jobs > 1 then print(table.concat(parts_result.lines(result.jobs, "  "), "\n")) end
  local was_sent = not result.jobs or #result.jobs > 0
  if was_sent and (result.Status == "SUCCEEDED" or result.Status == "PARTIALLY_SUCCEEDED") then
    print("  " .. report.expiry(result))
  end
end

-- Only what the contract names, in a stable shape. A path need not be text, which JSON is.
local function json_result(result)
  local jobs = result.jobs and parts_result.plain(result.jobs)
  local files = result.files and parts_result.plain(result.files)
  return { jobs = jobs, files = files, JobId = result.JobId, DomainName = result.DomainName, DisplayName = result.DisplayName,
           Status = result.Status,
           StatusReason = result.StatusReason, ResultsSummary = result.ResultsSummary, rejected = result.rejected,
           rejects = result.rejects and report.safe(result.rejects), rows = result.rows, bytes = result.bytes,
           seconds = result.seconds, DataExpiry = result.DataExpiry, segment = result.segment,
           changes = result.changes }
end

-- Begins it: run | nil, err. Where the mapping is made of the header, that is waited for, and a pipe may be silent. That time is
-- a part of --timeout.
local function begin(options, given)
  if options.map or not options.timeout then return job.import(given) end
  local began = native.now()
  local run, err = task.timeout(options.timeout, job.import, given)
  options.seconds_left = math.max(options.timeout - (native.now() - began), 0)
  if not run and errors.has_code(err, "TimeoutError") then err.message = err.message .. ": no job was created" end
  return run, err
end

local function start(options, command)
  local map, err
  if options.map then
    map, err = mapping.load(options.map)
    if not map then return nil, err end
  end
  local client, ready
  if options.dry_run then
    ready, err = cli.use_service(options, true)
  else
    client, err = cli.client(options)
    ready = client
  end
  if not ready then return nil, err end
  return begin(options, { client = client, domain = options.domain, files = options.files, mapping = map, key = options.key,
                          name = options.name, run_key = options.run_key, expires = options.expires,
                          rejects = options.rejects, report = options.report, command = command, max_failed = options.max_failed,
                          stall_timeout = options.stall_timeout, encoding = options.encoding, strict = options.strict,
                          no_check = options.no_check, problems = options.problems, dry_run = options.dry_run, tmp = options.tmp,
                          part_bytes = options.part_bytes, parallel = options.parallel, only_changed = options.only_changed,
                          full = options.full, gone = options.gone, segment = options.segment,
                          replace_segment = options.replace_segment, no_wait = options.no_wait })
end

local function check_options(options)
  if not options.map and not options.key then
    return cli.usage("import", "give --map FILE, or --key COLUMN for the column that tells profiles apart")
  end
  local problem = options.name and job.problem_of_name(options.name, job.NAME_MAX)
  if problem then return cli.usage("import", "--name " .. problem) end
  problem = options.run_key and job.problem_of_run_key(options.run_key)
  if problem then return cli.usage("import", "--run-key " .. problem) end
  problem = options.segment and segment.problem_of_name(options.segment)
  if problem then return cli.usage("import", "--segment " .. problem) end
  for _, pair in ipairs { { "full", "only_changed" }, { "gone", "only_changed" }, { "replace_segment", "segment" } } do
    if options[pair[1]] and not options[pair[2]] then
      return cli.usage("import", ("--%s needs --%s"):format(pair[1]:gsub("_", "-"), (pair[2]:gsub("_", "-"))))
    end
  end
  for name, given in pairs { ["--no-wait"] = options.no_wait, ["--report"] = options.report } do
    if given and options.dry_run then
      return cli.usage("import", ("%s and --dry-run do not go together: a dry run starts no job"):format(name))
    end
  end
  if options.no_wait and options.embedded and not options.data then
    return cli.usage("import", "--no-wait with --local needs --data DIR: the embedded service ends with this program, and "
      .. "without a directory that keeps its data the job ends with it")
  end
end

-- The mapping that was made of the header, and what a person would perhaps have mapped otherwise.
local function print_mapping(map)
  local text = map:to_lua()
  report.block("the mapping used, made of the header (save it, and pass it with --map):", "mapping", text,
    "\n" .. text:gsub("([^\n]+)", "    %1"))
  local hints = map:hints()
  if #hints == 0 then return end
  report.block("these columns became custom attributes, but look like places in a profile; if they are, have these lines in the "
    .. "saved mapping instead of theirs:", "lines", table.concat(hints, "\n"),
    ("\n    %s\n"):format(table.concat(hints, "\n    ")))
end

-- Follows the events while the main task waits.
local function announce(run, options)
  local progress = progress_line.new(options)
  progress:follow(run)
  run:on("created", function(created)
    if not created.part then log.context { job = created.JobId } end
  end)
  run:on("checked", function(checked)
    if options.quiet then return end
    progress:clear()
    for _, one in ipairs(checked.files or { checked }) do
      if one.rejects_kept then
        report.say(("the rejected rows of an earlier run are in %s now%s"):format(one.rejects_kept,
          (one.rejects_written or one.rejects) and "" or "; this run rejected none"))
      end
    end
    print_problems(options, checked)
  end)
  local function tell_mapping(map)
    if not run.known and not options.quiet and not options.json then print_mapping(map) end
  end
  if run.mapping_made and run.mapping then tell_mapping(run.mapping) end
  run:on("mapped", function(mapped)
    progress:clear()
    tell_mapping(mapped.mapping)
  end)
  return progress
end

local function failed(run, err, options)
  -- What the check found was told as soon as it had ended, unless it ended early or nothing is told.
  local is_told = run.checked and not run.check_failed and not options.quiet
  if errors.is(err) and err.problems and not is_told then print_problems(options, err) end
  return cli.fail(err)
end

-- Waits until the run was started or has ended, or the time is over.
local function wait_for_start(run, seconds)
  local changed, late = native.signal(), false
  run:on("*", function() changed:set() end)
  local clock = seconds and native.handler(function()
    native.sleep(seconds)
    late = true
    changed:set()
  end)
  while not run.started and not run.ended and not late do changed:wait() end
  if clock then clock:cancel() end
end

local function tell_watch(run, command)
  report.say((run.gone and "to watch it, and write the keys that are gone: " or "to watch it: ") .. command)
end

-- Returns once the job was started, also when it has ended since: an exit status, nil when the run has ended before it.
local function leave_running(run, progress, options)
  wait_for_start(run, options.seconds_left or options.timeout)
  progress:clear()
  if run.ended and (run.answer or not run.started) or changes.is_none(run) then return nil end
  if not run.started then
    local _, status = cli.give_up(run, options.timeout)
    return status
  end
  run:interrupt()
  -- The list of keys that are gone is written by what goes on with the run.
  local watch = run.gone and run:continue_command() or not run.gone and run:resume_command()
  if not watch then return nil end -- it has ended meanwhile
  local jobs, files = run.parts and parts_result.jobs(run), run.checked and run.checked.files
  local has_rejects = run.checked and run.checked.rejects_written and run.rejects
  local changed = run.checked and run.checked.changes
  local left = { jobs = jobs and parts_result.plain(jobs), files = files and parts_result.plain(files),
                 JobId = run.job_id or jobs and #jobs == 1 and jobs[1].JobId or nil,
                 DomainName = run.domain, Status = "IN_PROGRESS", rejected = run.rejected,
                 rejects = has_rejects and report.safe(run.rejects) or nil,
                 DataExpiry = run.request.DataExpiry or report.DEFAULT_EXPIRY, changes = changed }
  if options.json then
    print(json.encode(left))
  else
    local what = left.JobId and "job " .. report.safe(left.JobId) or report.plural(#jobs, "job")
    print(("started  %s in domain %s"):format(what, run.domain))
    if changed then print_changes(changed) end
    if run.gone then print(("  gone      %s is written when all has succeeded"):format(report.safe(run.gone))) end
    print_rejected(left.rejected, left.rejects, files)
    if run.segment then print(("  segment   %s: its size is told at the end only"):format(report.safe(run.segment))) end
    print("  " .. report.expiry(left))
  end
  if not options.quiet then tell_watch(run, watch) end
  return left.rejected > 0 and not options.max_failed and cli.ROWS_FAILED or cli.OK
end

-- The exit status is what the check would make of the import's.
local function tell_dry_run(result, options)
  if options.json then
    print(json.encode(rehearsal_report.plain(result)))
  elseif not options.quiet then
    print(table.concat(rehearsal_report.lines(result, report.painter("stdout", options.color)), "\n"))
  end
  local allowed = options.max_failed and max_failed.of(max_failed.read(options.max_failed), result.rows) or 0
  return result.rejected > allowed and cli.ROWS_FAILED or cli.OK
end

local function finish(run, progress, options)
  local result, err = run:wait { timeout = options.seconds_left or options.timeout }
  progress:clear()
  if not result and run.ended then return failed(run, err, options) end
  local status
  if not result then
    result, status = cli.give_up(run, options.timeout)
    if not result then return status end
  end
  if options.dry_run then return tell_dry_run(result, options) end
  if options.json then print(json.encode(json_result(result))) elseif not options.quiet then print_result(options, result) end
  local limit = run.max_failed
  return exit_status.of_result(result, limit and limit.text)
end

-- A file that was asked for and was not written is a failure, whatever became of the import.
local function with_files(run, status)
  return (run.report_error or run.gone_error) and status == cli.OK and cli.FAILED or status
end

--- Tells of a run what happens, waits for its end and tells that: the exit status.
function import.see_to_end(run, options)
  return with_files(run, finish(run, announce(run, options), options))
end

function import.main(arguments)
  local options, status = cli.parse(import.parser(), arguments)
  if not options then return status end
  status = check_options(options)
  if status then return status end
  local domain
  domain, status = cli.need_domain("import", options)
  if not domain then return status end
  log.context { file = options.files[1], domain = domain }
  local run, err = start(options, shell.command({ "import" }, arguments))
  if not run then return cli.fail(err) end
  local progress = announce(run, options)
  status = options.no_wait and leave_running(run, progress, options) or finish(run, progress, options)
  if options.report and not run.result and not run.report_error and not options.quiet then
    report.say("the report is in " .. options.report)
  end
  return with_files(run, status)
end

import.print_result = print_result

return import
