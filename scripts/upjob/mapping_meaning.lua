--- What a mapping means, as a text: the same for mappings that do the same, however they are written down. Comments, white space
--- and the order of fields and keys do not count. Of functions their code does, and that of what they use: where a mapping file
--- has any, all of its code; of a script the lines of each function.
local meaning = {}

-- ---- code ----

local LONG = "^%[(=*)%[.-%]%1%]()"

-- Where the number at `at` ends, as Lua reads it; nil where there is none.
local function number_end(text, at)
  if not text:find("^%.?%d", at) then return nil end
  local exponent = text:find("^0[xX]", at) and "^[pP][+-]?()" or "^[eE][+-]?()"
  local stop, next = at, at
  while next do
    stop = next
    next = text:match(exponent, stop) or text:match("^[%w_.]()", stop)
  end
  return stop
end

-- Where the token at `at` ends, and whether it is one that counts.
local function token_end(text, at)
  local stop = text:match("^%s+()", at)
  if stop then return stop, false end
  if text:sub(at, at + 1) == "--" then
    local _, long = text:match(LONG, at + 2)
    return long or text:match("^[^\n]*()", at), false
  end
  local quote = text:match("^[\"']", at)
  if quote then
    stop = at + 1
    while stop <= #text and text:sub(stop, stop) ~= quote do stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1) end
    return stop + 1, true
  end
  local _, long = text:match(LONG, at)
  return long or number_end(text, at) or text:match("^[%w_\x80-\xFF]+()", at) or text:match("^%.+()", at) or at + 1, true
end

--- Lua without comments and white space.
function meaning.code(text)
  local tokens, at = {}, 1
  while at <= #text do
    local stop, counts = token_end(text, at)
    if counts then tokens[#tokens + 1] = text:sub(at, stop - 1) end
    at = stop
  end
  return table.concat(tokens, " ")
end

local function read(path)
  local file <close> = io.open(path, "rb")
  return file and file:read("a")
end

-- What a function that has no lines to be read is called: one of Lua's own, or one of a text that is gone.
local function name_of_function(fn, info)
  local names = {}
  for module, content in pairs(package.loaded) do
    for name, value in pairs(type(content) == "table" and content or {}) do
      if rawequal(value, fn) then names[#names + 1] = ("%s.%s"):format(module, name) end
    end
  end
  table.sort(names)
  return names[1] or ("%s:%d"):format(info.source, info.linedefined)
end

-- The lines of a function, as far as they can be read.
local function code_of_function(fn)
  local info = debug.getinfo(fn, "S")
  local kind = info.source:sub(1, 1)
  local text = kind == "@" and read(info.source:sub(2)) or kind ~= "@" and kind ~= "=" and info.source
  if not text then return name_of_function(fn, info) end
  local lines, number = {}, 0
  for line in (text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    if number >= info.linedefined and number <= info.lastlinedefined then lines[#lines + 1] = line end
  end
  return meaning.code(table.concat(lines, "\n"))
end

-- ---- values ----

-- A value as a text; `found` is told of functions.
local function value_text(value, found)
  local kind = type(value)
  if kind == "string" then return ("%q"):format(value) end
  if kind == "function" then
    found.functions = true
    return "function " .. (found.whole and "" or code_of_function(value))
  end
  if kind ~= "table" or found[value] then return tostring(kind == "table" or value) end
  local list = {}
  found[value] = true -- one that holds itself has an end
  for name, item in pairs(value) do list[#list + 1] = ("[%s]=%s"):format(value_text(name, found), value_text(item, found)) end
  found[value] = nil
  table.sort(list)
  return "{" .. table.concat(list, ",") .. "}"
end

-- What is said of a step; `means` has what its function was made of.
local STEP = { "kind", "text", "with", "list", "number", "missing", "pairs", "file", "key_column", "value_column", "means" }

local function step_of(step)
  local copy = {}
  for _, name in ipairs(STEP) do copy[name] = step[name] end
  return copy
end

local function field_of(field)
  local copy = { key = field.key, target = field.target, type = field.content_type, columns = field.columns,
                 constant = field.constant, separator = #field.columns > 1 and (field.separator or " ") or nil,
                 required = field.is_required or false, steps = {} }
  for i, step in ipairs(field.steps) do copy.steps[i] = step_of(step) end
  return copy
end

--- The meaning of what mapping.define returned.
function meaning.text(map)
  local fields, found = {}, { whole = map.file ~= nil }
  for _, field in ipairs(map.fields) do fields[field.key] = field_of(field) end
  local text = value_text({ unique_key = map.unique_key, on_invalid = map.on_invalid, fields = fields, filters = map.filters },
    found)
  local whole = found.functions and map.file and read(map.file)
  return whole and text .. "\n" .. meaning.code((whole:gsub("^#[^\n]*", ""))) or text -- Lua passes such a line over
end

return meaning
