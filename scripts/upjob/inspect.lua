--- Values as the prompt shows them: tables with their fields in order, strings quoted, secrets never.
local system = require "upjob.native.system"

local MAX_DEPTH, MAX_ITEMS, MAX_WIDTH = 6, 200, 90

local NAMED = { ["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\" }

local function quoted(text)
  return '"' .. system.printable((text:gsub('[\n\t\r"\\]', NAMED))) .. '"'
end

local function key_text(key)
  if type(key) == "string" and key:find("^[%a_][%w_]*$") then return key end
  return ("[%s]"):format(type(key) == "string" and quoted(key) or tostring(key))
end

local function by_key(a, b)
  if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
  return type(a) == "number" and type(b) ~= "number" or type(a) < type(b)
end

local render

local function render_table(value, depth, seen)
  if seen[value] then return "{…}" end
  if depth > MAX_DEPTH then return "{…}" end
  seen[value] = true
  local parts, keys, listed = {}, {}, #value
  for i = 1, math.min(listed, MAX_ITEMS) do parts[#parts + 1] = render(value[i], depth + 1, seen) end
  for key in next, value do
    if not (math.type(key) == "integer" and key >= 1 and key <= listed) then keys[#keys + 1] = key end
  end
  table.sort(keys, by_key)
  for i = 1, math.min(#keys, MAX_ITEMS) do
    parts[#parts + 1] = key_text(keys[i]) .. " = " .. render(value[keys[i]], depth + 1, seen)
  end
  local left = math.max(0, listed - MAX_ITEMS) + math.max(0, #keys - MAX_ITEMS)
  if left > 0 then parts[#parts + 1] = ("… %d more"):format(left) end
  seen[value] = nil
  if #parts == 0 then return "{}" end
  local line = "{ " .. table.concat(parts, ", ") .. " }"
  if #line + 2 * depth <= MAX_WIDTH and not line:find("\n") then return line end
  local indent = ("  "):rep(depth + 1)
  return "{\n" .. indent .. table.concat(parts, ",\n" .. indent) .. "\n" .. ("  "):rep(depth) .. "}"
end

function render(value, depth, seen)
  if type(value) == "string" then return quoted(value) end
  local meta = debug.getmetatable(value) -- a script's own may hide it
  if type(value) == "table" and not (meta and rawget(meta, "__tostring")) then return render_table(value, depth, seen) end
  return system.printable(tostring(value), true)
end

return function(value)
  return render(value, 0, {})
end
