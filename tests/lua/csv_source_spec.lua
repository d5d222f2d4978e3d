-- The CSV reader over what a function gives.
local csv = require "upjob.csv"
local task = require "upjob.task"

-- Gives a text in pieces of so many bytes, and waits before each where it is told to.
local function in_pieces(text, size, waits)
  local at = 1
  return function()
    if waits then task.sleep(0) end
    if at > #text then return nil end
    at = at + size
    return text:sub(at - size, at - 1)
  end
end

describe("a reader of what a function gives", function()
  local text = 'id,name\n1,ann\n2,"bo\r\nb"\n\n3,eve\n4,dan'
  local expected = { "1=ann", "2=bo\r\nb", "3=eve", "4=dan" }

  local function names(reader)
    local seen = {}
    for row in reader:rows() do seen[#seen + 1] = row.id .. "=" .. row.name end
    return seen
  end

  it("reads pieces of any size, empty ones too", function()
    for size = 1, #text do
      for _, waits in ipairs { false, true } do
        assert.same(expected, names(assert(csv.open(in_pieces(text, size, waits)))))
      end
    end
    local give, turn = in_pieces(text, 3), 0
    assert.same(expected, names(csv.open(function()
      turn = turn + 1
      if turn % 3 > 0 then return "" end
      return give()
    end)))
  end)

  it("reads with every method, whether the function waits or not, and where nothing can yield", function()
    for _, waits in ipairs { false, true } do
      local function open() return assert(csv.open(in_pieces(text, 2, waits))) end
      local function check()
        assert.same({ "id", "name" }, open():header())
        assert.equals(4, open():count())
        local rows, lines, total = open():sample(9)
        assert.equals("ann", rows[1].name)
        assert.same({ 2, 3, 6, 7 }, lines)
        assert.equals(4, total)
        local seen = {}
        for name, id in open():columns { "name", "id" } do seen[#seen + 1] = id .. "=" .. name end
        assert.same(expected, seen)
        local lists = {}
        for list in open():rows { as = "list" } do lists[#lists + 1] = table.concat(list, "=") end
        assert.same(expected, lists)
        assert.same(expected, names(open()))
      end
      check()
      table.sort({ 1, 2 }, function(a, b) -- called by C: no yield passes
        check()
        return a < b
      end)
    end
  end)

  it("counts long pieces on another thread, also where nothing can yield", function()
    local piece = ("12345678,x\n"):rep(200000)
    local function open()
      local left = 3
      return csv.open(function()
        left = left - 1
        return left >= 0 and piece or nil
      end, { header = false })
    end
    assert.equals(600000, open():count())
    assert.equals(600000, select(3, open():sample(2)))
    table.sort({ 1, 2 }, function(a, b)
      assert.equals(600000, open():count())
      return a < b
    end)
  end)

  it("lets other tasks run while the function waits", function()
    local turns, reading = 0, true
    local other = task.spawn(function()
      while reading do
        turns = turns + 1
        task.sleep(0)
      end
    end)
    assert.same(expected, names(csv.open(in_pieces(text, 4, true))))
    reading = false
    other:wait()
    assert.is_true(turns > 5)
  end)

  it("is not used by another task, nor by the function, meanwhile", function()
    local reader
    reader = csv.open(function()
      assert.has_error(function() reader:header() end,
                       "the CSV reader waits for the function that gives its text: it cannot be used meanwhile")
      return nil
    end)
    assert.equals("InvalidFile", select(2, reader:header()).code)
  end)

  it("does not ask again when the text has ended", function()
    local asked = 0
    local reader = csv.open(function()
      asked = asked + 1
      return asked == 1 and "a\n1\n" or nil
    end)
    assert.equals(1, reader:count())
    assert.equals(0, reader:count())
    assert.is_nil(reader:rows()())
    assert.equals(2, asked)
  end)

  it("fails with the error that the function raises or returns, and goes on failing with it", function()
    local object = select(2, csv.open("/nowhere/at/all.csv"))
    local function raises(value) return function() error(value, 0) end end
    for _, case in ipairs {
      { raises(object), object.message }, { function() return nil, object end, object.message },
      { raises("no luck"), "the function that gives the text of the CSV reader failed: no luck" },
      { function() return nil, "no luck" end, "the function that gives the text of the CSV reader failed: no luck" },
      { function() return 5 end, "failed: it gave a number: it gives strings, and nil at the end" },
      { function() return false end, "failed: it gave a boolean: it gives strings, and nil at the end" },
    } do
      for _, method in ipairs { "header", "count", "sample" } do
        local reader = csv.open(case[1])
        for _ = 1, 2 do
          local result, err = reader[method](reader, 1)
          assert.is_nil(result)
          assert.is_truthy(err.message:find(case[2], 1, true), err.message)
          assert.equals("FileError", err.code)
        end
      end
      local given = false
      local reader = csv.open(function()
        if given then return case[1]() end
        given = true
        return "a\n1\n2\n3"
      end)
      local seen = {}
      for _ = 1, 2 do
        local ok, err = pcall(function()
          for row in reader:rows() do seen[#seen + 1] = row.a end
        end)
        assert.is_false(ok)
        assert.is_truthy(err.message:find(case[2], 1, true), err.message)
      end
      assert.same({ "1", "2" }, seen)
      assert.is_false((pcall(function() csv.open(case[1]):columns { "a" } end)))
    end
  end)

  it("is closed by the function, or while the function waits", function()
    for _, method in ipairs { "header", "rows", "count", "sample" } do
      local reader
      reader = csv.open(function()
        reader:close()
        return "a\n1\n"
      end)
      local results = table.pack(pcall(reader[method], reader, method == "sample" and 1 or nil))
      assert.matches("closed", tostring(results[1] and results[3] or results[2]))
    end
    local reader = csv.open(function() task.sleep(60) end)
    local waiting = task.spawn(reader.count, reader)
    task.sleep(0)
    reader:close()
    waiting:cancel()
    assert.equals("Cancelled", select(2, waiting:wait()).code)
  end)

  it("is given up with the task that waits, and read on by another", function()
    local turn, stuck = 0, true
    local reader = csv.open(function()
      if stuck then task.sleep(60) end
      turn = turn + 1
      return ({ "a\n1\n", "2\n", "3\n" })[turn]
    end)
    for _, method in ipairs { "count", "sample", "header" } do
      local waiting = task.spawn(reader[method], reader, 5)
      task.sleep(0)
      waiting:cancel()
      local ok, err = waiting:wait()
      assert.is_nil(ok)
      assert.equals("Cancelled", err.code)
    end
    stuck = false
    assert.equals(3, reader:count())
  end)

  it("takes what can be called, such as a generator or the lines of a file", function()
    local callable = setmetatable({ give = in_pieces(text, 5) }, { __call = function(self) return self.give() end })
    assert.same(expected, names(csv.open(callable)))
    assert.same(expected, names(csv.open(coroutine.wrap(function()
      for piece in in_pieces(text, 5, true) do coroutine.yield(piece) end
    end))))
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    assert.same(expected, names(csv.open(io.lines(path, 7))))
    os.remove(path)
  end)

  it("is read by a generator that yields its rows", function()
    local reader = csv.open(in_pieces(text, 3, true))
    local seen = {}
    for name in coroutine.wrap(function()
      for row in reader:rows() do coroutine.yield(row.id .. "=" .. row.name) end
    end) do
      seen[#seen + 1] = name
    end
    assert.same(expected, seen)
  end)

  it("refuses what is neither a path nor a function", function()
    for _, source in ipairs { {}, true, 5 } do
      local ok, err = pcall(csv.open, source)
      assert.is_false(ok)
      assert.matches("path or function expected", err)
    end
  end)
end)
