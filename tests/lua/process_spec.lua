-- Programs that are run beside the script, in groups of their own.
local process = require "upjob.native.process"
local task = require "upjob.task"

local UPJOB = os.getenv("UPJOB") or "build/upjob"

local function shell(script, options)
  options = options or {}
  options.argv = { "sh", "-c", script }
  return assert(process.spawn(options))
end

-- What it prints, by lines, and its end.
local function lines_of(script, options)
  local lines = {}
  options = options or {}
  options.stdout = function(line) lines[#lines + 1] = line end
  local ended = shell(script, options):wait()
  return lines, ended
end

local function file_of(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

local function content_of(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

describe("a process", function()
  it("tells its lines before its end is told", function()
    local lines, ended = lines_of("for i in 1 2 3; do echo line $i; done; printf last")
    assert.same({ "line 1", "line 2", "line 3", "last" }, lines)
    assert.same({ status = 0 }, ended)
  end)

  it("leaves nothing behind when the function for its lines knows it", function()
    local left = setmetatable({}, { __mode = "k" })
    do
      local child
      local mark = {}
      left[mark] = true
      child = shell("echo line", { stdout = function() return child, mark end })
      child:wait()
    end
    task.sleep(0)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(left))
  end)

  it("that prints many lines loses none", function()
    local lines = lines_of("i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done")
    assert.equals(20000, #lines)
    for i, line in ipairs(lines) do assert.equals(tostring(i - 1), line) end
  end)

  it("has a status, or a signal that ended it", function()
    assert.same({ status = 7 }, shell("exit 7"):wait())
    assert.equals(11, shell("kill -SEGV $$"):wait().signal)
  end)

  it("can be waited for by several tasks, and after its end", function()
    local child = shell("sleep 0.05; exit 3")
    local both = task.all { function() return child:wait().status end, function() return child:wait().status end }
    assert.same({ 3, 3 }, both)
    assert.equals(3, child:wait().status)
    child:kill("KILL")
  end)

  it("lets others run while it is waited for", function()
    local child, ran = shell("sleep 0.2"), false
    task.spawn(function() ran = true end)
    child:wait()
    assert.is_true(ran)
  end)

  it("can go on when who waits for it is cancelled", function()
    local child = shell("read -r line; exit 4", { input = "" })
    local waiter = task.spawn(function() return child:wait() end)
    waiter:cancel()
    assert.equals(4, child:wait().status)
  end)

  it("is ended by a signal, with what it has started", function()
    local child, started
    child = shell("(echo $$; exec sleep 30) & wait", { stdout = function(line)
      started = line
      child:kill("TERM")
    end })
    assert.equals(15, child:wait().signal)
    assert.is_string(started)
  end)

  it("reads the text that it is given", function()
    assert.same({ "two words", "end" }, (lines_of("cat", { input = "two words\nend\n" })))
  end)

  it("has this environment, but for what is changed", function()
    local lines = lines_of("echo $COLOUR ${HOME-none} ${PATH:+path}", { env = { COLOUR = "deep blue", HOME = false } })
    assert.same({ "deep blue none path" }, lines)
  end)

  it("is told of its limits in its environment, beside what is changed there", function()
    local lines = lines_of("echo $UPJOB_LIMITS $COLOUR", { env = { COLOUR = "blue" }, limits = { wall = 60, memory = 1000000 } })
    assert.same({ "wall=60.000,memory=1000000.000 blue" }, lines)
  end)

  it("runs in the directory that it is given", function()
    assert.same({ "/" }, (lines_of("pwd", { directory = "/" })))
  end)

  it("appends its output to a file that is nobody else's to read", function()
    local path = os.tmpname()
    os.remove(path)
    shell("echo one; echo two >&2", { output = path }):wait()
    shell("echo three", { output = path }):wait()
    assert.equals("one\ntwo\nthree\n", content_of(path))
    local mode = lines_of("stat -c %a " .. path)
    os.remove(path)
    assert.same({ "600" }, mode)
  end)

  it("that cannot be started is an error, and so is a file that cannot be written", function()
    local child, err = process.spawn { argv = { "/nonexistent/program" } }
    assert.is_nil(child)
    assert.matches("/nonexistent/program cannot be started", err.message)
    child, err = process.spawn { argv = { "true" }, output = "/nonexistent/file" }
    assert.is_nil(child)
    assert.equals("/nonexistent/file", err.file)
    child, err = process.spawn { argv = { "true" }, directory = "/nonexistent" }
    assert.is_nil(child)
    assert.matches("/nonexistent", err.message)
  end)

  it("is not started by options that mean nothing", function()
    assert.error_matches(function() process.spawn { argv = {} } end, "argv")
    assert.error_matches(function() process.spawn { argv = { "true", 1 } } end, "argv")
    assert.error_matches(function() process.spawn { argv = { "true" }, directroy = "/" } end, "directroy")
  end)
end)

describe("the limits of a process that is this program", function()
  local function run(code, limits)
    local path, lines = file_of(code), {}
    local child = assert(process.spawn { argv = { UPJOB, "run", path }, limits = limits,
                                         stdout = function(line) lines[#lines + 1] = line end })
    local ended = child:wait()
    os.remove(path)
    return table.concat(lines, "\n"), ended
  end

  it("end a script that allocates without end with Lua's own error, which it can catch", function()
    local text = run([[
      local kept = {}
      local ok, err = pcall(function() while true do kept[#kept + 1] = ("x"):rep(1000) .. #kept end end)
      kept = nil
      print(ok, err, ("y"):rep(1000000):len())]], { memory = 32 * 2^20 })
    assert.equals("false\tnot enough memory\t1000000", text)
  end)

  it("refuse one string that is too long, and go on", function()
    assert.equals("false\tnot enough memory", run('print(pcall(string.rep, "x", 1 << 30))', { memory = 32 * 2^20 }))
  end)

  it("let a script collect what it has dropped again and again", function()
    assert.equals("done", run('for i = 1, 200 do local s = ("x"):rep(1 << 20) .. i end print "done"', { memory = 32 * 2^20 }))
  end)

  it("end a script that opens files without end with an error that it can tell", function()
    local text = run([[
      local open, err = {}, nil
      repeat open[#open + 1], err = io.open("/dev/null") until err
      print(err)]], { files = 64 })
    assert.equals("/dev/null: Too many open files", text)
  end)

  it("are not there when none are given, and not told to scripts", function()
    assert.equals("nil", run("print(os.getenv('UPJOB_LIMITS'))", { memory = 32 * 2^20 }))
    assert.equals("64", run('local t = {} for i = 1, 64 do t[i] = ("x"):rep(1 << 20) .. i end print(#t)'))
  end)

  it("end a script that loops when its CPU time is used", function()
    local _, ended = run("while true do end", { cpu = 1 })
    assert.equals(24, ended.signal)
  end)

  it("end a script that hangs when its time is over", function()
    local _, ended = run("os.execute('sleep 30')", { wall = 0.3 })
    assert.equals(9, ended.signal)
  end)
end)
