--- Folders that files are dropped into: each file is told once, when it has stopped changing, and put elsewhere when it is done
--- with.
local errors = require "upjob.errors"
local log = require "upjob.log"
local native = require "upjob.native.folder"
local now = require("upjob.native.task").now
local report = require "upjob.report"
local task = require "upjob.task"

local drop = {}

drop.SETTLE = 5 -- seconds without a change, unless told otherwise

local POLL = 5         -- seconds between two looks where nothing tells that something has happened
local LEAST_PAUSE = 0.1 -- seconds between two looks, whatever happens
local LOOKS = 4        -- that a file is looked at, at least, until it has settled
local MOST_A_TIME = 500 -- changes, and files, between which other tasks go on

-- The directory and the pattern of names | nil, err. One file has one path, however the pattern is written.
local function split(pattern)
  local directory, name = native.split(pattern)
  if not directory then return nil, name end
  directory = directory:gsub("/+", "/"):gsub("/%./", "/"):gsub("/%.$", "")
  return directory == "" and "/" or directory, name
end

--- Whether a pattern can be watched: "/srv/drop/*.csv", with * ? [a-z] in the name of the file: true | nil, err.
function drop.check(pattern)
  local directory, err = split(pattern)
  if not directory then return nil, err end
  return true
end

-- ---- what is told once ----

-- Tells something about a file, or about the folder (name nil); again only when it has changed.
local function tell(watch, name, message)
  local about = name or ""
  if watch.told[about] == message then return end
  watch.told[about] = message
  watch.tell(("%s: %s"):format(report.safe(watch:path_of(name)), message))
end

-- ---- files that change still ----

local TYPES = { link = "is a symbolic link: links are not followed, drop the file itself", other = "is not a regular file" }

-- For how long the folder has been watched: the time since the last look, but no more than was meant to pass until this one, or a
-- part of `settle`. While the machine stood still, whoever writes a file could not go on with it either.
local function count_time(watch, at)
  local passed = at - (watch.looked_at or at)
  watch.time = watch.time + math.min(passed, math.max(watch.settle / LOOKS, watch.pause))
  watch.looked_at = at
end

local function note(watch, change)
  local name = change.name
  watch.pending[name] = nil
  if change.gone then
    watch.told[name] = nil
  elseif TYPES[change.type] then
    tell(watch, name, TYPES[change.type])
  elseif not utf8.len(name) then
    tell(watch, name, "is not taken: its name is not UTF-8, as what is recorded of it has to be; rename it")
  elseif watch.taken_keys[name] ~= change.key then
    watch.taken_keys[name] = nil
    change.since = watch.time
    watch.pending[name] = change
  end
  if change.gone then watch.taken_keys[name] = nil end
end

-- Reads the folder; false when it cannot be read, which is told.
local function look(watch)
  local at = now()
  local ok, err = watch.folder:look()
  if not ok then
    tell(watch, nil, ("%s; it is looked at again every %g s"):format(err.message, watch.poll))
    return false
  end
  if watch.told[""] then
    watch.told[""] = nil
    log.info("%s: the directory can be read now", report.safe(watch.directory))
  end
  count_time(watch, at)
  repeat
    local changes = watch.folder:changes(MOST_A_TIME)
    for _, change in ipairs(changes) do note(watch, change) end
    if #changes > 0 then task.sleep(0) end
  until #changes == 0
  return true, at
end

-- Those that have not changed for long enough, the oldest first, and when the others are to be looked at.
local function settled(watch, at)
  local list, due = {}, math.huge
  for _, file in pairs(watch.pending) do
    local left = file.since + watch.settle - watch.time
    local when = left > 0 and at + math.min(left, watch.settle / LOOKS) or file.again or 0
    if when <= at then list[#list + 1] = file else due = math.min(due, when) end
  end
  table.sort(list, function(a, b)
    if a.modified ~= b.modified then return a.modified < b.modified end
    return a.name < b.name
  end)
  return list, due
end

-- ---- taking ----

-- What was found speaks against a file: it is told, and the file waits for its next change, or for the next look (`again`).
local function refuse(watch, file, why, again)
  tell(watch, file.name, why)
  file.again = again and now() + watch.poll or nil
  if not again and watch.pending[file.name] == file then watch.pending[file.name] = nil end
end

local function traced(raised)
  return errors.is(raised) and raised or debug.traceback(tostring(raised), 2)
end

-- Asks who watches, and hands the file over.
local function offer(watch, file)
  local path = watch:path_of(file.name)
  local handed = { path = path, key = path .. "|" .. file.key, size = file.size }
  local ok, answer, err = xpcall(function()
    if watch.taken and watch.taken(handed) then return true end
    return watch.on(handed)
  end, traced)
  if errors.has_code(answer, "Cancelled") then error(answer, 0) end
  if not ok then err = answer end
  if not ok or answer == false or err ~= nil then
    return refuse(watch, file, "could not be taken, and is offered again"
      .. (err == nil and "" or ": " .. report.safe(tostring(err), true)), true)
  end
  watch.told[file.name] = nil
  watch.taken_keys[file.name] = file.key
  if watch.pending[file.name] == file then watch.pending[file.name] = nil end
end

local function take(watch, file, found)
  if found.error then
    return refuse(watch, file, ("cannot be read: %s; it is tried again every %g s"):format(found.error, watch.poll), true)
  end
  if found.key ~= file.key then return end -- the next look tells
  if found.own then return refuse(watch, file, ("not taken: it is %s"):format(found.own)) end
  if file.size == 0 then return refuse(watch, file, "is empty: it is taken when something is in it") end
  offer(watch, file)
end

local function take_all(watch, list)
  for first = 1, #list, MOST_A_TIME do
    local paths = {}
    for i = first, math.min(first + MOST_A_TIME - 1, #list) do paths[#paths + 1] = watch:path_of(list[i].name) end
    for i, found in ipairs(native.examine(paths)) do
      if watch.closed then return end
      take(watch, list[first + i - 1], found)
    end
    watch.fault = nil
  end
end

-- A look, what it shows, and the wait for the next one.
local function turn(watch)
  local begun = now()
  local ok, at = look(watch)
  watch.pause = math.min(math.max(LEAST_PAUSE, 10 * (now() - begun)), watch.poll)
  local due = math.huge
  if ok then
    local list
    list, due = settled(watch, at)
    take_all(watch, list)
    for _, file in ipairs(list) do
      if watch.pending[file.name] == file then due = math.min(due, file.again or 0) end
    end
  end
  if watch.closed then return end
  -- A look at many files is not made again and again because one of them is written to.
  task.sleep(watch.pause)
  if watch.closed then return end
  watch.folder:wait(math.max(0, math.min(watch.poll, due - now())))
end

-- All files are looked at anew: what was found may be half noted.
local function begin_anew(watch)
  local folder, err = native.open(watch.directory, watch.pattern)
  if not folder then return log.error("%s: %s", report.safe(watch.directory), tostring(err)) end
  watch.folder:close()
  watch.folder = folder
end

-- What goes wrong in a turn, of which nobody would hear, does not end the watch.
local function run(watch)
  while not watch.closed do
    local ok, err = xpcall(turn, traced, watch)
    if not ok then
      if errors.has_code(err, "Cancelled") then error(err, 0) end
      local fault = tostring(err)
      if watch.fault ~= fault then
        log.error("%s: an error while files are looked for, which goes on every %g s: %s", report.safe(watch.directory),
          watch.poll, report.safe(fault, true))
      end
      watch.fault = fault
      task.sleep(watch.poll)
      if not watch.closed then begin_anew(watch) end
    end
  end
end

local watch_methods = {}

function watch_methods.path_of(watch, name)
  if not name then return watch.directory end
  return (watch.directory == "/" and "" or watch.directory) .. "/" .. name
end

--- Nothing is told any more.
function watch_methods.close(watch)
  if watch.closed then return end
  watch.closed = true
  watch.folder:close()
  watch.task:cancel()
end

local watch_class = { __index = watch_methods, __close = watch_methods.close, __name = "upjob.drop.watch" }

local OPTIONS = { pattern = "string", settle = "number", poll = "number", taken = "function", on = "function", tell = "function" }

--- Watches a folder: → watch | nil, err; watch:close().
-- pattern: a path with * ? [a-z] in the name of the file. on(file): a file that has not changed its size and its time for
-- `settle` seconds (5), the oldest first; file = { path=, key="path|dev|ino|size|mtime", size= }. When it raises, or returns
-- false or nil, err, the file is offered again. taken(file): whether it was told before, in an earlier process; asked before
-- on(). A file that changes afterwards is another one and told again. poll: seconds between two looks where the system does not
-- tell that something has happened (5), as on network file systems. tell(message): what a person should know, once;
-- log.warn unless given. Directories, links, names that begin with a dot, unfinished files and what upjob itself wrote are passed
-- over. The folder may come later, go, and come again.
function drop.watch(options)
  errors.check_options("drop.watch", options, OPTIONS)
  if not options.pattern or not options.on then error("drop.watch: pattern and on are needed", 2) end
  for _, name in ipairs { "settle", "poll" } do
    local value = options[name]
    if value and not (value >= 0 and value <= 86400) then
      error(("drop.watch: option \"%s\" is in seconds, up to a day"):format(name), 2)
    end
  end
  local directory, name = split(options.pattern)
  if not directory then return nil, name end
  local folder, err = native.open(directory, name)
  if not folder then return nil, err end
  local watch = setmetatable({ directory = directory, pattern = name, folder = folder,
                               settle = options.settle or drop.SETTLE, poll = math.max(options.poll or POLL, LEAST_PAUSE),
                               taken = options.taken, on = options.on,
                               tell = options.tell or function(message) log.warn("%s", message) end,
                               pending = {}, taken_keys = {}, told = {}, time = 0, pause = LEAST_PAUSE }, watch_class)
  watch.task = task.spawn(run, watch)
  return watch
end

--- Puts a file that was told away when it is done with: into done/ or failed/ beside it (`outcome`), or where the definition's
-- fields of these names say, relative to the folder of the file; with move=false it stays. → its path now | nil, err. A file that
-- has changed since it was told stays ("FileChanged"): it is told again. One that was moved already, before a kill, is found;
-- "FileGone": it is nowhere.
function drop.finish(file, outcome, definition)
  if outcome ~= "done" and outcome ~= "failed" then error("drop.finish: the outcome is \"done\" or \"failed\"", 2) end
  if definition and definition.move == false then return file.path end
  local directory = definition and definition[outcome] or outcome
  if directory:sub(1, 1) ~= "/" then directory = file.path:match("^(.*/)[^/]*$") .. directory end
  return native.move(file.path, file.key:sub(#file.path + 2), (directory:gsub("(.)/+$", "%1")))
end

return drop
