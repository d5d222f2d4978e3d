-- Signals that a script takes itself, and the file that says which process holds it.
local lock = require "upjob.native.lock"
local native = require "upjob.native.task"
local signals = require "upjob.native.signals"
local system = require "upjob.native.system"

-- From outside, once os.execute is over, which ignores some of them meanwhile.
local function send(name)
  assert(os.execute(("(sleep 0.05; kill -%s %d) &"):format(name, system.pid())))
end

describe("signals that are taken", function()
  it("come one after the other, also those that came while nobody waited", function()
    local taken <close> = signals.take("SIGUSR1", "SIGUSR2")
    for _, name in ipairs { "USR1", "USR2" } do
      os.execute("kill -" .. name .. " $PPID")
      native.sleep(0.01) -- it is noticed in this turn
    end
    assert.equals("SIGUSR1", taken:next())
    assert.equals("SIGUSR2", taken:next())
  end)

  it("do not interrupt the program", function()
    local taken <close> = signals.take("SIGTERM", "SIGHUP", "SIGINT")
    for _, name in ipairs { "TERM", "HUP", "INT" } do
      send(name)
      assert.equals("SIG" .. name, taken:next())
    end
  end)

  it("let other tasks go on while one waits, and end its wait when they are given back", function()
    local taken = signals.take("SIGUSR1")
    local got = "nothing yet"
    local waiting = native.spawn(function() got = taken:next() end)
    native.sleep(0.02)
    taken:close()
    waiting:wait()
    assert.is_nil(got)
    assert.is_nil(taken:next())
  end)

  it("are lost to nobody when a wait is cancelled", function()
    local taken <close> = signals.take("SIGUSR1")
    local waiting = native.spawn(function() taken:next() end)
    native.sleep(0.02)
    waiting:cancel()
    native.sleep(0)
    send "USR1"
    assert.equals("SIGUSR1", taken:next())
  end)

  it("are not lost when a wait is cancelled that one has just ended", function()
    local taken <close> = signals.take("SIGUSR1")
    local waiting = native.spawn(function() taken:next() end)
    native.sleep(0.02)
    os.execute("kill -USR1 $PPID")
    native.sleep(0) -- it comes in this turn, after us
    waiting:cancel()
    native.sleep(0)
    assert.equals("SIGUSR1", require("upjob.task").timeout(60, taken.next, taken))
  end)

  it("are heard of after many of another kind that nobody has heard of", function()
    local taken <close> = signals.take("SIGHUP", "SIGTERM")
    local count = 0
    for _ = 1, 40 do
      os.execute("kill -HUP $PPID")
      native.sleep(0.001) -- it is noticed in this turn: two that come at once are one
    end
    os.execute("kill -TERM $PPID")
    while require("upjob.task").timeout(60, taken.next, taken) == "SIGHUP" do count = count + 1 end
    assert.equals(2, count)
  end)

  it("interrupt it again once they are given back", function()
    local code = 'local s = require("upjob.native.signals") local t <close> = s.take("SIGTERM") t:close() '
      .. 'os.execute("kill $PPID") task.sleep(20)'
    local pipe = io.popen(("'%s' run -e '%s' 2>&1; echo $?"):format(os.getenv("UPJOB") or "/proc/self/exe", code))
    local told = pipe:read("a")
    pipe:close()
    assert.matches("terminated\n143\n$", told)
  end)

  it("are known by name", function()
    local ok, message = pcall(signals.take, "SIGKILL")
    assert.is_false(ok)
    assert.matches("SIGHUP SIGINT", message)
  end)
end)

describe("a lock", function()
  local path
  before_each(function() path = os.tmpname() end)
  after_each(function() os.remove(path) end)

  local function content()
    local file = assert(io.open(path))
    local text = file:read("a")
    file:close()
    return text
  end

  it("is one process's, whose number is in it, until it is given back", function()
    local held = assert(lock.take(path))
    assert.equals(system.pid() .. "\n", content())
    local other, pid, err = lock.take(path)
    assert.is_nil(other)
    assert.equals(system.pid(), pid)
    assert.is_nil(err)
    held:close()
    assert.equals("", content())
    lock.take(path):close()
  end)

  it("that a killed process has left to the beginning of a program is had when that has become the program", function()
    local pipe = assert(io.popen(("python3 -c '%s' '%s'"):format([[
import fcntl, os, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), file=file, flush=True)
if os.fork() == 0:
    os.close(1)
    time.sleep(0.5)
]], path)))
    pipe:read("a")
    pipe:close() -- the first of them is gone
    local held, pid = lock.take(path)
    assert.is_truthy(held, pid)
    assert.equals(system.pid() .. "\n", content())
    held:close()
  end)

  it("is not inherited by programs that its process starts", function()
    local held = assert(lock.take(path))
    local pipe = assert(io.popen("sleep 60 >/dev/null 2>&1 & echo $!"))
    local pid = pipe:read("n")
    pipe:close()
    held:close()
    local again = lock.take(path)
    os.execute(("kill %d"):format(pid))
    assert.is_truthy(again)
    again:close()
  end)

  it("that cannot be had is an error that names the file", function()
    local held, pid, err = lock.take("/nowhere/at/all")
    assert.is_nil(held)
    assert.is_nil(pid)
    assert.matches("/nowhere/at/all", tostring(err))
  end)
end)

describe("a signal that is raised in a step of an import", function()
  it("gives the import up, which has not failed", function()
    local errors, run = require "upjob.errors", require "upjob.run"
    local function step() error(errors.new { code = "Interrupted", message = "terminated", status = 143 }, 0) end
    local began = run.begin({ domain = "d", file = "c.csv", files = { "c.csv" }, status = "CREATED" }, { step })
    local result, err = began:wait()
    assert.is_nil(result)
    assert.equals("Cancelled", err.code)
    assert.equals("the import was given up", err.message)
  end)
end)
