"""Programs with one run key, and no journal that they share, that begin an import at the same instant: their requests are held at
each interleaving that matters, and the service says what came of it."""
import concurrent.futures, functools, json, os, signal, tempfile, threading
import resume
from import_world import Proxy
from kit import SANITIZED, eventually, run
from race import KEY, PATIENT, Race, kind_of

AT_ONCE = 6   # scenarios beside each other: most of the time they sleep


def at_once(count, *args):
    with Race(*args) as race:
        programs = [race.program("create") for _ in range(count)]
        for program in programs:
            program.reached("create")
        for program in programs:
            program.release("create")
        first = race.check(count - 1, *programs)
        assert first == race.made(count)[0], race.jobs()


begun = {} # of each scenario what comes of it


def beside(test):
    """A test that is run beside the others of its kind, as all of them wait for most of their time."""
    @functools.wraps(test)
    def result():
        pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
        for one in begun:
            begun[one] = begun[one] or pool.submit(one)
        begun[test].result()
    begun[test] = None
    return result


@beside
def test_two():
    """two that have looked before either made a job: one is started, the other is stopped, both have its result"""
    at_once(2)


@beside
def test_three():
    """three that have looked before any made a job"""
    at_once(3)


@beside
def test_whole_seconds():
    """a service that tells whole seconds, so that jobs of one second have no order but that of their ids"""
    at_once(4, "--fact", "timestamps=whole")


@beside
def test_late():
    """a job that is made while the other program is about to start its own is given up for it"""
    with Race() as race:
        late = race.program("create")
        late.reached("create")
        first = race.program("start")
        first.reached("start")
        late.release("create")
        late.sent("stop")
        late.sent("look", 3)  # its own, before it was stopped; the first, which goes before; and that it waits for it
        first.release("start")
        assert race.check(1, first, late) == race.made(2)[0]


@beside
def test_slow_start():
    """a start that comes after the other has waited for it, sent the file and started the job is no second one"""
    with Race() as race:
        late = race.program("create")
        late.reached("create")
        slow = race.program("start")
        slow.reached("start")
        late.release("create")
        late.sent("start")
        done = late.result()["JobId"]
        slow.release("start")
        assert race.check(1, slow) == done == race.made(2)[0]


@beside
def test_killed_after_create():
    """one that is killed after it made its job: the other gives its own up, waits, and starts that job"""
    with Race() as race:
        other = race.program("create")
        other.reached("create")
        killed = race.program("path")
        killed.reached("path")
        killed.kill()
        other.release("create")
        assert race.check(1, other) == race.made(2)[0]


@beside
def test_killed_after_start():
    """one that is killed after it started its job: the other gives its own up, and has the result of that"""
    with Race() as race:
        other = race.program("create")
        other.reached("create")
        killed = race.program("look")
        killed.reached("look")
        killed.kill()
        other.release("create")
        assert race.check(1, other) == race.made(2)[0]
        assert "start" not in other.kinds, other.kinds


@beside
def test_killed_behind():
    """the job of one that is killed, which was made after the other's, is not left waiting"""
    with Race() as race:
        killed = race.program("create", "path")
        killed.reached("create")
        other = race.program("upload")
        other.reached("upload")
        killed.release("create")
        killed.reached("path")
        killed.kill()
        other.release("upload")
        assert race.check(1, other) == race.made(2)[0]


@beside
def test_attempted_again_behind():
    """the next attempt of a container whose job was made after another that has ended well stops it, and has the other's result"""
    with Race() as race:
        killed = race.program("create", "path")
        killed.reached("create")
        other = race.program("upload", "list")
        other.release("list")
        other.reached("upload")
        other.hold["list"] = threading.Event()
        other.release("upload")
        # It has looked before the killed one makes its job.
        other.sent("list", 3)
        other.release("list")
        other.result()
        killed.release("create")
        killed.reached("path")
        killed.kill()
        assert race.statuses() == ["CREATED", "SUCCEEDED"], race.jobs()
        assert race.check(1, race.program()) == race.made(2)[0]


@beside
def test_slow_upload():
    """one whose job is stopped while it uploads, as another's has ended well, has the result of that"""
    with Race() as race:
        slow = race.program("create", "upload")
        slow.reached("create")
        other = race.program("upload")
        other.reached("upload")
        slow.release("create")
        slow.reached("upload")
        other.release("upload")
        other.result()
        slow.release("upload")
        assert race.check(1, other, slow) == race.made(2)[0]


@beside
def test_interrupted_maker():
    """one that is interrupted stops its job, and who waits for that makes another"""
    with Race() as race:
        waits = race.program("create")
        waits.reached("create")
        maker = race.program("upload")
        maker.reached("upload")
        waits.release("create")
        waits.sent("stop")
        maker.process.send_signal(signal.SIGINT)
        assert maker.process.wait(PATIENT) == 130
        assert race.check(2, waits) == race.made(3)[2]


@beside
def test_interrupted_waiter():
    """one that is interrupted while it waits for another's job leaves that alone"""
    with Race() as race:
        waits = race.program("create")
        waits.reached("create")
        maker = race.program("start")
        maker.reached("start")
        waits.release("create")
        waits.sent("stop")
        waits.sent("look", 3)
        waits.process.send_signal(signal.SIGINT)
        _, messages = waits.process.communicate(timeout=PATIENT)
        assert waits.process.returncode == 130 and "left to the program that made it" in messages, messages
        maker.release("start")
        assert race.check(1, maker) == race.made(2)[0]


@beside
def test_parts():
    """imports in parts that make their jobs at once: each part is started once, and the last row of a key stays"""
    with Race() as race:
        race.rows("a.csv", range(1500), "old")
        race.rows("b.csv", range(500), "new")
        arguments = race.importing("a.csv", "b.csv", more=["--parallel", "3", *KEY])
        programs = [race.program("create", arguments=arguments) for _ in range(2)]
        for program in programs:
            program.reached("create")
        for program in programs:
            program.release("create")
        results = [program.result() for program in programs]
        race.check_whole(range(0, 500, 50), "new")
        race.check_whole(range(500, 1500, 200), "old")
        ids = [[job["JobId"] for job in result["jobs"]] for result in results]
        assert ids[0] == ids[1] and len(ids[0]) > 2, ids
        assert results[0]["ResultsSummary"] == results[1]["ResultsSummary"] == \
            {"CreatedRecords": 1500, "UpdatedRecords": 500, "FailedRecords": 0}, results
        assert race.statuses().count("STOPPED") > 0, race.jobs()


def killed_beside(calls):
    """Of two imports in parts one is killed: whether it was."""
    with Race() as race:
        race.rows("a.csv", range(1500), "old")
        race.rows("b.csv", range(500), "new")
        arguments = race.importing("a.csv", "b.csv", more=["--parallel", "3", *KEY])
        killed, other = [race.program("create", arguments=arguments) for _ in range(2)]
        for program in killed, other:
            program.reached("create")
        other.release("create")
        killed.release("create")
        eventually(lambda: len(killed.kinds) >= calls or killed.process.poll() is not None, PATIENT, "so many calls")
        killed.kill()
        result = other.result()
        again = race.good("--state", race.path(killed.name), "runs", "resume", "1", "--json")
        assert [job["JobId"] for job in again["jobs"]] == [job["JobId"] for job in result["jobs"]], (again, result)
        assert again["ResultsSummary"] == result["ResultsSummary"] == \
            {"CreatedRecords": 1500, "UpdatedRecords": 500, "FailedRecords": 0}, (again, result)
        race.check_whole(range(0, 500, 50), "new")
        race.check_whole(range(500, 1500, 200), "old")
        return killed.process.returncode != 0


@beside
def test_parts_killed():
    """one of two imports in parts is killed: the other ends, and who goes on with the killed one comes to the same jobs"""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(killed_beside, (5, 8, 11, 14, 17, 20, 24))) > 4


class Rival(Proxy):
    """A service on which, whenever a job is created, another program has made one a moment before, and does with it what it does."""

    def __init__(self, race, does):
        self.race, self.does, self.ids = race, does, []
        super().__init__(race.service, self.rival)

    def rival(self, method, path):
        if kind_of(method, path) == "create" and not self.ids:
            fields = {name: {"Source": f"_source.{name}", "Target": f"_profile.Attributes.{name}"} for name in ("Id", "Mail")}
            service, file = self.race.service, self.race.path("c.csv")
            job = service.create_job("d", fields, DisplayName="c.csv nightly", UniqueKey="Id")
            self.ids.append(job)
            if self.does == "start":
                with open(file, "rb") as data:
                    service.put(service.path("d", job), data)
                service.start_job("d", job)
        return False


MAP_OF_RIVAL = '''local mapping = require "upjob.mapping"
return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.Id", mapping.string "Mail" : to "Attributes.Mail" }
'''


def killed_at(killer, does, at, after):
    """One that gives its job up for another's, killed at one of its calls, is gone on with: whether it was, after both were made."""
    with Race() as race, Rival(race, does) as rival:
        race.write("map.lua", MAP_OF_RIVAL)
        environment = {**os.environ, "LD_PRELOAD": killer, "KILL_AT": str(at), **({"KILL_AFTER": "1"} if after else {}),
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        command = [*race.importing("c.csv", more=KEY), "--endpoint-url", rival.url]
        process = race.begin(*command, environment=environment)
        out, messages = process.communicate(timeout=PATIENT)
        assert process.returncode in (0, -signal.SIGKILL), (at, after, out, messages)
        killed, both = process.returncode != 0, len(race.jobs()) == 2
        if killed:
            status, out, messages = race.upjob("runs", "resume", "--json", "--endpoint-url", rival.url)
            assert status == 0, (at, after, out, messages)
            if not out.strip():  # it was not in the journal yet
                out = json.dumps(race.good(*command))
        result = json.loads(out)
        where = (does, at, after, result, race.jobs(), messages)
        assert result["JobId"] == rival.ids[0] and result["Status"] == "SUCCEEDED", where
        assert race.statuses() in (["SUCCEEDED"], ["STOPPED", "SUCCEEDED"]), where
        assert result["ResultsSummary"]["CreatedRecords"] == 3, where
        return killed and both


def test_killed_anywhere():
    """one that gives its job up for another's, killed at any write or request, is gone on with to that one's result"""
    with tempfile.TemporaryDirectory(prefix="upjob-rival-") as work, concurrent.futures.ThreadPoolExecutor(24) as pool:
        killer = resume.build_killer(work)
        futures = [pool.submit(killed_at, killer, does, at, at % 4 < 2) for at in range(FIRST, LAST, STEP) for does in ("start", "wait")]
        kills = sum(future.result() for future in futures)
        assert kills >= len(futures) // 2, kills
        print(f"# {kills} kills")


FIRST, LAST = 114, 172 # calls: from before its job is made until the other's is started
STEP = 6 if SANITIZED else 2


run(globals())
