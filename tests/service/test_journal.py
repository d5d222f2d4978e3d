"""The journal of runs under several processes, kills, full disks and damage."""
import glob, os, random, resource, shutil, signal, sqlite3, stat, subprocess, tempfile, time
from kit import UPJOB, Skip, eventually, run, stop_between_writes, where_hidden
from small_disk import Small, may_mount

WRITER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "journal_writer.lua")


class State:
    """A state directory, and programs that use its journal."""

    def __init__(self, parent=None):
        self.parent = parent or tempfile.mkdtemp(prefix="upjob-journal-")
        self.made = parent is None
        self.at = os.path.join(self.parent, "upjob")
        self.db = os.path.join(self.at, "journal.db")
        self.scripts = tempfile.mkdtemp(prefix="upjob-scripts-")

    def start(self, script, *args, before=(), **options):
        return subprocess.Popen([*before, UPJOB, "run", script, self.at, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **options)

    def lua(self, text, *args, **options):
        """Runs `text`, which has the store; its status and what it printed."""
        path = os.path.join(self.scripts, "script.lua")
        with open(path, "w") as file:
            file.write('local store, err = require("upjob.journal").open { state = arg[1] }\nif not store then return nil, err end\n' + text)
        process = self.start(path, *args, **options)
        out, messages = process.communicate(timeout=100)
        return process.returncode, out, messages

    def write(self, count):
        process = self.start(WRITER, count)
        out, messages = process.communicate(timeout=120)
        assert process.returncode == 0, (out[-500:], messages)
        return [int(line) for line in out.split()]

    def query(self, text):
        db = sqlite3.connect(self.db)
        try:
            return db.execute(text).fetchall()
        finally:
            db.close()

    def damage(self, data):
        """Overwrites the beginning of the file, in which all is, and no longer beside it."""
        self.query("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(self.db, "r+b") as file:
            file.write(data)

    def check_whole(self):
        assert self.query("PRAGMA integrity_check") == [("ok",)]
        assert self.query("PRAGMA foreign_key_check") == []

    def asides(self):
        return sorted(path for path in glob.glob(self.db + ".corrupt-*") if not path.endswith(("-wal", "-shm")))

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        shutil.rmtree(self.scripts, ignore_errors=True)
        if self.made:
            shutil.rmtree(self.parent, ignore_errors=True)


def test_modes():
    """nobody else can read what is made, whatever the umask"""
    with State() as state:
        state.lua("assert(store:begin_run { kind = 'import' }) os.exit(0)", umask=0)
        assert stat.S_IMODE(os.stat(state.at).st_mode) == 0o700
        for name in os.listdir(state.at):
            assert stat.S_IMODE(os.stat(os.path.join(state.at, name)).st_mode) == 0o600, name


def test_several_processes():
    """processes that write at once all come to it, and no number is given twice"""
    with State() as state:
        writers = [state.start(WRITER, 60) for _ in range(6)]
        numbers = []
        for writer in writers:
            out, messages = writer.communicate(timeout=120)
            assert writer.returncode == 0, (out[-500:], messages)
            numbers += [int(line) for line in out.split()]
        assert sorted(numbers) == list(range(1, 361))
        assert state.query("SELECT count(*) FROM run WHERE state = 'succeeded'") == [(360,)]
        state.check_whole()
        assert state.asides() == []


def test_a_holder_that_cannot_be_seen():
    """a run whose process /proc does not show is not taken for lost, and nobody else's, while that process is there"""
    before = where_hidden()
    look = "local found = assert(store:run { id = 1 }).state print(found, store:claim_run { id = 1 } ~= nil)"
    with State() as state:
        path = os.path.join(state.scripts, "holder.lua")
        with open(path, "w") as file:
            file.write("""local store = assert(require("upjob.journal").open { state = arg[1] })
                assert(store:begin_run { kind = "import" }) print("begun") io.stdout:flush() io.read()""")
        holder = state.start(path, before=before)
        try:
            assert holder.stdout.readline() == "begun\n"
            assert state.lua(look, before=before)[1] == "running\tfalse\n"
        finally:
            holder.kill()
            holder.communicate()
        assert state.lua(look, before=before)[1] == "lost\ttrue\n"


def test_kills():
    """a kill at any moment leaves a whole journal, in which all is that was answered for"""
    with State() as state:
        known = set(state.write(1))
        for round in range(30):
            writer = state.start(WRITER, 100000)
            first = writer.stdout.readline() if round % 2 else ""  # however long it takes to start
            time.sleep(random.uniform(0, 0.2))
            writer.kill()
            known.update(int(line) for line in (first + writer.communicate()[0]).split("\n")[:-1])
            state.check_whole()
            found = {row[0] for row in state.query("SELECT id FROM run WHERE state = 'succeeded'")}
            assert known <= found, (round, sorted(known - found))
        assert len(known) > 15, len(known)
        state.write(1)
        assert state.asides() == []
        status, out, messages = state.lua("print(#store:runs { state = 'running' })")
        assert (status, out) == (0, "0\n"), "what a killed process held is still held"


def test_full_disk():
    """a full disk is told as an error that may pass; nothing is harmed, and the same process goes on when there is room"""
    with Small(8) as disk, State(disk.at) as state:
        disk.fill(leave=600_000)
        writer = state.start(WRITER, 400, "/", "wait")
        lines = []
        for line in writer.stdout:
            if line.startswith("failed"):
                break
            lines.append(int(line))
        assert "SystemError\ttrue\t" in line and ("the disk is full" in line or "cannot be opened" in line), line
        assert len(lines) > 10
        disk.empty()
        out, messages = writer.communicate("\n", timeout=100)
        assert "failed" not in out and messages == "", (out[-500:], messages)
        state.check_whole()
        found = {row[0] for row in state.query("SELECT id FROM run")}
        assert set(lines) <= found and len(found) >= 399, len(found)
        assert state.asides() == []


def test_full_from_the_start():
    """a journal that cannot be made for want of room is told, and is made whole when there is room"""
    for leave in (0, 4096, 30_000, 60_000):
        with Small(4) as disk, State(disk.at) as state:
            disk.fill(leave=leave)
            status, out, messages = state.lua("local run, err = store:begin_run { kind = 'import' } return run ~= nil, err")
            disk.empty()
            if status != 0:
                assert status == 1 and ("full" in messages or "No space" in messages), (leave, status, messages)
            assert state.lua("assert(store:begin_run { kind = 'import' })")[0] == 0
            state.check_whole()
            assert state.asides() == []


def test_limit_of_a_file():
    """a journal that may not grow fails its runs and is not harmed"""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    with State() as state:
        writer = state.start(WRITER, 400, preexec_fn=limit)
        out, messages = writer.communicate(timeout=100)
        assert writer.returncode == 1 and "failed\tSystemError" in out, (out[-300:], messages)
        known = {int(line) for line in out.split("\n") if line.isdigit()}
        state.check_whole()
        assert known <= {row[0] for row in state.query("SELECT id FROM run WHERE state = 'succeeded'")}
        assert known and state.write(3) and state.asides() == []


def test_damaged():
    """a damaged journal is kept aside and named, the program goes on with a new one, whose runs have other numbers"""
    with State() as state:
        state.write(30)
        state.damage(os.urandom(4096))
        damaged = open(state.db, "rb").read()
        status, out, messages = state.lua("print(store:begin_run { kind = 'import' }.id)")
        assert status == 0 and int(out) > 30, (status, out, messages)
        assert len(state.asides()) == 1 and state.asides()[0] in messages and "damaged" in messages, messages
        assert open(state.asides()[0], "rb").read() == damaged
        status, out, messages = state.lua("print(#store:runs())")
        assert (status, out, messages) == (0, "1\n", ""), (status, out, messages)


def test_damage_found_by_many():
    """of processes that find a damaged journal at once, one puts it aside"""
    for _ in range(5):
        with State() as state:
            state.write(3)
            state.damage(b"\0" * 100)
            writers = [state.start(WRITER, 5) for _ in range(6)]
            told = ""
            for writer in writers:
                out, messages = writer.communicate(timeout=100)
                told += messages
                assert writer.returncode == 0, (out, messages)
            assert len(state.asides()) == 1 and told.count("was damaged") == 1, (state.asides(), told)
            assert state.query("SELECT count(*) FROM run") == [(30,)], told
            state.check_whole()


def test_daemon():
    """a daemon whose journal is damaged says so, goes on with a new one, and still ends when it is told to"""
    with State() as state:
        automations = os.path.join(state.parent, "automations")
        os.mkdir(automations)
        with open(os.path.join(automations, "tick.lua"), "w") as file:
            file.write('schedule.every("1s", { run = function() end })\n')
        log = os.path.join(state.parent, "log")
        with open(log, "w") as file:
            daemon = subprocess.Popen([UPJOB, "daemon", automations, "--state", state.at], stdout=file, stderr=file)
        def succeeded():
            try:
                return state.query("SELECT max(id) FROM run WHERE state = 'succeeded'")[0][0] or 0
            except sqlite3.DatabaseError:
                return 0
        try:
            eventually(lambda: succeeded() >= 2, what="two runs")
            before = succeeded()
            with open(state.db, "r+b") as file:
                file.write(os.urandom(os.path.getsize(state.db)))
            eventually(lambda: state.asides() and succeeded() > before + 1, what="runs of a new journal")
            assert state.query("SELECT count(*) FROM schedule WHERE id = 'tick' AND NOT gone AND last_due > 0") == [(1,)]
            daemon.terminate()
            assert daemon.wait(timeout=100) is not None
        finally:
            if daemon.poll() is None:
                daemon.kill()
                daemon.wait()
        messages = open(log).read()
        assert "damaged" in messages and state.asides()[0] in messages, messages
        state.check_whole()


def test_newer():
    """a journal of a newer version is refused and left as it is"""
    with State() as state:
        state.write(1)
        db = sqlite3.connect(state.db)
        db.execute("PRAGMA user_version = 99")
        db.close()
        before = open(state.db, "rb").read()
        status, out, messages = state.lua("print('opened')")
        assert status == 3 and out == "" and "version 99" in messages and "newer upjob" in messages, (status, messages)
        assert open(state.db, "rb").read() == before and state.asides() == []


def test_computing():
    """a script that computes and never waits keeps its run for longer than a lease"""
    with State() as state:
        lease = 8  # on a busy machine, too, it is renewed in time
        over = os.path.join(state.parent, "over")
        writer = state.start(WRITER, 1, over, env={**os.environ, "LEASE": str(lease)})
        assert writer.stdout.readline() == "1\n"
        until = time.time() + lease + 2
        while time.time() < until:
            status, out, messages = state.lua("print(store:run { id = 1 }.state, select(2, store:claim_run { id = 1 }).code)")
            assert out == "running\tLeaseHeld\n", (out, messages)
            time.sleep(0.2)
        open(over, "w").close()
        assert writer.communicate(timeout=100)[0] == "ended\n"


def test_hung():
    """a process that hangs loses its run in time, and finds that out when it goes on"""
    with State() as state:
        over = os.path.join(state.parent, "over")
        writer = state.start(WRITER, 1, over, env={**os.environ, "LEASE": "1"})
        assert writer.stdout.readline() == "1\n"
        stop_between_writes(writer.pid, state.db)
        try:
            eventually(lambda: state.lua("print(store:run { id = 1 }.state)")[1] == "lost\n", what="the lease being over")
            status, out, messages = state.lua("print(store:claim_run { id = 1 }.fence)")
            assert out == "2\n", (out, messages)
        finally:
            open(over, "w").close()
            writer.send_signal(signal.SIGCONT)
        assert writer.communicate(timeout=100)[0] == "LeaseLost\n"
        assert state.query("SELECT state, fence FROM run") == [("running", 2)]


def test_read_only():
    """a state directory that cannot be written is refused with what to do"""
    with State() as state:
        state.write(1)
        if subprocess.run(["mount", "--bind", "-o", "ro", state.at, state.at], capture_output=True).returncode != 0:
            raise Skip("nothing can be mounted here")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", state.at], capture_output=True)
            status, out, messages = state.lua("print('opened')")
        finally:
            subprocess.run(["umount", "-l", state.at], check=True)
        assert status == 3 and "--state" in messages, (status, out, messages)
        state.check_whole()


may_mount()
run(globals())
