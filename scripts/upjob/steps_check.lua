--- The step of an import that looks through its files and makes what is sent: a function of the run; it raises the run's error.
local changes = require "upjob.changes"
local check_rest = require "upjob.check_rest"
local errors = require "upjob.errors"
local events = require "upjob.events"
local fingerprint = require "upjob.fingerprint"
local max_failed = require "upjob.max_failed"
local input = require "upjob.source"
local parts = require "upjob.parts"
local parts_plan = require "upjob.parts_plan"
local recorded = require "upjob.recorded"
local rejects = require "upjob.rejects"
local resuming = require "upjob.resuming"

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- The first of the errors; warnings may stand before it.
local function first_error(problems)
  for _, problem in ipairs(problems) do
    if problem.severity == "error" then return problem end
  end
end

-- Whether so many of the rows would be refused that nothing is sent; and, as the second, how many may be.
local function are_too_many(self, result)
  local limit = self.max_failed and max_failed.of(self.max_failed, result.rows)
  return result.bad_rows > 0 and (self.mapping.on_invalid == "stop" or result.bad_rows == result.rows
    or limit and result.bad_rows > limit), limit
end

-- Nothing is sent when too many rows would be refused; in that case raises why.
local function judge(self, result)
  local map = self.mapping
  if result.rows == 0 then
    must(nil, errors.new { code = "InvalidFile", file = self.file, problems = result.problems, rows = 0, message =
      ("the mapping's rows() wants none of %d rows: nothing was sent"):format(result.unwanted) })
  end
  local too_many, limit = are_too_many(self, result)
  if not too_many then return end
  local why = map.on_invalid == "stop" and "the mapping says on_invalid = \"stop\""
    or result.bad_rows == result.rows and "none is left to import" or ("at most %d may fail"):format(limit)
  local first = first_error(result.problems)
  must(nil, errors.new { code = "InvalidFile", file = first.file or self.file, line = first.line,
    column = first.column ~= 0 and first.column or nil, problems = result.problems, rows = result.rows,
    rejected = result.bad_rows, message = ("%d of %d rows would be refused, and %s: nothing was sent"):format(
      result.bad_rows, result.rows, why) })
end

-- What is sent may have other columns than the file.
local function take_sources(self, sources)
  self.fields = self.mapping:api_fields(sources)
  self.request.Fields = self.fields
  local ok, err = require("upjob.native.profiles").validate("CreateUploadJob", self.request)
  must(ok, err)
end

-- What is kept of a check: no values of cells.
local KEPT = { "rows", "bad_rows", "blanked", "unwanted", "changed_rows", "bytes", "outgoing_bytes", "md5", "counts", "classes",
               "rejects_written", "problems_written", "files", "changes" }

local function kept_of(checked)
  local kept = {}
  for _, name in ipairs(KEPT) do kept[name] = checked[name] end
  return kept
end

-- How a file is read, and what is made of it. `self`: the run, or a source of one that has several. slots: parts that may be
-- written at once.
local function reading_of(self, slots)
  return { fd = input.of_run(self, self.file).fd, mapping = self.mapping, encoding = self.encoding, no_check = self.no_check,
           reject = self.mapping.on_invalid ~= "stop", tmp = self.tmp, split = parts.split(self, slots) }
end

-- A large file's parts are sent while the rest of its check is under way, unless that comes to what they may depend on.
local function check_file(self, options)
  local alone = rawget(self, "sources") and #self.sources == 1
  if not alone or self.comparison or self.dry_run or self.problems or self.known then return changes.check(self, options) end
  return check_rest.run(self, options, function(found) return found.rows > 0 and not are_too_many(self, found) end)
end

-- Looks through a file.
local function look_through(self, slots)
  if self.known then resuming.clear_rejects(self) end
  local earlier = not self.dry_run and rejects.is_there(self.rejects)
  parts_plan.keep_input(self)
  local options = reading_of(self, slots)
  options.file, options.opened = not self.opened and self.file or nil, self.opened
  options.strict, options.problems, options.rejects = self.strict, self.problems, not self.dry_run and self.rejects or nil
  options.progress = function(done, total, rows)
    if not self.rest then parts_plan.progress(self, done, total, rows) end
  end
  local result, err = check_file(self, options)
  self.opened = nil
  self.checked = must(result, err)
  self.rejected = result.bad_rows
  parts_plan.progress(self, result.bytes, result.bytes, result.rows)
  if earlier and result.rejects_written then
    result.rejects_kept = self.rejects .. "~"
  elseif earlier then
    result.rejects_kept = must(rejects.keep_earlier(self.rejects))
  end
  return result
end

-- After the check of all files: with --only-changed, makes what is to be sent of one.
local function choose(self, slots)
  local options = reading_of(self, slots)
  options.file = self.file
  changes.choose(self, options)
end

-- Looks through all files, and makes the parts, if there are to be any.
local function check_files(self, look)
  changes.begin(self)
  if #self.sources > 1 then return parts_plan.check(self, look_through, choose) end
  look_through(self, self.parallel)
  choose(self, self.parallel)
  self.outgoing_fd = self.checked.outgoing_fd
  parts_plan.of_one(self, look)
end

local function take_all_sources(self)
  if #self.sources == 1 then return take_sources(self, self.checked.sources) end
  for _, source in ipairs(self.sources) do take_sources(source, source.checked.sources) end
end

local function check(self)
  if resuming.has_all(self) or self.parts then return end
  self.step, self.has_content = "check", true
  recorded.step(self, "check", "begin")
  local look = input.look_all(self)
  check_files(self, look)
  if not self.rest then events.emit(self, "checked", self.checked) end
  judge(self, self.checked)
  take_all_sources(self)
  changes.mark(self)
  if self.parts then require("upjob.parts_mend").divide_large(self) end
  local digest = self.parts and parts_plan.digest(self) or self.checked.md5
  if not self.parts then resuming.compare(self, digest) elseif changes.is_none(self) then resuming.let_go(self) end
  recorded.done(self, "check", kept_of(self.checked),
    { file_fingerprint = fingerprint.of_file(look, digest), display_name = self.request.DisplayName })
  if self.parts then parts_plan.record(self) end
end

--- Waits for the end of a check that goes on while parts are sent: a step of its own in the journal. Raises its error.
local function finish(self)
  recorded.step(self, "keys", "begin")
  check_rest.finish(self)
  recorded.step(self, "keys", "done", kept_of(self.checked))
end

return { check = check, finish = finish }
