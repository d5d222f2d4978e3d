-- What the CSV reader gives: rows, lists, columns, samples.
local csv = require "upjob.csv"
local task = require "upjob.task"

describe("a row", function()
  it("has one metatable for its reader alone, which no script can reach", function()
    local a, b = csv.parse("x,y\n1,2\n"), csv.parse("y,x\n3,4\n")
    local row_a, row_b = a:rows()(), b:rows()()
    assert.equals("1", row_a.x)
    assert.equals("4", row_b.x)
    assert.equals("upjob.csv.row", getmetatable(row_a))
    assert.has_error(function() setmetatable(row_a, {}) end)
  end)

  it("finds the names of many columns, long names, and the first of two that are the same", function()
    local names, cells = {}, {}
    for i = 1, 300 do names[i], cells[i] = ("column %d%s"):format(i, i % 7 == 0 and (" long"):rep(20) or ""), "v" .. i end
    names[301], cells[301] = names[5], "second"
    for row in csv.parse(table.concat(names, ",") .. "\n" .. table.concat(cells, ",") .. "\n"):rows() do
      for i = 1, 300 do assert.equals(cells[i], row[names[i]]) end
      assert.equals("v5", csv.copy(row)[names[5]])
      assert.equals("second", row[301])
      assert.is_nil(row[302])
      assert.is_nil(row[0])
      assert.is_nil(row[-1])
      assert.is_nil(row[math.mininteger])
    end
  end)

  it("says that a name needs a header", function()
    local row = csv.parse("a,b\n", { header = false }):rows()()
    assert.equals("b", row[2])
    assert.has_error(function() return row.a end,
                     'there is no column "a": the file is read without a header, so columns are indexes')
    assert.has_error(function() return row[1.5] end, "a column is a name or an index, not a number")
    assert.has_error(function() return row[{}] end, "a column is a name or an index, not a table")
  end)

  it("gives pairs beyond the header by index", function()
    local seen = {}
    for row in csv.parse("a\n1,2\n"):rows() do
      for name, cell in pairs(row) do seen[#seen + 1] = { name, cell } end
    end
    assert.same({ { "a", "1" }, { 2, "2" } }, seen)
  end)

  it("is refused where it is none", function()
    local reader = csv.parse("a\n1\n")
    for _, other in ipairs { {}, 1, "x", reader, io.stdout } do
      assert.is_false((pcall(csv.copy, other)))
      assert.is_false((pcall(csv.number, other, "a")))
      assert.is_false((pcall(csv.equals, other, "a", "1")))
    end
    assert.is_false((pcall(csv.copy)))
    local row = reader:rows()()
    local next_cell = pairs(row)
    for _, other in ipairs { {}, 1, reader, io.stdout } do assert.is_false((pcall(next_cell, other))) end
    assert.is_false((pcall(next_cell)))
    assert.is_false((pcall(csv.number, row)))
  end)

  it("outlives its reader as a row that is gone", function()
    local row
    do
      local reader <close> = csv.parse("a\n1\n")
      row = reader:rows()()
    end
    collectgarbage()
    for _, use in ipairs { function() return row.a end, function() return row[1] end, function() return #row end,
                           function() return pairs(row) end, function() return tostring(row) end,
                           function() return csv.copy(row) end, function() return csv.number(row, 1) end } do
      local ok, err = pcall(use)
      assert.is_false(ok)
      assert.matches("this row is gone: it is valid until the next one is read %(keep it with csv.copy%(row%)%)", err)
    end
  end)

  it("keeps its reader from being collected", function()
    local row = csv.parse("a,b\n" .. ("x"):rep(100) .. ",2\n"):rows()()
    for _ = 1, 3 do collectgarbage() end
    assert.equals(("x"):rep(100), row.a)
    assert.equals("2", row.b)
  end)

  it("that is checked is gone when columns or a list were read after it", function()
    local text = "a,b\n1,2\n3,4\n5,6\n"
    for _, read_on in ipairs { function(r) return r:columns { "a" } end, function(r) return r:rows { as = "list" } end } do
      local reader = csv.parse(text, { check_rows = true })
      local row = reader:rows()()
      assert.equals("1", row.a)
      read_on(reader)()
      local ok, err = pcall(function() return row.a end)
      assert.is_false(ok)
      assert.is_truthy(err:find("the row of line 2 is gone", 1, true), err)
    end
  end)

  it("that is checked is an object of its own, and says its line when it is used too late", function()
    local reader = csv.parse("a,b\n1,2\n3,4\n5,6\n", { check_rows = true })
    local kept = {}
    for row in reader:rows() do
      kept[#kept + 1] = row
      assert.equals(tostring(2 * #kept - 1), row.a)
      assert.equals(2 * #kept, csv.number(row, "b"))
      if #kept == 2 then
        assert.not_equals(kept[1], kept[2])
        local gone = "the row of line 2 is gone: a row is valid until the next one is read (keep it with csv.copy(row))"
        for _, use in ipairs { function(r) return r.a end, function(r) return #r end, pairs, csv.copy } do
          local ok, err = pcall(use, kept[1])
          assert.is_false(ok)
          assert.is_truthy(err:find(gone, 1, true), err)
        end
      end
    end
    assert.has_error(function() return kept[3].a end,
                     "the row of line 4 is gone: a row is valid until the next one is read (keep it with csv.copy(row))")
  end)
end)

describe("reader:rows as lists", function()
  it("gives a list of the cells of each record, to keep", function()
    local lists = {}
    for list in csv.parse('a,b\n1,"x,""y"\n3\n'):rows { as = "list" } do lists[#lists + 1] = list end
    assert.same({ { "1", 'x,"y' }, { "3" } }, lists)
  end)

  it("refuses what it cannot give", function()
    local reader = csv.parse("a\n1\n")
    assert.has_error(function() reader:rows { as = "lists" } end,
                     'reader:rows: option "as" must be "row" or "list", not "lists"')
    assert.has_error(function() reader:rows { has = "list" } end)
  end)
end)

describe("reader:columns", function()
  local text = 'Email,Name,Phone\na@b.example,"Ann ""A""",1\nc@d.example\n'

  it("gives the cells of the columns as plain values, and an empty string for one that a short row lacks", function()
    local seen = {}
    local reader = csv.parse(text)
    for phone, email, name in reader:columns { "Phone", "Email", 2 } do
      seen[#seen + 1] = { phone, email, name, reader.line }
    end
    assert.same({ { "1", "a@b.example", 'Ann "A"', 2 }, { "", "c@d.example", "", 3 } }, seen)
  end)

  it("gives a column by its index where there is no header", function()
    local seen = {}
    for second in csv.parse("a,b\nc,d\n", { header = false }):columns { 2 } do seen[#seen + 1] = second end
    assert.same({ "b", "d" }, seen)
  end)

  it("refuses lists that cannot be meant", function()
    local function refuses(list, message, options)
      local ok, err = pcall(function() csv.parse(text, options):columns(list) end)
      assert.is_false(ok)
      assert.is_truthy(tostring(err):find(message, 1, true), tostring(err))
    end
    refuses({}, "reader:columns: the list must have from 1 to 200 columns, not 0")
    refuses(nil, "reader:columns: a list of column names or indexes is needed, not nil")
    refuses("Email", "reader:columns: a list of column names or indexes is needed, not string")
    refuses({ "Emial" }, 'there is no column "Emial" (did you mean "Email"?)')
    refuses({ "Email", "Email" }, "reader:columns: column 1 is listed twice, as item 1 and item 2")
    refuses({ "Email", 1 }, "reader:columns: column 1 is listed twice")
    refuses({ 4 }, "reader:columns: there is no column 4: the header has 3")
    refuses({ 0 }, "reader:columns: columns are counted from 1, not 0")
    refuses({ true }, "a column is a name or an index, not a boolean")
    refuses({ "Email" }, "the file is read without a header", { header = false })
  end)

  it("gives as many columns as a function has variables", function()
    local cells, list = {}, {}
    for i = 1, 200 do cells[i], list[i] = "c" .. i, i end
    local seen
    for first in csv.parse(table.concat(cells, ","), { header = false }):columns(list) do seen = first end
    assert.equals("c1", seen)
    local next_cells = csv.parse(table.concat(cells, ","), { header = false }):columns(list)
    assert.same(cells, { next_cells() })
    list[201] = 201
    assert.has_error(function() csv.parse("a"):columns(list) end,
                     "reader:columns: the list must have from 1 to 200 columns, not 201")
  end)

  it("raises bad records, or tells them to on_error", function()
    local next_email = csv.parse('a,b\n1,"2\n3,4\n'):columns { "a" }
    local ok, err = pcall(next_email)
    assert.is_false(ok)
    assert.equals(2, err.line)
    assert.equals("3", next_email())
  end)
end)

describe("reader:sample", function()
  local function numbers(n)
    local lines = { "n,m" }
    for i = 1, n do lines[i + 1] = i .. ',"' .. i * 2 .. '"' end
    return table.concat(lines, "\n") .. "\n"
  end

  it("gives copies in the file's order, their lines, and how many there were", function()
    local rows, lines, total = csv.parse(numbers(1000)):sample(10, { seed = 7 })
    assert.equals(10, #rows)
    assert.equals(1000, total)
    for i, row in ipairs(rows) do
      assert.equals(row[1], row.n)
      assert.equals(tostring(2 * tonumber(row.n)), row.m)
      assert.equals(tonumber(row.n) + 1, lines[i])
      if i > 1 then assert.is_true(lines[i - 1] < lines[i]) end
    end
  end)

  it("is the same for a seed, and another for another", function()
    local function of(seed) return (select(2, csv.parse(numbers(1000)):sample(10, { seed = seed }))) end
    assert.same(of(1), of(1))
    assert.not_same(of(1), of(2))
    assert.not_same(of(nil), of(nil))
  end)

  it("gives all when there are no more, and only what is left", function()
    local reader = csv.parse(numbers(3))
    reader:rows()()
    local rows, lines, total = reader:sample(10)
    assert.same({ { "2", "4", n = "2", m = "4" }, { "3", "6", n = "3", m = "6" } }, rows)
    assert.same({ 3, 4 }, lines)
    assert.equals(2, total)
    assert.same({}, (reader:sample(1)))
  end)

  it("takes every row as often as any other", function()
    local seen = {}
    for seed = 1, 2000 do
      for _, row in ipairs((csv.parse(numbers(10)):sample(3, { seed = seed }))) do
        seen[row.n] = (seen[row.n] or 0) + 1
      end
    end
    for i = 1, 10 do
      local n = seen[tostring(i)]
      assert.is_true(n > 480 and n < 720, i .. " was taken " .. n .. " times of 600 that are due")
    end
  end)

  it("ends at a bad record as a count does, and goes on where on_error is told of it", function()
    local text = 'a\n1\n"x"y\n2\n'
    local rows, err = csv.parse(text, { strict = true }):sample(5)
    assert.is_nil(rows)
    assert.equals(3, err.line)
    local told = {}
    rows = csv.parse(text, { strict = true, on_error = function(e) told[#told + 1] = e.line end }):sample(5)
    assert.same({ 3 }, told)
    assert.same({ { "1", a = "1" }, { "2", a = "2" } }, rows)
    assert.equals("InvalidFile", select(2, csv.parse(""):sample(5)).code)
  end)

  it("refuses a number that is none", function()
    for _, n in ipairs { 0, -1, 1.5, 1000001, "x", {} } do
      local ok, err = pcall(function() csv.parse("a\n"):sample(n) end)
      assert.is_false(ok)
      assert.matches("reader:sample: a whole number of rows from 1 to 1000000 is needed, not ", err)
    end
    assert.has_error(function() csv.parse("a\n"):sample(1, { sead = 1 }) end)
  end)

  it("ends with an error when the reader is closed meanwhile", function()
    local reader = csv.parse("a\n" .. ("x\n"):rep(3000000))
    local t = task.spawn(reader.sample, reader, 10)
    task.sleep(0)
    assert.has_error(function() reader:header() end,
                     "the CSV reader is counting or sampling: wait for that call to return")
    reader:close()
    local rows, err = t:wait()
    assert.is_nil(rows)
    assert.equals("the CSV reader was closed while it was sampling", err.message)
  end)
end)
