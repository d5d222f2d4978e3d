"""What a service manager hears (sd_notify(3)) of a script that uses upjob.supervisor as the daemon does."""
import os, select, signal, socket, subprocess, tempfile, time
from kit import UPJOB, run

WATCHDOG = 0.3  # seconds


class Manager:
    """A notify socket, at a path or with an abstract name, and a script that is told of it."""

    def __init__(self, script, name=None, **environment):
        self.directory = tempfile.TemporaryDirectory(prefix="upjob-notify-")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = name or os.path.join(self.directory.name, "notify")
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.script = script
        self.process = self.start({**os.environ, "NOTIFY_SOCKET": path, **environment})

    def start(self, environment):
        return subprocess.Popen([UPJOB, "run", "-e", "local supervisor = require 'upjob.supervisor'\n" + self.script], env=environment,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.kill()
        self.process.communicate()
        self.socket.close()
        self.directory.cleanup()

    def hear(self, seconds=100):
        """The next message; None when there is none in that time."""
        if select.select([self.socket], [], [], seconds)[0]:
            return self.socket.recv(4096).decode()

    def drain(self):
        while self.hear(0):
            pass

    def line(self):
        return self.process.stdout.readline().decode().strip()

    def tell(self):
        """Makes the script's io.read return."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def errors(self):
        return self.process.communicate(timeout=100)[1].decode()


LIFE = """
assert(supervisor.present() and supervisor.ready())
supervisor.status("3 running\\nREADY=1")
supervisor.reloading() supervisor.ready() supervisor.stopping()
"""


def expect_life(manager):
    assert manager.hear() == "READY=1"
    assert manager.hear() == "STATUS=3 running READY=1"
    reloading = manager.hear().split("\n")
    assert reloading[0] == "RELOADING=1" and reloading[1].startswith("MONOTONIC_USEC="), reloading
    assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - int(reloading[1].split("=")[1]) < 60e6
    assert manager.hear() == "READY=1"
    assert manager.hear() == "STOPPING=1"
    assert manager.errors() == "" and manager.process.returncode == 0


def test_path():
    """a life is told at a path, and a line end in a status is no second assignment"""
    with Manager(LIFE) as manager:
        expect_life(manager)


def test_abstract():
    """a life is told to an abstract name"""
    with Manager(LIFE, name=f"@upjob-test-{os.getpid()}") as manager:
        expect_life(manager)


def test_nobody():
    """without a service manager all of it succeeds and says nothing"""
    for value in ("", None):
        environment = {k: v for k, v in os.environ.items() if k not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
        if value is not None:
            environment["NOTIFY_SOCKET"] = value
        script = LIFE.replace("supervisor.present()", "not supervisor.present()") + "assert(not supervisor.watch())"
        done = subprocess.run([UPJOB, "run", "-e", "local supervisor = require 'upjob.supervisor'\n" + script], env=environment,
                              capture_output=True, timeout=100)
        assert (done.returncode, done.stderr) == (0, b""), done


def test_deaf():
    """a socket that is gone, or an address that is none, is a warning that names it"""
    for address, words in (("/nonexistent/notify", "No such file"), ("vsock:2:1", "neither a path nor an abstract name"),
                           ("/" + "x" * 200, "neither a path nor an abstract name")):
        done = subprocess.run([UPJOB, "run", "-e", "assert(not require('upjob.supervisor').ready())"],
                              env={**os.environ, "NOTIFY_SOCKET": address}, capture_output=True, timeout=100)
        errors = done.stderr.decode()
        assert done.returncode == 0 and errors.startswith("upjob: warning: ") and address in errors and words in errors, done


def test_full():
    """a socket that is full is tried again until it is heard"""
    with Manager("""print(supervisor.ready()) while supervisor.status("more") do end print("full") io.stdout:flush()
                    supervisor.stopping()""") as manager:
        assert manager.line() == "true" and manager.line() == "full"
        heard = []
        while not heard or heard[-1] != "STOPPING=1":
            heard.append(manager.hear())
        assert heard[0] == "READY=1" and manager.process.wait(100) == 0


def watching(script, **environment):
    return Manager(script, WATCHDOG_USEC=str(int(WATCHDOG * 1e6)), **environment)


def test_pings():
    """the watchdog is pinged while the loop turns, not while it hangs, and again afterwards"""
    with watching("""supervisor.watch() while not io.open(os.getenv("NOTIFY_SOCKET") .. ".go") do task.sleep(0.02) end
                     print("hung") io.stdout:flush() io.read() print("on") io.stdout:flush() task.sleep(60)""") as manager:
        assert manager.hear() == "WATCHDOG=1" and manager.hear() == "WATCHDOG=1"
        open(os.path.join(manager.directory.name, "notify.go"), "w").close()
        assert manager.line() == "hung"
        manager.drain()
        assert manager.hear(3 * WATCHDOG) is None
        manager.tell()
        assert manager.line() == "on"
        assert manager.hear() == "WATCHDOG=1"


def test_engine():
    """what is watched gets no ping while it is not well or raises, which is told once, and once more when it is well again"""
    with watching("""local ask = 0
                     local watch <close> = supervisor.watch(function()
                         ask = ask + 1
                         if ask == 2 or ask == 3 then return false, "no tick for 9 s" end
                         if ask == 5 then error("no journal") end
                         return true
                     end)
                     while ask < 7 do task.sleep(0.01) end""") as manager:
        assert [manager.hear() for _ in range(4)] == ["WATCHDOG=1"] * 4
        errors = manager.errors()
        assert manager.hear(0) is None
        assert errors.count("is not pinged: no tick for 9 s") == 1 and errors.count("is pinged again") == 2, errors
        assert errors.count("no journal") == 1 and errors.count("\n") == 4, errors


def test_stuck():
    """what is watched and never answers gets no ping, though the loop turns"""
    with watching("""local ask = 0
                     supervisor.watch(function() ask = ask + 1 if ask == 3 then print("stuck") io.stdout:flush() task.sleep(60) end
                                        return true end)
                     task.sleep(60)""") as manager:
        assert manager.line() == "stuck"
        assert manager.hear() == "WATCHDOG=1" and manager.hear() == "WATCHDOG=1"
        assert manager.hear(3 * WATCHDOG) is None


def test_others_watchdog():
    """the watchdog of another process is not pinged, nor one without a time"""
    for environment in ({"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "-5"}, {"WATCHDOG_USEC": "3s"}):
        with Manager("print(supervisor.watch())", **{"WATCHDOG_USEC": "300000", **environment}) as manager:
            assert manager.line() == "nil", environment


def test_closed():
    """a watch that is closed pings no more, also while it asks"""
    with watching("""do local watch <close> = supervisor.watch() task.sleep(0.05) end
                     do local watch <close> = supervisor.watch(function() task.sleep(0.5) return true end) task.sleep(0.05) end
                     print("closed") io.stdout:flush() task.sleep(60)""") as manager:
        assert manager.line() == "closed"
        manager.drain()
        assert manager.hear(2 * WATCHDOG) is None


class Daemon(Manager):
    """`upjob daemon` on a directory with one automation."""

    def start(self, environment):
        automations = os.path.join(self.directory.name, "automations")
        os.mkdir(automations)
        with open(os.path.join(automations, "hourly.lua"), "w") as file:
            file.write('schedule.cron("0 * * * *", { run = function() end })')
        return subprocess.Popen([UPJOB, "daemon", automations, "--state", os.path.join(self.directory.name, "state")],
                                env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def hear_but_pings(self):
        heard = self.hear()
        while heard == "WATCHDOG=1":
            heard = self.hear()
        return heard


def test_daemon():
    """a daemon is ready when its schedules are, is alive, reads again when it is told to, and ends"""
    with Daemon(None, WATCHDOG_USEC=str(int(WATCHDOG * 1e6))) as daemon:
        assert daemon.hear() == "READY=1"
        assert daemon.hear() == "WATCHDOG=1" and daemon.hear() == "WATCHDOG=1"
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.hear_but_pings().startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert daemon.hear_but_pings() == "READY=1"
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.hear_but_pings() == "STOPPING=1"
        assert daemon.process.wait(100) == 0


run(globals())
