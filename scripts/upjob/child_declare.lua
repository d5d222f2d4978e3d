--- upjob child declare: loads files of automations, one after the other, and tells what each declares. Its standard input is one
-- line of JSON, { mark=, files = { path, … } }. When it begins, it writes the mark, which no file knows, and {}; then for each
-- file, in their order, the mark and { index=, definitions=, text= } or { index=, error = { code=, message=, file=, line= } }: a
-- line each. `text`, what is in the file, is in percent-encoding.
local percent = require "upjob.percent"

local child_declare = {}

-- What files may change for each other.
local LIBRARIES = { "string", "table", "math", "os", "io", "coroutine", "utf8", "debug", "package" }

local function copy_of(map)
  local copy = {}
  for name, value in pairs(map) do copy[name] = value end
  return copy
end

local function restore(map, copy)
  for name in pairs(map) do
    if copy[name] == nil then rawset(map, name, nil) end
  end
  for name, value in pairs(copy) do rawset(map, name, value) end
end

-- A function that undoes what a file has done to globals and libraries, and forgets the modules of its own that it required:
-- the next one is loaded as if it were the first.
local function keeper()
  local globals, libraries = copy_of(_G), {}
  for _, name in ipairs(LIBRARIES) do libraries[name] = copy_of(_G[name]) end
  local loaded = package.loaded
  local known = copy_of(loaded)
  return function()
    restore(_G, globals)
    for name, copy in pairs(libraries) do restore(globals[name], copy) end
    for name in pairs(loaded) do
      if known[name] == nil and not name:find("^upjob%.") then loaded[name] = nil end
    end
  end
end

-- Modules that files use: globals that come when they are first used, here before the keeper looks.
local function load_modules()
  for _, name in ipairs { "schedule", "json", "log" } do rawset(_G, name, require("upjob." .. name)) end
end

-- A script that an automation names is compiled, so that a mistake is told before its time comes.
local function check_scripts(definitions)
  for _, definition in ipairs(definitions) do
    local chunk, message = true, nil
    if definition.script then chunk, message = loadfile(definition.script, "t") end
    if not chunk then
      return { code = "InvalidAutomation", file = definition.file, line = definition.line,
               message = "option \"script\": " .. message }
    end
  end
end

local function answer(declaring, path)
  local found, err = declaring.load(path)
  err = err or check_scripts(found.definitions)
  if not err then return { definitions = found.definitions, text = percent.encode(found.text) } end
  return { error = { code = err.code, message = err.message, file = err.file, line = err.line } }
end

-- What files print goes to standard error: standard output is ours.
local function take_output()
  local out = io.stdout
  io.stdout = io.stderr -- luacheck: ignore 122
  io.output(io.stderr)
  print = function(...) -- luacheck: ignore 121
    local texts = table.pack(...)
    for i = 1, texts.n do texts[i] = tostring(texts[i]) end
    require("upjob.report").lines(table.concat(texts, "\t"))
  end
  return out
end

function child_declare.main()
  local json, system = require "upjob.json", require "upjob.native.system"
  local declaring, report = require "upjob.declaring", require "upjob.report"
  local request, out = json.decode(io.read("a") or ""), take_output()
  if type(request) ~= "table" or not request.mark then
    return require("upjob.cli").usage("child", "standard input is no request")
  end
  load_modules()
  local restore_all = keeper()
  local function tell(value)
    return out:write(request.mark, json.encode(value), "\n") and out:flush()
  end
  local heard = tell {}
  for i, path in ipairs(request.files) do
    if not heard then break end -- nobody is there any more
    local told = answer(declaring, path)
    restore_all()
    if told.error then told.error.message = report.safe(told.error.message, true) end
    told.index = i
    heard = tell(told)
  end
  system.exit(0) -- nothing that a file has left behind is waited for
end

return child_declare
