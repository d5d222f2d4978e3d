--- What an import is sent as, when that is not one job: the check of all its files, and the parts that come of it.
local changes = require "upjob.changes"
local checking = require "upjob.checking"
local errors = require "upjob.errors"
local events = require "upjob.events"
local fingerprint = require "upjob.fingerprint"
local input = require "upjob.source"
local json = require "upjob.json"
local native = require "upjob.native.check"
local recorded = require "upjob.recorded"
local system = require "upjob.native.system"

local parts_plan = {}

local MOST_PROBLEMS = 20 -- that are told, of all files; as many as a check keeps (core/check.h)

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- A file as a run has it: what is not its own is the import's.
local function inherit(run, source)
  return setmetatable(source, { __index = run })
end

--- Before a file's check: what cannot be read twice is kept where it can be, as it may have to be. `self`: the run, or one of its
--- sources.
function parts_plan.keep_input(self)
  if self.dry_run or fingerprint.look(self.file) or input.is_remote(self.file) then return end
  self.opened = self.opened or must(checking.open { file = self.file, encoding = self.encoding, strict = self.strict,
                                                    tmp = self.tmp })
  local source = rawget(self, "sources") and self.sources[1] or self
  source.again = must(checking.again(self.opened))
end

local function close_input(source)
  local fd = rawget(source, "again")
  if fd then native.close_fd(fd) end
  source.again = nil
  local found = rawget(source, "checked")
  if found and found.outgoing_fd then checking.close(found) end -- that nothing came of
end

--- Closes what was kept of the files of a run.
function parts_plan.close_inputs(run)
  for _, source in ipairs(run.sources or {}) do close_input(source) end
end

-- ---- the check of several files ----

local SUMS = { "rows", "bad_rows", "blanked", "unwanted", "changed_rows", "bytes" }

local function add_classes(all, classes)
  for _, class in ipairs(classes or {}) do
    local same
    for _, other in ipairs(all) do same = other.class == class.class and other or same end
    if same then
      same.count = same.count + class.count
    else
      all[#all + 1] = { class = class.class, severity = class.severity, count = class.count }
    end
  end
end

local function add_problems(all, problems, file)
  for _, problem in ipairs(problems) do
    if #all == MOST_PROBLEMS then return end
    problem.file = file
    all[#all + 1] = problem
  end
end

-- What was found in all files, as a check tells it of one.
local function add_all(list)
  local all = { problems = {}, counts = {}, classes = {}, files = json.array {} }
  for _, name in ipairs(SUMS) do all[name] = 0 end
  for i, source in ipairs(list) do
    local found = source.checked
    for _, name in ipairs(SUMS) do all[name] = all[name] + (found[name] or 0) end
    for class, count in pairs(found.counts) do all.counts[class] = (all.counts[class] or 0) + count end
    add_classes(all.classes, found.classes)
    add_problems(all.problems, found.problems, source.file)
    all.rejects_written = all.rejects_written or found.rejects_written
    all.problems_written = all.problems_written or found.problems_written
    all.changes = found.changes -- the last one's are those of all
    all.files[i] = { file = source.file, rows = found.rows, to_send = source.to_send, rejected = found.bad_rows,
                     unwanted = found.unwanted, blanked = found.blanked, bytes = found.bytes, rejects_kept = found.rejects_kept,
                     rejects = found.rejects_written and source.rejects or nil }
  end
  table.sort(all.classes, function(a, b)
    if a.severity ~= b.severity then return a.severity == "error" end
    return a.class < b.class
  end)
  return all
end

-- ---- parts ----

local function new_item(run, source, fields)
  fields.source, fields.state = source, "planned"
  fields.number = #run.parts + 1
  run.parts[fields.number] = fields
  return fields
end

-- What is there already of a part to be sent takes a slot; none is taken where an earlier part has to be made again.
local function take_file(run, item, fd)
  if run.keeps_none or run.kept >= run.keeps_most then
    native.close_fd(fd)
    return
  end
  item.fd, item.state = fd, "ready"
  run.kept = run.kept + 1
end

-- The parts of a file that is to be sent in several.
local function add_split(run, source, split)
  for _, range in ipairs(split.parts) do
    local item = new_item(run, source, { low = range.low, high = range.high, bytes = range.bytes, rows = range.rows,
                                         md5 = range.md5 })
    if range.fd then take_file(run, item, range.fd) end
  end
end

-- A file that is sent whole: itself, or what was made of it.
local function add_whole(run, source, found)
  local fd, rows = found.outgoing_fd, source.to_send or found.rows - found.bad_rows
  if rows == 0 then
    checking.close(found)
    return
  end
  found.outgoing_fd = nil
  local item = new_item(run, source, { rows = rows, md5 = found.md5, identity = found.identity,
                                       bytes = fd and found.outgoing_bytes or found.bytes, whole = true,
                                       as_it_stands = fd == nil })
  if fd then take_file(run, item, fd) else item.state = "ready" end
end

local function add_source(run, source)
  local before = #run.parts
  if source.checked.split then
    add_split(run, source, source.checked.split)
  else
    add_whole(run, source, source.checked)
  end
  local has_planned = false
  for i = before + 1, #run.parts do has_planned = has_planned or run.parts[i].state == "planned" end
  run.keeps_none = run.keeps_none or has_planned
  if not has_planned then close_input(source) end
end

-- Parts of a file that may be written at once.
local function slots_for(run, i)
  run.keeps_most = run.parallel - (i < #run.sources and 1 or 0) -- the next file makes one too
  return math.max(run.keeps_most - run.kept, 1)
end

--- Checks the files of a run that has several: its `checked` is what was found in all of them, its `parts` are what is to be
--- sent. look_through(source, slots) checks one, choose(source, slots) then makes what is to be sent of it of what has changed in
--- all; both raise their errors.
function parts_plan.check(run, look_through, choose)
  run.parts, run.kept = {}, 0
  local sizes, total = {}, 0
  for i, source in ipairs(run.sources) do
    sizes[i] = input.size(run, source.file)
    total = total + sizes[i]
  end
  run.sources[1].opened, run.opened = run.opened, nil
  local before = { bytes = 0, rows = 0, total = total }
  for i, source in ipairs(run.sources) do
    source.look, source.before = input.of_run(run, source.file).look, before
    local found = look_through(inherit(run, source), slots_for(run, i))
    if not run.comparison then add_source(run, source) end
    before = { bytes = before.bytes + sizes[i], rows = before.rows + found.rows, total = total }
  end
  for i, source in ipairs(run.comparison and run.sources or {}) do
    choose(source, slots_for(run, i))
    add_source(run, source)
  end
  run.checked, run.rejected = add_all(run.sources), 0
  run.rejected = run.checked.bad_rows
end

--- The parts of a run whose one file has too many bytes for one job, or of which nothing is to be sent; nil otherwise.
function parts_plan.of_one(run, look)
  local found = run.checked
  if changes.is_none(run) then run.parts, run.kept = {}, 0 end
  if not found.split then return parts_plan.close_inputs(run) end
  run.parts, run.kept, run.keeps_most = {}, 0, run.parallel
  local source = run.sources[1]
  source.look, source.checked = look, found
  add_source(run, inherit(run, source))
end

--- A step of a check, of a run or of a file of it.
function parts_plan.progress(self, done, total, rows)
  local before = rawget(self, "before") or { bytes = 0, rows = 0 }
  events.emit(self, "progress", { step = "check", done = before.bytes + done, total = before.total or total,
                                  rows = before.rows + rows })
end

-- ---- in the journal ----

local function path(file)
  return fingerprint.path_text(file ~= "-" and not input.is_remote(file) and system.absolute(file) or file)
end

local function detail_of(run)
  local detail = { total = #run.parts, parts = json.array {}, files = json.array {} }
  for i, item in ipairs(run.parts) do
    detail.parts[i] = { number = item.number, file = path(item.source.file), low = item.low, high = item.high, bytes = item.bytes,
                        rows = item.rows, whole = item.whole }
  end
  for i, source in ipairs(run.sources) do detail.files[i] = { file = path(source.file), look = source.look } end
  return detail
end

--- Writes what is to be sent: another process goes on by it.
function parts_plan.record(run)
  recorded.step(run, "split", "done", detail_of(run))
end

--- Takes the parts from what was written: those that the journal has of a run.
function parts_plan.restore(run, detail)
  local by_file = {}
  for i, file in ipairs(detail.files) do
    local source = run.sources[i]
    source.look = file.look
    by_file[file.file] = inherit(run, source)
  end
  run.parts, run.kept = {}, 0
  for _, one in ipairs(detail.parts) do
    local source = by_file[one.file]
    if not source then
      error(errors.new { code = "InternalError", message = ("part %d is of no file of the import"):format(one.number) }, 0)
    end
    new_item(run, source, { low = one.low, high = one.high, bytes = one.bytes, rows = one.rows, whole = one.whole })
  end
end

--- Numbers the parts anew, those of each file in a row, as long as none was begun.
function parts_plan.number(run)
  table.sort(run.parts, function(a, b)
    if a.source.index ~= b.source.index then return a.source.index < b.source.index end
    return (a.low or "") < (b.low or "")
  end)
  for number, item in ipairs(run.parts) do item.number = number end
end

--- Puts ranges in the place of a part that came out too large: the first has its number, the others come behind all.
function parts_plan.divide(run, item, ranges)
  for i, range in ipairs(ranges) do
    local part = i == 1 and item or new_item(run, item.source, {})
    part.low, part.high, part.bytes, part.rows, part.state = range.low, range.high, range.bytes, range.rows, "planned"
  end
end

--- A digest that says what files' content an import with parts was made of; its parts have their own.
function parts_plan.digest(run)
  return require("upjob.native.upload").digest(json.encode(detail_of(run)))
end

return parts_plan
