-- Which collector runs, seen from a script of its own: the mode is the process's.
local function run(code)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(code)
  file:close()
  local out = assert(io.popen((os.getenv("UPJOB") or "build/upjob") .. " run " .. path .. " 2>&1"))
  local text = out:read("a")
  out:close()
  os.remove(path)
  return text
end

describe("the collector", function()
  it("is generational in a script, which reads rows at least cost", function()
    assert.equals("generational\n", run 'print(collectgarbage("generational"))')
  end)

  it("works in steps once the heap is large, so that it does not hold up the loop", function()
    assert.equals("incremental\n", run [[
      local big = {}
      for i = 1, 60 do big[i] = ("x"):rep(1 << 20) .. i end
      task.sleep(0)
      print(collectgarbage("incremental"))
      assert(#big == 60)]])
  end)
end)
