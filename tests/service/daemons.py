"""What the tests of `upjob daemon` share: the process on a directory of automations, its journal, its clock."""
import datetime, glob, os, re, shutil, signal, sqlite3, subprocess, tempfile, time
from kit import UPJOB, Skip, eventually, text_of

LONG = 100  # seconds for what must come: a machine may be busy
LIBRARIES = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")


class Daemon:
    """`upjob daemon` on a directory that is new unless given; stopped and started again at will."""

    def __init__(self, files=None, *args, before=(), env=None, start=True):
        self.root = tempfile.mkdtemp(prefix="upjob-daemon-")
        self.dir, self.state, self.out = (os.path.join(self.root, name) for name in ("automations", "state", "out"))
        self.args, self.before, self.env = args, before, {**os.environ, "OUT": self.out, "NO_COLOR": "1", **(env or {})}
        self.process, self.logs = None, []
        os.mkdir(self.dir)
        open(self.out, "w").close()
        for name, text in (files or {}).items():
            self.write(name, text)
        if start:
            self.start()

    def write(self, name, text):
        """A file that is whole when it is there."""
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w") as file:
            file.write(PRELUDE + text)
        os.rename(path + ".new", path)

    def remove(self, name):
        os.remove(os.path.join(self.dir, name))

    def command(self, *args):
        return [*self.before, UPJOB, "daemon", self.dir, "--state", self.state, *self.args, *args]

    def start(self, *args, wait=True):
        self.log = tempfile.TemporaryFile()
        self.logs.append(self.log)
        self.process = subprocess.Popen(self.command(*args), env=self.env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if wait:
            self.told("schedules of ")
        return self

    def messages(self):
        return text_of(self.log)

    def all_messages(self):
        """The lines of all its lives."""
        for log in self.logs:
            yield from text_of(log).splitlines()

    def told(self, text, seconds=LONG):
        """Waits until the log has it."""
        def there():
            if re.search(text, self.messages()):
                return True
            assert self.process.poll() is None, f"ended with {self.process.returncode} before \"{text}\":\n{self.messages()}"
            return False
        try:
            eventually(there, seconds, f"\"{text}\" in the log")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.messages()}") from None
        return self

    def eventually(self, true, what):
        try:
            eventually(true, LONG, what)
        except AssertionError as error:
            runs = self.query("SELECT id, schedule, state, attempt, error FROM run ORDER BY id DESC LIMIT 20")
            raise AssertionError(f"{error}\n{self.messages()[-4000:]}\n{runs}\n{self.lines()[-20:]}") from None

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM, seconds=LONG):
        """Its exit status after the signal."""
        if self.process.poll() is None:
            self.send(number)
        return self.process.wait(timeout=seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def query(self, text, *values):
        """Rows of the journal; none while there is none."""
        path = os.path.join(self.state, "journal.db")
        if not os.path.exists(path):
            return []
        db = sqlite3.connect(path, timeout=LONG)
        try:
            return db.execute(text, values).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            db.close()

    def runs(self, schedule, *states):
        rows = self.query("SELECT state FROM run WHERE schedule = ? ORDER BY id", schedule)
        return [state for (state,) in rows if not states or state in states]

    def lines(self, *begins):
        """What automations have written with say()."""
        with open(self.out) as file:
            return [line.rstrip("\n") for line in file if not begins or line.split()[0] in begins]

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.kill_children()
        shutil.rmtree(self.root, ignore_errors=True)

    def children(self):
        """The runs that are under way, as processes."""
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if name.isdigit() and b"child" in words and self.state.encode() in words:
                found.append(int(name))
        return found

    def kill_children(self):
        for pid in self.children():
            try:
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()


# say() writes a line at once, and in one piece.
PRELUDE = """local function say(...)
  local words = {}
  for i, word in ipairs { ... } do words[i] = tostring(word) end
  local out = assert(io.open(os.getenv("OUT"), "a"))
  out:write(table.concat(words, " "), "\\n")
  out:close()
end
"""


class Clock:
    """A wall clock that is set while programs run with its environment; what measures durations goes on as it is."""

    def __init__(self):
        if not LIBRARIES:
            raise Skip("libfaketime is not installed")
        handle, self.path = tempfile.mkstemp(prefix="upjob-clock-")
        os.close(handle)
        self.offset = 0
        self.set(0)
        self.env = {"LD_PRELOAD": LIBRARIES[0], "FAKETIME_TIMESTAMP_FILE": self.path, "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1",
                    # In a build with sanitizers, theirs is not the first library.
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}

    def set(self, offset):
        """Seconds before or after the real time."""
        self.offset = offset
        with open(self.path + ".new", "w") as file:
            file.write(f"{offset:+.3f}\n")
        os.rename(self.path + ".new", self.path)

    def now(self):
        return time.time() + self.offset

    def show(self, epoch):
        self.set(epoch - time.time())

    def close(self):
        os.remove(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()


def epoch(key):
    return datetime.datetime.strptime(key.split("#")[0], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def keys(daemon, schedule):
    """Of the ticks of a clock, in the order in which they were committed."""
    return [key for (key,) in daemon.query("SELECT key FROM tick WHERE schedule = ? AND key LIKE '2%' ORDER BY at, due", schedule)]


def check_every_tick_has_one_run(daemon, schedule):
    """And none of the seconds between the first and the last is missing."""
    ticks = keys(daemon, schedule)
    times = sorted(epoch(key) for key in ticks)
    assert times == [times[0] + i for i in range(len(times))], ticks
    made = daemon.query("SELECT t.key, r.id FROM tick t LEFT JOIN run r ON r.id = t.run WHERE t.schedule = ? AND t.key LIKE '2%'", schedule)
    assert all(run for _, run in made), made
    assert len({run for _, run in made}) == len(made) == len(daemon.runs(schedule)), made
