--- What the probe checks of records: a job of records that are each wrong in one way, and a later job with a record of the same
-- key. The API tells how many records failed; which, a search for their profiles does.
local jobs = require "upjob.probe_jobs"
local native = require "upjob.native.task"
local probe = require "upjob.probe"

local records = {
  later_facts = { "same-key-later", "empty-cell" },
}

local COLUMNS = { "Account", "First", "Middle", "Last", "Phone", "Email", "Gender", "Note", "Number" }

-- What is not given of a record. NUL and overlong values stand in no terminal's way: they are not shown.
local FILLED = { First = "Ann", Last = "Probe", Gender = "UNSPECIFIED", Note = "probe", Number = "1" }

-- The record of a fact that fails, and one that does not, which shows where the limit is. `cells` are added to, or cut from, it.
local RECORDS = {
  { name = "value-255", fact = "max-value", taken = true, First = ("x"):rep(255) },
  { name = "value-256", fact = "max-value", First = ("x"):rep(256) },
  { name = "note-1000", fact = "max-information", taken = true, Note = ("x"):rep(1000) },
  { name = "note-1001", fact = "max-information", Note = ("x"):rep(1001) },
  { name = "extra", fact = "extra-cells", cells = 2 },
  { name = "missing", fact = "missing-cells", taken = true, cells = -6 },
  { name = "nul", fact = "nul-byte", First = "A\0b" },
  { name = "number", fact = "number", Number = "none" },
  { name = "phone", fact = "phone-number", Phone = "none" },
  { name = "email", fact = "email-address", Email = "none" },
  { name = "gender", fact = "enum", Gender = "NEITHER" },
}

records.facts = { "new-url", "new-key", "path-lifetime", "which-put", "no-key", "same-key", "some-failed", "second-start" }
do
  local named = {}
  for _, record in ipairs(RECORDS) do
    if not named[record.fact] then table.insert(records.facts, record.fact) end
    named[record.fact] = true
  end
end

local function fields()
  local all = probe.simple_fields()
  for name, field in pairs {
    Middle = probe.field("Middle", "MiddleName"), Last = probe.field("Last", "LastName"),
    Phone = probe.field("Phone", "PhoneNumber", "PHONE_NUMBER"), Email = probe.field("Email", "EmailAddress", "EMAIL_ADDRESS"),
    Gender = probe.field("Gender", "Gender"), Note = probe.field("Note", "AdditionalInformation"),
    Number = probe.field("Number", "BusinessName", "NUMBER"),
  } do
    all[name] = field
  end
  return all
end

local function line_of(record)
  local cells = {}
  for i, column in ipairs(COLUMNS) do cells[i] = record[column] or FILLED[column] or "" end
  for _ = 1, record.cells or 0 do cells[#cells + 1] = "more" end
  for _ = -1, record.cells or 0, -1 do cells[#cells] = nil end
  return table.concat(cells, ",")
end

-- The file of the first job. Each of its two copies has its own MiddleName, by which one knows which counted. The plain record
-- is the first, as it is in the later job.
local function file(self, middle)
  local lines = { table.concat(COLUMNS, ",") }
  local function add(name, record)
    -- Nothing by which the service would take two of them for one person.
    local line = { Account = name and self:key(name) or "", Middle = middle, Phone = ("+1555%07d"):format(#lines),
                   Email = ("%s-%d@example.com"):format(self.prefix, #lines) }
    for k, v in pairs(record) do line[k] = v end
    lines[#lines + 1] = line_of(line)
  end
  add("plain", {})
  for _, record in ipairs(RECORDS) do add(record.name, record) end
  add("twice", { First = "One" })
  add("twice", { First = "Two" })
  add(nil, {})
  return table.concat(lines, "\n") .. "\n"
end

local function judge_paths(self, first, second, asked_at)
  local same_url = first.Url == second.Url
  self:judge("new-url", not same_url, "the same URL twice")
  if same_url then
    self:skip("new-key", "the URL was the same")
  else
    self:judge("new-key", first.ClientToken:reveal() ~= second.ClientToken:reveal(), "the same key twice")
  end
  if not first.ValidUntil then
    self:skip("path-lifetime", "GetUploadJobPath gave no ValidUntil", true)
    return
  end
  local lifetime = first.ValidUntil - asked_at
  self:judge("path-lifetime", math.abs(lifetime - 900) <= 60, ("%.0f seconds"):format(lifetime))
end

function records.prepare(self)
  local job = self:create { name = "records", fields = fields() }
  local asked_at = require("upjob.native.system").time()
  local first = self:path(job)
  local sent, err = self:put(first, file(self, "first"))
  if not sent then error(err, 0) end
  local second = self:path(job)
  judge_paths(self, first, second, asked_at)
  sent, err = self:put(second, file(self, "last"))
  if not sent then error(err, 0) end
  self:start(job)
  self.records = job
  jobs.start_again(self, job)
end

-- ---- after the wait ----

local function failed_records(self)
  local summary = self.records.reply.ResultsSummary or {}
  return summary.FailedRecords or 0
end

-- How many of the records that have a key have no profile.
local function missing(found)
  local count = 0
  for _, record in ipairs(RECORDS) do
    if #found[record.name] == 0 then count = count + 1 end
  end
  return count
end

-- Searches for all keys until those that must be there are, or the time is over: profiles by name.
local function find_all(self)
  local found, last = {}, native.now() + self.settle
  local function look(name)
    found[name] = probe.until_true(math.max(0, last - native.now()), function() return self:find(name) end,
      function(items) return #items > 0 end)
  end
  look "plain"
  if #found.plain == 0 then
    probe.give_up("SearchProfiles has not found the probe's plain record within %g s: its job is %s", self.settle,
      probe.status_text(self.records.reply))
  end
  look "twice"
  for _, record in ipairs(RECORDS) do
    if record.taken then look(record.name) end
  end
  for _, record in ipairs(RECORDS) do
    if not record.taken then found[record.name] = self:find(record.name) end
  end
  -- A profile that is not there although its record has not failed may be on its way.
  while missing(found) > failed_records(self) and native.now() < last do
    for _, record in ipairs(RECORDS) do
      if #found[record.name] == 0 then found[record.name] = self:find(record.name) end
    end
    native.sleep(1)
  end
  return found
end

local function judge_record(self, record, found)
  if record.taken then
    self:judge(record.fact, #found > 0, ("the record \"%s\" failed too"):format(record.name))
    return
  end
  local stored = found[1] and (record.fact == "max-information" and found[1].AdditionalInformation or found[1].FirstName)
  local limited = record.fact == "max-value" or record.fact == "max-information"
  self:judge(record.fact, #found == 0, limited and ("taken, and stored with %d characters"):format(utf8.len(stored or "") or 0)
    or "taken")
end

local function judge_same_key(self, found)
  local names = {}
  for i, profile in ipairs(found) do names[i] = profile.FirstName or "" end
  self:judge("same-key", #found == 1 and names[1] == "Two", #found == 0 and "no profile"
    or ("%d with FirstName %s"):format(#found, table.concat(names, ", ")))
end

-- The counts and the searches together tell of the record that no search can find.
local function judge_counts(self, found)
  local reply, failed, others = self.records.reply, failed_records(self), missing(found)
  self:judge("no-key", failed == others + 1, ("%d records have failed, %d of those with a key"):format(failed, others))
  if failed == 0 then
    self:skip("some-failed", "no record has failed", true)
  else
    self:judge("some-failed", reply.Status == "PARTIALLY_SUCCEEDED",
      ("%s, with FailedRecords %d"):format(probe.status_text(reply), failed))
  end
end

function records.judge(self)
  self:outcome(self.records, "the job of records")
  local found = find_all(self)
  if missing(found) > failed_records(self) then
    probe.give_up("%d records have failed, and %d have no profile within %g s: which have failed is not known",
      failed_records(self), missing(found), self.settle)
  end
  for _, record in ipairs(RECORDS) do judge_record(self, record, found[record.name]) end
  judge_same_key(self, found.twice)
  judge_counts(self, found)
  local middle = found.plain[1].MiddleName
  self:judge("which-put", middle == "last", middle == "first" and "the first" or ("MiddleName %s"):format(middle))
  self.plain = found.plain[1]
end

-- ---- the later job ----

function records.judge_later(self)
  if not self.plain then probe.give_up("no record of an earlier job was found") end
  local header = table.concat(COLUMNS, ",")
  local line = line_of { Account = self:key "plain", First = "Later", Last = "" }
  local job = self:begin({ name = "later", fields = fields() }, header .. "\n" .. line .. "\n")
  self:wait()
  local reply = self:outcome(job, "the later job")
  local function later(profiles)
    for _, profile in ipairs(profiles) do
      if profile.FirstName == "Later" then return profile end
    end
  end
  local found = probe.until_true(self.settle, function() return self:find "plain" end, later)
  local profile = later(found)
  if not profile then
    probe.give_up("SearchProfiles has not shown within %g s what the later job wrote: it is %s", self.settle,
      probe.status_text(reply))
  end
  local same = #found == 1 and profile.ProfileId == self.plain.ProfileId
  self:judge("same-key-later", same, ("%d profiles of the key"):format(#found))
  if not same then
    self:skip("empty-cell", "the later record has made a profile of its own", true)
  else
    self:judge("empty-cell", profile.LastName == FILLED.Last,
      (profile.LastName or "") == "" and "the value was cleared" or "LastName " .. tostring(profile.LastName))
  end
end

return records
