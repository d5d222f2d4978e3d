-- What is sent in parts: checking.run{ split = … }.
local checking = require "upjob.checking"
local mapping = require "upjob.mapping"

local SALT = "a run key"

local function write(name, text)
  local path = os.tmpname() .. name
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
  return path
end

local function content(fd)
  local file <close> = assert(io.open(("/proc/self/fd/%d"):format(fd), "rb"))
  return file:read("a")
end

local function map_of()
  return mapping.define { unique_key = "id", mapping.string "Id" : to "Attributes.id" : as "id",
                          mapping.email "Mail" : to "EmailAddress" : trim() : lower(), mapping.string "Note" : to "LastName" }
end

-- A file of so many rows, whose keys come again; cells have commas, quotes and line ends.
local function sample(rows, keys)
  local lines, state = { "Id,Mail,Note" }, 12345
  for i = 1, rows do
    state = (state * 1103515245 + 12345) % 2147483648
    local key = state // 7 % keys
    lines[#lines + 1] = ("%d, U%d@example.com ,\"n %d, \"\"x\"\"%s\""):format(key, key, i, i % 10 == 0 and "\nnext" or "")
  end
  return table.concat(lines, "\n") .. "\n"
end

local function run(path, split, more)
  local options = { file = path, mapping = map_of(), reject = true, split = split }
  for name, value in pairs(more or {}) do options[name] = value end
  return checking.run(options)
end

-- Records of a part, without its header.
local function records_of(path)
  local reader <close> = assert(require("upjob.csv").open(path))
  local list = {}
  for row in reader:rows() do list[#list + 1] = row[1] .. "\0" .. (row[2] or "") .. "\0" .. (row[3] or "") end
  return list
end

-- Makes all parts, pass by pass: their texts by where they begin, and how many passes that took.
local function all_parts(path, part_bytes, slots, more)
  local texts, todo, passes, digests = {}, {}, 1, {}
  local found = assert(run(path, { salt = SALT, part_bytes = part_bytes, slots = slots }, more))
  if not found.split then return nil, found end
  local function take(parts)
    local files = 0
    for _, part in ipairs(parts) do
      if part.fd then
        files = files + 1
        texts[part.low], digests[part.low] = content(part.fd), part.md5
        assert.equal(part.bytes, #texts[part.low])
        assert.equal(part.rows, #records_of(("/proc/self/fd/%d"):format(part.fd)))
        assert.is_true(part.bytes < part_bytes)
      else
        todo[#todo + 1] = { low = part.low, high = part.high }
      end
    end
    assert.is_true(files <= slots)
  end
  take(found.split.parts)
  checking.close(found)
  while #todo > 0 do
    table.sort(todo, function(a, b) return a.low < b.low end)
    local now = table.move(todo, 1, math.min(slots, #todo), 1, {})
    todo = table.move(todo, #now + 1, #todo, 1, {})
    passes = passes + 1
    assert.is_true(passes < 1000)
    local again = assert(run(path, { salt = SALT, part_bytes = part_bytes, slots = slots, parts = now }, more))
    take(again.split.parts)
    checking.close(again)
  end
  return texts, passes, digests
end

-- What is sent in the whole, as records by key in their order.
local function by_key(list)
  local keys = {}
  for _, record in ipairs(list) do
    local key = record:match("^[^\0]*")
    keys[key] = (keys[key] or "") .. record .. "\1"
  end
  return keys
end

local function whole(path, more)
  local found = assert(run(path, nil, more))
  local list = records_of(found.outgoing_fd and ("/proc/self/fd/%d"):format(found.outgoing_fd) or path)
  checking.close(found)
  return list
end

local function check_parts(path, part_bytes, slots, more)
  local texts, passes = all_parts(path, part_bytes, slots, more)
  local expected, seen, count = by_key(whole(path, more)), {}, 0
  for _, text in pairs(texts) do
    local part = write(".part", text)
    for key, records in pairs(by_key(records_of(part))) do
      assert.is_nil(seen[key], "a key is in two parts")
      seen[key] = records
    end
    os.remove(part)
    count = count + 1
  end
  assert.same(expected, seen)
  return count, passes
end

describe("what is sent in parts", function()
  local path

  after_each(function() os.remove(path) end)

  it("has the rows of the whole, those of a key in one part and in their order", function()
    path = write(".csv", sample(4000, 1500))
    local count, passes = check_parts(path, 20000, 4)
    assert.is_true(count >= 8)
    assert.is_true(passes > 1)
  end)

  it("is made in one pass where there is a slot for each part", function()
    path = write(".csv", sample(4000, 1500))
    local _, passes = check_parts(path, 40000, 16)
    assert.equal(1, passes)
  end)

  it("is whole of compressed files, and of other character sets", function()
    path = write(".csv", sample(3000, 1000))
    for command in pairs { ["gzip -c"] = true, ["iconv -t UTF-16"] = true } do
      local other = write(".other", "")
      assert(os.execute(("%s %s >%s"):format(command, path, other)))
      assert.is_true(check_parts(other, 20000, 3) > 5)
      os.remove(other)
    end
  end)

  it("is the same parts in another process, and others with another salt", function()
    path = write(".csv", sample(2000, 800))
    local _, _, first = all_parts(path, 10000, 3)
    local _, _, second = all_parts(path, 10000, 5)
    assert.same(first, second)
    local found = assert(run(path, { salt = "another", part_bytes = 10000, slots = 3 }))
    local other = found.split.parts[1]
    assert.are_not.equal(first[other.low], other.md5)
    checking.close(found)
  end)

  it("leaves out what is rejected, in every pass", function()
    local text = sample(2000, 800):gsub("\n(%d)%d*, U", "\n%1, bad U", 20)
    path = write(".csv", text)
    check_parts(path, 10000, 2)
  end)

  it("is one file when it has fewer bytes than a part, whatever the file has", function()
    path = write(".csv", "Id,Mail,Note\n" .. ("1,u@example.com," .. (" "):rep(200) .. "\n"):rep(10))
    local found = assert(run(path, { salt = SALT, part_bytes = 1000000, slots = 2 }))
    assert.is_nil(found.split)
    assert.is_true(found.outgoing_fd ~= nil or found.identity ~= nil)
    checking.close(found)
  end)

  it("is one part, and not as many as the file's size comes to, when the mapping leaves out most of it", function()
    local map = mapping.define { unique_key = "id", mapping.string "Id" : to "Attributes.id" : as "id",
                                 mapping.rows(function(row) return #row.Id < 3 end) }
    local ids = {}
    for i = 1, 9999 do ids[i] = tostring(i) end
    path = write(".csv", "Id\n" .. table.concat(ids, "\n") .. "\n")
    local found = assert(run(path, { salt = SALT, part_bytes = 5000, slots = 16 }, { mapping = map }))
    assert.equal(1, #found.split.parts)
    assert.equal(99, found.split.parts[1].rows)
    checking.close(found)
  end)

  it("has no part without rows, however few keys there are", function()
    local rows = {}
    for i = 1, 2000 do rows[i] = ("%s,u@example.com,n %d"):format(i % 40 == 0 and "kept" .. i // 40 % 5 or "no", i) end
    local map = mapping.define { unique_key = "id", mapping.string "Id" : to "Attributes.id" : as "id",
                                 mapping.rows(function(row) return row.Id ~= "no" end) }
    path = write(".csv", "Id,Mail,Note\n" .. table.concat(rows, "\n") .. "\n")
    for i = 1, 10 do
      local found = assert(run(path, { salt = SALT .. i, part_bytes = 1024, slots = 64 }, { mapping = map }))
      for _, part in ipairs(found.split and found.split.parts or {}) do assert.is_true(part.rows > 0) end
      checking.close(found)
    end
  end)

  it("gives back the room of parts that were begun as soon as one comes out too large", function()
    path = write(".csv", sample(1000, 1000) .. ("7,u@example.com,some note\n"):rep(500))
    local function temporary_files()
      local pipe <close> = assert(io.popen("ls -l /proc/$PPID/fd | grep -c '(deleted)'"))
      return tonumber(pipe:read("a"))
    end
    collectgarbage()
    local before = temporary_files()
    local found = assert(run(path, { salt = SALT, part_bytes = 12000, slots = 8 }))
    for _, part in ipairs(found.split.parts) do assert.is_nil(part.fd) end
    assert.equal(before, temporary_files())
  end)

  it("is in parts when the mapping makes more of it than it was", function()
    local map = mapping.define { unique_key = "id", mapping.string "Id" : to "Attributes.id" : as "id",
                                 mapping.const(("x"):rep(100)) : to "LastName" }
    local lines = { "Id" }
    for i = 1, 1000 do lines[#lines + 1] = ("%d"):format(i) end
    path = write(".csv", table.concat(lines, "\n") .. "\n")
    local found = assert(run(path, { salt = SALT, part_bytes = 20000, slots = 2 }, { mapping = map }))
    local rows = 0
    for _, part in ipairs(found.split.parts) do rows = rows + part.rows end
    assert.equal(1000, rows)
    checking.close(found)
  end)

  it("is refused when the rows of one key alone come to more than a part, with their lines", function()
    path = write(".csv", "Id,Mail,Note\n1,a@b.co,x\n" .. ("7,u@example.com,some note\n"):rep(2000))
    local found, err = run(path, { salt = SALT, part_bytes = 2000, slots = 2 })
    if found then -- the key is told apart from its neighbours by another pass
      for _, part in ipairs(found.split.parts) do
        if not err and part.bytes >= 2000 then
          local again
          again, err = run(path, { salt = SALT, part_bytes = 2000, slots = 1, parts = { { low = part.low, high = part.high } } })
          assert.is_nil(again)
        end
      end
      checking.close(found)
    end
    assert.equal("InvalidFile", err.code)
    assert.matches("2000 rows with one key %(lines 3, 4, 5, 6, 7, …%)", err.message)
  end)

  it("is told apart by finer ranges where a range is too large", function()
    path = write(".csv", sample(3000, 3000))
    local found = assert(run(path, { salt = SALT, part_bytes = 10000, slots = 1,
                                     parts = { { low = ("0"):rep(16), high = ("f"):rep(16) } } }))
    assert.is_true(#found.split.parts > 5)
    local low = ("0"):rep(16)
    for _, part in ipairs(found.split.parts) do
      assert.is_nil(part.fd)
      assert.equal(low, part.low)
      low = part.high ~= ("f"):rep(16) and ("%016x"):format(math.tointeger(tonumber(part.high, 16)) + 1) or nil
    end
    assert.is_nil(low)
  end)

  it("has every row when nothing is checked", function()
    path = write(".csv", sample(2000, 500) .. ",,no key\n1\n")
    local texts = all_parts(path, 10000, 3, { no_check = true })
    local lines = 0
    for _, text in pairs(texts) do lines = lines + select(2, text:gsub("\n", "\n")) - 1 end
    assert.equal(2000 + 200 + 2, lines)
  end)

  it("has a row that cannot be read in the same part whichever parts a pass makes", function()
    local bad = "\"x\"y,not readable,z\n"
    path = write(".csv", (sample(600, 300):gsub("(\n[^\n\"]*\"n %d*0, [^\n]*\nnext\"\n)", "%1" .. bad)))
    local first = assert(run(path, { salt = SALT, part_bytes = 4000, slots = 1 }, { no_check = true }))
    for _, part in ipairs(first.split.parts) do
      local again = assert(run(path, { salt = SALT, part_bytes = 4000, slots = 1,
                                       parts = { { low = part.low, high = part.high } } }, { no_check = true }))
      assert.same({ part.rows, part.bytes }, { again.split.parts[1].rows, again.split.parts[1].bytes })
      checking.close(again)
    end
    checking.close(first)
  end)

  it("is no misuse that goes unnoticed", function()
    path = write(".csv", sample(10, 5))
    local backwards = { low = ("f"):rep(16), high = ("0"):rep(16) }
    for _, split in ipairs { { part_bytes = 2000 }, { salt = SALT, part_bytes = 10 }, { salt = SALT, slots = 0 },
                             { salt = SALT, parts = {} }, { salt = SALT, parts = { { low = "1", high = "2" } } },
                             { salt = SALT, parts = { backwards } }, { salt = SALT, odd = 1 } } do
      assert.has_error(function() run(path, split) end)
    end
  end)

  it("leaves no descriptor open", function()
    path = write(".csv", sample(2000, 800))
    local function open_files()
      local pipe <close> = assert(io.popen("ls /proc/$PPID/fd | wc -l"))
      return tonumber(pipe:read("a"))
    end
    local before = open_files()
    local function split() checking.close(assert(run(path, { salt = SALT, part_bytes = 10000, slots = 4 }))) end
    for _ = 1, 5 do split() end
    for _ = 1, 1000 do -- a check goes with its result
      collectgarbage()
      collectgarbage()
      if open_files() <= before then return end
      require("upjob.task").sleep(0.01)
    end
    error(("%d descriptors are open, %d before"):format(open_files(), before))
  end)
end)
