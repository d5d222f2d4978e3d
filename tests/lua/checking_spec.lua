-- The check of a file under a mapping that is partly written in Lua, and imports of files that have to be mended.
local checking = require "upjob.checking"
local job = require "upjob.job"
local mapping = require "upjob.mapping"
local profiles = require "upjob.profiles"
local task = require "upjob.task"

local made = {}
require("upjob.exit").add(function()
  for _, path in ipairs(made) do
    os.remove(path)
    os.remove(path .. ".rejects.csv")
  end
end)

local function file_of(text)
  local path = os.tmpname()
  made[#made + 1] = path
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

local function define(fields)
  fields.unique_key = fields.unique_key or "Id"
  table.insert(fields, 1, mapping.string "Id" : to "Attributes.id")
  return mapping.define(fields)
end

-- The result, and what would be sent.
local function check(text, map, extra)
  local options = { file = file_of(text), mapping = map, reject = true }
  for name, value in pairs(extra or {}) do options[name] = value end
  local result = assert(checking.run(options))
  local sent
  if result.outgoing_fd then
    local file = assert(io.open("/proc/self/fd/" .. result.outgoing_fd))
    sent = file:read("a")
    file:close()
  end
  checking.close(result)
  return result, sent
end

describe("a function of a mapping", function()
  it("changes the value, and is given the row by column names", function()
    local map = define {
      mapping.name "Name" : to "FirstName" : via(function(value, row) return value:upper() .. row["Home Town"] .. row[1] end) }
    local result, sent = check("Id,Name,Home Town\n1,Ann,\"a \"\"b\"\"\"\n2,Bob,\n", map)
    assert.equals("Id,Name,Home Town\n1,\"ANNa \"\"b\"\"1\",\"a \"\"b\"\"\"\n2,BOB2,\n", sent)
    assert.equals(2, result.changed_rows)
  end)

  it("empties with nil, refuses with a reason, and turns numbers into text", function()
    local map = define { mapping.string "N" : to "Attributes.n" : via(function(value)
      if value == "none" then return nil end
      if value == "bad" then return nil, "is bad, says the script" end
      return tonumber(value) and tonumber(value) * 2 or value
    end) }
    local result, sent = check("Id,N\n1,none\n2,bad\n3,21\n4,same\n", map)
    assert.equals("Id,N\n1,\n3,42\n4,same\n", sent)
    assert.equals(1, result.bad_rows)
    assert.matches('3: column "N" %(2%): "bad" is bad, says the script$', result.problems[1].text)
    assert.equals("refused by a function", result.problems[1].class)
  end)

  it("is called for when and for Lua patterns, and rows() leaves rows out", function()
    local map = define {
      mapping.string "A" : to "Attributes.a" : replace("%s+", " "),
      mapping.string "B" : to "Attributes.b" : when(function(row) return row.A ~= "x" end),
      mapping.rows(function(row) return row.Id ~= "2" end) }
    local result, sent = check("Id,A,B\n1,a   b,c\n2,x,y\n3,x,y\n", map)
    assert.equals("Id,A,B\n1,a b,c\n3,x,\n", sent)
    assert.equals(2, result.rows)
    assert.equals(1, result.unwanted)
    assert.equals(0, result.bad_rows)
  end)

  it("that raises is told with its line in the mapping, and that of the file", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local map = define { mapping.string "A" : to "Attributes.a" : via(function(value) return value .. nil end) }
    local result, err = checking.run { file = file_of("Id,A\n1,x\n"), mapping = map }
    assert.is_nil(result)
    assert.equals("InvalidMapping", err.code)
    assert.matches("checking_spec.lua:" .. line .. ": attempt to concatenate", err.message)
    assert.equals(2, err.line)
    map = define { mapping.string "A" : to "Attributes.a" : via(function() return {} end) }
    result, err = checking.run { file = file_of("Id,A\n1,x\n"), mapping = map }
    assert.is_nil(result)
    assert.matches("checking_spec.lua:%d+: the function returned a table, not a text", err.message)
    map = define { mapping.rows(function(row) return row.Nowhere end) }
    result, err = checking.run { file = file_of("Id,Now\n1,x\n"), mapping = map }
    assert.is_nil(result)
    assert.matches('there is no column "Nowhere"', err.message)
  end)

  it("is not kept from by rows that are gone", function()
    local kept
    local map = define { mapping.string "A" : to "Attributes.a" : via(function(value, row)
      kept = row
      return value
    end) }
    check("Id,A\n1,x\n", map)
    assert.has_error(function() return kept.A end)
  end)

  it("does not hold up other tasks in a large file", function()
    local turns, ended = 0, false
    local ticking = task.spawn(function()
      while not ended do
        task.sleep(0.001)
        turns = turns + 1
      end
    end)
    local map = define { mapping.string "A" : to "Attributes.a" : via(function(value) return value:lower() end) }
    check("Id,A\n" .. ("1,ABC\n"):rep(100000), map)
    ended = true
    ticking:wait()
    assert.is_true(turns > 3)
  end)
end)

describe("a check", function()
  it("has the values of a lookup from a file beside the mapping", function()
    local pairs_path = file_of("key,value\nDE,Germany\nFR,\"France, la\"\n")
    local map = define { mapping.string "C" : to "Address.Country" : lookup(pairs_path) }
    local result, sent = check("Id,C\n1,DE\n2,FR\n3,XX\n", map)
    assert.equals("Id,C\n1,Germany\n2,\"France, la\"\n", sent)
    assert.equals(1, result.counts["not in the lookup"])
    map = define { mapping.string "C" : to "Address.Country" : lookup(pairs_path, { key = "Code" }) }
    local nothing, err = checking.run { file = file_of("Id,C\n1,DE\n"), mapping = map }
    assert.is_nil(nothing)
    assert.equals("InvalidMapping", err.code)
    assert.matches('no column "Code"', tostring(err))
  end)

  it("says of a mapping's step that cannot be where it stands", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local map = define { mapping.string "D" : to "BirthDate" : date { from = "DD/QQ/YYYY" } }
    local result, err = checking.run { file = file_of("Id,D\n1,x\n"), mapping = map }
    assert.is_nil(result)
    assert.equals("InvalidMapping", err.code)
    assert.matches("checking_spec.lua:" .. line .. ":", err.message)
  end)

  it("without a mapping says what the file is", function()
    local result = check("a;b\r\n1;2\r\n3\r\n")
    assert.equals(";", result.facts.delimiter)
    assert.equals("UTF-8", result.facts.encoding)
    assert.same({ crlf = 3, lf = 0, cr = 0 }, result.facts.line_ends)
    assert.equals(2, result.rows)
    assert.equals(1, result.bad_rows)
  end)

  it("opened before goes on where it was, once", function()
    local opened = assert(checking.open { file = file_of("Id,Name\n1,a\n") })
    assert.same({ "Id", "Name" }, opened.header)
    assert.equals(1, opened.line)
    local result = assert(checking.run { opened = opened, mapping = define { mapping.skip "Name" } })
    assert.equals(1, result.rows)
    assert.has_error(function() checking.run { opened = opened, mapping = define { mapping.skip "Name" } } end)
  end)

  it("that sends nothing finds the same and makes no MD5", function()
    local text = "Id,Name\n1,a\n1,b\n2, c\n,d\n"
    local map = define { mapping.name "Name" : to "FirstName" : trim() }
    local sends = assert(checking.run { file = file_of(text), mapping = map, reject = true })
    local looks = assert(checking.run { file = file_of(text), mapping = map, reject = true, digest = false })
    assert.equals(24, #sends.md5)
    assert.is_nil(looks.md5)
    assert.same(sends.counts, looks.counts)
    assert.equals(sends.outgoing_bytes, looks.outgoing_bytes)
    checking.close(sends)
    checking.close(looks)
  end)

  it("that is fatal has what was found before", function()
    local result, err = checking.run { file = file_of("Id;Name\n"), mapping = define { mapping.name "Name" : to "FirstName" } }
    assert.is_nil(result)
    assert.matches("has a header and no rows", tostring(err))
    assert.equals("delimiter", err.problems[1].class)
    assert.equals(";", err.facts.delimiter)
  end)

  it("warns of many fields and a long expiry", function()
    local fields, header, row = {}, "Id", "1"
    for i = 1, 25 do
      fields[i] = mapping.string("c" .. i) : to("Attributes.c" .. i)
      header, row = header .. ",c" .. i, row .. ",x"
    end
    local result = check(header .. "\n" .. row .. "\n", define(fields), { expires = 91 })
    assert.equals(1, result.counts["many fields"])
    assert.equals(1, result.counts["long expiry"])
    assert.equals(2, #result.problems)
  end)
end)

describe("an import of a file that has to be mended", function()
  local client = assert(profiles.client { embedded = true })

  it("sends the columns that the mapping makes, and a composite key finds its profile", function()
    local map = mapping.define { unique_key = "both",
      mapping.string { "Shop", "No" } : to "Attributes.both" : join "/" : as "both",
      mapping.name "Name" : to "FirstName" : trim(),
      mapping.const "spring" : to "Attributes.season" }
    local run = assert(job.import { client = client, domain = "mended", mapping = map,
      file = file_of("Shop;No;Name\nA;1; Ann \nA;2;Bob\nA;1;Anna\n") })
    local result = assert(run:wait())
    assert.equals("SUCCEEDED", result.Status)
    assert.equals(2, result.ResultsSummary.CreatedRecords)
    assert.equals(1, result.ResultsSummary.UpdatedRecords)
    local found = assert(client:search_profiles { DomainName = "mended", KeyName = "both", Values = { "A/1" } })
    assert.equals("Anna", found.Items[1].FirstName)
    assert.equals("spring", found.Items[1].Attributes.season)
  end)

  it("is refused when it is to be strict, and takes the encoding that is told", function()
    local path = file_of("Id,Name\n1,\xC0\xE8\n2,b\n")
    local map = define { mapping.name "Name" : to "LastName" }
    local run = assert(job.import { client = client, domain = "mended2", mapping = map, file = path, strict = true })
    local result, err = run:wait()
    assert.is_nil(result)
    assert.equals("InvalidFile", err.code)
    run = assert(job.import { client = client, domain = "mended2", mapping = map, file = path, encoding = "windows-1251" })
    assert(run:wait())
    local found = assert(client:search_profiles { DomainName = "mended2", KeyName = "id", Values = { "1" } })
    assert.equals("Аи", found.Items[1].LastName)
    run = assert(job.import { client = client, domain = "mended2", mapping = map, file = path, encoding = "windows-1215" })
    result, err = run:wait()
    assert.is_nil(result)
    assert.equals("UsageError", err.code)
  end)

  it("goes on with invalid rows when nothing is to be checked", function()
    local map = define { mapping.email "Mail" : to "EmailAddress" }
    local run = assert(job.import { client = client, domain = "mended3", mapping = map, no_check = true,
      file = file_of("Id,Mail\n1,nobody\n2,b@example.com\n") })
    local result = assert(run:wait())
    assert.equals(0, result.rejected)
    assert.equals(2, result.rows)
  end)

  it("of which no row is wanted sends nothing", function()
    local map = define { mapping.name "Name" : to "FirstName", mapping.rows(function() return false end) }
    local run = assert(job.import { client = client, domain = "mended4", mapping = map, file = file_of("Id,Name\n1,a\n") })
    local result, err = run:wait()
    assert.is_nil(result)
    assert.matches("wants none of 1 rows: nothing was sent", err.message)
  end)
end)
