--- Makes what is sent of parts once more, where the check has not kept it: another pass over the file.
local changes = require "upjob.changes"
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local events = require "upjob.events"
local input = require "upjob.source"
local native = require "upjob.native.check"
local part = require "upjob.part"
local parts_plan = require "upjob.parts_plan"

local parts_mend = {}

local function close_all(list)
  for _, made in ipairs(list or {}) do
    if made.fd then native.close_fd(made.fd) end
  end
end

-- The file is not what was checked, or what was sent; or another import has sent some of what this one was to send.
local function refuse(run, item, format, ...)
  run.overtaken = changes.is_overtaken(run)
  local why = run.overtaken
    and "another import has sent some of its rows since (import it again to send the others)"
    or "is not what was checked (put it back as it was, or import it anew)"
  error(errors.new { code = "InvalidFile", file = item.source.file, message =
    ("%s: %s %s"):format(why, part.title(run, item), format:format(...)) }, 0)
end

-- Compares what was made of a part with what was checked, and with what was made of it before.
local function compare(run, item, made)
  if item.bytes and made.bytes ~= item.bytes then
    refuse(run, item, "has %d bytes now, not %d", made.bytes, item.bytes)
  end
  if item.rows and made.rows ~= item.rows then refuse(run, item, "has %d rows now, not %d", made.rows, item.rows) end
  local digits = part.digits(made.md5)
  if item.expected and item.expected ~= digits then
    refuse(run, item, item.is_started and "was sent with other content (its digest was %s, and is %s); nothing more is started"
      or "has other content (its digest was %s, and is %s)", item.expected, digits)
  end
end

local function take(run, item, made)
  local ok, err = pcall(compare, run, item, made)
  if not ok then
    close_all { made }
    error(err, 0)
  end
  item.fd, item.md5, item.identity, item.bytes, item.rows = made.fd, made.md5, made.identity, made.bytes, made.rows
  item.state, item.as_it_stands = "ready", made.fd == nil
end

local function pass(run, source, split)
  local map = run.mapping
  local result, err = checking.run {
    file = source.file, fd = rawget(source, "again") or input.of_run(run, source.file).fd, mapping = map,
    encoding = run.encoding, strict = run.strict, no_check = run.no_check,
    reject = map.on_invalid ~= "stop", tmp = run.tmp, split = split,
    select = changes.lines(run, source),
    progress = function(done, total, rows)
      events.emit(run, "progress", { step = "mend", done = done, total = total, rows = rows })
    end,
  }
  if not result then error(err, 0) end
  source.fields = map:api_fields(result.sources)
  return result
end

-- A file that is sent whole goes through what it went through first.
local function mend_whole(run, item)
  local found = pass(run, item.source, { salt = run.run_key, part_bytes = run.part_bytes, slots = 1 })
  if found.split then
    close_all(found.split.parts)
    refuse(run, item, "has %d bytes now, not %d", found.split.bytes, item.bytes or 0)
  end
  local fd = found.outgoing_fd
  found.outgoing_fd = nil
  take(run, item, { fd = fd, md5 = found.md5, identity = found.identity, rows = found.rows - found.bad_rows,
                    bytes = fd and found.outgoing_bytes or found.bytes })
end

-- What a pass has made of the range of a part: itself, or smaller ranges of it.
local function ranges_of(made, item)
  local list = {}
  for _, range in ipairs(made) do
    if range.low >= item.low and range.high <= item.high then list[#list + 1] = range end
  end
  return list
end

-- A part that came out too large is split again, unless it was known to be small enough.
local function take_ranges(run, item, ranges)
  if #ranges == 1 and ranges[1].fd then return take(run, item, ranges[1]) end
  if #ranges == 0 or item.bytes and item.bytes < run.part_bytes then
    close_all(ranges)
    refuse(run, item, "has more bytes now than it had")
  end
  close_all(ranges)
  if #ranges == 1 and ranges[1].low == item.low and ranges[1].high == item.high then
    refuse(run, item, "cannot be made as small as a part has to be")
  end
  parts_plan.divide(run, item, ranges)
  if run.step == "parts" then parts_plan.record(run) end
end

-- What was split again stands behind all others.
local function by_range(items)
  local list = table.move(items, 1, #items, 1, {})
  table.sort(list, function(a, b) return a.low < b.low end)
  return list
end

local function mend_ranges(run, source, chosen)
  local wanted, items = {}, by_range(chosen)
  for i, item in ipairs(items) do wanted[i] = { low = item.low, high = item.high } end
  local found = pass(run, source, { salt = run.run_key, part_bytes = run.part_bytes, slots = #items, parts = wanted })
  local made = found.split and found.split.parts or {}
  for i, item in ipairs(items) do
    local ok, err = pcall(take_ranges, run, item, ranges_of(made, item))
    if not ok then
      for k = i + 1, #items do close_all(ranges_of(made, items[k])) end
      error(err, 0)
    end
  end
end

--- Makes what is sent of some parts of one file: each is "ready", with its file open, or was divided. Raises the error.
function parts_mend.run(run, source, items)
  if items[1].whole then return mend_whole(run, items[1]) end
  return mend_ranges(run, source, items)
end

--- Before anything is sent: a large file of which so little is to be sent that it comes to one part is one job, and what was made
--- of the part is what the run sends.
function parts_mend.make_one(run)
  local item, checked = run.parts[1], run.checked
  if #run.sources > 1 or #run.parts ~= 1 then return end
  mend_ranges(run, item.source, { item })
  parts_plan.close_inputs(run)
  run.sources[1].checked = nil -- it is the run's again, which closes what is sent
  run.outgoing_fd, item.fd = item.fd, nil
  checked.outgoing_fd, checked.outgoing_bytes, checked.md5, checked.split = run.outgoing_fd, item.bytes, item.md5, nil
  run.parts = nil
end

-- Parts of a file of which it is known that they are too large: at most so many.
local function too_large(run, source)
  local items = {}
  for _, item in ipairs(run.parts) do
    local is_large = item.source == source and item.low and item.state == "planned" and (item.bytes or 0) >= run.part_bytes
    if is_large and #items < run.parallel then items[#items + 1] = item end
  end
  return items
end

--- Before anything is sent: splits again what is known to be too large, pass by pass. Raises the error of a key that alone is.
function parts_mend.divide_large(run)
  local count = #run.parts
  for _, source in ipairs(run.sources) do
    local items = too_large(run, source)
    while #items > 0 do
      mend_ranges(run, source, items)
      items = too_large(run, source)
    end
  end
  if #run.parts > count then parts_plan.number(run) end
  parts_mend.make_one(run)
end

--- Compares parts that were sent with what the file has now: raises when one is other than it was.
function parts_mend.verify(run, source, items)
  parts_mend.run(run, source, items)
  for _, item in ipairs(items) do
    if item.fd then native.close_fd(item.fd) end
    item.fd = nil
  end
end

return parts_mend
