-- Begins runs in the journal and prints the number of each, once it is answered for: STATE COUNT [FILE, until
-- which is there it computes after it].
local journal = require "upjob.journal"
local store = assert(journal.open { state = arg[1], lease = tonumber(os.getenv("LEASE")) })
local failed = 0
for _ = 1, tonumber(arg[2]) do
  local run, err = store:begin_run { kind = "import", output = ("x"):rep(2000) }
  local ok
  if run then ok, err = store:step { id = run.id, fence = 1, step = "check", state = "begin" } end
  if ok and not arg[3] then ok, err = store:end_run { id = run.id, fence = 1, state = "succeeded" } end
  if ok then print(run.id) else
    failed = failed + 1
    print("failed", err.code, err.retryable, err.message)
  end
  io.stdout:flush()
  if arg[4] and failed > 0 then
    io.read("l") -- what was in the way is removed meanwhile
    failed = 0
  end
end
if arg[3] then
  repeat until io.open(arg[3]) -- without ever waiting
  local ok, err = store:end_run { id = 1, fence = 1, state = "succeeded" }
  print(ok and "ended" or err.code)
end
os.exit(failed == 0)
