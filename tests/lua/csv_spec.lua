-- The CSV reader and writer as scripts see them.
local csv = require "upjob.csv"
local task = require "upjob.task"

local function rows_of(text, options)
  local reader = assert(csv.parse(text, options))
  local rows = {}
  for row in reader:rows() do
    local copy = {}
    for i = 1, #row do copy[i] = row[i] end
    rows[#rows + 1] = copy
  end
  return rows
end

local function temporary(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

describe("a reader", function()
  it("gives cells by name and by index, and the line", function()
    local reader <close> = assert(csv.open("tests/data/chinook-customers.csv"))
    assert.equals("CustomerId FirstName", table.concat(reader:header(), " ", 1, 2))
    local seen = 0
    for row in reader:rows() do
      seen = seen + 1
      if seen == 1 then
        assert.equals("luisg@embraer.com.br", row.Email)
        assert.equals("1", row[1])
        assert.equals(13, #row)
        assert.equals(2, reader.line)
        assert.equals("Av. Brigadeiro Faria Lima, 2170", row.Address)
      end
    end
    assert.equals(59, seen)
  end)

  it("counts what is left", function()
    local reader <close> = assert(csv.open("tests/data/legislators-district-offices.csv"))
    assert.equals(1312, reader:count())
  end)

  it("is closed while its count is cancelled, and the error is that of the cancelling", function()
    local path = temporary("a\n" .. ("x\n"):rep(300000))
    local reader
    local t = task.spawn(function()
      local own <close> = assert(csv.open(path))
      reader = own
      return own:count()
    end)
    task.sleep(0)
    t:cancel()
    local _, err = t:wait()
    assert.equals("Cancelled", type(err) == "table" and err.code or err)
    assert.has_error(function() reader:header() end, "the CSV reader is closed")
    os.remove(path)
  end)

  it("that is closed while another task counts ends the count with an error", function()
    local path = temporary("a\n" .. ("x\n"):rep(300000))
    local reader = assert(csv.open(path))
    local t = task.spawn(reader.count, reader)
    task.sleep(0)
    reader:close()
    reader:close()
    local count, err = t:wait()
    assert.is_nil(count)
    assert.equals("Cancelled", err.code)
    assert.matches("closed while it was counting", err.message)
    os.remove(path)
  end)

  it("gives no cells of its last row while it counts", function()
    local reader = assert(csv.parse("a\n1\n" .. ("x\n"):rep(100000)))
    local row = reader:rows()(reader)
    assert.equals("1", row.a)
    local t = task.spawn(reader.count, reader)
    task.sleep(0)
    assert.is_false((pcall(function() return row.a end)))
    assert.equals(100000, t:wait())
  end)

  it("that is closed in on_error stops there", function()
    local reader
    reader = assert(csv.parse('a,b\n1,2\n"x"y,3\n4,5\n', { strict = true, on_error = function() reader:close() end }))
    local seen = {}
    for row in reader:rows() do seen[#seen + 1] = row.a end
    assert.same({ "1" }, seen)
    assert.has_error(function() reader:rows() end, "the CSV reader is closed")
  end)

  it("that is counted in on_error has nothing left", function()
    local reader, left
    reader = assert(csv.parse('a,b\n"x"y,3\n4,5\n6,7\n', { strict = true, on_error = function() left = reader:count() end }))
    for _ in reader:rows() do error("no row is left") end
    assert.equals(2, left)
  end)

  it("counts physical lines, also within quotes", function()
    local reader = csv.parse('a,b\n1,"x\ny"\r\n\n2,z\n')
    local lines = {}
    for _ in reader:rows() do lines[#lines + 1] = reader.line end
    assert.same({ 2, 5 }, lines)
  end)

  it("keeps every byte of a cell", function()
    assert.same({ { " a ", "\tb", "c\0d", "" } }, rows_of("1,2,3,4\n a ,\tb,c\0d,\n"))
  end)

  it("takes a quote inside an unquoted cell for what it is", function()
    assert.same({ { '5" pipe', "x" }, { "1", "2" } }, rows_of('a,b\n5" pipe,x\n1,2\n'))
  end)

  it("refuses that when it is strict", function()
    local reader = csv.parse('a,b\n5" pipe,x\n1,2\n', { strict = true })
    local ok, err = pcall(function() for _ in reader:rows() do end end)
    assert.is_false(ok)
    assert.equals("CsvError", err.code)
    assert.equals(2, err.line)
  end)

  it("raises a record that cannot be read, with its line, and goes on behind it", function()
    local reader = csv.parse('a,b\n1,2\n"abc" ,x\n3,4\n')
    local next_row, state = reader:rows()
    assert.equals("1", next_row(state)[1])
    local ok, err = pcall(next_row, state)
    if ok then
      -- read leniently within its line: that is allowed; it must not have swallowed the next row
      assert.equals("3", next_row(state)[1])
    else
      assert.equals(3, err.line)
      assert.equals("3", next_row(state)[1])
    end
    assert.is_nil(next_row(state))
  end)

  it("tells bad records to on_error and goes on", function()
    local errors, rows = {}, 0
    local reader = csv.parse('a,b\n1,"2\n3,4\n', { on_error = function(err) errors[#errors + 1] = err.line end })
    for _ in reader:rows() do rows = rows + 1 end
    assert.same({ 2 }, errors)
    assert.equals(1, rows)
  end)

  it("reads other delimiters, and files without a header", function()
    assert.same({ { "1,5", "x" } }, rows_of("a;b\n1,5;x\n", { delimiter = ";" }))
    assert.same({ { "a", "b" }, { "1", "2" } }, rows_of("a\tb\n1\t2\n", { delimiter = "\t", header = false }))
  end)

  it("gives pairs in the file's order", function()
    local reader, names = csv.parse("z,a,m\n1,2,3\n"), {}
    for row in reader:rows() do
      for name, value in pairs(row) do names[#names + 1] = name .. value end
    end
    assert.same({ "z1", "a2", "m3" }, names)
  end)

  it("names the nearest column for one that is not there", function()
    local reader = csv.parse("Email,Name\na,b\n")
    for row in reader:rows() do
      assert.has_error(function() return row.Emial end, 'there is no column "Emial" (did you mean "Email"?)')
    end
  end)

  it("gives nil for the cells that a short row lacks", function()
    local reader = csv.parse("a,b,c\n1,2\n")
    for row in reader:rows() do
      assert.is_nil(row.c)
      assert.is_nil(row[3])
      assert.equals(2, #row)
    end
  end)

  it("keeps a row only through csv.copy", function()
    local reader, kept, row_kept = csv.parse("a,b\n1,2\n3,4\n"), nil, nil
    for row in reader:rows() do
      kept = kept or csv.copy(row)
      row_kept = row
    end
    assert.same({ "1", "2", a = "1", b = "2" }, kept)
    assert.has_error(function() return row_kept.a end)
  end)

  it("compares and converts without guessing", function()
    local reader = csv.parse("n,c\n1e3,US\n\"1,5\",us\n007,\n")
    local numbers, equal = {}, {}
    for row in reader:rows() do
      numbers[#numbers + 1] = csv.number(row, "n") or "none"
      equal[#equal + 1] = csv.equals(row, "c", "US")
    end
    assert.same({ 1000.0, "none", 7 }, numbers)
    assert.same({ true, false, false }, equal)
  end)

  it("returns nil, err for what cannot be opened", function()
    for _, path in ipairs { "/nowhere/at/all.csv", "/tmp" } do
      local reader, err = csv.open(path)
      assert.is_nil(reader)
      assert.equals("FileError", err.code)
      assert.matches(path, tostring(err), 1, true)
    end
    local empty = temporary("")
    local reader = assert(csv.open(empty))
    local header, err = reader:header()
    assert.is_nil(header)
    assert.equals("InvalidFile", err.code)
    os.remove(empty)
  end)

  it("raises misuse at the caller's line", function()
    assert.has_error(function() csv.open("x", { delimeter = ";" }) end)
    local ok, message = pcall(function() csv.open("x", { delimeter = ";" }) end)
    assert.is_false(ok)
    assert.matches('csv_spec.lua:%d+: csv.open: unknown option "delimeter" %(did you mean "delimiter"%?%)', message)
  end)

  it("drops a byte-order mark", function()
    assert.same({ { "1" } }, rows_of("\xEF\xBB\xBFid\n1\n"))
    local reader = csv.parse("\xEF\xBB\xBFid\n1\n")
    assert.same({ "id" }, reader:header())
  end)

  it("is closed by its block", function()
    local outer
    do
      local reader <close> = csv.parse("a\n1\n")
      outer = reader
    end
    assert.has_error(function() outer:header() end)
  end)
end)

describe("an option of a reader", function()
  it("max_record is refused above a gibibyte, and below a byte", function()
    for _, max in ipairs { 0, -1, 1.5, (1 << 30) + 1, math.huge } do
      local ok, err = pcall(csv.parse, "a\n", { max_record = max })
      assert.is_false(ok)
      assert.matches('csv.parse: option "max_record" must be a whole number from 1 to 1073741824, not ', err)
    end
    assert.equals(1, assert(csv.parse("a\nb\n", { max_record = 1 << 30 })):count())
  end)

  it("max_record ends a quote that is never closed", function()
    local told
    local reader = csv.parse('a\n"' .. ("x\n"):rep(200) .. '1\n',
                             { max_record = 100, on_error = function(e) told = told or e end })
    assert.is_true(reader:rows()() ~= nil)
    assert.equals(2, told.line)
  end)

  it("trim drops spaces and tabs around cells, quoted ones too, which are kept otherwise", function()
    local text = 'a,b,c\n x ,\t"y ""z"" ",\tn\to\t\n'
    assert.same({ { "x", 'y "z" ', "n\to" } }, rows_of(text, { trim = true }))
    assert.equals(" x ", csv.parse(text):rows()()[1])
    for c, a in csv.parse(text, { trim = true }):columns { "c", "a" } do assert.same({ "n\to", "x" }, { c, a }) end
    assert.has_error(function() csv.parse("a\n", { trim = "yes" }) end)
  end)

  it("on_error may be anything that can be called", function()
    local told = 0
    local handler = setmetatable({}, { __call = function() told = told + 1 end })
    for _ in csv.parse('a\n1,"2\n', { on_error = handler }):rows() do error("no row is whole") end
    assert.equals(1, told)
  end)
end)

-- What a program wrote, given to a named pipe bit by bit: each turn when the reader has taken what was there.
describe("a reader of a pipe", function()
  local function pipe(run)
    local path = os.tmpname()
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    local ok, err = pcall(run, path)
    os.remove(path)
    assert(ok, err)
  end

  it("does not hold up other tasks before anyone writes to it, nor within a record", function()
    pipe(function(path)
      local reader <close> = assert(csv.open(path))
      local names = {}
      local reading = task.spawn(function()
        assert.equals("id name", table.concat(reader:header(), " "))
        for row in reader:rows() do names[#names + 1] = row.name end
        return true
      end)
      task.sleep(0.01) -- it waits for somebody to write
      local writer = assert(io.open(path, "w"))
      writer:setvbuf("no")
      for piece, seen in ("\xEF\xBB\xBFid,na|0;me\n1,a|0;nn\n2,\"b|1;o\nb\"\n\n3|2;,eve\n|3;4,dan|3;"):gmatch("([^|]*)|(%d);") do
        writer:write(piece)
        for _ = 1, 1000 do
          if #names == tonumber(seen) then break end
          task.sleep(0.01)
        end
        assert.equals(tonumber(seen), #names)
      end
      writer:close()
      assert(reading:wait())
      assert.equals("ann|bo\nb|eve|dan", table.concat(names, "|"))
    end)
  end)

  it("counts what comes", function()
    pipe(function(path)
      local reader <close> = assert(csv.open(path))
      local counting = task.spawn(function() return reader:count() end)
      task.sleep(0.01)
      local writer = assert(io.open(path, "w"))
      writer:write("a\n1\n2\n3")
      writer:flush()
      task.sleep(0.01)
      writer:write("\n4\n")
      writer:close()
      assert.equals(4, counting:wait())
    end)
  end)

  it("is closed while it waits", function()
    pipe(function(path)
      for name, expected in pairs { header = "the CSV reader is closed", count = "was closed while it was counting" } do
        local reader = assert(csv.open(path))
        local waiting = task.spawn(function()
          local ok, err = reader[name](reader)
          return nil, not ok and err
        end)
        task.sleep(0.01)
        reader:close()
        local _, err = waiting:wait()
        assert.is_truthy(tostring(err):find(expected, 1, true), tostring(err))
      end
    end)
  end)

  it("is given up with the task that waits", function()
    pipe(function(path)
      for _, name in ipairs { "header", "count" } do
        local reader <close> = assert(csv.open(path))
        local waiting = task.spawn(function() return reader[name](reader) end)
        task.sleep(0.01)
        waiting:cancel()
        local _, err = waiting:wait()
        assert.equals("Cancelled", type(err) == "table" and err.code or err)
        local again, raised
        repeat -- what a count reads when it is given up is read to its end
          raised = nil
          again = task.spawn(function()
            local ok, what = pcall(reader.header, reader)
            raised = not ok and tostring(what)
          end)
          task.sleep(0)
        until not (raised and raised:find("is counting", 1, true))
        assert.has_error(function() reader:header() end, "another task waits for what the CSV reader reads next")
        again:cancel()
      end
    end)
  end)

  it("reads a compressed file, and one in UTF-16, as what is in them", function()
    local path = os.tmpname()
    local function write(text)
      local file = assert(io.open(path, "wb"))
      file:write(text)
      file:close()
    end
    local function first(options)
      local reader <close> = assert(csv.open(path, options))
      return reader:rows()().Name
    end
    write("Id,Name\n1,Zoë\n")
    assert(os.execute(("gzip -c '%s' > '%s.gz' && mv '%s.gz' '%s'"):format(path, path, path, path)))
    assert.equals("Zoë", (first()))
    write("\xFF\xFE" .. ("Id,Name\r\n1,Zo\xEB\r\n"):gsub(".", "%0\0"))
    assert.equals("Zoë", (first()))
    local bytes = io.open(path, "rb"):read("a")
    local given = csv.open(function()
      local piece = bytes:sub(1, 7)
      bytes = bytes:sub(8)
      return piece ~= "" and piece or nil
    end)
    assert.equals("Zoë", given:rows()().Name)
    write("Id,Name\n1,Zo\xEB\n")
    assert.equals("Zo\xEB", (first()))
    assert.equals("Zoë", (first { encoding = "windows-1252" }))
    local reader, err = csv.open(path, { encoding = "windows-1253x" })
    assert.is_nil(reader)
    assert.equals("UsageError", err.code)
    assert.matches("windows-1253x", tostring(err), 1, true)
    os.remove(path)
  end)

  it("says which separator a header of one cell seems to have", function()
    for separator, said in pairs { [";"] = ";", ["|"] = "|", ["\t"] = "\\t" } do
      local reader = csv.parse(("Id%sName\n1%sx\n"):format(separator, separator))
      local row = reader:rows()()
      local ok, message = pcall(function() return row.Name end)
      assert.is_false(ok)
      assert.matches(('delimiter = "%s"'):format(said), message, 1, true)
    end
  end)

  it("refuses a device", function()
    local reader, err = csv.open("/dev/zero")
    assert.is_nil(reader)
    assert.equals("/dev/zero: is a device, not a CSV file: give a file or a pipe", tostring(err))
  end)
end)

describe("a count", function()
  it("ends at a record that cannot be read, also with on_error, and goes on behind it", function()
    local told = 0
    local text = 'a,b\n1,2\n3,x"y"z\n"q"q,2\n5,6\n7,8\n'
    local reader = csv.parse(text, { strict = true, on_error = function() told = told + 1 end })
    for line = 3, 4 do
      local count, err = reader:count()
      assert.is_nil(count)
      assert.equals(line, err.line)
    end
    assert.equals(2, reader:count())
    assert.equals(0, told)
  end)
end)

describe("a writer", function()
  it("writes what a reader reads back", function()
    local path = os.tmpname()
    local writer = assert(csv.writer(path))
    local cells = { 'a"b', "c,d", "e\nf", "", " g ", 12, 1.5 }
    assert(writer:write(cells))
    assert(writer:write { "" })
    assert(writer:close())
    local reader = assert(csv.open(path, { header = false }))
    local rows = {}
    for row in reader:rows() do rows[#rows + 1] = csv.copy(row) end
    assert.same({ { 'a"b', "c,d", "e\nf", "", " g ", "12", "1.5" }, { "" } }, rows)
    os.remove(path)
  end)

  it("writes rows of a reader as they are", function()
    local path = os.tmpname()
    local reader, writer = csv.parse('a,b\n"x,y",z\n'), csv.writer(path)
    for row in reader:rows() do assert(writer:write(row)) end
    writer:close()
    assert.equals('"x,y",z\n', io.open(path):read("a"))
    os.remove(path)
  end)

  it("does not write outside of its memory for a list that says a length that cannot be", function()
    local writer = assert(csv.writer("/dev/null"))
    for _, length in ipairs { -1, math.mininteger, math.maxinteger, (1 << 60) - 1, 1 << 60, (1 << 24) + 1 } do
      local list = setmetatable({}, { __len = function() return length end, __index = function() return "x" end })
      local ok, err = pcall(writer.write, writer, list)
      assert.is_false(ok)
      assert.is_truthy(err:find(("a list has from 0 to 16777216 cells, not %d"):format(length), 1, true), err)
    end
    assert(writer:write(setmetatable({}, { __len = function() return 2 end })))
    assert(writer:close())
  end)

  it("does not crash when the list that it writes closes it", function()
    local writer = assert(csv.writer("/dev/null"))
    local list = setmetatable({}, { __len = function() return 1 end, __index = function() writer:close() return "x" end })
    local ok, err = pcall(writer.write, writer, list)
    assert.is_false(ok)
    assert.is_truthy(err:find("the CSV writer is closed", 1, true), err)
  end)

  it("does not hold everything up for a named pipe that nobody reads", function()
    local path = os.tmpname()
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    local writer, err = csv.writer(path)
    os.remove(path)
    assert.is_nil(writer)
    assert.equals(path .. ": is a named pipe that nobody reads: start its reader first", tostring(err))
  end)

  it("tells a full disk", function()
    local writer = csv.writer("/dev/full")
    writer:write { ("x"):rep(100) }
    local ok, err = writer:close()
    assert.is_nil(ok)
    assert.matches("No space left", tostring(err))
  end)
end)
