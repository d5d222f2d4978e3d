--- upjob map check: what a file is, what is wrong with it under a mapping, and what an import would make of it.
local checking = require "upjob.checking"
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local file_facts = require "upjob.file_facts"
local json = require "upjob.json"
local mapping = require "upjob.mapping"
local max_failed = require "upjob.max_failed"
local parts = require "upjob.parts"
local problem_lines = require "upjob.problem_lines"
local progress_line = require "upjob.progress"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local source = require "upjob.source"
local system = require "upjob.native.system"

local map_check = {}

function map_check.parser()
  local p = cli.parser("map check", "Looks at every row of a CSV file as an import would, and sends nothing. Exit status 7 when "
    .. "anything would be refused.")
  cli.argument(p, "file", "FILE", 'The CSV file, compressed or not; "-" is standard input, s3://BUCKET/KEY an object.')
  p:option("--map", "Mapping file: which column goes where. Without it, only what can be said of the file alone."):argname("FILE")
  p:option("--encoding", "The character set of the file; without it, it is found out."):argname("NAME")
  p:flag("--strict", "Refuse what an import would convert or rename.")
  p:option("--problems", "Write all problems to this CSV file, with the values of cells."):argname("FILE")
  cli.max_failed_option(p, "Up to that many rows (or that share) may be refused.")
  cli.tmp_option(p)
  return p
end

-- Values of cells are personal data: shown where a person reads them, or on demand.
local function shows_values(options)
  return options.show_values or system.isatty("stdout")
end

-- ---- the verdict ----

-- Why an import would send nothing, or nil.
local function obstacle(result, map, limit)
  if result.bad_rows > 0 and map and map.on_invalid == "stop" then return "the mapping says on_invalid = \"stop\"" end
  if result.rows == 0 then return "the mapping's rows() wants none of the rows" end
  if result.bad_rows == result.rows then return "no row is left" end
  local allowed = limit and max_failed.of(max_failed.read(limit), result.rows)
  if allowed and result.bad_rows > allowed then return ("at most %s may be refused"):format(report.plural(allowed, "row")) end
end

-- Whether the rows that would be refused are no more than may be.
local function is_passed(result, map, limit)
  return not obstacle(result, map, limit) and (result.bad_rows == 0 or limit ~= nil)
end

local function fate_of_rows(result, as_they_stand)
  if result.bad_rows > 0 then
    return ("%s of %s%s, and keep %s back."):format(report.count(result.rows - result.bad_rows),
      report.plural(result.rows, "row"), as_they_stand and " as they stand" or "", report.count(result.bad_rows))
  end
  local rows = result.rows == 1 and "its row" or ("all %s"):format(report.plural(result.rows, "row"))
  return rows .. (as_they_stand and ", as the file stands." or ".")
end

local function verdict(result, map, limit)
  local why = obstacle(result, map, limit)
  if why then
    local refused = result.bad_rows > 0 and (", and %s of %s would be refused"):format(report.count(result.bad_rows),
      report.plural(result.rows, "row")) or ""
    return { ("An import would send nothing: %s%s."):format(why, refused) }
  end
  local mending = file_facts.mending(result, map)
  local lines = { "An import would send " .. fate_of_rows(result, #mending == 0) }
  if #mending > 0 then lines[2] = "Before that it would" end
  for _, what in ipairs(mending) do lines[#lines + 1] = "  " .. what end
  return lines
end

-- ---- the report ----

local function heading(file, result)
  local facts = result.facts
  local rows = (result.rows or 0) + (result.unwanted or 0)
  return ("%s  %s, %s, %s"):format(report.safe(file == "-" and "standard input" or file), report.plural(rows, "row"),
    report.plural(facts.columns, "column"), report.bytes(facts.bytes))
end

local function class_lines(classes, paint)
  local rows = {}
  for i, class in ipairs(classes) do rows[i] = { report.count(class.count), class.severity, class.class } end
  local lines = report.table({ { title = "Count", right = true }, { title = "Severity" }, { title = "Problem" } }, rows)
  for i, class in ipairs(classes) do lines[i + 2] = paint(class.severity == "error" and "red" or "yellow", lines[i + 2]) end
  return lines
end

local function mapping_line(map, path)
  return ("mapping    %s: %s, the key is %s"):format(report.safe(path), report.plural(#map.fields, "field"),
    report.safe(map.unique_key))
end

local function add_all(lines, more)
  table.move(more, 1, #more, #lines + 1, lines)
end

-- What is read and not copied is broken between words.
local function add_wrapped(lines, more, indent)
  for _, line in ipairs(more) do add_all(lines, report.wrap(line, report.room(), indent)) end
end

-- What the file is, below its name.
local function add_facts(lines, facts, mapping_text)
  local texts = file_facts.lines(facts)
  texts[#texts + 1] = mapping_text
  for i, text in ipairs(texts) do texts[i] = "  " .. text end
  add_wrapped(lines, texts, (" "):rep(13))
end

-- Of what was found, as far as the check came.
local function findings(options, found, paint)
  local lines = {}
  if #found.problems > 0 then
    lines[1] = ""
    add_all(lines, problem_lines.of(found, { shown = shows_values(options), hints = true }))
  end
  if #found.classes > 0 then
    lines[#lines + 1] = ""
    add_all(lines, class_lines(found.classes, paint))
  end
  return lines
end

-- What comes to one part is one job.
local function is_split(found)
  return found.split ~= nil and #found.split.parts > 1
end

local function print_report(options, map, result, passed)
  local paint = report.painter("stdout", options.color)
  local lines = {}
  for i, line in ipairs(report.wrap(heading(options.file, result), report.room(), "  ")) do lines[i] = paint("bold", line) end
  add_facts(lines, result.facts, map and mapping_line(map, options.map))
  add_all(lines, findings(options, result, paint))
  lines[#lines + 1] = ""
  if is_split(result) then lines[#lines + 1] = ("It is sent in %s."):format(report.plural(#result.split.parts, "part")) end
  local said = verdict(result, map, options.max_failed)
  local color = passed and result.bad_rows == 0 and "green" or passed and "yellow" or "red"
  for _, line in ipairs(report.wrap(table.remove(said, 1), report.room(), "  ")) do lines[#lines + 1] = paint(color, line) end
  add_wrapped(lines, said, "    ")
  if not map then lines[#lines + 1] = "With --map FILE every value is looked at, not only the shape of the rows." end
  if result.problems_written then lines[#lines + 1] = ("All problems are in %s."):format(report.safe(options.problems)) end
  print(table.concat(lines, "\n"))
end

local function json_object(options, map, found)
  local shown = shows_values(options)
  local object = { file = report.safe(options.file), facts = found.facts and file_facts.plain(found.facts) or nil,
                   rows = found.rows, rejected = found.bad_rows, left_out = found.unwanted, blanked = found.blanked,
                   changed = found.changed_rows, parts = is_split(found) and #found.split.parts or nil,
                   classes = json.array(found.classes or {}),
                   problems = problem_lines.plain(found.problems or {}, shown),
                   problems_file = found.problems_written and report.safe(options.problems) or nil }
  if found.sources then object.mending = json.array(file_facts.mending(found, map)) end
  return object
end

-- A check that could not go to its end: nothing can be said of an import but that.
local function fail(options, map, err)
  if options.json then
    local object = json_object(options, map, err)
    object.refused = true
    object.error = { code = err.code, message = report.safe(tostring(err)) }
    print(json.encode(object))
  elseif err.facts and err.classes and not options.quiet then
    local paint = report.painter("stdout", options.color)
    local lines = { paint("bold", report.safe(options.file == "-" and "standard input" or options.file)) }
    add_facts(lines, err.facts)
    add_all(lines, findings(options, err, paint))
    print(table.concat(lines, "\n"))
  end
  return cli.fail(err)
end

-- ---- running it ----

-- The mapping, and nil where none was given | false, err
local function load_mapping(options)
  if not options.map then return nil end
  local map, err = mapping.load(options.map)
  return map or false, err
end

local function run(options, map)
  local progress = progress_line.new(options)
  local from <close>, err = source.of_command(options, progress)
  if not from then return nil, err end
  local result
  result, err = checking.run {
    file = options.file, fd = from.fd, mapping = map, encoding = options.encoding, strict = options.strict, reject = true,
    digest = false, problems = options.problems, tmp = options.tmp,
    split = { salt = "", part_bytes = parts.MOST_BYTES, slots = 1 },
    progress = function(done, total, rows)
      progress:show(("checking, %s"):format(report.plural(rows, "row")), done, total)
    end,
  }
  progress:clear()
  if result then checking.close(result) end
  return result, err
end

function map_check.main(arguments)
  local options, status = cli.parse(map_check.parser(), arguments)
  if not options then return status end
  local map, err = load_mapping(options)
  if map == false then return cli.fail(err) end
  if options.problems then
    local ok
    ok, err = rejects.check_problems(options.problems, { options.file, map and map.file })
    if not ok then return cli.fail(err) end
  end
  local result
  result, err = run(options, map)
  if not result then return errors.is(err) and fail(options, map, err) or cli.fail(err) end
  local passed = is_passed(result, map, options.max_failed)
  if options.json then
    local object = json_object(options, map, result)
    object.refused = not passed
    print(json.encode(object))
  elseif not options.quiet then
    print_report(options, map, result, passed)
  end
  return passed and cli.OK or cli.INVALID_FILE
end

return map_check
