--- upjob map: suggest, check, preview.
local cli = require "upjob.cli"
local json = require "upjob.json"
local report = require "upjob.report"
local system = require "upjob.native.system"

local words, parsers = {}, {}

local command = { name = "map", summary = "suggest a field mapping for a file, check a file, preview what becomes of it",
                  order = { "suggest", "check", "preview" }, words = words, parsers = parsers }

-- The others have files of their own.
for _, word in ipairs { "check", "preview" } do
  parsers[word] = function() return require("upjob.map_" .. word).parser() end
  words[word] = function(arguments) return require("upjob.map_" .. word).main(arguments) end
end

function parsers.suggest()
  local p = cli.parser("map suggest", "Writes a mapping for a CSV file on standard output: by its headers in several languages, "
    .. "by all of its values, and with the unique key that the rows have. Exit status 7 when no key is found.")
  cli.argument(p, "file", "FILE", 'The CSV file, compressed or not; "-" is standard input, s3://BUCKET/KEY an object.')
  p:option("--encoding", "The character set of the file; without it, it is found out."):argname("NAME")
  cli.tmp_option(p)
  return p
end

-- Values of cells are shown where the mapping is read by a person, or on demand: it goes to standard output.
local function shows_values(options)
  return options.show_values or system.isatty("stdout")
end

-- Of values, what a machine may not be given unasked goes; everything is text that JSON takes.
local function public_survey(survey, shown)
  local columns = {}
  for i, column in ipairs(survey.columns) do
    local copy = {}
    for name, value in pairs(column) do copy[name] = value end
    copy.name, copy.phone_samples = report.safe(column.name), nil
    copy.misfits, copy.values = {}, column.values and {} or nil
    for kind, list in pairs(column.misfits) do
      copy.misfits[kind] = {}
      for k, misfit in ipairs(list) do
        copy.misfits[kind][k] = { line = misfit.line, value = shown and report.safe(misfit.value) or nil }
      end
    end
    for k, value in ipairs(column.values or {}) do
      copy.values[k] = { line = value.line, count = value.count, value = shown and report.safe(value.value) or nil }
    end
    columns[i] = copy
  end
  local result = {}
  for name, value in pairs(survey) do result[name] = value end
  result.columns = columns
  return result
end

function words.suggest(arguments)
  local options, status = cli.parse(parsers.suggest(), arguments)
  if not options then return status end
  local from <close>, err = require("upjob.source").of_command(options, require("upjob.progress").new(options))
  if not from then return cli.fail(err) end
  local survey
  survey, err = require("upjob.native.survey").run { file = options.file, fd = from.fd, encoding = options.encoding,
                                                      tmp = options.tmp }
  if not survey then return cli.fail(err) end
  local suggest_text = require "upjob.suggest_text"
  local shown = shows_values(options)
  local suggestion = require("upjob.suggest").of(survey, { show_values = shown })
  local name = options.file == "-" and "standard input" or options.file
  local text = suggest_text.file(suggestion, name)
  if options.json then
    print(json.encode { file = report.safe(options.file), survey = public_survey(survey, shown),
                        suggestion = suggest_text.plain(suggestion), mapping = text })
  else
    io.stdout:write(text)
  end
  if suggestion.unique_key then return cli.OK end
  report.say(("%s: %s"):format(name, table.concat(suggestion.key_notes, "; ")))
  return cli.INVALID_FILE
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
