--- upjob domain: list.
local cli = require "upjob.cli"
local json = require "upjob.json"
local report = require "upjob.report"

local command = { summary = "list the domains of the account" }

local words = {}

function words.list(arguments)
  local options, status = cli.parse(cli.parser("domain list", "Lists the domains."), arguments)
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
    io.stderr:write("upjob: there are no domains\n")
    return cli.OK
  end
  for _, line in ipairs(report.table({ { title = "DomainName" }, { title = "Created" } }, rows)) do print(line) end
  return cli.OK
end

function command.main(arguments)
  return cli.words("domain", command.summary, { "list" }, words, arguments)
end

return command
