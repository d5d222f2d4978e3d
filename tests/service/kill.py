"""Kills the embedded service at random moments of uploads and ingestions, and checks after each kill that nothing which was
acknowledged is lost, that the stores are whole, and that the job ends as an undisturbed one does.

    python3 tests/service/kill.py KILLS [SEED]
"""
import hashlib, http.client, os, random, sqlite3, subprocess, sys, threading, time
from kit import Refused, Service, counts, rows

ROWS, KEYS = 60_000, 40_000
GONE = (ConnectionError, http.client.HTTPException, OSError)


def contents(service, domain):
    """What the profiles of a domain say, whatever their ids."""
    db = sqlite3.connect(os.path.join(service.data, "jobs.db"))
    (number,) = db.execute("SELECT id FROM domain WHERE name = ?", (domain,)).fetchone()
    db.close()
    db = sqlite3.connect(os.path.join(service.data, f"profiles/{number}.db"))
    digest = hashlib.sha256()
    for key, doc in db.execute("SELECT key, doc FROM profile ORDER BY key"):
        digest.update(len(key).to_bytes(4, "big") + key + len(doc).to_bytes(4, "big") + doc)
    db.close()
    return digest.hexdigest()


class Killer:
    """SIGKILL after a delay, unless it is called off."""

    def __init__(self, service, delay):
        self.service, self.off, self.struck = service, threading.Event(), False
        self.thread = threading.Thread(target=self.wait, args=(delay,))
        self.thread.start()

    def wait(self, delay):
        if not self.off.wait(delay):
            self.struck = True
            self.service.process.kill()

    def call_off(self):
        self.off.set()
        self.thread.join()
        return self.struck


class Import:
    """One import, taken up again after each kill where what was acknowledged says it stands."""

    def __init__(self, service, name, data):
        self.service, self.name, self.data = service, name, data
        self.domain = self.job = None
        self.uploaded = self.start_sent = self.started = False
        self.seen = (0, 0, 0)

    def go_on(self):
        service = self.service
        if not self.domain:
            try:
                service.create_domain(self.name)
            except Refused as error:
                if "already exists" not in error.message:
                    raise
            self.domain = self.name
        if not self.job:
            self.job = service.create_job(self.domain)
        if not self.uploaded:
            service.put(service.path(self.domain, self.job), self.data)
            self.uploaded = True
        if not self.started:
            try:
                again, self.start_sent = self.start_sent, True
                service.start_job(self.domain, self.job)
            except Refused as error:
                if not (again and error.status == 400):
                    raise
            self.started = True
        while True:
            got = self.look()
            if got["Status"] not in ("CREATED", "IN_PROGRESS"):
                return got
            time.sleep(0.01)

    def look(self):
        got = self.service.get_job(self.domain, self.job)
        if "ResultsSummary" in got:
            now = counts(got)
            assert all(a >= b for a, b in zip(now, self.seen)), f"counts went down: {self.seen} → {now}"
            self.seen = now
        return got

    def check(self):
        """After a restart: what was acknowledged is there."""
        self.service.check_integrity()
        if self.domain:
            self.service.call("GET", f"/domains/{self.domain}")
        if self.job:
            status = self.look()["Status"]
            assert not self.started or status != "CREATED", "a started job is CREATED again"
            assert self.start_sent or status == "CREATED", f"a job that nobody started is {status}"
            if self.uploaded and status == "CREATED":
                assert self.service.objects(), "an uploaded file is gone"


def undisturbed(data):
    with Service() as service:
        service.create_domain("acme")
        got = service.wait("acme", service.begin("acme", data))
        return got["Status"], counts(got), contents(service, "acme")


def kill_while_starting(service, delay):
    service.kill()
    process = subprocess.Popen(service.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.kill()
    process.wait()


def torture(kills, seed):
    random_ = random.Random(seed)
    data = rows(ROWS, KEYS)
    status, expected, profiles = undisturbed(data)
    done = imports = 0
    began = time.monotonic()
    with Service() as service:
        while done < kills:
            imports += 1
            one = Import(service, f"d{imports}", data)
            while True:
                killer = Killer(service, random_.choice((0.005, 0.02, 0.1, 0.4)) * random_.random() * 2)
                try:
                    got = one.go_on()
                    if not killer.call_off():
                        break
                except GONE:
                    if not killer.call_off():
                        raise
                done += 1
                while random_.random() < 0.2:
                    kill_while_starting(service, random_.random() * 0.04)
                    done += 1
                service.restart()
                one.check()
                if done >= kills:
                    got = one.go_on()
                    break
            assert (got["Status"], counts(got)) == (status, expected), f"import {imports}: {got}, undisturbed: {status} {expected}"
            service.kill()
            found = contents(service, one.name)
            assert found == profiles, f"import {imports}: the profiles differ from those of an undisturbed run"
            service.start()
            assert service.objects() == [], "a file is left"
            service.call("DELETE", f"/domains/d{imports}")
    return done, imports, time.monotonic() - began


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 31)
    print(f"# seed {seed}", flush=True)
    done, imports, seconds = torture(wanted, seed)
    print(f"{done} kills during {imports} imports of {ROWS} rows in {seconds:.0f} s: counts and profiles are those of an undisturbed run")
