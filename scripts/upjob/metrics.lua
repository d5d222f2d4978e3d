--- Metrics of a daemon, for Prometheus: counted from the engine's events and taken from its snapshot, and served over HTTP.
--
-- What is counted begins at 0 with each process, as Prometheus expects. For the daemon:
--
--   local meter = metrics.meter { engine = engine, store = store }
--   local server <close>, err = metrics.serve { address = options.metrics, text = function() return meter:text() end,
--                                               healthy = function() return engine:alive() end }
local errors = require "upjob.errors"
local exposition = require "upjob.exposition"
local log = require "upjob.log"
local system = require "upjob.native.system"
local task = require "upjob.native.task"
local timeouts = require "upjob.task"

local metrics = {}

local SECONDS = { 1, 5, 15, 60, 300, 900, 3600, 14400 } -- upper ends of the histogram's buckets
local REMEMBERED = 10000 -- imports whose rows were counted: a run that is tried again still has those of its first try
local AT_ONCE = 20       -- schedules that are written before other tasks have their turn

-- ---- serving ----

local PATIENCE, JOURNAL_PATIENCE = 5, 2 -- seconds for a page to be made, and for the journal to answer

-- A page that is made by fn: status, text
local function page_of(name, fn)
  local ok, text, reason = pcall(timeouts.timeout, PATIENCE, fn)
  if not ok and errors.has_code(text, "Cancelled") then error(text, 0) end
  if ok and text then return 200, text end
  local why = tostring(reason or text or "not well")
  log.warn("the page /%s could not be made: %s", name, why)
  return 503, why .. "\n"
end

--- metrics.serve{ address = "127.0.0.1:9464" | "[::1]:9464" | "unix:/run/upjob/metrics.sock", text = function() → string,
-- healthy = function() → true | false, reason, anywhere = false } → server | nil, err. GET /metrics has the text, which may wait;
-- GET /healthz is 200 "ok" when `healthy` says so (or is not given) and the program's loop turns, else 503 and the reason. An
-- address that the network reaches is refused unless `anywhere`. It does not keep a program going. server:place() is its URL,
-- server:close() ends it, as leaving the block does for a <close> variable.
function metrics.serve(options)
  errors.check_options("metrics.serve", options, { address = "string", text = "function", healthy = "function",
                                                   anywhere = "boolean", patience = "number" })
  if not options.address then error('metrics.serve: option "address" is required', 2) end
  if not options.text then error('metrics.serve: option "text" is required', 2) end
  local function health()
    if not options.healthy then return "ok\n" end
    local well, reason = options.healthy()
    if well then return "ok\n" end
    return nil, reason
  end
  local makers, server, err = { metrics = options.text, healthz = health }
  server, err = require("upjob.native.metrics").serve {
    address = options.address, anywhere = options.anywhere, patience = options.patience,
    asked = function(name) server:answer(name, page_of(name, makers[name])) end }
  return server, err
end

-- ---- counting ----

local meter = {}
meter.__index = meter

-- By schedule and another word: counts[schedule][word].
local function add(counts, schedule, word, n)
  local of = counts[schedule]
  if not of then
    of = {}
    counts[schedule] = of
  end
  of[word] = (of[word] or 0) + n
end

local function observe(durations, schedule, seconds)
  local of = durations[schedule]
  if not of then
    of = { count = 0, sum = 0 }
    for i = 1, #SECONDS do of[i] = 0 end
    durations[schedule] = of
  end
  of.count, of.sum = of.count + 1, of.sum + seconds
  for i, most in ipairs(SECONDS) do
    if seconds <= most then of[i] = of[i] + 1 end
  end
end

-- Rows and bytes of an import that has ended.
local function count_result(self, schedule, result)
  local summary = type(result.ResultsSummary) == "table" and result.ResultsSummary or {}
  for word, n in pairs { created = summary.CreatedRecords, updated = summary.UpdatedRecords, failed = summary.FailedRecords,
                         rejected = result.rejected } do
    if type(n) == "number" then add(self.rows, schedule, word, n) end
  end
  if type(result.bytes) == "number" then self.bytes = self.bytes + result.bytes end
end

-- Whether an import is met for the first time, as far as is remembered.
local function is_new(self, id)
  if self.counted[id] then return false end
  local place = self.imports % REMEMBERED + 1
  local forgotten = self.places[place]
  if forgotten then self.counted[forgotten] = nil end
  self.imports, self.places[place], self.counted[id] = self.imports + 1, id, true
  return true
end

-- The imports of a run, each once, however often the run is tried.
local function count_imports(self, schedule, run)
  local imports, err = self.store:runs { parent = run, kind = "import" }
  if not imports then
    log.warn("the rows of run %d are not counted: %s", run, tostring(err))
    return
  end
  for _, import in ipairs(imports) do
    if type(import.result) == "table" and is_new(self, import.id) then count_result(self, schedule, import.result) end
  end
end

-- Each try of a run that has ended.
local function run_ended(self, event)
  local schedule = event.schedule
  add(self.runs, schedule, event.state, 1)
  if event.seconds then observe(self.durations, schedule, event.seconds) end
  if event.state == "succeeded" then
    self.succeeded[schedule] = system.time()
  elseif event.state == "failed" then
    local code = type(event.error) == "table" and event.error.code or "Error"
    add(self.failures, schedule, tostring(code), 1)
  end
  if self.store and event.run then count_imports(self, schedule, event.run) end
end

local function ticked(self, event)
  if event.lag then self.lag[event.schedule] = event.lag end
  if event.skipped and not event.taken then add(self.skipped, event.schedule, event.skipped, 1 + (event.missed or 0)) end
end

-- When each schedule last succeeded before this process began.
local function recall(self)
  for _, schedule in ipairs(self.engine:snapshot().schedules) do
    local runs, err = self.store:runs { schedule = schedule.id, kind = "automation", state = "succeeded", limit = 1 }
    if not runs then
      log.warn("when %s last succeeded is not known: %s", schedule.id, tostring(err))
    elseif runs[1] and not self.succeeded[schedule.id] then
      self.succeeded[schedule.id] = runs[1].ended_at
    end
  end
end

--- Counts what the engine tells: engine.events (on), engine:snapshot(). store (the journal, or nil): imports of runs, the last
-- successes before this process, dead letters. Make it when the engine has its schedules.
function metrics.meter(options)
  local self = setmetatable({ engine = options.engine, store = options.store, runs = {}, durations = {}, failures = {},
                              retries = {}, rows = {}, bytes = 0, succeeded = {}, lag = {}, skipped = {},
                              imports = 0, places = {}, counted = {} }, meter)
  local events = options.engine.events
  events:on("run_ended", function(event) run_ended(self, event) end)
  events:on("run_retried", function(event) add(self.retries, event.schedule, "retries", 1) end)
  events:on("tick", function(event) ticked(self, event) end)
  if self.store then task.handler(recall, self) end
  return self
end

-- ---- the text ----

-- The names of a table, in order; other tasks have their turn now and then.
local function in_order(counts)
  local names, at = errors.names_of(counts), 0
  return function()
    at = at + 1
    if at % AT_ONCE == 0 then task.sleep(0) end
    return names[at], counts[names[at]]
  end
end

-- A counter by schedule and one more label.
local function write_counts(out, name, help, counts, second)
  out:family(name, "counter", help)
  for schedule, of in in_order(counts) do
    for _, word in ipairs(errors.names_of(of)) do
      out:sample(of[word], second and { "schedule", schedule, second, word } or { "schedule", schedule })
    end
  end
end

local function write_durations(out, durations)
  out:family("upjob_run_duration_seconds", "histogram", "How long runs took, each try.")
  for schedule, of in in_order(durations) do
    for i, most in ipairs(SECONDS) do out:sample(of[i], { "schedule", schedule, "le", tostring(most) }, "_bucket") end
    out:sample(of.count, { "schedule", schedule, "le", "+Inf" }, "_bucket")
    out:sample(of.sum, { "schedule", schedule }, "_sum")
    out:sample(of.count, { "schedule", schedule }, "_count")
  end
end

-- A gauge by schedule, of those that have one.
local function write_gauges(out, name, help, schedules, value_of)
  out:family(name, "gauge", help)
  for i, schedule in ipairs(schedules) do
    local value = value_of(schedule)
    if value then out:sample(value, { "schedule", schedule.id }) end
    if i % AT_ONCE == 0 then task.sleep(0) end
  end
end

-- The lag of the last tick, or of one that should have been committed by now.
local function lag_of(self, schedule, now)
  local overdue = schedule.next and not schedule.paused and now - schedule.next or 0
  local lag = self.lag[schedule.id]
  if overdue > 0 then return math.max(lag or 0, overdue) end
  return lag and math.max(lag, 0)
end

local function write_schedules(self, out, schedules, now)
  write_gauges(out, "upjob_schedule_next_timestamp_seconds", "When the schedule is due next.", schedules,
    function(schedule) return schedule.next end)
  write_gauges(out, "upjob_schedule_last_success_timestamp_seconds", "When a run of the schedule last succeeded.", schedules,
    function(schedule) return self.succeeded[schedule.id] end)
  write_gauges(out, "upjob_schedule_lag_seconds", "From the time at which the schedule was last due to its commit, or to now.",
    schedules, function(schedule) return lag_of(self, schedule, now) end)
  write_gauges(out, "upjob_schedule_streak", "Runs of the schedule in succession that succeeded, or with a minus failed.",
    schedules, function(schedule) return schedule.streak end)
  write_gauges(out, "upjob_schedule_paused", "1 when the schedule is paused.", schedules,
    function(schedule) return schedule.paused and 1 or 0 end)
  write_gauges(out, "upjob_files_unmoved", "Files whose runs have ended and that cannot be moved.", schedules,
    function(schedule) return schedule.kind == "on_file" and (schedule.unmoved and schedule.unmoved.count or 0) or nil end)
end

local function write_runs(self, out)
  write_counts(out, "upjob_runs_total", "Runs that have ended, each try.", self.runs, "outcome")
  write_counts(out, "upjob_run_failures_total", "Tries of runs that have failed, by the error's code.", self.failures, "code")
  write_counts(out, "upjob_run_retries_total", "Tries that have failed and are followed by another.", self.retries)
  write_counts(out, "upjob_ticks_skipped_total", "Times that were due and made no run.", self.skipped, "reason")
  write_counts(out, "upjob_rows_total", "Rows of imports: created, updated, failed, or rejected before sending.", self.rows,
    "result")
  write_durations(out, self.durations)
  out:single("upjob_uploaded_bytes_total", "counter", "Bytes of imports that were uploaded.", self.bytes)
end

local function write_process(out)
  local usage = require("upjob.native.metrics").usage()
  out:family("upjob_build_info", "gauge", "1, with the program's version.")
  out:sample(1, { "version", system.version, "lua", _VERSION:match("[%d.]+") })
  out:single("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.", usage.cpu_seconds)
  out:single("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.", usage.started_at)
  out:single("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", usage.resident_bytes)
  out:single("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", usage.virtual_bytes)
  out:single("process_open_fds", "gauge", "Number of open file descriptors.", usage.open_files)
  out:single("process_max_fds", "gauge", "Maximum number of open file descriptors.", usage.most_files)
end

-- A journal that cannot be read, or not in time, is what a metric tells.
local function write_journal(self, out)
  if not self.store then return end
  local letters = timeouts.timeout(JOURNAL_PATIENCE, self.store.dead_letters, self.store, {})
  out:single("upjob_journal_up", "gauge", "1 when the journal can be read.", letters and 1 or 0)
  out:single("upjob_dead_letters", "gauge", "Notifications that were given up.", letters and #letters)
end

--- The page. May wait.
function meter:text()
  local out, snapshot = exposition.new(), self.engine:snapshot()
  for _, schedule in ipairs(snapshot.schedules) do -- a rate of the first failure needs the 0 before it
    add(self.runs, schedule.id, "succeeded", 0)
    add(self.runs, schedule.id, "failed", 0)
  end
  write_runs(self, out)
  write_schedules(self, out, snapshot.schedules, system.time())
  out:single("upjob_runs_running", "gauge", "Runs under way.", snapshot.running)
  out:single("upjob_runs_queued", "gauge", "Runs that wait for a child to be free.", snapshot.queued)
  out:single("upjob_automation_errors", "gauge", "Files of automations that cannot be loaded as they are.",
    #(snapshot.errors or {}))
  write_journal(self, out)
  write_process(out)
  return out:text()
end

return metrics
