"""Programs that import under one run key, each with a journal of its own, whose requests can be held or answered otherwise."""
import json, threading, time
from import_world import Proxy, World
from kit import eventually

KEY = ["--run-key", "nightly"]
PATIENT = 100 # seconds: it waits for conditions, not for times


def kind_of(method, path):
    """What a request is for."""
    words = path.strip("/").split("/")
    if words[:3] != ["domains", "d", "upload-jobs"]:
        return "upload" if method == "PUT" else "other"
    if len(words) == 3:
        return "create" if method == "POST" else "list"
    if len(words) == 5:
        return words[4]  # path, stop
    return "start" if method == "PUT" else "look"


class Program:
    """An import on a state of its own, whose requests of some kinds are held, each until it is released."""

    def __init__(self, world, name, hold=(), arguments=None):
        self.world, self.name, self.hold = world, name, {kind: threading.Event() for kind in hold}
        self.waits, self.dead, self.kinds, self.told, self.last = set(), False, [], None, time.monotonic()
        self.proxy = Proxy(world.service, self.refuse)
        self.process = world.begin("--state", world.path(name), *(arguments or world.importing("c.csv", more=KEY)),
                                   "--endpoint-url", self.proxy.url)

    def refuse(self, method, path):
        kind = kind_of(method, path)
        self.kinds.append(kind)
        self.last = time.monotonic()
        if kind in self.hold:
            self.waits.add(kind)
            self.hold[kind].wait()
        return self.dead

    def reached(self, kind):
        eventually(lambda: kind in self.waits or self.process.poll() is not None, PATIENT, f"{self.name}: a request to {kind}")
        assert self.process.poll() is None, (kind, self.kinds, self.process.communicate())

    def sent(self, kind, count=1):
        eventually(lambda: self.kinds.count(kind) >= count or self.process.poll() is not None, PATIENT, f"{self.name}: {kind}")
        assert self.process.poll() is None, (kind, self.kinds, self.process.communicate())

    def release(self, *kinds):
        for kind in kinds:
            self.hold[kind].set()

    def kill(self):
        """Where it is held: that request never arrives."""
        self.dead = True
        self.process.kill()
        self.process.communicate()
        self.release(*self.hold)

    def result(self):
        self.told = self.told or self.process.communicate(timeout=PATIENT)
        assert self.process.returncode == 0, (self.name, self.process.returncode, *self.told, self.kinds)
        return json.loads(self.told[0])


class Race(World):
    def __init__(self, *args):
        super().__init__(*args)
        self.programs = []
        self.rows("c.csv", range(3), "row")

    def program(self, *hold, **options):
        self.programs.append(Program(self, f"p{len(self.programs)}", hold, **options))
        return self.programs[-1]

    def __exit__(self, *ignored):
        for program in self.programs:
            if program.process.poll() is None:
                program.kill()
            program.proxy.__exit__()
        super().__exit__(*ignored)

    def made(self, count):
        """The ids of the jobs, in their order."""
        eventually(lambda: len(self.jobs()) >= count, PATIENT, f"{count} jobs")
        return [job["JobId"] for job in sorted(self.jobs(), key=lambda job: (job["CreatedAt"], job["JobId"]))]

    def check(self, stopped, *programs):
        """One job was started and is the result of all who live; no other waits."""
        results = [program.result() for program in programs]
        assert self.statuses() == ["STOPPED"] * stopped + ["SUCCEEDED"], self.jobs()
        done = next(job["JobId"] for job in self.jobs() if job["Status"] == "SUCCEEDED")
        assert {result["JobId"] for result in results} == {done}, (done, results)
        assert all(result["ResultsSummary"] == {"CreatedRecords": 3, "UpdatedRecords": 0, "FailedRecords": 0}
                   for result in results), results
        return done
