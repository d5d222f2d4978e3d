--- Prometheus' text format (0.0.4): families of samples, a line each.
local report = require "upjob.report"

local exposition = {}
exposition.__index = exposition

--- An empty text.
function exposition.new()
  return setmetatable({ lines = {}, labels = {} }, exposition)
end

-- Labels are UTF-8, with three characters escaped.
local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

-- The text of a label; the same ones come again and again.
local function label(self, name, value)
  local known = self.labels[name]
  if not known then
    known = {}
    self.labels[name] = known
  end
  local text = known[value]
  if text then return text end
  text = tostring(value)
  if not utf8.len(text) then text = report.safe(text, true) end
  text = ('%s="%s"'):format(name, text:gsub('[\\"\n]', ESCAPES))
  known[value] = text
  return text
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

--- A sample of the family. labels: a list of name and value by turns, or nil. suffix: "_bucket" and the like, "" when not given.
function exposition:sample(value, labels, suffix)
  local braces = ""
  for i = 1, #(labels or ""), 2 do
    braces = braces .. (i == 1 and "{" or ",") .. label(self, labels[i], labels[i + 1])
  end
  self.lines[#self.lines + 1] = self.name .. (suffix or "") .. braces .. (labels and "} " or " ") .. number(value)
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
