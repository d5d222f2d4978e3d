-- What is counted of a daemon, and its text for Prometheus.
local errors = require "upjob.errors"
local exposition = require "upjob.exposition"
local metrics = require "upjob.metrics"
local system = require "upjob.native.system"
local task = require "upjob.task"

-- An engine whose events the test makes.
local function fake_engine(schedules)
  local handlers = {}
  return {
    events = { on = function(_, name, fn) handlers[name] = fn end },
    emit = function(_, name, event) handlers[name](event) end,
    snapshot = function() return { schedules = schedules or {}, running = 2, queued = 3, errors = { {} } } end,
  }
end

local function fake_store(imports, last)
  return {
    runs = function(_, query)
      if query.parent then return imports[query.parent] or {} end
      assert(query.schedule and query.state == "succeeded" and query.limit == 1)
      return last or {}
    end,
    dead_letters = function() return { {}, {} } end,
  }
end

-- The value of a sample, or nil.
local function value(text, name)
  for line in text:gmatch "[^\n]+" do
    local sample, number = line:match("^(.+) (%S+)$")
    if sample == name then return tonumber(number) end
  end
end

describe("the text format", function()
  it("escapes labels and help, and keeps labels UTF-8", function()
    local out = exposition.new()
    out:family("a", "gauge", "of\nlines \\")
    out:sample(1, { "name", 'q"b\\c\nd é \xE9' })
    assert.equals('# HELP a of\\nlines \\\\\n# TYPE a gauge\na{name="q\\"b\\\\c\\nd é \\\\xE9"} 1\n', out:text())
  end)

  it("writes numbers without loss, and those that are none as Prometheus has them", function()
    local out = exposition.new()
    out:family("a", "gauge", "x")
    for _, number in ipairs { 9007199254740993, 0.1, 1795953600.123, math.huge, -math.huge, 0 / 0, 1e300, 2.0 } do
      out:sample(number)
    end
    assert.equals("a 9007199254740993\na 0.1\na 1795953600.123\na +Inf\na -Inf\na NaN\na 1e+300\na 2\n",
      out:text():match("gauge\n(.*)"))
  end)

  it("leaves out what is not known", function()
    local out = exposition.new()
    out:single("a", "gauge", "x", nil)
    assert.equals("\n", out:text())
  end)
end)

describe("a meter", function()
  it("counts runs by schedule and outcome, from 0 for those that have not run", function()
    local engine = fake_engine { { id = "nightly" }, { id = "idle" } }
    local meter = metrics.meter { engine = engine }
    for _, state in ipairs { "succeeded", "succeeded", "failed", "interrupted" } do
      engine:emit("run_ended", { schedule = "nightly", state = state, seconds = 1, error = { code = "Crashed" } })
    end
    engine:emit("run_ended", { schedule = "nightly", state = "failed", seconds = 1 })
    engine:emit("run_retried", { schedule = "nightly", run = 1 })
    local text = meter:text()
    assert.equals(2, value(text, 'upjob_runs_total{schedule="nightly",outcome="succeeded"}'))
    assert.equals(2, value(text, 'upjob_runs_total{schedule="nightly",outcome="failed"}'))
    assert.equals(1, value(text, 'upjob_runs_total{schedule="nightly",outcome="interrupted"}'))
    assert.equals(0, value(text, 'upjob_runs_total{schedule="idle",outcome="failed"}'))
    assert.equals(1, value(text, 'upjob_run_failures_total{schedule="nightly",code="Crashed"}'))
    assert.equals(1, value(text, 'upjob_run_failures_total{schedule="nightly",code="Error"}'))
    assert.equals(1, value(text, 'upjob_run_retries_total{schedule="nightly"}'))
    assert.equals(2, value(text, "upjob_runs_running"))
    assert.equals(3, value(text, "upjob_runs_queued"))
    assert.equals(1, value(text, "upjob_automation_errors"))
  end)

  it("puts durations in buckets that add up", function()
    local engine = fake_engine()
    local meter = metrics.meter { engine = engine }
    for _, seconds in ipairs { 0.5, 1, 1.5, 100, 1e6 } do
      engine:emit("run_ended", { schedule = "a", state = "succeeded", seconds = seconds })
    end
    local text = meter:text()
    for most, count in pairs { ["1"] = 2, ["5"] = 3, ["60"] = 3, ["300"] = 4, ["14400"] = 4, ["+Inf"] = 5 } do
      assert.equals(count, value(text, ('upjob_run_duration_seconds_bucket{schedule="a",le="%s"}'):format(most)))
    end
    assert.equals(5, value(text, 'upjob_run_duration_seconds_count{schedule="a"}'))
    assert.equals(1000103, value(text, 'upjob_run_duration_seconds_sum{schedule="a"}'))
  end)

  it("counts the rows and bytes of a run's imports once, however often the run is tried", function()
    local first = { id = 11, result = { ResultsSummary = { CreatedRecords = 5, UpdatedRecords = 2, FailedRecords = 1 },
                                        rejected = 3, bytes = 1000 } }
    local imports = { [1] = { first, { id = 12 } } }
    local engine = fake_engine()
    local meter = metrics.meter { engine = engine, store = fake_store(imports) }
    engine:emit("run_ended", { schedule = "a", run = 1, state = "failed", seconds = 1 })
    imports[1][2].result = { ResultsSummary = { CreatedRecords = 10 }, rejected = 0, bytes = 7 }
    engine:emit("run_ended", { schedule = "a", run = 1, state = "succeeded", seconds = 1 })
    local text = meter:text()
    assert.equals(15, value(text, 'upjob_rows_total{schedule="a",result="created"}'))
    assert.equals(2, value(text, 'upjob_rows_total{schedule="a",result="updated"}'))
    assert.equals(1, value(text, 'upjob_rows_total{schedule="a",result="failed"}'))
    assert.equals(3, value(text, 'upjob_rows_total{schedule="a",result="rejected"}'))
    assert.equals(1007, value(text, "upjob_uploaded_bytes_total"))
    assert.equals(2, value(text, "upjob_dead_letters"))
    assert.equals(1, value(text, "upjob_journal_up"))
  end)

  it("tells the last success before this process, and the next time", function()
    local engine = fake_engine { { id = "a", next = 4e9, paused = true, streak = -2 }, { id = "b" } }
    local meter = metrics.meter { engine = engine, store = fake_store({}, { { ended_at = 1795953600.5 } }) }
    task.sleep(0.01)
    engine:emit("run_ended", { schedule = "b", state = "succeeded", seconds = 1 })
    local text = meter:text()
    assert.equals(1795953600.5, value(text, 'upjob_schedule_last_success_timestamp_seconds{schedule="a"}'))
    assert.is_true(math.abs(value(text, 'upjob_schedule_last_success_timestamp_seconds{schedule="b"}') - system.time()) < 60)
    assert.equals(4e9, value(text, 'upjob_schedule_next_timestamp_seconds{schedule="a"}'))
    assert.is_nil(value(text, 'upjob_schedule_next_timestamp_seconds{schedule="b"}'))
    assert.equals(1, value(text, 'upjob_schedule_paused{schedule="a"}'))
    assert.equals(-2, value(text, 'upjob_schedule_streak{schedule="a"}'))
  end)

  it("tells the lag of the last tick, and a tick that is overdue by more", function()
    local now = system.time()
    local engine = fake_engine { { id = "a", next = now + 1000 }, { id = "b", next = now - 1000 },
                                 { id = "c", next = now - 1000, paused = true } }
    local meter = metrics.meter { engine = engine }
    for _, id in ipairs { "a", "b", "c" } do engine:emit("tick", { schedule = id, lag = 0.25 }) end
    engine:emit("tick", { schedule = "a", lag = 0.5, skipped = "overlap" })
    engine:emit("tick", { schedule = "a", lag = 0.5, skipped = "overlap", taken = true })
    local text = meter:text()
    assert.equals(0.5, value(text, 'upjob_schedule_lag_seconds{schedule="a"}'))
    assert.is_true(value(text, 'upjob_schedule_lag_seconds{schedule="b"}') >= 1000)
    assert.equals(0.25, value(text, 'upjob_schedule_lag_seconds{schedule="c"}'))
    assert.equals(1, value(text, 'upjob_ticks_skipped_total{schedule="a",reason="overlap"}'))
  end)

  it("tells that the journal cannot be read, and everything else", function()
    local engine = fake_engine { { id = "a" } }
    local err = errors.new { code = "SystemError", message = "gone" }
    local meter = metrics.meter { engine = engine, store = { runs = function() return nil, err end,
                                                            dead_letters = function() return nil, err end } }
    engine:emit("run_ended", { schedule = "a", run = 1, state = "succeeded", seconds = 1 })
    local text = meter:text()
    assert.equals(0, value(text, "upjob_journal_up"))
    assert.is_nil(value(text, "upjob_dead_letters"))
    assert.equals(1, value(text, 'upjob_runs_total{schedule="a",outcome="succeeded"}'))
  end)

  it("gives other tasks their turn while it writes many schedules", function()
    local schedules = {}
    for i = 1, 500 do schedules[i] = { id = ("s%d"):format(i), next = 4e9 } end
    local meter = metrics.meter { engine = fake_engine(schedules) }
    local turns = 0
    local other = task.spawn(function() while true do task.sleep(0) turns = turns + 1 end end)
    meter:text()
    other:cancel()
    assert.is_true(turns >= 10, turns)
  end)
end)

describe("serving", function()
  it("refuses what is no option, and places that the network reaches", function()
    local function text() return "" end
    assert.error_matches(function() metrics.serve { adress = "x", text = text } end, 'did you mean "address"')
    assert.error_matches(function() metrics.serve { text = text } end, 'option "address" is required')
    assert.error_matches(function() metrics.serve { address = "127.0.0.1:0" } end, 'option "text" is required')
    for _, address in ipairs { "0.0.0.0:0", "[::]:0", "192.0.2.1:0" } do
      local server, err = metrics.serve { address = address, text = text }
      assert.is_nil(server)
      assert.equals("ConfigurationError", err.code)
      assert.matches("open to the network, without a password", err.message, 1, true)
    end
    for _, address in ipairs { "9464", "", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1x", "[::1]",
                               "::1:80", "example.com:80", "unix:", "unix:/nonexistent/m.sock", "unix:" .. ("/x"):rep(100) } do
      local server, err = metrics.serve { address = address, text = text }
      assert.is_nil(server, address)
      assert.equals("ConfigurationError", err.code, address)
    end
  end)

  it("goes anywhere when it is told to", function()
    local server <close> = assert(metrics.serve { address = "0.0.0.0:0", anywhere = true, text = function() return "" end })
    assert.matches("^http://0%.0%.0%.0:%d+/metrics$", server:place())
  end)
end)
