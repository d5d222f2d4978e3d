--- The log of a run: what its process printed.
local run_log = {}

run_log.KEPT = 65536     -- bytes of its end that the journal keeps
run_log.MOST = 64 * 2^20 // 1 -- bytes that a run may print

--- The end of the log as the journal keeps it: from the beginning of a line, as text; nil when there is none.
function run_log.tail(store, id)
  local file = io.open(store:log_file(id), "rb")
  if not file then return nil end
  local size = file:seek("end")
  file:seek("set", math.max(0, size - run_log.KEPT))
  local text = file:read("a") or ""
  file:close()
  if size > run_log.KEPT then text = text:gsub("^[^\n]*\n", "", 1) end
  if text == "" then return nil end
  return require("upjob.report").safe(text, true)
end

return run_log
