-- What a check finds to have changed since the last import, the pass over only these rows, and the sets of keys: held against a
-- model of all that in plain tables.
local checking = require "upjob.checking"
local csv = require "upjob.csv"
local mapping = require "upjob.mapping"
local native = require "upjob.native.changes"

local directory = os.tmpname()
os.remove(directory)
assert(os.execute(("mkdir -m 700 '%s'"):format(directory)))
require("upjob.exit").add(function() os.execute(("rm -rf '%s'"):format(directory)) end)

local function path_of(name) return directory .. "/" .. name end

local function write(name, text)
  local file = assert(io.open(path_of(name), "wb"))
  assert(file:write(text))
  assert(file:close())
  return path_of(name)
end

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("a")
  file:close()
  return text
end

local map = mapping.define {
  unique_key = "Id",
  mapping.string "Id" : to "Attributes.id",
  mapping.string "Name" : to "FirstName" : trim(),
  mapping.email "Mail" : to "EmailAddress",
  mapping.skip "Extra",
  mapping.rows(function(row) return row.Name ~= "unwanted" end),
}
local plain = mapping.define {
  unique_key = "Id",
  mapping.string "Id" : to "Attributes.id",
  mapping.string "Name" : to "FirstName" : trim(),
  mapping.email "Mail" : to "EmailAddress",
  mapping.skip "Extra",
}

local function check(path, options)
  options.file, options.mapping, options.reject = path, options.mapping or map, options.reject ~= false
  if type(options.changes) == "table" then options.changes = assert(native.compare(options.changes)) end
  return checking.run(options)
end

-- The rows that would be sent, as lists of cells.
local function sent_rows(result, path)
  local text = read(result.outgoing_fd and "/proc/self/fd/" .. result.outgoing_fd or path)
  local rows = {}
  for row in assert(csv.parse(text)):rows() do rows[#rows + 1] = { row[1], row[2], row[3], row[4] } end
  checking.close(result)
  return rows
end

-- ---- the model ----

-- What is known of keys before → what is known now, counts and rows to be sent. A key is { rows = text, expires = }.
local function model(before, rows, expires, due_before)
  local now, order, groups = {}, {}, {}
  local counts = { new = 0, changed = 0, due = 0, same = 0, held = 0, gone = 0, sent = 0, rows = 0 }
  for i, row in ipairs(rows) do
    local id, name, mail = row[1], row[2], row[3]
    if id .. name .. mail .. row[4] ~= "" and name ~= "unwanted" and id ~= "" then
      local group = groups[id]
      if not group then
        group = { texts = {}, at = {} }
        groups[id], order[#order + 1] = group, id
      end
      if mail ~= "bad" then
        table.insert(group.texts, ("%q %q"):format(name:match("^%s*(.-)%s*$"), mail))
        table.insert(group.at, i)
      end
    end
  end
  local chosen = {}
  for _, id in ipairs(order) do
    local old, group = before[id], groups[id]
    local text = table.concat(group.texts, "\n")
    local fate = #group.at == 0 and (old and "held" or "none") or not old and "new" or old.rows ~= text and "changed"
      or old.expires < due_before and "due" or "same"
    if counts[fate] then counts[fate] = counts[fate] + 1 end
    if fate == "new" or fate == "changed" or fate == "due" then
      counts.sent = counts.sent + 1
      counts.rows = counts.rows + #group.at
      for _, i in ipairs(group.at) do chosen[#chosen + 1] = i end
      now[id] = { rows = text, expires = expires }
    else
      now[id] = old
    end
  end
  local gone = {}
  for id in pairs(before) do
    if not groups[id] then gone[#gone + 1] = id end
  end
  counts.gone = #gone
  table.sort(gone)
  table.sort(chosen)
  local expected = {}
  for n, i in ipairs(chosen) do
    local row = rows[i]
    expected[n] = { row[1], row[2]:match("^%s*(.-)%s*$"), row[3], row[4] }
  end
  return now, counts, expected, gone
end

-- ---- files by lot ----

local NAMES = { "", "Ann", " Ann", "Bob\nof two lines", "a \"quoted\" one", "with, a comma", "unwanted", "Zoë", "Bob  " }
local MAILS = { "", "a@example.com", "b@example.com", "bad" }

local function pick(list) return list[math.random(#list)] end

local function random_rows(keys)
  local rows = {}
  for i = 1, math.random(0, 2 * keys) do
    local id = math.random(20) == 1 and "" or ("K%d"):format(math.random(keys))
    rows[i] = math.random(30) == 1 and { "", "", "", "" } or { id, pick(NAMES), pick(MAILS), pick { "", "x", "y" } }
  end
  return rows
end

-- The same rows but for a few: what changes, goes, comes, and comes again.
local function altered(rows, keys)
  local other = {}
  for _, row in ipairs(rows) do
    local dice = math.random(12)
    if dice == 1 then
      other[#other + 1] = { row[1], pick(NAMES), pick(MAILS), row[4] }
    elseif dice == 2 then
      other[#other + 1] = { row[1], row[2] .. " ", row[3], "another" }
    elseif dice > 3 then
      other[#other + 1] = row
    end
    if dice == 4 then other[#other + 1] = { ("K%d"):format(math.random(2 * keys)), "Eve", "", "" } end
  end
  return other
end

local function cell(text)
  if text:find("[,\"\r\n]") or math.random(6) == 1 then return "\"" .. text:gsub("\"", "\"\"") .. "\"" end
  return text
end

local function has_rows(rows)
  for _, row in ipairs(rows) do
    if table.concat(row) ~= "" then return true end
  end
  return false
end

local function text_of(rows, line_end, ends)
  local lines = { "Id,Name,Mail,Extra" }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = ("%s,%s,%s,%s"):format(cell(row[1]), cell(row[2]), cell(row[3]), cell(row[4]))
  end
  return table.concat(lines, line_end) .. (ends and line_end or "")
end

local FORMS = {
  ["as it is"] = function(rows, name) return write(name, text_of(rows, "\n", true)) end,
  ["without an end of its last line"] = function(rows, name) return write(name, text_of(rows, "\n", false)) end,
  ["with line ends of CR and LF"] = function(rows, name) return write(name, text_of(rows, "\r\n", true)) end,
  ["with semicolons"] = function(rows, name)
    return write(name, (text_of(rows, "\n", true):gsub("with, a", "with a"):gsub(",", ";"):gsub("with a", "with, a")))
  end,
  gzip = function(rows, name)
    os.remove(path_of(name .. ".gz"))
    assert(os.execute(("gzip '%s'"):format(write(name, text_of(rows, "\n", true)))))
    return path_of(name .. ".gz")
  end,
  ["UTF-16"] = function(rows, name)
    local text = text_of(rows, "\r\n", true)
    return write(name, "\xff\xfe" .. text:gsub(utf8.charpattern, function(c) return ("<I2"):pack(utf8.codepoint(c)) end))
  end,
}
local FORM_NAMES = {}
for form in pairs(FORMS) do FORM_NAMES[#FORM_NAMES + 1] = form end

-- Rows cut into files, one to four of them, of any form.
local function cut(rows)
  local paths, from, count = {}, 1, math.min(math.random(4), #rows)
  for i = 1, count do
    local to = i == count and #rows or math.random(from, #rows - (count - i))
    local piece = table.move(rows, from, to, 1, {})
    if not has_rows(piece) then piece[#piece + 1] = { "", "Nobody", "", "" } end -- a file has rows
    paths[i], from = FORMS[pick(FORM_NAMES)](piece, ("in%d.csv"):format(i)), to + 1
  end
  return paths
end

-- A check of each file; what has changed in all of them.
local function compare(paths, options)
  options.files = #paths
  local comparison <close> = assert(native.compare(options))
  local result
  for _, path in ipairs(paths) do
    assert.is_nil(result and result.changes)
    result = assert(check(path, { changes = comparison }))
    assert.is_nil(result.md5)
  end
  return result.changes
end

local function expect_counts(expected, changes)
  for name, count in pairs(expected) do
    assert.equals(count, changes[name], name)
  end
end

describe("a check of what has changed", function()
  -- Twelve imports in a row; make(rows) gives the files of each.
  local function hold_against_model(make)
    local seed = math.random(1 << 30)
    math.randomseed(seed)
    local before, current, rows = {}, nil, nil
    os.remove(path_of("current"))
    os.remove(path_of("staged"))
    for round = 1, 12 do
      local keys = pick { 1, 5, 60 }
      rows = rows and math.random(6) > 1 and altered(rows, keys) or random_rows(keys)
      if not has_rows(rows) then rows = { { "K1", "Ann", "", "" } } end
      local paths, expires = make(rows), round * 10
      local due_before = pick { 0, (round - 1) * 10 }
      local now, counts, expected, gone = model(before, rows, expires, due_before)
      local staged = path_of("staged")
      local changes = compare(paths, { before = current, staged = staged, due_before = due_before, expires = expires })
      local hint = ("seed %d, round %d, %d files"):format(seed, round, #paths)
      local ok, problem = pcall(expect_counts, counts, changes)
      assert.is_true(ok, ("%s: %s"):format(hint, problem))
      local count, sent = 0, {}
      for i, path in ipairs(paths) do
        local lines = changes.lines[i]
        local chosen = assert(check(path, { select = lines }))
        assert.equals(#lines, chosen.rows, hint)
        assert.equals(0, chosen.bad_rows, hint)
        count = count + #lines
        lines:close()
        for _, row in ipairs(sent_rows(chosen, path)) do sent[#sent + 1] = row end
      end
      assert.equals(counts.rows, count, hint)
      assert.same(expected, sent, hint)
      local kept = 0
      for _ in pairs(now) do kept = kept + 1 end
      assert.equals(kept, assert(native.info(staged)).count)
      if current then
        assert.equals(#gone, assert(native.write_gone { before = current, staged = staged, file = path_of("gone.csv") }))
        local found = {}
        for row in assert(csv.parse(read(path_of("gone.csv")))):rows() do found[#found + 1] = row.Id end
        table.sort(found)
        assert.same(gone, found, hint)
      end
      current = path_of("current")
      assert(native.promote(staged, current))
      before = now
      local again = compare(make(rows), { before = current, due_before = 0 })
      assert.same({ 0, 0, 0, 0, 0 }, { again.new, again.changed, again.due, again.gone, again.rows }, hint)
    end
  end

  for form, make in pairs(FORMS) do
    it("finds what a model finds, and sends these rows, of a file " .. form, function()
      hold_against_model(function(rows) return { make(rows, "in.csv") } end)
    end)
  end

  it("finds the same wherever the rows are cut into files", function() hold_against_model(cut) end)

  it("sends all rows of a key that stands in several files, each from its own", function()
    local one = write("one.csv", "Id,Name,Mail,Extra\n1,a,,\n2,b,,\n1,c,,\n")
    local two = write("two.csv", "Mail,Id,Name\n,1,d\n,3,e\n")
    local first = compare({ one, two }, { staged = path_of("staged") })
    assert.same({ 3, 5, 3, 2 }, { first.new, first.rows, #first.lines[1], #first.lines[2] })
    write("two.csv", "Mail,Id,Name\n,3,e\n,1,other\n")
    local second = compare({ one, two }, { before = path_of("staged") })
    os.remove(path_of("staged"))
    assert.same({ 1, 2, 3 }, { second.changed, second.same, second.rows })
    local sent = assert(check(one, { mapping = plain, select = second.lines[1] }))
    assert.equals("Id,Name,Mail,Extra\n1,a,,\n1,c,,\n", read("/proc/self/fd/" .. sent.outgoing_fd))
    checking.close(sent)
    sent = assert(check(two, { mapping = plain, select = second.lines[2] }))
    assert.equals("Mail,Id,Name\n,1,other\n", read("/proc/self/fd/" .. sent.outgoing_fd))
    checking.close(sent)
  end)

  it("tells rows of one key in each file as a check of that file alone", function()
    local one = write("one.csv", "Id,Name,Mail,Extra\n1,a,,\n2,b,,\n1,c,,\n")
    local two = write("two.csv", "Id,Name,Mail,Extra\n1,a,,\n3,b,,\n1,c,,\n1,d,,\n2,c,,\n")
    local comparison <close> = assert(native.compare { files = 2 })
    for _, path in ipairs { one, two } do
      local alone = assert(check(path, { mapping = plain }))
      local beside = assert(check(path, { mapping = plain, changes = comparison }))
      checking.close(alone)
      assert.equals(1, alone.counts["duplicate key"])
      assert.same(alone.problems, beside.problems)
    end
  end)

  it("takes no file after one that cannot be read, and leaves no set", function()
    local staged = path_of("staged")
    local comparison = assert(native.compare { files = 3, staged = staged })
    assert(check(write("one.csv", "Id,Name,Mail,Extra\n1,a,,\n"), { changes = comparison }))
    assert.is_truthy(read(staged))
    local result, err = check(write("two.csv", "Id,Name,Mail,Extra\n"), { changes = comparison })
    assert.is_nil(result)
    assert.equals("InvalidFile", err.code)
    assert.is_nil(io.open(staged))
    result, err = check(path_of("one.csv"), { changes = comparison })
    assert.is_nil(result)
    assert.equals("UsageError", err.code)
    comparison:close()
    comparison:close()
    assert.has_error(function() check(path_of("one.csv"), { changes = comparison }) end)
    comparison = assert(native.compare { files = 2, staged = staged })
    assert(check(path_of("one.csv"), { changes = comparison }))
    comparison:close()
    assert.is_nil(io.open(staged))
    comparison = assert(native.compare {})
    assert(check(path_of("one.csv"), { changes = comparison })).changes.lines[1]:close()
    result, err = check(path_of("one.csv"), { changes = comparison })
    assert.is_nil(result)
    assert.equals("UsageError", err.code)
  end)

  it("is used by one check at a time", function()
    local task = require "upjob.task"
    local comparison <close> = assert(native.compare { files = 2 })
    local path, pipe = write("one.csv", "Id,Name,Mail,Extra\n1,a,,\n"), path_of("waits")
    assert(os.execute(("mkfifo '%s'"):format(pipe)))
    local first = task.spawn(function() return check(pipe, { changes = comparison }) end)
    task.sleep(0)
    assert.has_error(function() check(path, { changes = comparison }) end)
    assert(os.execute(("cat '%s' >'%s'"):format(path, pipe)))
    checking.close(assert(first:wait()))
    assert.equals(1, assert(check(path, { changes = comparison })).changes.new)
    -- One that is closed meanwhile goes when it is not used any more.
    local other, staged = assert(native.compare { files = 2, staged = path_of("staged") }), path_of("staged")
    first = task.spawn(function() return check(pipe, { changes = other }) end)
    task.sleep(0)
    other:close()
    assert(os.execute(("cat '%s' >'%s'"):format(path, pipe)))
    checking.close(assert(first:wait()))
    assert.is_nil(io.open(staged))
    assert.has_error(function() check(path, { changes = other }) end)
  end)

  it("finds the rows of keys that are due in a file alone, whatever the others have", function()
    local one = write("one.csv", "Id,Name,Mail,Extra\n1,a,,\n2,b,,\n")
    local two = write("two.csv", "Id,Name,Mail,Extra\n2,c,,\n3,d,,\n4,d,,\n")
    local staged, current = path_of("staged"), path_of("due")
    compare({ one, two }, { staged = staged, expires = 10 })
    assert(native.promote(staged, current))
    write("two.csv", "Id,Name,Mail,Extra\n2,other,,\n3,d,,\n4,e,,\n5,f,,\n")
    local changes = compare({ one, two }, { before = current, staged = staged, due_before = 5, expires = 20 })
    assert.same({ 1, 2, 2 }, { changes.new, changes.changed, changes.same })
    assert(native.mark(staged, current, 20))
    for i, path in ipairs { one, two } do
      local alone = compare({ path }, { before = current, due_before = 1, only_due = true })
      assert.equals(#changes.lines[i], #alone.lines[1])
      local text
      for _, lines in ipairs { changes.lines[i], alone.lines[1] } do
        local sent = sent_rows(assert(check(path, { mapping = plain, select = lines })), path)
        assert.same(text or sent, sent)
        text = sent
      end
    end
    os.remove(staged)
  end)

  it("makes no set when none is asked for", function()
    local path = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n2,b,,\n")
    local result = assert(check(path, { mapping = plain, changes = {} }))
    assert.equals(2, result.changes.new)
    result.changes.lines[1]:close()
  end)

  it("leaves a set that is there, and none of its own after an error", function()
    local path, staged = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n"), write("staged", "something")
    local result, err = check(path, { changes = { staged = staged } })
    assert.is_nil(result)
    assert.equals("FileError", err.code)
    assert.equals("something", read(staged))
    os.remove(staged)
    result, err = check(path, { changes = { staged = staged, before = write("before", "upjobkey and no more") } })
    assert.is_nil(result)
    assert.equals("FileError", err.code)
    assert.is_nil(io.open(staged))
    result, err = check(write("in.csv", "Id,Name,Mail,Extra\n"), { changes = { staged = staged } })
    assert.is_nil(result)
    assert.equals("InvalidFile", err.code)
    assert.is_nil(io.open(staged))
  end)

  it("sends the rows that have no key when nothing is to be checked", function()
    local path = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n2\n3,b,bad,\n")
    local first = assert(check(path, { mapping = plain, no_check = true, changes = { staged = path_of("staged") } }))
    assert.equals(3, first.changes.rows)
    assert.equals(2, first.changes.sent)
    local second = assert(check(path, { mapping = plain, no_check = true, changes = { before = path_of("staged") } }))
    os.remove(path_of("staged"))
    assert.equals(2, second.changes.same)
    assert.equals(1, second.changes.rows)
    local chosen = assert(check(path, { mapping = plain, no_check = true, select = second.changes.lines[1] }))
    assert.equals("Id,Name,Mail,Extra\n2\n", read("/proc/self/fd/" .. chosen.outgoing_fd))
    checking.close(chosen)
  end)

  it("is told the rows of a key that stands in several, as any check", function()
    local text = "Id,Name,Mail,Extra\n1,a,,\n2,b,bad,\n1,c,,\n2,d,,\n1,e,,\n"
    local path = write("in.csv", text)
    local result = assert(check(path, { mapping = plain, changes = {} }))
    local any = assert(check(path, { mapping = plain }))
    checking.close(any)
    local function told(found)
      local lines = {}
      for i, problem in ipairs(found.problems) do lines[i] = problem.text end
      return lines
    end
    assert.same(told(any), told(result))
    assert.equals(1, result.counts["duplicate key"])
    local chosen = assert(check(path, { mapping = plain, select = result.changes.lines[1] }))
    checking.close(chosen)
    assert.equals(4, chosen.rows)
    assert.same({}, told(chosen))
  end)

  it("is refused without a key, with rows that are closed, and with what is none", function()
    local path = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n")
    local result, err = checking.run { file = path, changes = assert(native.compare {}) }
    assert.is_nil(result)
    assert.equals("UsageError", err.code)
    local lines = assert(check(path, { changes = {} })).changes.lines[1]
    lines:close()
    lines:close()
    assert.has_error(function() check(path, { select = lines }) end)
    assert.has_error(function() check(path, { select = io.stdout }) end)
    assert.has_error(function() check(path, { changes = io.stdout }) end)
    assert.has_error(function() native.compare { befor = "x" } end)
    assert.has_error(function() native.compare { files = 0 } end)
    assert.has_error(function() check(path, { changes = {}, max_rows = 1 }) end)
    assert.has_error(function() check(path, { changes = {}, split = { salt = "s" } }) end)
  end)

  it("is not of another file than the one whose rows are sent", function()
    local path = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n")
    local lines <close> = assert(check(path, { changes = {} })).changes.lines[1]
    os.rename(path, path_of("other.csv"))
    local result, err = check(write("in.csv", "Id,Name,Mail,Extra\n2,b,,\n"), { select = lines })
    assert.is_nil(result)
    assert.equals("FileError", err.code)
    assert.is_truthy(err.message:find("replaced", 1, true))
  end)

  it("is not of the file in another reading", function()
    local path = write("in.csv", "Id,Name,Mail,Extra\r1,a\0,,\r2,b,,\r")
    local lines <close> = assert(check(path, { mapping = plain, changes = {} })).changes.lines[1]
    local result, err = check(path, { mapping = plain, select = lines, encoding = "UTF-16LE" })
    assert.is_nil(result)
    assert.is_truthy(err.code == "UsageError" or err.code == "InvalidFile", err.code)
  end)

  it("hands an input over that cannot be read again", function()
    local pipe = path_of("pipe")
    assert(os.execute(("mkfifo '%s' && (printf 'Id,Name,Mail,Extra\n1, a,,\n2,b,bad,\n' | gzip >'%s' &)"):format(pipe, pipe)))
    local result = assert(check(pipe, { changes = {} }))
    assert.equals(1, result.changes.new)
    local held = "/proc/self/fd/" .. result.outgoing_fd
    local chosen = assert(check(held, { select = result.changes.lines[1] }))
    assert.same({ { "1", "a", "", "" } }, sent_rows(chosen, held))
    checking.close(result)
  end)

  it("splits the rows that are sent into parts", function()
    local lines = { "Id,Name,Mail,Extra" }
    for i = 1, 400 do lines[#lines + 1] = ("%d,%s,,"):format(i, ("n"):rep(50)) end
    local path = write("in.csv", table.concat(lines, "\n") .. "\n")
    local first = assert(check(path, { mapping = plain, changes = { staged = path_of("staged") } }))
    first.changes.lines[1]:close()
    for i = 2, 401, 4 do lines[i] = lines[i]:gsub("n,,", "m,,") end
    write("in.csv", table.concat(lines, "\n") .. "\n")
    for _, case in ipairs { { path_of("staged"), 100 }, { nil, 400 } } do
      local before, count = case[1], case[2]
      local second = assert(check(path, { mapping = plain, changes = { before = before } }))
      assert.equals(count, second.changes.rows)
      local split = { salt = "s", part_bytes = 2000, slots = 4 }
      local found = assert(check(path, { mapping = plain, select = second.changes.lines[1], split = split })).split
      local rows, ids = 0, {}
      for _, part in ipairs(found.parts) do
        if part.fd then require("upjob.native.check").close_fd(part.fd) end
        local later = assert(check(path, { mapping = plain, select = second.changes.lines[1], split = {
          salt = "s", part_bytes = 2000, slots = 4, parts = { { low = part.low, high = part.high } } } }))
        local written = later.split.parts[1]
        rows = rows + written.rows
        assert.is_true(written.bytes < 2000)
        for row in assert(csv.parse(read("/proc/self/fd/" .. written.fd))):rows() do ids[row.Id] = (ids[row.Id] or 0) + 1 end
        require("upjob.native.check").close_fd(written.fd)
      end
      assert.equals(count, rows)
      for i = 1, 400 do assert.equals((count == 400 or i % 4 == 1) and 1 or nil, ids[tostring(i)]) end
    end
    os.remove(path_of("staged"))
  end)
end)

describe("a set of keys", function()
  it("says what it is, and is 0600", function()
    local staged = path_of("staged")
    os.remove(staged)
    local began = os.time()
    compare({ write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n2,b,,\n") }, { staged = staged })
    local info = assert(native.info(staged))
    assert.equals(2, info.count)
    assert.equals(1, info.generation)
    assert.equals(0, info.base)
    assert.same(info, assert(native.check(staged)))
    assert.is_true(info.written_at >= began and info.written_at <= os.time())
    assert.same({ info.written_at }, info.times)
    local pipe = io.popen(("stat -c %%a '%s'"):format(staged))
    assert.equals("600\n", pipe:read("a"))
    pipe:close()
    os.remove(staged)
  end)

  it("is not promoted by who comes second", function()
    local path, current = write("in.csv", "Id,Name,Mail,Extra\n1,a,,\n"), path_of("mine")
    for _, name in ipairs { "one", "two" } do
      assert(check(path, { changes = { staged = path_of(name) } })).changes.lines[1]:close()
    end
    assert.is_true(native.promote(path_of("one"), current))
    local done, err = native.promote(path_of("two"), current)
    assert.is_nil(done)
    assert.equals("Outdated", err.code)
    assert.is_nil(err.message:find("K1", 1, true))
    done, err = native.promote(path_of("one"), current)
    assert.is_nil(done)
    assert.equals("FileError", err.code)
  end)

  it("that is none is an error", function()
    for _, text in ipairs { "", "upjobkey", ("\0"):rep(4096) } do
      for _, name in ipairs { "info", "check" } do
        local info, err = native[name](write("none", text))
        assert.is_nil(info)
        assert.equals("FileError", err.code)
      end
    end
    local info, err = native.info(path_of("missing"))
    assert.is_nil(info)
    assert.equals("FileError", err.code)
  end)
end)
