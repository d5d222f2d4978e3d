-- The progress of a run where standard error is no terminal.
local progress = require "upjob.progress"
local task = require "upjob.task"

-- Runs fn with what is written to standard error gathered; returns the texts.
local function gathering(fn)
  local texts, stderr = {}, io.stderr
  rawset(io, "stderr", { write = function(_, ...) texts[#texts + 1] = table.concat({ ... }) end, flush = function() end })
  local ok, err = pcall(fn, texts)
  rawset(io, "stderr", stderr)
  assert(ok, err)
  return texts
end

local function fake_run()
  local run = { handlers = {} }
  function run:on(name, handler)
    self.handlers[name] = self.handlers[name] or {}
    table.insert(self.handlers[name], handler)
  end
  function run:emit(name, event)
    for _, handler in ipairs(self.handlers[name] or {}) do handler(event) end
  end
  return run
end

describe("progress where there is no terminal", function()
  it("is told though no event comes, until the run has ended", function()
    local run = fake_run()
    local texts = gathering(function(texts)
      progress.new({ log_every = 0.005 }):follow(run)
      while #texts < 3 do task.sleep(0.005) end
      run:emit("done", {})
      local told = #texts
      task.sleep(0.05)
      assert.equals(told, #texts)
    end)
    for _, text in ipairs(texts) do assert.matches("^upjob: waiting %([%d.]+ s%)\n$", text) end
  end)

  it("tells of the check by rows and bytes, and of an ingestion by rows of rows", function()
    local run = fake_run()
    local line = progress.new { log_every = 100 }
    line:follow(run)
    run:emit("progress", { step = "check", done = 5000000, total = 20000000, rows = 1234 })
    assert.equals("checking, 1,234 rows: 25 %, 5.0 MB of 20 MB", line.line)
    run:emit("checked", { rows = 5000, bad_rows = 10 })
    run:emit("counts", { CreatedRecords = 1000, UpdatedRecords = 30, FailedRecords = 4 })
    assert.equals("ingesting: 1,034 of 4,990 rows, 1,000 created, 30 updated, 4 failed", line.line)
    run:emit("error", {})
  end)

  it("tells of the parts that are sent, and of those that are made when there is nothing else", function()
    local run = fake_run()
    local line = progress.new { log_every = 100 }
    line:follow(run)
    local parts = { step = "parts", done = 0, total = 4000000, parts = 12, ended = 0, started = 0, making = 4, working = 0,
                    rows = 0 }
    run:emit("progress", parts)
    run:emit("progress", { step = "mend", done = 1000000, total = 4000000, rows = 10 })
    assert.equals("making parts, 10 rows: 25 %, 1.0 MB of 4.0 MB", line.line)
    parts.ended, parts.working, parts.making, parts.done = 2, 2, 2, 2000000
    run:emit("progress", parts)
    run:emit("progress", { step = "mend", done = 2000000, total = 4000000, rows = 20 })
    assert.equals("sending 12 parts, 2 done, 2 being made: 50 %, 2.0 MB of 4.0 MB", line.line)
    parts.done, parts.making, parts.rows = 4000000, 0, 1234
    run:emit("checked", { rows = 5000, bad_rows = 0 })
    run:emit("progress", parts)
    assert.equals("ingesting 12 parts, 2 done: 1,234 of 5,000 rows", line.line)
    run:emit("counts", { part = 3, CreatedRecords = 9 })
    run:emit("status", { part = 3, to = "SUCCEEDED" })
    assert.equals("ingesting 12 parts, 2 done: 1,234 of 5,000 rows", line.line)
    run:emit("error", {})
  end)

  it("shows that a call is made again", function()
    local run = fake_run()
    local texts = gathering(function()
      progress.new({ log_every = 100 }):follow(run)
      run:emit("retrying", { step = "watch", attempt = 1, delay = 2, error = "refused\27[2J" })
      run:emit("error", {})
    end)
    assert.same({ "upjob: refused\\x1B[2J: trying again in 2.0 s\n" }, texts)
  end)
end)
