--- upjob domain: list.
local cli = require "upjob.cli"
local json = require "upjob.json"
local report = require "upjob.report"

local words, parsers = {}, {}

local command = { name = "domain", summary = "list the domains of the account", order = { "list" }, words = words,
                  parsers = parsers }

function parsers.list() return cli.parser("domain list", "Lists the domains.") end

function words.list(arguments)
  local options, status = cli.parse(parsers.list(), arguments)
  if not options then return status end
  local client, err = cli.client(options)
  if not client then return cli.fail(err) end
  local rows = {}
  local ok
  ok, err = pcall(function()
    for item in client:pages("list_domains", { MaxResults = 100 }) do
      if options.json then print(json.encode(item)) end
      rows[#rows + 1] = { item.DomainName, report.time(item.CreatedAt) }
    end
  end)
  if not ok then return cli.fail(err) end
  if options.json then return cli.OK end
  if #rows == 0 then
    if not options.quiet then report.say("there are no domains") end
    return cli.OK
  end
  for _, line in ipairs(report.table({ { title = "DomainName" }, { title = "Created" } }, rows)) do print(line) end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
