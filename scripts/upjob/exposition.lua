--- Prometheus' text format (0.0.4): families of samples, a line each.
local report = require "upjob.report"

local exposition = {}
exposition.__index = exposition

--- An empty text.
function exposition.new()
  return setmetatable({ lines = {} }, exposition)
end

-- Labels are UTF-8, with three characters escaped.
local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

local function label(name, value)
  value = tostring(value)
  if not utf8.len(value) then value = report.safe(value, true) end
  return ('%s="%s"'):format(name, value:gsub('[\\"\n]', ESCAPES))
end

local function number(value)
  if math.type(value) == "integer" then return tostring(value) end
  if value ~= value then return "NaN" end
  if value == math.huge then return "+Inf" end
  if value == -math.huge then return "-Inf" end
  local text = ("%.15g"):format(value)
  return tonumber(text) == value and text or ("%.17g"):format(value)
end

--- Begins a family: kind is "counter", "gauge" or "histogram". All samples of it follow.
function exposition:family(name, kind, help)
  self.name = name
  local lines = self.lines
  lines[#lines + 1] = ("# HELP %s %s"):format(name, (help:gsub("[\\\n]", ESCAPES)))
  lines[#lines + 1] = ("# TYPE %s %s"):format(name, kind)
end

--- A sample of the family. labels: a list of name and value by turns. suffix: "_bucket" and the like, "" when not given.
function exposition:sample(value, labels, suffix)
  local pairs_of = {}
  for i = 1, #(labels or {}), 2 do pairs_of[#pairs_of + 1] = label(labels[i], labels[i + 1]) end
  local braces = #pairs_of > 0 and "{" .. table.concat(pairs_of, ",") .. "}" or ""
  self.lines[#self.lines + 1] = ("%s%s%s %s"):format(self.name, suffix or "", braces, number(value))
end

--- A family of one sample without labels; none when the value is nil.
function exposition:single(name, kind, help, value)
  if value == nil then return end
  self:family(name, kind, help)
  self:sample(value)
end

--- The text.
function exposition:text()
  return table.concat(self.lines, "\n") .. "\n"
end

return exposition
