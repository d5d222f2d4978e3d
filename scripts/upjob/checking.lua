--- The check of a file before it is imported, as import and `upjob map check` run it: upjob.native.check, with what is said of
--- the mapping alone.
local errors = require "upjob.errors"
local mapping_plan = require "upjob.mapping_plan"
local native = require "upjob.native.check"
local report = require "upjob.report"
local system = require "upjob.native.system"

local checking = {}

local MOST_FIELDS, LONG_EXPIRY = 25, 90 -- see the warnings

local RUN_OPTIONS = { file = "string", tmp = "string", fd = "number", opened = "table", mapping = "table", encoding = "string",
                      strict = "boolean", no_check = "boolean", reject = "boolean", rejects = "string", problems = "string",
                      max_problems = "number", expires = "number", progress = "function", shown = "number",
                      max_rows = "number", digest = "boolean", split = "table", changes = "userdata", select = "userdata",
                      settled = "function" }

local function warning(file, class, reason, hint)
  local text = ("%s: %s"):format(file, reason)
  return { class = class, severity = "warning", line = 0, column = 0, column_name = "", value = "", reason = reason,
           hint = hint, text = text, masked = text }
end

--- What is to be said of a mapping and the days until profiles vanish, whatever the file: a list of problems, all warnings.
function checking.warnings(file, map, expires)
  local found = {}
  if map and #map.fields > MOST_FIELDS then
    found[#found + 1] = warning(file, "many fields", ("has %d fields in its mapping: the console maps at most %d"):format(
      #map.fields, MOST_FIELDS), "")
  end
  if expires and expires > LONG_EXPIRY then
    found[#found + 1] = warning(file, "long expiry", ("is to be kept for %d days: one page of the service's documentation "
      .. "allows at most %d"):format(expires, LONG_EXPIRY), "")
  end
  return found
end

local function add_warnings(result, warnings)
  for i, problem in ipairs(warnings) do
    table.insert(result.problems, i, problem)
    result.counts[problem.class] = 1
    table.insert(result.classes, { class = problem.class, severity = "warning", count = 1 })
  end
end

-- A column that is not in the file is looked for by a line of the mapping: the error names it.
local function name_place(map, err)
  local column = err.code == "InvalidFile" and err.message:match("column \"(.-)\" is not in the header")
  for _, field in ipairs(column and map.fields or {}) do
    for _, name in ipairs(field.columns) do
      if name == column and field.where and field.where:find(":%d+$") then
        err.message = ("%s; %s asks for it"):format(err.message, field.where)
        return
      end
    end
  end
end

--- Whether temporary files can go to a directory that was named, or none was: true | nil, err
function checking.check_tmp(directory)
  local info = directory and system.stat(directory)
  if not directory or info and info.type == "directory" and info.writable then return true end
  return nil, errors.new { code = "UsageError", message = ("temporary files cannot go to %s: %s"):format(directory,
    not info and "there is no such directory" or info.type ~= "directory" and "it is no directory" or "it cannot be written") }
end

--- checking.open{ file=, fd=, encoding=, strict=, max_problems= } → what run takes as `opened` | nil, err. It reads what
--- cannot be read twice to a temporary file, finds out what the file is, and reads its header:
--- { header = names, line = of the header, facts = { compression, encoding, confidence, had_mark, converted, guessed, mixed,
---   alternative, invalid, nuls, lines, bytes, file_bytes, delimiter, delimiter_known, sep_line, columns,
---   line_ends = { crlf, lf, cr }, samples = { { line, before, after }, … } } }
function checking.open(options)
  errors.check_options("checking.open", options, { file = "string", fd = "number", encoding = "string", strict = "boolean",
                                                   max_problems = "number", tmp = "string" })
  return native.open(options)
end

--- checking.run{ file= or opened=, mapping=, … } → result | nil, err. With fd (upjob.source) that open file is read, from
--- its beginning, and `file` is only what it is called. Without a mapping only what can be said of the file alone. Options:
---   encoding   the name of the character set, which is recognised otherwise
---   tmp        the directory of temporary files, which have no name
---   strict     refuse what would be converted or renamed
---   no_check   rows are changed as the mapping says and otherwise sent as they are
---   reject     keep rows in error back; rejects: where they go
---   problems   a CSV file for all of them
---   expires    days, for a warning
---   shown      rows of each fate that are kept to be shown
---   max_rows   look at so many at most; then nothing is sent
---   digest     false: nothing will be sent, so there is no md5 in the result, and the check takes a fifth less
---   split      { salt = text, part_bytes =, slots =, parts = }: what is sent may be split into parts that have fewer bytes each,
---              by the hash of the unique key. Without `parts` it is found out whether and how, and some parts may be written
---              at once, `slots` at most; with them, those are written: { { low =, high = }, … }, in their order
---   changes    find out what has changed since the last import, in a pass that makes nothing to be sent: upjob.native.changes
---              .compare{ files = how many are compared, together, one check after the other; before = the set of keys of the
---              last import, nil: there was none; staged = where the set that will replace it is written (upjob.native.changes
---              promotes it; nothing may stand there; nil: none is made); due_before = a key that expires before is sent again
---              though it has not changed; only_due = and no other key is, so that a file can be looked at without the others;
---              expires = when what is sent expires, like due_before in seconds of the epoch; tmp }. After an error it takes no
---              file any more. Not with select, split or max_rows
---   select     one of result.changes.lines of such passes, over the same file, with the same encoding and mapping: only these
---              rows are looked at and sent; keys that stand in several rows were told of there
---   settled    is called with the result as far as it is settled when parts are made and rows that have the same key are still
---              looked for: all that is wrong with rows is known, but for these, and rejected rows are in their place. The open
---              files of the parts are its own from then on. The check may still fail
---   progress   is called with bytes, total, rows
--- The result:
---   rows, unwanted (left out by mapping.rows), bad_rows (in error), blanked (values), changed_rows
---   passed_over rows that are not among those of select: they count in nothing else
---   changes    with the last file, of all: { new, changed, due (unchanged, but about to expire), same, held (no row of it can
---              be sent: it keeps what it had), gone = numbers of keys, sent = new + changed + due, keyless = rows without a key
---              that can be read, rows = that are to be sent, those without a key (no_check) too, lines = by file, of these
---              rows, #lines[i] of them: close each, or have it closed }.
---              Of an input that cannot be opened again outgoing_fd is the input itself, for the next pass
---   problems   the first ones, by line: class, severity, line, column, column_name, value, reason, hint, text, masked
---   counts     by class; classes: a list of { class, severity, count }, errors first
---   facts      as open gives them
---   mended     what is sent is not the file as it stands, apart from rows that are left out
---   sources    by field key, the column of what is sent
---   outgoing_fd, outgoing_bytes, md5, identity: what is sent; close it with checking.close(result)
---   split      in place of what is to be sent, when it is split: { bytes =, parts = { { low =, high = (hashes), bytes =, rows =,
---              fd =, md5 = }, … } }. A part without fd was not written; one that has part_bytes or more, or that was asked for
---              and came back as several, is too large as it is and is asked for again
---   passed_over rows of other parts
---   rejects_written, problems_written
---   shown      { rejected =, changed =, sent = lists of rows }; a row is { line =, reasons = all that is wrong with it, values =
---              by field of the mapping { cells =, kind = "same", "changed" or "invalid", value =, blanked =, reason = } }
---   in_part    true when max_rows ended it
--- An error that is about the file has problems, counts, classes and facts too, as far as they are known.
function checking.run(options)
  errors.check_options("checking.run", options, RUN_OPTIONS)
  local given = {}
  for name, value in pairs(options) do given[name] = value end
  given.expires = nil
  if options.mapping then
    local ok, planned = pcall(mapping_plan.of, options.mapping)
    if not ok and not errors.is(planned) then error(planned, 0) end
    if not ok then return nil, planned end
    given.mapping = planned
  end
  local ok, result, err = pcall(native.run, given)
  if not ok and not errors.is(result) then error(result, 2) end
  if not ok then return nil, result end
  if err and options.mapping then name_place(options.mapping, err) end
  local found = result or err.problems and err
  if found then add_warnings(found, checking.warnings(options.file or "", options.mapping, options.expires)) end
  return result, err
end

--- Converted pieces of the text as lines for a person, before → after: they are personal data.
function checking.sample_lines(facts)
  local lines = {}
  for i, sample in ipairs(facts.samples) do
    local before = sample.before ~= "" and ("\"%s\" → "):format(report.safe(sample.before)) or ""
    lines[i] = ("  line %d: %s\"%s\""):format(sample.line, before, report.safe(sample.after))
  end
  return lines
end

--- A descriptor with which what was opened can be read again, also what cannot be read twice by its name; to be closed: fd | nil,
--- err. Before it is run.
function checking.again(opened)
  return native.input_fd(opened)
end

--- Closes what a result holds open.
function checking.close(result)
  for _, part in ipairs(result.split and result.split.parts or {}) do
    if part.fd then native.close_fd(part.fd) end
    part.fd = nil
  end
  if result.outgoing_fd then native.close_fd(result.outgoing_fd) end
  result.outgoing_fd = nil
end

return checking
