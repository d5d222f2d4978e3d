--- What a dry run tells: the requests of an import, for a person and as JSON.
local changes = require "upjob.changes"
local defaults = require "upjob.defaults"
local json = require "upjob.json"
local report = require "upjob.report"

local rehearsal_report = {}

local INDENT = "   "

-- JSON with spaces where its writer has tabs, which texts in it have escaped.
local function pretty(body)
  return (json.encode(json.decode(body), { pretty = true }):gsub(":\t", ": "):gsub("\t", "  "))
end

-- A URL, or why there is none.
local function endpoint()
  if defaults.embedded then return nil, "the embedded service" end
  local url, err = require("upjob.profiles").default_endpoint()
  return url, err and (err.message:gsub("; the instance metadata gave none$", "")) -- it was not asked
end

local function add_indented(lines, text)
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = INDENT .. line end
end

local function add_request(lines, number, request, paint)
  local target = request.path .. (request.query and "?" .. request.query or "")
  lines[#lines + 1] = paint("bold", ("%d. %s %s"):format(number, request.method, report.safe(target)))
  if request.operation ~= "upload" then
    add_indented(lines, request.operation .. (request.note and ", " .. request.note or ""))
  else
    add_indented(lines, request.note)
  end
  for _, header in ipairs(request.headers or {}) do add_indented(lines, ("%s: %s"):format(header[1], header[2])) end
  -- What is sent has no white space.
  if request.body then add_indented(lines, report.safe(pretty(request.body), true)) end
  if request.operation == "upload" then
    add_indented(lines, request.file and report.safe(request.file == "-" and "standard input" or request.file)
      .. " as it stands" or "what the mapping and the check make of the file")
  end
end

-- Parts differ from the first in little more than their names.
local function add_part(lines, requests, first, paint)
  local words, bytes, name = {}, 0, nil
  for i = first, #requests do
    local request = requests[i]
    if request.part ~= requests[first].part then break end
    words[#words + 1] = request.operation
    bytes = request.bytes or bytes
    name = name or request.body and json.decode(request.body).DisplayName
  end
  lines[#lines + 1] = paint("bold", ("Part %d: %s"):format(requests[first].part, report.safe(name or "")))
  add_indented(lines, ("%s, %s"):format(report.bytes(bytes), table.concat(words, ", ")))
end

-- Of how many files and parts it is.
local function file_line(result)
  local what = result.files and report.plural(#result.files, "file")
    or report.safe(result.file == "-" and "standard input" or result.file)
  local sent = result.changes and result.changes.rows or result.rows - result.rejected
  local parts = (result.parts or 0) > 1 and (", in %s"):format(report.plural(result.parts, "part")) or ""
  return ("  %s %s: %s of %s, %s%s"):format(result.files and "files    " or "file     ", what,
    report.count(sent), report.plural(result.rows, "row"), report.bytes(result.bytes), parts)
end

-- Of each file of which is told how much of it has changed.
local function changed_lines(files)
  local lines = {}
  for _, one in ipairs(files or {}) do
    if one.to_send then
      lines[#lines + 1] = ("            %s: %s of %s"):format(report.safe(one.file), report.count(one.to_send),
        report.plural(one.rows, "row"))
    end
  end
  return lines
end

--- Lines for a person.
function rehearsal_report.lines(result, paint)
  local url, why = endpoint()
  local lines = { paint("bold", "Dry run: nothing was sent."),
                  file_line(result),
                  ("  domain    %s"):format(report.safe(result.DomainName)) }
  table.move(report.wrap("  endpoint  " .. report.safe(url or why), report.room(), (" "):rep(12)), 1, 9, #lines + 1, lines)
  if result.changes then table.insert(lines, 3, "  changed   " .. changes.lines_of(result.changes)[1]) end
  if result.rejected > 0 then
    table.insert(lines, 3, ("  rejected  %s before sending"):format(report.plural(result.rejected, "row")))
  end
  for i, line in ipairs(changed_lines(result.files)) do table.insert(lines, 2 + i, line) end
  local part
  for i, request in ipairs(result.requests) do
    local later = (request.part or 1) > 1
    if not later or request.part ~= part then lines[#lines + 1] = "" end
    if not later then
      add_request(lines, i, request, paint)
    elseif request.part ~= part then
      add_part(lines, result.requests, i, paint)
    end
    part = request.part
  end
  return lines
end

--- As JSON: bodies as they would be sent.
function rehearsal_report.plain(result)
  local requests = json.array {}
  for i, request in ipairs(result.requests) do
    local headers
    for _, header in ipairs(request.headers or {}) do
      headers = headers or {}
      headers[header[1]] = header[2]
    end
    requests[i] = { part = request.part, operation = request.operation, method = request.method, path = request.path,
                    query = request.query, body = request.body, headers = headers, note = request.note, bytes = request.bytes,
                    file = request.file and report.safe(request.file) }
  end
  return { dry_run = true, parts = result.parts, changes = result.changes,
           files = result.files and require("upjob.parts_result").plain(result.files),
           DomainName = result.DomainName, DisplayName = result.DisplayName, rows = result.rows,
           rejected = result.rejected, bytes = result.bytes, endpoint = (endpoint()), requests = requests }
end

return rehearsal_report
