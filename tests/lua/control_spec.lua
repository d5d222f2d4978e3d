-- The control socket of a daemon: what callers get, and that none of them holds up the others.
local control = require "upjob.control"
local json = require "upjob.json"
local process = require "upjob.native.process"
local system = require "upjob.native.system"
local task = require "upjob.task"

local state, servers

local function serve(handlers, directory)
  local server, err = control.serve(directory or state, handlers)
  if server then table.insert(servers, server) end
  return server, err
end

-- Runs Python with the path of the socket in `path` and a function that connects: the lines that it prints.
local PRELUDE = [[
import json, os, socket, struct, sys, time
path = sys.argv[1] + "/control.sock"
def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(100)
    s.connect(path)
    return s
came = {}  # with a line that was read, of those after it
def line(s):
    out = came.pop(s, b"")
    while b"\n" not in out:
        more = s.recv(65536)
        if not more:
            break
        out += more
    first, _, came[s] = out.partition(b"\n")
    return first.decode()
def ask(s, command="echo", **more):
    s.sendall((json.dumps(dict(more, command=command)) + "\n").encode())
    return line(s)
]]

local function python(code)
  local lines = {}
  local child = assert(process.spawn { argv = { "python3", "-c", PRELUDE .. code, state },
                                       stdout = function(text) lines[#lines + 1] = text end })
  local ended = child:wait()
  assert.same({ 0 }, { ended.status })
  return lines
end

local function echo(request) return { said = request.text } end

describe("the control socket", function()
  before_each(function()
    state = assert(system.temporary_directory())
    servers = {}
  end)
  after_each(function()
    for _, server in ipairs(servers) do server:close() end
    system.remove_tree(state)
  end)

  it("answers what a handler returns, and its errors", function()
    serve { echo = echo, nothing = function() end, list = function() return json.array {} end,
            refuse = function() return nil, require("upjob.errors").new { code = "NotFound", message = "no x\xFF" } end,
            slow = function() task.sleep(0.05) return 7 end }
    assert.same({ said = "hé\n" }, control.ask(state, { command = "echo", text = "hé\n" }))
    local result, err = control.ask(state, { command = "refuse" })
    assert.same({ nil, "NotFound", "no x\\xFF" }, { result, err.code, err.message })
    assert.is_true(control.ask(state, { command = "nothing" }))
    assert.same({}, control.ask(state, { command = "list" }))
    assert.equals(7, control.ask(state, { command = "slow" }))
  end)

  it("tells of a command that there is not, and of what is no request", function()
    serve { trigger = echo }
    local _, err = control.ask(state, { command = "tigger" })
    assert.matches('there is no command "tigger" (did you mean "trigger"?)', err.message, 1, true)
    local answers = python [[
for text in (b'{', b'7', b'{}', b'', b'null', b'\xff', b'{"command":"\xff"}', b'{"command":"\\u0000"}', b'{"command":{}}',
             b'[' * 10000):
    s = connect()
    s.sendall(text + b"\n")
    print(line(s))]]
    assert.equals(10, #answers)
    for _, answer in ipairs(answers) do assert.equals("UsageError", json.decode(answer).error.code) end
  end)

  it("says that the daemon could not answer when a handler raises, and lives on", function()
    serve { echo = echo, bad = function() error("oops") end, odd = function() return print end }
    for _, command in ipairs { "bad", "odd" } do
      local _, err = control.ask(state, { command = command })
      assert.equals("InternalError", err.code)
      assert.not_matches("oops", err.message)
    end
    assert.same({ said = "x" }, control.ask(state, { command = "echo", text = "x" }))
  end)

  it("is of mode 0600 and removed at the end", function()
    local server = serve { echo = echo }
    local pipe = assert(io.popen(("stat -c '%%a %%F' '%s/control.sock'; ls '%s'"):format(state, state)))
    assert.equals("600 socket\ncontrol.sock\n", pipe:read("a"))
    pipe:close()
    server:close()
    assert.is_nil(system.stat(state .. "/control.sock"))
    local _, err = control.ask(state, { command = "echo" })
    assert.equals("NoDaemon", err.code)
  end)

  it("tells that there is no daemon where the directory is missing, too", function()
    local _, err = control.ask(state .. "/none", { command = "echo" })
    assert.equals("NoDaemon", err.code)
  end)

  it("replaces what a dead daemon has left, and not that of a living one", function()
    python "s = socket.socket(socket.AF_UNIX)\ns.bind(path)\ns.listen()"
    assert.is_not_nil(system.stat(state .. "/control.sock"))
    local first = assert(serve { echo = echo })
    local second, err = serve {}
    assert.is_nil(second)
    assert.equals("ConfigurationError", err.code)
    assert.matches("a daemon listens there already", err.message, 1, true)
    assert.same({ said = "x" }, control.ask(state, { command = "echo", text = "x" }))
    -- The first one does not remove the socket of another one that came after it.
    os.remove(state .. "/control.sock")
    assert(serve { echo = function() return "second" end })
    first:close()
    assert.equals("second", control.ask(state, { command = "echo" }))
  end)

  it("does not take the place of something else", function()
    io.open(state .. "/control.sock", "w"):close()
    local none, err = serve {}
    assert.is_nil(none)
    assert.matches("is no socket", err.message, 1, true)
    assert.is_not_nil(system.stat(state .. "/control.sock"))
  end)

  it("can be in a directory whose path is longer than the address of a socket", function()
    local long = state .. ("/" .. ("d"):rep(60)):rep(3)
    assert(system.make_directory(long))
    assert(serve({ echo = echo }, long))
    assert.same({ said = "x" }, control.ask(long, { command = "echo", text = "x" }))
    local _, err = serve({}, long)
    assert.matches("listens there already", err.message, 1, true)
  end)

  it("answers several requests of one caller in turn, also when they come at once", function()
    local order = {}
    serve { echo = function(request)
      task.sleep(request.pause)
      order[#order + 1] = request.text
      return request.text
    end }
    local lines = python [[
s = connect()
s.sendall(b"".join(json.dumps({"command": "echo", "text": str(i), "pause": (5 - i) / 100}).encode() + b"\n" for i in range(5)))
for i in range(5): print(json.loads(line(s))["result"])
s.sendall(b'{"command":"echo","text":"last","pause":0}')
s.shutdown(socket.SHUT_WR)
print(json.loads(line(s))["result"])]]
    assert.same({ "0", "1", "2", "3", "4", "last" }, lines)
    assert.same(lines, order)
  end)

  it("goes on with others while callers are silent, slow, gone, or take no answer", function()
    local big = ("x"):rep(4000000)
    serve { echo = echo, big = function() return big end, late = function() task.sleep(0.2) return 1 end }
    local lines = python [[
silent = [connect() for i in range(20)]
slow = connect(); slow.sendall(b'{"command":')
full = connect(); full.sendall(b'{"command":"big"}\n')
gone = connect(); gone.sendall(b'{"command":"late"}\n'); gone.close()
other = connect()
for i in range(50): print(json.loads(ask(other, text="x%d" % i))["result"]["said"])
slow.sendall(b'"echo","text":"y"}\n'); print(json.loads(line(slow))["result"]["said"])
print(len(line(full)))
time.sleep(0.4)
print(json.loads(ask(other, text="z"))["result"]["said"])]]
    assert.equals(53, #lines)
    assert.same({ "y", tostring(#big + 23), "z" }, { lines[51], lines[52], lines[53] })
  end)

  it("refuses a line that is too long, in pieces too, and keeps no more of it", function()
    serve { echo = echo }
    local before = collectgarbage("count")
    local lines = python [[
s = connect()
try:
    for i in range(40): s.sendall(b"x" * 65536)
except OSError: pass
print(line(s))
s = connect()
print(len(json.loads(ask(s, text="y" * 1000000))["result"]["said"]))]]
    assert.equals("RequestTooLong", json.decode(lines[1]).error.code)
    assert.equals("1000000", lines[2])
    assert.is_true(collectgarbage("count") - before < 20000)
  end)

  it("takes 64 callers, makes room for another where one has been silent, and else says that it is busy", function()
    local release = false
    serve { echo = echo, hold = function()
      while not release do task.sleep(0.01) end
      return 1
    end }
    local lines = python [[
def comer(text):
    """A caller that has had an answer: it may have to come again, until another has been silent for long, or has gone."""
    until = time.monotonic() + 100
    while True:
        s = connect()
        try:
            answer = json.loads(ask(s, text=text))
            if answer["ok"]: return s, answer["result"]["said"]
        except OSError: pass  # it was refused before it had asked
        assert time.monotonic() < until
        time.sleep(0.1)
silent = [connect() for i in range(64)]
print(comer("a")[1])
for s in silent: s.close()
held = []
for i in range(64):
    s, said = comer("b")
    s.sendall(b'{"command":"hold"}\n')
    held.append(s)
print(said)
time.sleep(0.2)
print(json.loads(line(connect()))["error"]["code"])
held[0].close(); held[1].close()
]]
    release = true
    assert.same({ "a", "b", "Busy" }, lines)
    local answer
    for _ = 1, 600 do
      answer = answer or control.ask(state, { command = "echo", text = "c" })
      if not answer then task.sleep(0.05) end
    end
    assert.same({ said = "c" }, answer)
  end)

  it("does not speak with another user", function()
    local id = io.popen("id -u"):read("n")
    if id ~= 0 then return pending("only root can become somebody else") end
    system.remove_tree(state)
    state = os.tmpname() -- where others may go: not below TMPDIR
    os.remove(state)
    assert(system.make_directory(state, tonumber("711", 8)))
    serve { echo = echo }
    os.execute(("chmod 711 '%s' && chmod 666 '%s/control.sock'"):format(state, state))
    local lines = python [[
os.setgid(65534); os.setuid(65534)
s = connect()
try:
    s.sendall(b'{"command":"echo","text":"x"}\n')
    print(repr(line(s)))
except OSError: print("''")]]
    assert.same({ "''" }, lines)
  end)

  it("does not wait for ever for a daemon that does not answer", function()
    serve { never = function() task.sleep(3600) end }
    local _, err = control.ask(state, { command = "never" }, 0.1)
    assert.equals("TimeoutError", err.code)
  end)

  it("tells that the daemon ended while it was asked", function()
    local server
    server = serve { stop = function() server:close() end }
    local _, err = control.ask(state, { command = "stop" })
    assert.equals("ConnectionError", err.code)
  end)
end)
