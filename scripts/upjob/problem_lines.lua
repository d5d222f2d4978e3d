--- The problems that a check found, as lines for a person.
local checking = require "upjob.checking"
local json = require "upjob.json"
local report = require "upjob.report"

local problem_lines = {}

local function total_of(counts)
  local total = 0
  for _, n in pairs(counts or {}) do total = total + n end
  return total
end

--- What was found, a problem a line, as `upjob.checking` tells it. `shown`: with the values of cells, and samples of what is
--- converted. `hints`: with what can be done, once for each thing to do. Ends with how many more there are.
function problem_lines.of(found, options)
  local lines, hinted = {}, {}
  for _, problem in ipairs(found.problems) do
    lines[#lines + 1] = report.safe(options.shown and problem.text or problem.masked)
    if options.hints and problem.hint ~= "" and not hinted[problem.hint] then
      hinted[problem.hint] = true
      lines[#lines + 1] = "  hint: " .. report.safe(problem.hint)
    end
    if options.shown and problem.class == "converted to UTF-8" and found.facts then
      table.move(checking.sample_lines(found.facts), 1, #found.facts.samples, #lines + 1, lines)
    end
  end
  local more = total_of(found.counts) - #found.problems
  if more > 0 then lines[#lines + 1] = ("… and %s more"):format(report.count(more)) end
  return lines
end

--- As JSON: a value only when it is `shown`. Texts of the file need not be UTF-8, which JSON is.
function problem_lines.plain(problems, shown)
  local list = json.array {}
  for i, problem in ipairs(problems) do
    list[i] = { line = problem.line > 0 and problem.line or nil, column = problem.column > 0 and problem.column or nil,
                name = problem.column_name ~= "" and report.safe(problem.column_name) or nil,
                value = shown and problem.value ~= "" and report.safe(problem.value) or nil, class = problem.class,
                severity = problem.severity, reason = report.safe(problem.reason),
                hint = problem.hint ~= "" and report.safe(problem.hint) or nil }
  end
  return list
end

return problem_lines
