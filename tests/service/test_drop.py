"""Folders that a daemon watches: no file is lost or run twice, whatever becomes of the daemon and of the file."""
import collections, os, random, shutil, signal, sqlite3, subprocess, tempfile, time
from kit import UPJOB, eventually, run

LONG = 100  # seconds for what must come: a machine may be busy


class Drop:
    """A folder, a daemon that watches it, and a log to which each run writes what it was given."""

    def __init__(self, options="", body=""):
        self.root = tempfile.mkdtemp(prefix="upjob-drop-")
        self.folder, self.state, self.log = (os.path.join(self.root, name) for name in ("in", "state", "log"))
        automations = os.path.join(self.root, "automations")
        os.mkdir(self.folder)
        os.mkdir(automations)
        with open(os.path.join(automations, "orders.lua"), "w") as file:
            file.write(f"""schedule.on_file("{self.folder}/*.csv", {{ settle = 0.3, retries = 3, backoff = 1, {options}
            run = function(event)
              local function note(what)
                local log <close> = assert(io.open("{self.log}", "a"))
                log:write(what, " ", event.path:match("[^/]*$"), "\\n")
              end
              note("begin") {body} note("end")
            end }})""")
        self.command = [UPJOB, "daemon", automations, "--state", self.state, "--jobs", "4"]
        self.messages = open(os.path.join(self.root, "messages"), "ab")
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.end(signal.SIGTERM)
        self.messages.close()
        shutil.rmtree(self.root)

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.messages, stderr=self.messages)

    def end(self, number):
        self.process.send_signal(number)
        self.process.wait(timeout=LONG)

    def write(self, name, text, mode="w"):
        with open(os.path.join(self.folder, name), mode) as file:
            file.write(text)

    def names(self, *below):
        path = os.path.join(self.folder, *below)
        return sorted(name for name in os.listdir(path) if name.endswith(".csv")) if os.path.exists(path) else []

    def noted(self, what):
        if not os.path.exists(self.log):
            return []
        with open(self.log) as file:
            return sorted(line.split()[1] for line in file if line.startswith(what + " "))

    def runs(self):
        """The states of the runs, by the path of their file."""
        found = collections.defaultdict(list)
        with sqlite3.connect(f"file:{self.state}/journal.db?mode=ro", uri=True) as journal:
            for path, state in journal.execute("SELECT json_extract(event, '$.path'), state FROM run"):
                found[os.path.basename(path)].append(state)
        return found

    def told(self):
        with open(os.path.join(self.root, "messages"), "rb") as file:
            return file.read()

    def expect(self, what, true):
        try:
            eventually(true, LONG, what)
        except AssertionError as error:
            told = self.told().decode(errors="replace")[-3000:]
            raise AssertionError(f"{error}\n{self.names()} {self.runs()}\n{told}") from None


def test_kills():
    """files that come while the daemon is killed and started again are each run once, and moved"""
    random.seed(11)
    texts = {}
    with Drop(body="task.sleep(math.random() * 0.2)") as drop:
        for round in range(20):
            for _ in range(random.randint(1, 4)):
                name = f"f{len(texts):03}.csv"
                texts[name] = "".join(f"{name},{i}\n" for i in range(random.randint(1, 5)))
                drop.write("." + name, texts[name])
                os.rename(os.path.join(drop.folder, "." + name), os.path.join(drop.folder, name))
            time.sleep(random.random() * 0.8)
            drop.end(random.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            drop.start()
        drop.expect("an empty folder", lambda: not drop.names())
        assert drop.names("done") == sorted(texts)
        drop.expect("the end of all runs", lambda: all(states == ["succeeded"] for states in drop.runs().values()))
        assert sorted(drop.runs()) == sorted(texts)
        assert drop.noted("end") == sorted(texts)
        for name, text in texts.items():
            with open(os.path.join(drop.folder, "done", name)) as file:
                assert file.read() == text


def test_failed():
    """a file whose run fails, after its retries, is moved to failed, and the others to done"""
    with Drop("retries = 0,", 'if event.path:find("bad", 1, true) then error("bad") end') as drop:
        drop.write("bad.csv", "1\n")
        drop.write("good.csv", "1\n")
        drop.expect("an empty folder", lambda: not drop.names())
        assert drop.names("failed") == ["bad.csv"] and drop.names("done") == ["good.csv"]


def test_stays():
    """files that stay in the folder are taken once, by the next daemon neither, and again when they have changed"""
    with Drop("move = false,") as drop:
        for i in range(5):
            drop.write(f"{i}.csv", "1\n")
        drop.expect("five runs", lambda: len(drop.noted("end")) == 5)
        drop.end(signal.SIGTERM)
        drop.start()
        drop.write("3.csv", "2\n", "a")
        drop.write("new.csv", "1\n")
        drop.expect("two more runs", lambda: len(drop.noted("end")) == 7)
        time.sleep(1)
        assert drop.noted("begin") == ["0.csv", "1.csv", "2.csv", "3.csv", "3.csv", "4.csv", "new.csv"]


def test_cannot_be_moved():
    """a file that cannot be moved is told once and by status, not run again by the next daemon either, and moved when that can be"""
    with Drop() as drop:
        drop.write("done", "a file, where a directory is to be\n")
        drop.write("a.csv", "1\n")
        drop.expect("the failed move", lambda: drop.told().count(b"a.csv: cannot be moved to ") == 1)

        def status():
            return subprocess.run([UPJOB, "status", "--state", drop.state], capture_output=True, text=True, timeout=LONG)
        drop.expect("it in the status", lambda: "1 file of orders cannot be moved" in status().stdout.replace("\n  ", " "))
        assert status().returncode == 1
        drop.end(signal.SIGTERM)
        drop.start()
        drop.expect("it to be told by the next daemon", lambda: drop.told().count(b"a.csv: cannot be moved to ") == 2)
        os.remove(os.path.join(drop.folder, "done"))
        drop.process.send_signal(signal.SIGHUP)
        drop.expect("the move", lambda: drop.names("done") == ["a.csv"] and not drop.names())
        drop.expect("a word of it", lambda: b"a.csv is moved now, as its run has ended" in drop.told())
        drop.expect("status to be well", lambda: status().returncode == 0)
        assert drop.noted("begin") == ["a.csv"]


def test_changes_while_it_runs():
    """a file that is changed while it is worked on is not moved before it has been run as it is then"""
    wait = 'while not io.open("{0}/go") do task.sleep(0.05) end'
    root = tempfile.mkdtemp(prefix="upjob-go-")
    with Drop(body=wait.format(root)) as drop:
        drop.write("a.csv", "first\n")
        drop.expect("a run", lambda: drop.noted("begin") == ["a.csv"])
        drop.write("a.csv", "second\n", "a")
        open(os.path.join(root, "go"), "w").close()
        drop.expect("a second run, and the move", lambda: drop.names("done") == ["a.csv"] and not drop.names())
        assert drop.noted("end") == ["a.csv", "a.csv"]
        assert b"a.csv is not moved: it has changed since it was taken, and is to be taken again" in drop.told()
        with open(os.path.join(drop.folder, "done", "a.csv")) as file:
            assert file.read() == "first\nsecond\n"
    shutil.rmtree(root)


def test_own_files():
    """what an import writes into the folder, under any name, is not taken, and told"""
    with Drop() as drop:
        drop.write(".input", "Id;Mail\n1;a@example.com\n;b@example.com\n")
        subprocess.run([UPJOB, "import", ".input", "--local", "--domain", "acme", "--key", "Id", "--rejects", "kept.csv",
                        "--problems", "why.csv", "--report", "page.csv", "--state", os.path.join(drop.root, "other"), "-q"], cwd=drop.folder,
                       stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=LONG)
        assert drop.names() == ["kept.csv", "page.csv", "why.csv"]
        drop.write("mine.csv", "1\n")
        drop.expect("the end of mine.csv", lambda: drop.names("done") == ["mine.csv"])
        drop.expect("three messages", lambda: drop.told().count(b"not taken: it is ") == 3)
        assert drop.names() == ["kept.csv", "page.csv", "why.csv"] and drop.noted("begin") == ["mine.csv"]


run(globals())
