--- The journal: what runs have done, what schedules have fired, and who holds which run. core/journal.h says what each operation
-- takes and gives; here they are methods of a store that wait for the disk: value | nil, err. No secret is written.
local defaults = require "upjob.defaults"
local errors = require "upjob.errors"
local json = require "upjob.json"
local system = require "upjob.native.system"

local journal = {}

local store = {}
store.__index = store

local open_stores = {} -- by directory

--- Where the state is: the directory given, else that of --state, else $XDG_STATE_HOME/upjob, else ~/.local/state/upjob; nil when
-- there is no home.
function journal.directory(state)
  if state or defaults.state then return state or defaults.state end
  local base = os.getenv("XDG_STATE_HOME")
  if base and base ~= "" then return base .. "/upjob" end
  local home = os.getenv("HOME")
  return home and home ~= "" and home .. "/.local/state/upjob" or nil
end

-- What was found while the journal was opened, also anew: a person is to know.
local function warn(notice)
  if notice then require("upjob.log").warn("%s", notice) end
end

--- journal.open{ state=, lease= } → store | nil, err. One for each directory in a process; the directory is made when missing.
-- lease: seconds for which a run stays this process's without a sign of life; 30 unless given.
function journal.open(options)
  options = options or {}
  local directory = journal.directory(options.state)
  if not directory then
    return nil, errors.new { code = "ConfigurationError", message =
      "there is no place for the journal: neither HOME nor XDG_STATE_HOME is set (choose one with --state DIR)" }
  end
  local native, err
  directory, err = system.absolute(directory)
  if not directory then return nil, err end
  if open_stores[directory] then return open_stores[directory] end
  native, err = require("upjob.native.journal").new()
  if not native then return nil, err end
  local ok, why, notice = native:open(directory, options.lease)
  warn(notice)
  if not ok then return nil, why end
  if open_stores[directory] then -- by another task, meanwhile
    native:close()
    return open_stores[directory]
  end
  -- losses: how often the database was damaged or removed while it was used; a new one knows nothing of what was written before.
  local self = setmetatable({ native = native, directory = directory, losses = 0 }, store)
  open_stores[directory] = self
  return self
end

-- ---- what is not written ----

-- What follows "://", up to the end of the URL: without user and query.
local function bare(address)
  return (address:gsub("^[^/?#]*@", ""):gsub("[?#].*$", ""))
end

-- A query may hold a signature, a user part a password; text of a database ends at a NUL byte. Texts may be long.
local function without_secrets(text)
  if not text:find("[\0=]") and not text:find("://", 1, true) then return text end
  text = text:gsub("\0", "")
  local parts, at = {}, 1
  while true do
    local _, colon = text:find("://", at, true)
    if not colon then break end
    local stop = (text:find("[%s\"'<>]", colon + 1) or #text + 1) - 1
    parts[#parts + 1] = text:sub(at, colon) .. bare(text:sub(colon + 1, stop))
    at = stop + 1
  end
  parts[#parts + 1] = text:sub(at)
  return (table.concat(parts):gsub("([Xx]%-[Aa][Mm][Zz]%-[%w-]+=)[^%s&\"'<>]+", "%1…"))
end

local MOST_NESTED = 20

local function is_within(value, above)
  while above and above.table ~= value do above = above.above end
  return above ~= nil
end

local LIST = getmetatable(json.array())

local plain

-- A list stays one where its items are those from 1 on; other tables have names.
local function plain_table(value, above)
  local copy, is_list = {}, getmetatable(value) == LIST
  above = { table = value, above = above, depth = above and above.depth + 1 or 1 }
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  if is_list or (count > 0 and rawlen(value) == count) then
    for i = 1, rawlen(value) do copy[i] = plain(value[i], above) end
    return is_list and json.array(copy) or copy
  end
  for name, field in pairs(value) do
    copy[without_secrets(utf8.len(tostring(name)) and tostring(name) or "?")] = plain(field, above)
  end
  if copy.value ~= nil and (copy.line or copy.column) then -- of a cell
    copy.value, copy.text, copy.masked = nil, copy.masked or copy.text, nil
  end
  return copy
end

-- `above`: the tables that it stands in, the innermost first.
function plain(value, above)
  local kind = type(value)
  if kind == "string" then return without_secrets(value) end
  if kind == "boolean" or value == json.null then return value end
  if kind == "number" then return value == value and math.abs(value) ~= math.huge and value or tostring(value) end
  if errors.is(value) then return journal.error(value) end
  if kind ~= "table" or (above and above.depth >= MOST_NESTED) or is_within(value, above) then return tostring(value) end
  return plain_table(value, above)
end

--- A value as it is written: secrets, and what cannot be JSON, are left out.
function journal.plain(value)
  return plain(value)
end

local ERROR_MOST = 8192 -- bytes of one text of an error
local ERROR_FIELDS = { "code", "message", "operation", "status", "request_id", "retryable", "outcome", "file", "line", "column",
                       "step", "job_id", "attempts" }

-- What a script raises may be of any length; all of it is in the log of its run.
local function shorten(text)
  if #text <= ERROR_MOST then return text end
  local last = ERROR_MOST
  while last > ERROR_MOST - 4 and text:byte(last + 1) & 0xC0 == 0x80 do last = last - 1 end
  return text:sub(1, last) .. "…"
end

--- An error as it is written: without values of cells, which are personal data, and what goes with them. Long texts are cut.
function journal.error(err)
  if err == nil then return nil end
  if type(err) ~= "table" then return { code = "InternalError", message = plain(shorten(tostring(err))) } end
  local copy = {}
  for _, name in ipairs(ERROR_FIELDS) do
    local field = err[name]
    if type(field) == "string" then field = shorten(field) end
    if type(field) ~= "table" and field ~= nil then copy[name] = plain(field) end
  end
  return copy
end

--- A value of the journal as JSON can have it: names of files and what programs print need not be UTF-8.
function journal.readable(value)
  if type(value) == "string" then return utf8.len(value) and value or system.printable(value, true) end
  if type(value) ~= "table" then return value end
  local copy = {}
  for name, field in pairs(value) do copy[journal.readable(name)] = journal.readable(field) end
  return setmetatable(copy, getmetatable(value))
end

-- ---- operations ----

local function ask(self, operation, params)
  local reply, err, notice = self.native:call(operation, params)
  local is_lost = reply == nil and err.code == "DatabaseDamaged"
  warn(notice or is_lost and err.message)
  if reply ~= nil then return reply end
  if is_lost then self.losses = self.losses + 1 end
  return nil, err
end

local function call(self, operation, params)
  local written = {}
  for name, value in pairs(params or {}) do
    if name == "error" then value = journal.error(value) else value = plain(value) end
    written[name] = value
  end
  return ask(self, operation, written)
end

for _, name in ipairs { "begin_run", "claim_run", "step", "end_run", "requeue_run", "run", "find_run", "runs", "sync_schedules",
                        "schedules", "unsettled", "pause", "drop_heartbeat", "add_dead_letter", "dead_letters",
                        "drop_dead_letter" } do
  store[name] = function(self, params) return call(self, name, params) end
end

--- The store's own clock: seconds since 1970.
function store:now()
  return ask(self, "now", {})
end

--- store:tick({ { schedule=, key=, due=, run= or skipped= }, … }, outcome) → what came of each. outcome: { schedule=, ok=, run=,
-- streak= } of a run that has ended, written with them.
function store:tick(list, outcome)
  return call(self, "tick", { list = json.array(list), outcome = outcome })
end

--- store:ticked{ { schedule=, key= }, … } → a list: of each that was ticked its run, or true where it made none; false.
function store:ticked(list)
  return call(self, "ticked", { list = json.array(list) })
end

--- The log of a run's output.
function store:log_file(id)
  return ("%s/runs/%d.log"):format(self.directory, id)
end

--- store:prune{ before=, keep= } → how many runs were forgotten, with their logs, and how many dead letters. Some at a time:
-- others write in between.
function store:prune(params)
  local count, letters = 0, 0
  repeat
    local pruned, err = call(self, "prune", params)
    if not pruned then return nil, err end
    for _, run in ipairs(pruned.gone) do os.remove(self:log_file(run.id)) end
    count, letters = count + #pruned.gone, letters + pruned.letters
  until not pruned.more
  require("upjob.changes_store").prune(self.directory, params.before)
  return count, letters
end

--- Ends it; what is queued is written first.
function store:close()
  open_stores[self.directory] = nil
  self.native:close()
end

return journal
