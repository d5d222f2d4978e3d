"""Runs of automations as processes of their own: what they return, their limits, and what is told of those that cannot say what
became of them."""
import json, os, shutil, signal, subprocess, tempfile, time
from kit import UPJOB, Service, Skip, eventually, rows, run, stop_between_writes, where_hidden

# Makes a run of the first schedule in a file, and starts it as the daemon does: prints what came of it, and the run.
DRIVER = """
local journal, children, json = require "upjob.journal", require "upjob.children", require "upjob.json"
local options = json.decode(arg[2])
require("upjob.run_log").MOST = options.output or 64000000
local store = assert(journal.open { state = arg[1], lease = options.lease })
local found = assert((options.loaded and require("upjob.loader").load(options.directory) or require("upjob.declaring").load(options.file)))
local definition = found.definitions[1]
assert(store:sync_schedules { dir = options.directory, list = { { id = definition.id, file = options.file, definition = definition } } })
local id = options.run
if not id then
  local made = assert(store:tick { { schedule = definition.id, key = tostring(store:now()), due = store:now(),
                                     run = { kind = "automation", event = { kind = "every", due = 86400 } } } })
  id = made[1].run
end
if options.remove then os.remove(options.file) end
local handle = assert(children.start({ id = id }, definition, options.hook, { store = store, lease = options.lease, grace = options.grace }))
if options.stop then
  repeat task.sleep(0.01) until require("upjob.native.system").stat(options.stop)
  handle:stop("drain")
end
local outcome = handle:wait()
print(json.encode { id = id, state = outcome.state, error = outcome.error, signal = outcome.signal, status = outcome.status,
                    run = store:run { id = id } })
"""

CLAIM = """
local store = assert(require("upjob.journal").open { state = arg[1] })
local run
repeat
  run = store:claim_run { id = tonumber(arg[2]) }
  if not run then task.sleep(0.05) end
until run
print(run.fence)
io.stdout:flush()
io.read()
"""


class Automation:
    """A file of automations in a directory of its own, with a state directory beside it."""

    def __init__(self, text, env=None):
        self.root = tempfile.mkdtemp(prefix="upjob-children-")
        self.directory, self.state = os.path.join(self.root, "automations"), os.path.join(self.root, "state")
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "job.lua")
        with open(self.path, "w") as file:
            file.write(text)
        self.env = {**os.environ, "ROOT": self.root, **(env or {})}

    def begin(self, under=(), **options):
        options = {"file": self.path, "directory": self.directory, **options}
        return subprocess.Popen([*under, UPJOB, "run", "-e", DRIVER, self.state, json.dumps(options)], env=self.env, text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, process):
        out, messages = process.communicate(timeout=100)
        assert process.returncode == 0, messages
        return json.loads(out)

    def run(self, **options):
        return self.end(self.begin(**options))

    def log(self, number=1):
        with open(os.path.join(self.state, "runs", f"{number}.log"), errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        shutil.rmtree(self.root, ignore_errors=True)


def function(body, options=""):
    return f'schedule.every("1h", {{ {options} run = function(event)\n{body}\nend }})\n'


def outcome_of(body, options="", env=None, **how):
    with Automation(function(body, options), env) as automation:
        return automation.run(**how)


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


# -- what is run, and what it returns

def test_what_it_returns():
    """a function gets its event, and its result and output are in the journal"""
    found = outcome_of('print(event.kind, event.due, event.schedule, event.run, event.attempt) return { rows = 3 }')
    assert found["state"] == "succeeded" and found["run"]["exit_status"] == 0, found
    assert found["run"]["result"] == {"rows": 3}, found
    assert found["run"]["output"] == "every\t86400\tjob\t1\t1\n", found


def test_failures_are_returned():
    """nil and an error, false, an exit status, and a job that failed are failures"""
    for body, code, text in (('return nil, "no file came"', "ScriptError", "no file came"), ("return false", "ScriptError", "false"),
                             ("return 3", "ScriptError", "exit status 3"), ("os.exit(4)", "ScriptError", "exit status 4"),
                             ('return { Status = "FAILED", JobId = "j1", StatusReason = "why" }', "JobFailed", "j1 is FAILED: why"),
                             ('task.spawn(function() error("in a task") end)', "ScriptError", "a task of it has failed: job.lua:2: in a task")):
        found = outcome_of(body)
        assert found["state"] == "failed", (body, found)
        assert found["error"]["code"] == code and text in found["error"]["message"], (body, found)
    for body in ("return true", "return 0", "return", "os.exit(0)", 'return { Status = "SUCCEEDED" }'):
        assert outcome_of(body)["state"] == "succeeded", body


def test_an_error_is_told_with_its_place():
    """an error is in the journal with its file and line, and its traceback in the output"""
    found = outcome_of("local function inner(x) return x.y end\ninner()\nreturn 1")
    assert found["state"] == "failed" and "job.lua:2: attempt to index" in found["error"]["message"], found
    assert "stack traceback:" in found["run"]["output"] and "'inner'" in found["run"]["output"], found["run"]["output"]


def test_a_script():
    """a script has its arguments and the event, runs in the directory of the automations, and its result counts"""
    with Automation('schedule.every("1h", { script = "work.lua", args = { "a b", 2 } })\n') as automation:
        with open(os.path.join(automation.directory, "work.lua"), "w") as file:
            file.write("#!/usr/bin/env upjob\nprint(arg[0]:match('[^/]+$'), arg[1], arg[2], #arg, arg.event.run, io.open('job.lua') ~= nil)\n"
                       "return ... == 'a b' and 5\n")
        found = automation.run()
        assert found["run"]["output"].startswith("work.lua\ta b\t2\t2\t1\ttrue\n"), found
        assert found["state"] == "failed" and found["run"]["exit_status"] == 5, found


def test_hooks():
    """on_failure is called in a process of its own with the error, and leaves the run as it is"""
    with Automation(function('error({ code = "X" })', 'on_failure = function(event, err) print("heard", event.run, err.message) end,')) \
            as automation:
        first = automation.run()
        assert first["state"] == "failed", first
        hook = automation.run(run=1, hook="failure")
        assert hook["state"] == "succeeded" and hook["run"]["state"] == "failed", hook
        assert "heard\t1\t" in automation.log(), automation.log()
    with Automation(function("return false", "on_failure = function() local x = nil; x() end,")) as automation:
        automation.run()
        hook = automation.run(run=1, hook="failure")
        assert hook["state"] == "failed" and hook["run"]["error"]["message"] == "it returned false", hook


def test_files_that_are_gone():
    """a file that was removed before its run is a failure that names it; as it was loaded, it is run all the same"""
    with Automation(function("return 1 == 2")) as automation:
        found = automation.run(remove=True)
        assert found["state"] == "failed" and "job.lua" in json.dumps(found["error"]), found
    with Automation(function('return { ran = true }')) as automation:
        found = automation.run(remove=True, loaded=True)
        assert found["run"].get("result") == {"ran": True}, found


def test_a_file_that_is_removed_meanwhile():
    """a file that is removed while its function runs does not matter to it"""
    found = outcome_of('assert(os.remove(os.getenv("ROOT") .. "/automations/job.lua")) return { ran = true }')
    assert found["run"].get("result") == {"ran": True}, found


# -- limits

def test_a_loop():
    """a script that loops is ended when its time is up"""
    found = outcome_of("while true do end", "timeout = 1,")
    assert found["state"] == "failed" and found["error"]["code"] == "TimeoutError", found
    assert found["error"]["message"] == "it did not end within 1.0 s", found


def test_a_loop_that_does_not_listen():
    """a script that catches what interrupts it is killed, and a grandchild that ignores SIGTERM too"""
    with Automation(function("""
            os.execute("(trap '' TERM; exec sleep 300) & echo $! >$ROOT/pid")
            while true do pcall(function() while true do end end) end""", "timeout = 1,")) as automation:
        found = automation.run(grace=0.5)
        assert found["state"] == "failed" and found["error"]["code"] == "TimeoutError", found
        with open(os.path.join(automation.root, "pid")) as file:
            pid = int(file.read())
        eventually(lambda: not is_running(pid), what="the end of the grandchild")


def test_what_is_left_behind():
    """what a script has started and left behind ends with it"""
    with Automation(function("""os.execute("(trap '' TERM; exec sleep 300) >/dev/null 2>&1 & echo $! >$ROOT/pid")""")) as automation:
        assert automation.run()["state"] == "succeeded"
        with open(os.path.join(automation.root, "pid")) as file:
            pid = int(file.read())
        eventually(lambda: not is_running(pid), what="the end of the grandchild")


# Starts a program that has left the run's process group and whose parent is gone, and another that it has started.
STRAY = """
  local root = os.getenv("ROOT")
  os.execute("setsid sh -c 'echo $$ >>" .. root .. "/pid; sleep 300 & echo $! >>" .. root .. "/pid; exec sleep 300' >/dev/null 2>&1 &")
  repeat task.sleep(0.01) local f = io.open(root .. "/pid") until f and select(2, f:read("a"):gsub("\\n", "")) == 2
"""


def pids_of(automation):
    with open(os.path.join(automation.root, "pid")) as file:
        return [int(line) for line in file]


def test_what_has_left_the_group():
    """what has left the run's process group ends with the run, however that ends: also at a timeout and a kill, and in a hook"""
    for body, options, state in (("return true", "", "succeeded"), ('error("no luck")', "", "failed"),
                                 ("while true do pcall(function() while true do end end) end", "timeout = 1,", "failed"),
                                 ('os.execute("kill -KILL $PPID") while true do end', "", "failed")):
        with Automation(function(STRAY + body, options)) as automation:
            found = automation.run(grace=0.5)
            assert found["state"] == state, (body, found)
            assert not any(is_running(pid) for pid in pids_of(automation)), body
    with Automation(function("return false", f"on_failure = function() {STRAY} end,")) as automation:
        automation.run()
        assert automation.run(run=1, hook="failure")["state"] == "succeeded"
        assert not any(is_running(pid) for pid in pids_of(automation))


def test_what_cannot_be_seen():
    """another upjob that has left the run's process group ends with the run, also where /proc does not show it"""
    before = where_hidden()
    other = """local f = io.open(os.getenv("ROOT") .. "/pid", "w") f:write(require("upjob.native.system").pid(), "\\n") f:close()
      task.sleep(300)"""
    body = f"""os.execute([[setsid "$UPJOB" run -e '{other}' >/dev/null 2>&1 &]])
      local root = os.getenv("ROOT")
      repeat task.sleep(0.01) local f = io.open(root .. "/pid") until f and f:read("l")
    """
    for end, options, state in (("return true", "", "succeeded"), ("while true do pcall(function() while true do end end) end", "timeout = 1,", "failed")):
        with Automation(function(body + end, options), {"UPJOB": UPJOB}) as automation:
            found = automation.end(automation.begin(before, grace=0.5))
            assert found["state"] == state, found
            assert not any(is_running(pid) for pid in pids_of(automation)), end


def test_what_is_not_the_runs():
    """a run's end leaves alone what another run has started, and what has the same parent"""
    body = STRAY + 'repeat task.sleep(0.01) until require("upjob.native.system").stat(os.getenv("ROOT") .. "/go")'
    with Automation(function(body)) as goes_on, Automation(function(STRAY)) as ends:
        first = goes_on.begin()
        eventually(lambda: os.path.exists(os.path.join(goes_on.root, "pid")) and len(pids_of(goes_on)) == 2, 30, "its programs")
        assert ends.run()["state"] == "succeeded"
        assert not any(is_running(pid) for pid in pids_of(ends))
        assert all(is_running(pid) for pid in pids_of(goes_on))
        open(os.path.join(goes_on.root, "go"), "w").close()
        assert goes_on.end(first)["state"] == "succeeded"
        assert not any(is_running(pid) for pid in pids_of(goes_on))


def test_no_zombies():
    """programs whose parents are gone and that end while the run goes on are no zombies, and the statuses that a script waits for
    come to it"""
    found = outcome_of("""
      for _ = 1, 20 do os.execute("(sh -c 'exit 3' &)") end
      local kept = io.popen("exit 4")
      os.execute("sleep 0.2")
      local _, _, status = os.execute("exit 5")
      local _, _, of_pipe = kept:close()
      local own = require("upjob.native.system").pid()
      local keeper = io.open("/proc/self/stat"):read("a"):match("%) %a (%d+)")
      local function zombies()
        local count = 0
        for line in io.popen("ps -A -o ppid=,stat="):lines() do
          local parent, state = line:match("(%d+) (%a)")
          if (parent == keeper or tonumber(parent) == own) and state == "Z" then count = count + 1 end
        end
        return count
      end
      repeat task.sleep(0.01) until zombies() == 0
      return { status = status, of_pipe = of_pipe }""", "timeout = 60,")
    assert found["state"] == "succeeded" and found["run"]["result"] == {"status": 5, "of_pipe": 4}, found


def test_a_keeper_that_is_killed():
    """a run whose keeper is killed is ended too, and told as crashed"""
    body = """local keeper = io.open("/proc/self/stat"):read("a"):match("%) %a (%d+)")
      local f = io.open(os.getenv("ROOT") .. "/pid", "w") f:write(require("upjob.native.system").pid(), "\\n") f:close()
      os.execute("kill -KILL " .. keeper)
      while true do pcall(function() while true do end end) end"""
    with Automation(function(body)) as automation:
        found = automation.run()
        assert found["state"] == "failed" and found["run"]["state"] == "failed" and found["error"]["code"] == "Crashed", found
        assert found["signal"] == signal.SIGKILL and not any(is_running(pid) for pid in pids_of(automation)), found


def test_no_keeper():
    """a run that can have no keeper, as there may be no more processes, goes on and says so"""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*nobody, UPJOB, "--version"], capture_output=True).returncode != 0:
        raise Skip("upjob cannot be run as another user here")
    told = subprocess.run([*nobody, "prlimit", "--nproc=0", UPJOB, "run", "-e", 'print("goes on")'], capture_output=True, text=True,
                          env={**os.environ, "UPJOB_KEEPER": "1", "ASAN_OPTIONS": "detect_leaks=0"})
    assert (told.returncode, told.stdout) == (0, "goes on\n"), told
    assert "the run has no keeper (Resource temporarily unavailable)" in told.stderr, told


def test_memory():
    """a script that allocates without end fails with the limit's number, whatever it does about the error"""
    for body in ('t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end',
                 "t = {} while true do local s = { t } t = s end",
                 "t = {} while true do task.sleep(0) for i = 1, 10000 do t[#t + 1] = { i } end end",
                 "t = {} for i = 1, 3 do task.spawn(function() while true do t[#t + 1] = {} end end) end",
                 "t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) task.sleep(0) end"):
        found = outcome_of(body, 'limits = { memory = "64M" }, timeout = 300,')
        assert found["state"] == "failed", (body, found)
        assert found["error"]["code"] == "MemoryLimit" and "67108864" in found["error"]["message"], (body, found)


def test_cpu():
    """a script that uses more CPU time than it may is ended, and told as such"""
    found = outcome_of("while true do pcall(function() while true do end end) end", "limits = { cpu = 1 },")
    assert found["state"] == "failed" and found["error"]["code"] == "CpuLimit", found


def test_open_files():
    """a script that opens files without end fails, and its output is kept"""
    found = outcome_of('local t = {} print("begun") while true do t[#t + 1] = assert(io.open("/dev/null")) end', "limits = { files = 64 },")
    assert found["state"] == "failed" and "Too many open files" in found["error"]["message"], found
    assert found["run"]["output"].startswith("begun\n"), found


def crash(before, **env):
    return outcome_of(before + ' io.stdout:flush() os.execute("kill -SEGV $PPID") while true do end',
                      env={"ASAN_OPTIONS": "handle_segv=0", **env})


def test_a_crash():
    """a script that crashes is told with the signal and what it logged last, and ends as failed"""
    for env in {}, {"UPJOB_LOG_FORMAT": "json"}:
        found = crash('log.warn("about to fall")', **env)
        assert found["state"] == "failed" and found["run"]["state"] == "failed" and found["signal"] == signal.SIGSEGV, found
        assert found["error"]["code"] == "Crashed", found
        assert found["error"]["message"] == "its process was ended by a segmentation fault (signal 11): about to fall", found
        assert found["run"]["exit_status"] == 139 and "about to fall" in found["run"]["output"], found


def test_a_crash_tells_nothing_that_was_printed():
    """what a script printed before it crashed, which may be of customers, is in the run's output and in no error"""
    found = crash('print("Ann Smith")')
    assert found["error"]["message"] == "its process was ended by a segmentation fault (signal 11)", found
    assert found["run"]["output"] == "Ann Smith\n", found


def test_output():
    """a script that prints without end is ended, its log is cut, and the end of it kept"""
    with Automation(function('local line = ("y"):rep(99) while true do pcall(print, line) end')) as automation:
        found = automation.run(output=1000000)
        assert found["state"] == "failed" and found["error"]["code"] == "OutputLimit", found
        assert 60000 < len(found["run"]["output"]) <= 65536, len(found["run"]["output"])
        log = automation.log()
        assert 1000000 <= len(log) < 1000200 and "printed more than it may" in log[-200:], len(log)
        assert os.stat(os.path.join(automation.state, "runs", "1.log")).st_mode & 0o777 == 0o600


def test_no_secret_on_a_command_line():
    """keys pass to a run by its environment, and are on no command line"""
    found = outcome_of('local f = io.open("/proc/self/cmdline") print((f:read("a"):gsub("\\0", " "))) print(os.getenv("AWS_SECRET_ACCESS_KEY"))',
                       env={"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2"})
    words, secret = found["run"]["output"].splitlines()
    assert " child run " in words and "hunter2" not in words and secret == "hunter2", found


def test_it_never_began():
    """a run whose process ends before it has claimed it has used up a try, and is not tried again for ever"""
    with Automation('require("upjob.schedule").every("1h", { run = function() end })') as automation:
        outcome = automation.run(lease=0.05)  # which no child takes
        assert outcome["state"] == "failed" and outcome["run"]["attempt"] == 1, outcome


# -- the end of the daemon, and of a lease

LOOK = """
print(require("upjob.json").encode(assert(assert(require("upjob.journal").open { state = arg[1] }):run { id = tonumber(arg[2]) })))
"""


def test_a_daemon_that_was_killed():
    """a run goes on when its daemon is killed, keeps its lease, writes its own end, and what it has started ends with it"""
    body = STRAY + """local root = os.getenv("ROOT")
      io.open(root .. "/begun", "w"):close()
      repeat task.sleep(0.01) until require("upjob.native.system").stat(root .. "/go")
      return { late = true }"""
    with Automation(function(body)) as automation:
        process = automation.begin(lease=1)
        eventually(lambda: os.path.exists(os.path.join(automation.root, "begun")), what="the beginning")
        process.kill()
        process.communicate()

        def look():
            return json.loads(subprocess.run([UPJOB, "run", "-e", LOOK, automation.state, "1"], capture_output=True, check=True).stdout)
        time.sleep(1.5)  # longer than the lease
        eventually(lambda: look()["state"] == "running", what="its lease")
        open(os.path.join(automation.root, "go"), "w").close()
        eventually(lambda: look()["state"] == "succeeded", what="its end")
        assert look()["result"] == {"late": True}
        eventually(lambda: not any(is_running(pid) for pid in pids_of(automation)), 30, "the end of what it has started")

IMPORT = """
local profiles, job, mapping = require "upjob.profiles", require "upjob.job", require "upjob.mapping"
schedule.every("1h", { run = function(event)
  local root = os.getenv("ROOT")
  local started = assert(job.import { client = profiles.client {}, domain = "acme", file = root .. "/customers.csv",
    mapping = mapping.define { unique_key = "id", mapping.string "Id" : to "Attributes.id" : as "id" } })
  started:on(%s)
  return assert(started:wait())
end })
"""


def with_import(service, text, count=2000):
    automation = Automation(IMPORT % text, {"AWS_ENDPOINT_URL_CUSTOMER_PROFILES": "http://" + service.host,
                                            "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"})
    with open(os.path.join(automation.root, "customers.csv"), "wb") as file:
        file.write(rows(count, fail=0))
    return automation


def jobs(service):
    return service.call("GET", "/domains/acme/upload-jobs")["Items"]


def test_a_drain():
    """SIGTERM leaves an import that was started running: the run is interrupted, and continued it starts no second job"""
    with Service(args=["--domain", "acme"]) as service:
        blocker = service.begin("acme", rows(300_000))
        with with_import(service, '"started", function() io.open(os.getenv("ROOT") .. "/started", "w"):close() end') as automation:
            found = automation.run(stop=os.path.join(automation.root, "started"))
            assert found["state"] == "interrupted", found
            service.stop_job("acme", blocker)
            again = automation.run(run=found["id"])
            assert again["state"] == "succeeded" and again["run"]["attempt"] == 2, again
            assert len(jobs(service)) == 2, jobs(service)


def test_a_drain_that_is_not_heard():
    """a run that does not end when the daemon does is interrupted, with what it has started, and is not told as one that was killed
    for want of memory"""
    body = STRAY + """io.open(root .. "/begun", "w"):close()
      while true do pcall(function() while true do end end) end"""
    with Automation(function(body)) as automation:
        found = automation.run(stop=os.path.join(automation.root, "begun"), grace=0.5)
        assert found["state"] == "interrupted" and found["error"]["code"] == "Interrupted", found
        assert "the daemon ended" in found["error"]["message"] and "memory" not in found["error"]["message"], found
        assert not any(is_running(pid) for pid in pids_of(automation)), found


def test_a_lease_that_was_lost():
    """a run that was stopped for longer than its lease, and is another's by now, does not start its job"""
    wait = """"created", function()
        local root, system = os.getenv("ROOT"), require "upjob.native.system"
        local f = io.open(root .. "/pid", "w") f:write(system.pid()) f:close()
        repeat os.execute("sleep 0.05") until system.stat(root .. "/go")
      end"""
    with Service(args=["--domain", "acme"]) as service, with_import(service, wait) as automation:
        path = os.path.join(automation.root, "pid")
        process = automation.begin(lease=1)
        eventually(lambda: os.path.exists(path) and os.path.getsize(path) > 0, what="the creation of the job")
        with open(path) as file:
            pid = int(file.read())
        stop_between_writes(pid, os.path.join(automation.state, "journal.db"))
        other = subprocess.Popen([UPJOB, "run", "-e", CLAIM, automation.state, "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True)
        try:
            assert other.stdout.readline() == "2\n"
            open(os.path.join(automation.root, "go"), "w").close()
            os.kill(pid, signal.SIGCONT)
            found = automation.end(process)
        finally:
            other.communicate("\n")
        assert [job["Status"] for job in jobs(service)] == ["CREATED"], jobs(service)
        assert automation.log().count("run 1 was taken over by process") == 1, automation.log()
        assert found["status"] != 0 and found["error"]["code"] == "LeaseHeld", found
        assert found["run"]["state"] == "running" and found["run"]["fence"] == 2, found


run(globals())
