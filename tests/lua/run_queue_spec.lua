-- The order in which runs that wait are taken.
local run_queue = require "upjob.run_queue"

local function all(queue, now, refuses)
  local list = {}
  local entry = queue:take(now or 0, function(e) return e.schedule ~= refuses end)
  while entry do
    list[#list + 1] = entry.schedule .. entry.n
    entry = queue:take(now or 0, function(e) return e.schedule ~= refuses end)
  end
  return table.concat(list, " ")
end

local function of(text)
  local schedule, n = text:match("^(%a+)(%d+)$")
  return { schedule = schedule, n = n }
end

local function filled(...)
  local queue = run_queue.new()
  for _, text in ipairs { ... } do queue:push(of(text)) end
  return queue
end

describe("runs that wait", function()
  it("are taken in the order of each schedule, and the schedules in turns", function()
    assert.equals("a1 b1 c1 a2 b2 a3 a4", all(filled("a1", "a2", "a3", "a4", "b1", "b2", "c1")))
  end)

  it("hold up nobody when they may not be taken", function()
    local queue = filled("a1", "a2", "b1", "b2")
    assert.equals("b1 b2", all(queue, 0, "a"))
    assert.equals(2, queue.size)
    assert.equals("a1 a2", all(queue))
    assert.equals(0, queue.size)
    assert.same({}, queue.sizes)
  end)

  it("come first when they are put there, and before the others of their schedule when their time comes", function()
    local queue = filled("a1", "b1", "a2")
    queue:push_first(of "c1")
    queue:push_first(of "a9")
    queue:push_later(of "b7", 20)
    queue:push_later(of "b8", 10)
    assert.equals(10, queue:next_time())
    assert.equals("c1 a9 a1 b1 a2", all(queue, 9))
    queue:push(of "b2")
    assert.equals("b8 b2", all(queue, 10))
    assert.equals(20, queue:next_time())
    assert.equals("b7", all(queue, 21))
    assert.is_nil(queue:next_time())
  end)

  it("are counted by schedule, but those that stand apart", function()
    local queue = filled("a1", "a2")
    queue:push_first { schedule = "a", n = 0, apart = true }
    queue:push_later(of "a3", 5)
    assert.equals(4, queue.size)
    assert.same({ a = 3 }, queue.sizes)
  end)

  it("of a schedule that is gone are given back, but those apart", function()
    local queue = filled("a1", "b1", "a2")
    queue:push_first { schedule = "a", n = 0, apart = true }
    queue:push_first(of "a4")
    queue:push_later(of "a5", 5)
    assert.equals(4, #queue:remove("a"))
    assert.same({ b = 1 }, queue.sizes)
    assert.equals("a0 b1", all(queue, 9))
    assert.same({}, queue:remove("a"))
  end)

  it("are all taken once, whatever is added and taken in between", function()
    local queue, seed, given, taken = run_queue.new(), 7, 0, {}
    local function random(n)
      seed = (seed * 1103515245 + 12345) % 0x80000000
      return seed // 65536 % n + 1
    end
    for now = 1, 3000 do
      given = given + 1
      local entry, how = { schedule = "s" .. random(9), n = given }, random(6)
      if how == 1 then queue:push_first(entry)
      elseif how == 2 then queue:push_later(entry, now + random(50))
      else queue:push(entry) end
      if random(3) == 1 then
        local refused = "s" .. random(9)
        local got = queue:take(now, function(e) return e.schedule ~= refused end)
        if got then taken[#taken + 1] = got.n end
      end
    end
    for _ = 1, queue.size do taken[#taken + 1] = queue:take(math.huge, function() return true end).n end
    assert.equals(0, queue.size)
    table.sort(taken)
    for i = 1, given do assert.equals(i, taken[i]) end
  end)
end)
