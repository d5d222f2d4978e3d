--- The log of a run: what its processes printed, of all its attempts.
local system = require "upjob.native.system"

local run_log = {}

run_log.KEPT = 65536    -- bytes of its end that the journal keeps
run_log.MOST = 64000000 -- bytes that an attempt may print

--- The log, opened for its tail | nil. A script may leave no descriptor to open it with later.
function run_log.open(store, id)
  return (io.open(store:log_file(id), "rb"))
end

--- The end of the log as the journal keeps it: from the beginning of a line, as text; nil when there is none.
function run_log.tail(file)
  if not file then return nil end
  local size = file:seek("end")
  file:seek("set", math.max(0, size - run_log.KEPT))
  local text = file:read(run_log.KEPT) or ""
  if size > run_log.KEPT then text = text:gsub("^[^\n]*\n", "", 1) end
  if text == "" then return nil end
  return require("upjob.report").safe(text, true)
end

--- The same of a log that is opened for it.
function run_log.tail_of(store, id)
  local file <close> = run_log.open(store, id)
  return run_log.tail(file)
end

--- How many bytes there are.
function run_log.size(store, id)
  local info = system.stat(store:log_file(id))
  return info and info.size or 0
end

--- Cuts what is after the first `size` bytes, and says so there.
function run_log.cut(store, id, size)
  local path = store:log_file(id)
  if not system.truncate(path, size) then return end
  local file <close> = io.open(path, "ab")
  if file then file:write("\nupjob: the run printed more than it may, and was ended; the rest is not kept\n") end
end

return run_log
