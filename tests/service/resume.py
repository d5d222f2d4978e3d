"""Kills an import at each of the calls that others can see (kill_at.c), before and after the call, lets another process go on
with it, and looks at the service: one job was made, it was started once and has SUCCEEDED, none is left waiting, and the journal
says so. The same of an import in parts: that is true of each of them.

    python3 tests/service/resume.py KILLS [SEED]
"""
import concurrent.futures, os, random, shutil, signal, sqlite3, subprocess, sys, tempfile, threading, time
from kit import UPJOB, Service, counts

ROWS = 3
PART_ROWS, PART_BYTES = 60, 1024 # of an import in parts: two files, three parts
POINTS_IN_DOMAIN = 20
AT_ONCE = 24  # most of them sleep: between two looks at a job, and before a list is believed that has no job
LONGEST = 600  # calls: far more than an import makes
RECORDED, SENT = 45, 140  # calls after which an import is in the journal, and before which it is done


def build_killer(directory):
    library = os.path.join(directory, "kill_at.so")
    source = os.path.join(os.path.dirname(__file__), "kill_at.c")
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class Domains:
    """A domain for some points each, so that its list of jobs stays short; deleted when all of them are done."""

    def __init__(self, service):
        self.service, self.lock = service, threading.Lock()
        self.number, self.room, self.busy = 0, 0, {}

    def take(self):
        with self.lock:
            if not self.room:
                self.number, self.room = self.number + 1, POINTS_IN_DOMAIN
                self.service.create_domain(f"d{self.number}")
                self.busy[f"d{self.number}"] = POINTS_IN_DOMAIN
            self.room -= 1
            return f"d{self.number}"

    def give_back(self, domain):
        with self.lock:
            self.busy[domain] -= 1
            done = self.busy[domain] == 0
        if done:
            self.service.call("DELETE", f"/domains/{domain}")


class Point:
    """One import that is killed somewhere, and what comes after."""

    def __init__(self, world, number, how, at, after, resume_at=None):
        self.world, self.how, self.at, self.after, self.resume_at = world, how, at, after, resume_at
        self.name, self.domain = f"p{number}", world.domains.take()
        self.random = random.Random(f"{world.seed} {number}")
        self.directory = os.path.join(world.work, self.name)
        os.mkdir(self.directory)
        self.file, self.kills = os.path.join(self.directory, "c.csv"), 0
        self.write(self.file, ROWS if how != "parts" else PART_ROWS)
        if how == "parts":
            self.write(os.path.join(self.directory, "d.csv"), ROWS)

    def write(self, path, rows):
        with open(path, "w") as file:
            file.write("Id,Mail,Name\n" + "".join(f"{self.name}-{i},{self.name}.{i}@example.com,Name\n" for i in range(rows)))

    def state(self):
        return os.path.join(self.directory, "state")

    def __str__(self):
        return f"{self.how}, killed {'after' if self.after else 'before'} call {self.at}" + \
            (f", resumed and killed at call {self.resume_at}" if self.resume_at else "")

    def upjob(self, *arguments, at=None, after=False):
        """True when it was killed."""
        environment = dict(self.world.environment)
        if at:
            environment.update(LD_PRELOAD=self.world.killer, KILL_AT=str(at))
            # In a build with sanitizers, theirs need not be the first library: this one allocates nothing.
            environment["ASAN_OPTIONS"] = environment.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
            if after:
                environment["KILL_AFTER"] = "1"
        done = subprocess.run([UPJOB, "--state", self.state(), "-q", *arguments], env=environment, cwd=self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.said = done.stderr
        if done.returncode == -signal.SIGKILL:
            self.kills += 1
            return True
        assert done.returncode == 0, f"{self}: {arguments[0]} ended with {done.returncode}: {done.stderr}{done.stdout}"
        return False

    def run_import(self, **kill):
        if self.how == "automation":
            return self.upjob("run", "--endpoint-url", self.world.url, self.world.automation, self.domain, self.file, self.name,
                              **kill)
        if self.how == "parts":
            return self.upjob("import", self.file, "d.csv", "--domain", self.domain, "--key", "Id", "--name", self.name,
                              "--part-size", str(PART_BYTES), "--parallel", "2", "--endpoint-url", self.world.url, **kill)
        key = [] if self.how == "journal" else ["--run-key", f"key-{self.name}"]
        return self.upjob("import", self.file, "--domain", self.domain, "--key", "Id", "--name", self.name, *key,
                          "--endpoint-url", self.world.url, **kill)

    def runs(self):
        """State, status of the job and counts of the journal's runs; none when it was not made yet."""
        path = os.path.join(self.state(), "journal.db")
        if not os.path.exists(path):
            return []
        db = sqlite3.connect(path, timeout=100)
        try:
            return db.execute("SELECT state, job_status, json_extract(result, '$.ResultsSummary.CreatedRecords')"
                              " FROM run WHERE kind = 'import'").fetchall()
        except sqlite3.OperationalError as error:
            assert "no such table" in str(error), error
            return []
        finally:
            db.close()

    def jobs(self):
        found, token = [], None
        while True:
            page = self.world.service.call("GET", f"/domains/{self.domain}/upload-jobs", query=f"next-token={token}" if token else "")
            found += [job for job in page["Items"] if job["DisplayName"].startswith(self.name + " ")]
            token = page.get("NextToken")
            if not token:
                return found

    def go_on(self):
        """What a person or the daemon does, until it is not killed again."""
        if self.how == "no disk":
            shutil.rmtree(self.state(), ignore_errors=True)
        while True:
            planned, self.resume_at = self.resume_at, None
            again = planned or (self.random.randrange(1, 120) if self.random.random() < 0.2 else None)
            after = self.random.random() < 0.5
            killed = self.upjob("runs", "resume", at=again, after=after) if self.how in ("journal", "parts") else \
                self.run_import(at=again, after=after)
            if planned:
                self.resume_killed = killed
            if not killed:
                return
            if self.how == "no disk":
                shutil.rmtree(self.state(), ignore_errors=True)

    def check_parts(self):
        """Each part has one job that has SUCCEEDED, and no other that waits or has had a start."""
        jobs = self.jobs()
        seen = sorted((job["DisplayName"].split(" part ")[1], job["Status"]) for job in jobs)
        assert all(job["Status"] == "SUCCEEDED" for job in jobs), f"{self}: {seen}\n{self.said}"
        numbers = sorted(int(name.split()[0]) for name, _ in seen)
        total = int(seen[0][0].split()[2])
        assert total > 2 and numbers == list(range(1, total + 1)), f"{self}: {seen}\n{self.said}"
        done = [counts(self.world.service.get_job(self.domain, job["JobId"])) for job in jobs]
        assert tuple(map(sum, zip(*done))) == (PART_ROWS, ROWS, 0), f"{self}: {done}"
        assert self.runs() == [("succeeded", "SUCCEEDED", PART_ROWS)], f"{self}: {self.runs()}"

    def check(self):
        if self.how == "parts":
            return self.check_parts()
        jobs = self.jobs()
        seen = [(job["Status"], job["DisplayName"]) for job in jobs]
        assert len(jobs) == 1, f"{self}: {seen}\n{self.said}"
        got = self.world.service.get_job(self.domain, jobs[0]["JobId"])
        assert got["Status"] == "SUCCEEDED", f"{self}: {seen}\n{self.said}"
        assert counts(got) == (ROWS, 0, 0), f"{self}: {got}"
        runs = self.runs()
        assert runs and {run[:2] for run in runs} == {("succeeded", "SUCCEEDED")} and runs[-1][2] == ROWS, f"{self}: {runs}"
        assert len(runs) == 1, f"{self}: {runs}"

    def run(self):
        """How often it was killed; whether what was to be killed was."""
        resumed = self.resume_at is not None
        killed = self.run_import(at=self.at, after=self.after)
        if killed:
            self.go_on()
            if self.how in ("journal", "parts") and not self.runs():
                assert self.jobs() == [], f"{self}: there is a job of a run that was not recorded"
                self.run_import()
        self.check()
        self.world.domains.give_back(self.domain)
        shutil.rmtree(self.directory)
        return self.kills, self.resume_killed if resumed and killed else killed


# What a child of the daemon is to an import: an attempt at a run that has it as its first.
AUTOMATION = '''
local store = assert(require("upjob.journal").open {})
local earlier = assert(store:runs { kind = "automation" })[1]
local run = earlier and assert(store:claim_run { id = earlier.id }) or assert(store:begin_run { kind = "automation" })
require("upjob.defaults").parent_run = { id = run.id, fence = run.fence, attempt = run.attempt }
local domain, file, name = ...
local import = assert(job.import { client = profiles.client {}, domain = domain, file = file, name = name, key = "Id" })
assert(import:wait())
'''


class World:
    def __init__(self, service, work, seed):
        self.service, self.work, self.seed = service, work, seed
        self.killer, self.domains, self.url = build_killer(work), Domains(service), f"http://{service.host}"
        self.environment = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        self.random, self.number, self.kills = random.Random(seed), 0, 0
        self.automation = os.path.join(work, "automation.lua")
        with open(self.automation, "w") as file:
            file.write(AUTOMATION)

    def point(self, *arguments, **options):
        self.number += 1
        return Point(self, self.number, *arguments, **options)

    def resumed(self, at):
        """Killed anywhere once it is recorded; what goes on with it is killed at that call."""
        return self.point("journal", self.random.randrange(RECORDED, SENT), self.random.random() < 0.5, resume_at=at)


class Sweep:
    """Points at every call, or every `step`th, until one has run through without the kill."""

    def __init__(self, make, step=1):
        self.make, self.step, self.at, self.through = make, step, 1, False

    def next(self):
        point = self.make(self.at)
        self.at += self.step
        assert self.at < LONGEST, "no import ran through"
        return point


def run_sweeps(world, pool, sweeps):
    """All of them beside each other, until each has run through."""
    running = {}
    while True:
        open_ = [sweep for sweep in sweeps if not sweep.through]
        for i in range(AT_ONCE - len(running) if open_ else 0):
            sweep = open_[i % len(open_)]
            running[pool.submit(sweep.next().run)] = sweep
        if not running:
            return
        done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        for future in done:
            kills, killed = future.result()
            world.kills += kills
            sweep = running.pop(future)
            sweep.through = sweep.through or not killed


def torture(wanted, seed):
    began = time.monotonic()
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="upjob-resume-", dir=base) as work, \
            Service(data=os.path.join(work, "service")) as service, \
            concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        world = World(service, work, seed)
        while world.kills < wanted:
            sweeps = [Sweep(world.resumed)]
            for after in False, True:
                sweeps += [Sweep(lambda at, after=after: world.point("automation", at, after), 9),
                           Sweep(lambda at, after=after: world.point("journal", at, after)),
                           Sweep(lambda at, after=after: world.point("parts", at, after), 7),
                           Sweep(lambda at, after=after: world.point("key", at, after), 8),
                           Sweep(lambda at, after=after: world.point("no disk", at, after), 8)]
            run_sweeps(world, pool, sweeps)
        return world.kills, world.number, time.monotonic() - began


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 31)
    print(f"# seed {seed}", flush=True)
    kills, imports, seconds = torture(wanted, seed)
    print(f"{kills} kills of {imports} imports in {seconds:.0f} s: each has one job, started once, and one result")
