--- An import of several files, or of one that has more bytes than the service takes at once: its parts, each a job of its own.
local errors = require "upjob.errors"
local events = require "upjob.events"
local size = require "upjob.size"
local task = require "upjob.native.task"

local parts = {}

--- Bytes: a part has fewer. More the service does not take (core/check.h).
parts.MOST_BYTES = 1000000000
parts.LEAST_BYTES = 1024
--- Parts that are made or sent at once.
parts.PARALLEL, parts.MOST_PARALLEL = 4, 64
local BESIDE_CHECK = 6 -- that are sent while the check still sorts keys: both take memory, and these keep a processor busy

--- The bytes of a part as an option has them; nil when it is not one.
function parts.read_bytes(value)
  local bytes = size.read(value)
  return bytes and bytes >= parts.LEAST_BYTES and bytes <= parts.MOST_BYTES and bytes or nil
end

parts.takes_bytes = ("a size from %d to %d bytes, such as 64K or 500M (K is 1024)"):format(parts.LEAST_BYTES, parts.MOST_BYTES)

--- Bytes of all parts.
function parts.bytes(run)
  local bytes = 0
  for _, item in ipairs(run.parts) do bytes = bytes + (item.bytes or 0) end
  return bytes
end

--- How a check splits what it makes of a file: as checking.run takes it. `slots`: parts that are written at once.
function parts.split(run, slots)
  return { salt = run.run_key, part_bytes = run.part_bytes, slots = run.dry_run and 1 or slots }
end

-- ---- what stands where ----
-- item.state: "planned" (what is sent is to be made), "mending", "ready", "busy" (its run goes on), "ended", "left" (given up).

-- In the order in which they are begun. Some may have been added.
local function in_order(run)
  local sender = run.sender
  if sender.order and #sender.order == #run.parts then return sender.order end
  local list = table.move(run.parts, 1, #run.parts, 1, {})
  sender.order = list
  table.sort(list, function(a, b)
    if a.source.index ~= b.source.index then return a.source.index < b.source.index end
    return a.number < b.number
  end)
  return list
end

-- A part is in work from the moment when its file is made until its job was started, and then has no file any more.
local function slots_taken(run)
  local count = 0
  for _, item in ipairs(run.parts) do
    local works = item.state == "mending" or item.state == "ready" and item.fd
      or item.state == "busy" and not item.is_started and not item.run.started
    if works then count = count + 1 end
  end
  return count
end

local function is_under_way(run)
  for _, item in ipairs(run.parts) do
    if item.state == "busy" then return true end
  end
  return false
end

-- Whether a part may be started: false, and as the second, whether it never will be.
local function may_start(sender, item)
  if sender.run.rest then return false, sender.held end
  for _, other in ipairs(sender.run.parts) do
    if other.source.index < item.source.index and other.state ~= "ended" then
      local never = other.state == "left" or sender.failure and other.state ~= "busy"
      return false, never or false
    end
  end
  if sender.held then return false, true end
  return true
end

-- ---- ends ----

local MADE_AGAIN = 3 -- times at most

-- A part whose job is gone, with what was sent to it, is made again, as another process would: true.
local function make_again(sender, item)
  if not item.is_missing or sender.failure or (item.made_again or 0) == MADE_AGAIN then return false end
  item.made_again = (item.made_again or 0) + 1
  item.is_missing, item.is_started, item.run, item.row, item.error = nil, nil, nil, nil, nil
  item.state = "planned"
  return true
end

-- What has come of parts whose runs have ended; others may have waited for that.
local function settle(sender)
  local any = false
  for _, item in ipairs(sender.run.parts) do
    local run = item.state == "busy" and item.run
    if run and run.ended then
      any = true
      item.state, item.result, item.error = run.result and "ended" or "left", run.result, run.error
      if item.error and not make_again(sender, item) and not errors.has_code(item.error, "Cancelled") then
        sender.failure = sender.failure or { item = item, error = item.error }
        sender.held = sender.held or errors.has_code(item.error, "LeaseLost")
      end
    end
  end
  if any then sender.changed:set() end
end

-- ---- beginnings ----

local function begin(sender, item)
  require("upjob.part").begin(sender.run, item)
end

-- Makes what is sent of some parts of a file, in a task of its own: one pass at a time.
local function begin_mending(sender, source, items)
  for _, item in ipairs(items) do item.state = "mending" end
  sender.mending = task.spawn(function()
    local ok, err = pcall(function()
      if not sender.run.mapping then require("upjob.resuming").prepare(sender.run) end -- nothing was to be made before
      require("upjob.parts_mend").run(sender.run, source, items)
    end)
    for _, item in ipairs(items) do
      if item.state == "mending" then item.state = ok and "planned" or "left" end
    end
    if not ok and not (errors.is(err) and errors.has_code(err, "Cancelled")) then
      sender.failure = sender.failure or { item = items[1], error = err }
      sender.held = sender.held or items[1].source.changed or false
    end
    sender.mending = nil
    sender.changed:set()
  end)
end

-- Parts of the first file that has some to be made, as many as there is room for; nil when it is better to wait for more room.
local function choose(sender, list, free)
  local source, chosen, count = nil, {}, 0
  for _, item in ipairs(list) do
    if item.state == "planned" and (not source or item.source == source) then
      source, count = item.source, count + 1
      if #chosen < free then chosen[#chosen + 1] = item end
    end
  end
  local waits = #chosen < count and free * 2 < sender.run.parallel and is_under_way(sender.run)
  if #chosen == 0 or waits then return nil, source end
  return chosen, source
end

local function being_sent(run)
  local count = 0
  for _, item in ipairs(run.parts) do
    if item.state == "busy" and not (item.run.sent or item.run.uploaded) then count = count + 1 end
  end
  return count
end

local function begin_more(sender)
  local run = sender.run
  local list = in_order(run)
  for _, item in ipairs(list) do
    if run.rest and being_sent(run) >= BESIDE_CHECK then return end
    if item.state == "ready" and (item.is_started or item.fd and not sender.failure) then begin(sender, item) end
  end
  if sender.failure then return end
  local free = run.parallel - slots_taken(run)
  local planned = nil -- the first file of which something is to be made: later ones do not take its room
  for _, item in ipairs(list) do
    if free == 0 then return end
    if item.state == "planned" or item.state == "mending" then planned = planned or item.source end
    if item.state == "ready" and (not planned or planned == item.source) then
      begin(sender, item)
      free = free - 1
    end
  end
  if sender.mending or run.rest then return end
  local chosen, source = choose(sender, list, free)
  if chosen then begin_mending(sender, source, chosen) end
end

-- ---- how far it is ----

local STARTED = { watch = true }

local function tell_progress(sender)
  local run = sender.run
  local done, total, ended, started, rows = 0, 0, 0, 0, 0
  local making, working = 0, 0
  for _, item in ipairs(run.parts) do
    local part_run, bytes = item.run, item.bytes or 0
    total = total + bytes
    local is_sent = item.state == "ended" or item.is_started or part_run and (part_run.uploaded or part_run.sent)
    done = done + (is_sent and bytes or math.min(item.sent or 0, bytes))
    if item.state == "ended" then ended = ended + 1 end
    if item.state == "mending" then making = making + 1 end
    if item.state == "busy" then working = working + 1 end
    if item.state == "ended" or item.is_started or part_run and (part_run.started or STARTED[part_run.step]) then
      started = started + 1
    end
    local summary = item.result and item.result.ResultsSummary or part_run and part_run.counted or {}
    rows = rows + (summary.CreatedRecords or 0) + (summary.UpdatedRecords or 0) + (summary.FailedRecords or 0)
  end
  run.started = started == #run.parts
  events.emit(run, "progress", { step = "parts", done = done, total = total, parts = #run.parts, ended = ended,
                                 started = started, making = making, working = working, rows = rows })
end

-- Whether a job is being made, of which only the answer will tell: given up meanwhile, it would be left behind.
local function is_creating(run)
  for _, item in ipairs(run.parts) do
    if item.state == "busy" and item.run.creating then return true end
  end
  return false
end

local function is_done(sender)
  if sender.run.check_failed then return not is_creating(sender.run) end -- uploads that are under way are for nothing
  if sender.ending or sender.mending or is_under_way(sender.run) then return false end
  if sender.failure then return true end
  local left
  for _, item in ipairs(sender.run.parts) do
    if item.state == "left" then
      left = item
    elseif item.state ~= "ended" then
      return false
    end
  end
  if left then sender.failure = { item = left, error = left.error } end
  return true
end

-- ---- the check ----

-- What is left of it ends beside what is sent, in a task of its own. When it fails, nothing is started, and what is being sent is
-- given up.
local function end_check(sender)
  local run = sender.run
  if not run.rest then return end
  sender.ending = task.spawn(function()
    local ok, err = pcall(require("upjob.steps_check").finish, run)
    if not ok then sender.failure, sender.held, run.check_failed = { error = err }, true, true end
    sender.ending = nil
    sender.changed:set()
  end)
end

-- ---- the whole ----

local function close_files(run)
  for _, item in ipairs(run.parts) do
    if item.fd then require("upjob.native.check").close_fd(item.fd) end
    item.fd = nil
  end
end

-- Ends all runs of parts as an interrupted program does. Those that are another process's by now are let go.
local function end_runs(run, let_go)
  local ending = {}
  for _, item in ipairs(run.parts) do
    local part_run = item.run
    if part_run and not part_run.ended then
      if let_go then
        part_run.let_go = true
        if part_run.record then part_run.record.lost = true end
      end
      ending[#ending + 1] = task.spawn(function() part_run:interrupt() end)
    end
  end
  for _, one in ipairs(ending) do one:wait() end
end

--- Gives up what is under way: jobs that were not started are stopped, others go on.
function parts.give_up(run)
  local sender = run.sender
  if sender then sender.held = true end -- no part's turn comes any more, whatever it waits for
  if sender and sender.mending then sender.mending:cancel() end
  if sender and sender.ending then sender.ending:cancel() end
  require("upjob.check_rest").cancel(run)
  end_runs(run, false)
  if sender then settle(sender) end
  close_files(run)
end

--- Gives the import up, and stops the jobs that were started: true | nil, err
function parts.stop(run)
  run:interrupt()
  local ok, err = true, nil
  for _, item in ipairs(run.parts) do
    local part_run = item.run
    if part_run and part_run.started and not part_run.result then
      local reply, fault = run.client:stop_upload_job { DomainName = run.domain, JobId = part_run.job_id }
      if not reply then ok, err = nil, fault end
    end
  end
  return ok, err
end

--- Closes what is open of a run that ends.
function parts.close(run)
  require("upjob.check_rest").cancel(run)
  if run.parts then close_files(run) end
  require("upjob.parts_plan").close_inputs(run)
  require("upjob.changes").close(run)
end

-- ---- what is left of one that did not end ----

-- Whether a job was made for it is not known.
local function has_unknown_job(part_run)
  return part_run.error ~= nil and part_run.error.outcome == "unknown"
end

--- How many parts stand where: { total=, ended=, started= (and not ended), stopped=, waiting= (with a job that is neither) }.
function parts.standing(run)
  local n = { total = #run.parts, ended = 0, started = 0, stopped = 0, waiting = 0 }
  for _, item in ipairs(run.parts) do
    local part_run = item.run
    if item.result or part_run and part_run.result then
      n.ended = n.ended + 1
    elseif item.is_started or part_run and (part_run.started or part_run.starting) then
      n.started = n.started + 1
    elseif item.is_stopped or part_run and part_run.stopped then
      n.stopped = n.stopped + 1
    elseif part_run and (part_run.job_id or part_run.creating or has_unknown_job(part_run)) or item.row and item.row.job_id then
      n.waiting = n.waiting + 1
    end
  end
  return n
end

--- Whether there is something on the service, or another process would have less to do than this one. What was overtaken by
--- another import no process can go on with.
function parts.is_begun(run)
  if run.overtaken then return false end
  local n = parts.standing(run)
  return n.ended + n.started + n.waiting > 0
end

-- ---- the error of a part ----

-- The error of the part that ended the import.
local function failure(run, failed)
  local err, copy = failed.error, {}
  if not errors.is(err) or not failed.item then return err end
  for name, value in pairs(err) do copy[name] = value end
  copy.step = nil
  local title = require("upjob.part").title(run, failed.item)
  if not err.message:find("part %d+ of %d+ %(") and not err.message:find(title, 1, true) then
    copy.message = ("%s: %s"):format(title, err.message)
  end
  return errors.new(copy)
end

--- The step of an import that has parts, in place of those of one job. Later rows of a key win: parts of a file are sent beside
--- each other, as none has a key of another, but none is started before those of the files before it have ended.
function parts.send(run)
  if not run.parts then return nil end
  run.step = "parts"
  local sender = { run = run, changed = task.signal() }
  sender.may_start = function(item) return may_start(sender, item) end
  run.sender = sender
  end_check(sender)
  require("upjob.own_domain").ensure(run)
  require("upjob.parts_earlier").find(run)
  while true do
    settle(sender)
    if not is_done(sender) then begin_more(sender) end
    tell_progress(sender)
    if is_done(sender) then break end
    sender.changed:wait()
  end
  if sender.failure then
    if run.overtaken then require("upjob.parts_earlier").let_go(run) end
    if errors.has_code(sender.failure.error, "LeaseLost") then
      run.record.lost = true
      end_runs(run, true)
    end
    error(failure(run, sender.failure), 0)
  end
  local reply = require("upjob.parts_result").reply(run)
  run.status = reply.Status
  return reply
end

return parts
