--- Loads the automations of a directory: DIR/*.lua, by a child, so that a file that never ends, takes all memory or crashes
-- harms nobody else.
local declaring = require "upjob.declaring"
local errors = require "upjob.errors"
local json = require "upjob.json"
local native = require "upjob.native.task"
local percent = require "upjob.percent"
local report = require "upjob.report"
local system = require "upjob.native.system"

local loader = {}

--- In seconds: the processor time that a file may use, how long one is waited for whatever it does, and how long a child is
-- waited for before its first one.
loader.limits = { cpu = 5, wait = 30, start = 60 }

local LOOK_SECONDS = 0.25
local CPU_SECONDS = 60    -- of one child; it is also what ends a child whose daemon was killed
local MEMORY = 256 * 1024 * 1024 -- bytes of its scripts

-- ---- one child ----

local SIGXCPU = 24
local SIGNALS = { [4] = "SIGILL", [6] = "SIGABRT", [7] = "SIGBUS", [8] = "SIGFPE", [9] = "SIGKILL", [11] = "SIGSEGV",
                  [15] = "SIGTERM", [SIGXCPU] = "SIGXCPU" }

local function end_of(outcome)
  local signal = outcome.signal
  if signal then return ("by signal %d%s"):format(signal, SIGNALS[signal] and (" (%s)"):format(SIGNALS[signal]) or "") end
  return ("with status %s"):format(tostring(outcome.status))
end

-- What follows the mark is the child's; a file may have printed other things.
local function answer_in(line, mark)
  local _, last = line:find(mark, 1, true)
  if not last then
    report.lines(line)
    return nil
  end
  return json.decode(line:sub(last + 1))
end

-- Why a file that is being loaded is given up; nil while it may go on. A busy machine gives a child little processor time, and
-- one that stood still has let no look pass: neither says anything of the file.
local function lateness(child, state)
  if state.begun and child:cpu() - state.cpu >= loader.limits.cpu then
    return ("has used %d s of processor time and was not loaded: it never ends; a file of automations only declares them")
      :format(loader.limits.cpu)
  end
  local seconds = loader.limits[state.begun and "wait" or "start"]
  if state.looks * LOOK_SECONDS < seconds then return nil end
  return ("was not loaded within %d s: it waits for something; a file of automations only declares them"):format(seconds)
end

-- Ends the child when the file that it loads is late. `state.looks`: that have passed since the child was heard last;
-- `state.cpu`: what it had used then.
local function watch(child, state)
  return native.handler(function()
    while not state.late do
      native.sleep(LOOK_SECONDS)
      state.looks = state.looks + 1
      state.late = lateness(child, state)
    end
    child:kill("KILL")
  end)
end

local killed_at_close = { __close = function(guard)
  guard.watch:cancel()
  if not guard.ended then guard.child:kill("KILL") end
end }

-- Loads files in a child until it ends: { [index] = what it told of a file }, state | nil, err. `state.begun`: it has come to
-- the first file; `state.last`: the index of the last one that it told; `state.late`: why it was ended at the next one, if it
-- was; `state.outcome`: how it ended.
local function run_child(directory, paths)
  local mark = ("%016x%016x"):format(math.random(0), math.random(0))
  local answers, state = {}, { looks = 0, cpu = 0, last = 0 }
  local child, err
  child, err = require("upjob.native.process").spawn {
    argv = { "/proc/self/exe", "child", "declare" }, directory = directory,
    env = { UPJOB_LIMITS = ("cpu=%d,memory=%d"):format(CPU_SECONDS, MEMORY) },
    input = json.encode { mark = mark, files = paths } .. "\n",
    stdout = function(line)
      local answer = answer_in(line, mark)
      if not answer then return end
      state.looks, state.cpu, state.begun = 0, child:cpu(), true
      if not answer.index then return end
      answers[answer.index] = answer
      state.last = answer.index
    end,
  }
  if not child then return nil, err end
  local guard <close> = setmetatable({ child = child, watch = watch(child, state) }, killed_at_close)
  state.outcome, err = child:wait()
  guard.ended = true
  if not state.outcome then return nil, err end
  return answers, state
end

-- ---- what was in a file ----

-- By definition: the text of its file when it was loaded.
local texts = setmetatable({}, { __mode = "k" })

--- What was in the file of a definition when it was loaded, for declaring.load; nil for one that load has not returned.
function loader.text_of(definition)
  return texts[definition]
end

-- ---- many files ----

-- What is told of the file that a child was loading when it ended; nil when the file may not be why.
local function blame(path, state, is_first)
  local message
  if state.late then
    message = state.late
  elseif state.outcome.signal ~= SIGXCPU or is_first then
    message = ("ended the process that loaded it %s"):format(end_of(state.outcome))
  end
  return message and { error = { code = "InvalidAutomation", file = path, message = message } }
end

-- { [path] = what the child told } | nil, err. A child that ends at a file is started anew for those behind it.
local function load_files(directory, paths)
  local answers, first = {}, 1
  while first <= #paths do
    local told, state = run_child(directory, table.move(paths, first, #paths, 1, {}))
    if not told then return nil, state end
    if not state.begun then
      return nil, errors.new { code = "InternalError", message = ("the process that loads automations has ended %s before it "
        .. "could load any"):format(end_of(state.outcome)) }
    end
    for i = 1, state.last do
      local path = paths[first + i - 1]
      answers[path] = told[i] or { error = { code = "InvalidAutomation", file = path, message = "declares too much" } }
    end
    first = first + state.last
    local path = paths[first]
    if path then
      answers[path] = blame(path, state, state.last == 0)
      if answers[path] then first = first + 1 end
    end
  end
  return answers
end

-- Files and directories are told whole, wherever the daemon stands.
local function list(directory)
  local root, err = system.absolute(directory)
  if not root then return nil, err end
  if not utf8.len(root) then
    return nil, errors.new { code = "ConfigurationError", message = "the path of the directory is not UTF-8" }
  end
  local found
  found, err = system.list_files(root, ".lua")
  if not found then return nil, err end
  table.sort(found, function(a, b) return a.name < b.name end)
  for _, entry in ipairs(found) do entry.path = (root == "/" and "" or root) .. "/" .. entry.name end
  return found, root
end

local function unchanged(entry, known)
  return known and not known.failed and known.identity ~= nil and known.identity == entry.identity
end

-- The file's state from what was told of it; what is wrong goes to the list of errors.
local function take(entry, answer, known, problems)
  if not answer.error then
    local text = percent.decode(answer.text)
    for _, definition in ipairs(answer.definitions) do texts[definition] = text end
    return { identity = entry.identity, definitions = answer.definitions }
  end
  local kept = known and known.definitions
  local message = answer.error.message .. (kept and " (its last good version stays in use)" or "")
  problems[#problems + 1] = { file = answer.error.file or entry.path, line = answer.error.line, message = message,
                              kept = kept and true or false }
  return { identity = entry.identity, failed = true, definitions = kept }
end

--- Loads the files of a directory: { directory =, definitions = { … }, errors = { { file =, line =, message =, kept = }, … },
--- files = { [name] = { identity =, definitions = } } } | nil, err when the directory cannot be read or no child be started.
--- `earlier`, what an earlier call returned, has what is taken for files that have not changed, and for those that have an error
--- now: `kept` is true for these.
function loader.load(directory, earlier)
  local entries, root = list(directory)
  if not entries then return nil, root end
  local known, paths, misnamed = earlier and earlier.files or {}, {}, {}
  for _, entry in ipairs(entries) do
    local name, wrong = declaring.name_of(entry.name)
    if not name then
      misnamed[entry.path] = { error = { message = wrong } }
    elseif not unchanged(entry, known[entry.name]) then
      paths[#paths + 1] = entry.path
    end
  end
  local answers, err = load_files(root, paths)
  if not answers then return nil, err end
  local loaded = { directory = root, definitions = {}, errors = {}, files = {} }
  for _, entry in ipairs(entries) do
    local answer, before = answers[entry.path] or misnamed[entry.path], known[entry.name]
    local file = answer and take(entry, answer, before, loaded.errors) or before
    loaded.files[entry.name] = file
    local all = loaded.definitions
    table.move(file.definitions or {}, 1, #(file.definitions or {}), #all + 1, all)
  end
  return loaded
end

return loader
