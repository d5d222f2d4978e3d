"""What imports with a run key do on bad days: calls that fail, kills, interrupts and files that change at the wrong moment."""
import signal, threading, time
from import_world import Proxy
from kit import eventually, run
from race import KEY, PATIENT, Race, kind_of

LOOK_AFTER = 15 # seconds after the last request: those that have made their jobs look 5 s later, if the machine does not stand still

RIVAL_FIELDS = {"id": {"Source": "_source.Id", "Target": "_profile.Attributes.id"},
                "Mail": {"Source": "_source.Mail", "Target": "_profile.EmailAddress"},
                "Name": {"Source": "_source.Name", "Target": "_profile.LastName"}}


def rival(race, start=False):
    """The job of another program with the key."""
    job = race.service.create_job("d", RIVAL_FIELDS, DisplayName="c.csv nightly", UniqueKey="id")
    if start:
        with open(race.path("c.csv"), "rb") as data:
            race.service.put(race.service.path("d", job), data)
        race.service.start_job("d", job)
    return job


def test_fault_of_create():
    """a creation that was answered with a fault, under a key whose first job was stopped, is made again: that job is not the result"""
    with Race() as race:
        race.service.stop_job("d", rival(race))
        faults = ["create"]
        with Proxy(race.service, lambda *call: kind_of(*call) in faults and faults.pop() and "fault") as proxy:
            result = race.good(*race.importing("c.csv", more=KEY), "--endpoint-url", proxy.url)
        assert result["Status"] == "SUCCEEDED" and race.statuses() == ["STOPPED", "SUCCEEDED"], (result, race.jobs())


def waiting(race, hold=()):
    """One that waits for the job of a rival, and that job."""
    other = rival(race)
    program = race.program(*hold)
    program.sent("look", 2)  # what the job is, and whether it is started
    return program, other


def test_killed_at_next_create():
    """one whose rival gave its job up, killed while it makes another, is gone on with: the job that was given up is not its result"""
    with Race() as race:
        program, other = waiting(race, ["create"])
        race.service.stop_job("d", other)
        program.reached("create")
        program.kill()
        result = race.good("--state", race.path(program.name), "runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and race.statuses() == ["STOPPED", "SUCCEEDED"], (result, race.jobs())


def test_interrupted_resume():
    """one that waits for a rival's job, killed and gone on with, and interrupted at its first look, leaves that job alone"""
    with Race() as race:
        program, other = waiting(race)
        program.kill()
        again = race.program("look", arguments=["--state", race.path(program.name), "runs", "resume", "1", "--json"])
        again.reached("look")
        again.process.send_signal(signal.SIGINT)
        again.release("look")
        told = again.process.communicate(timeout=PATIENT)
        assert again.process.returncode == 130 and race.statuses() == ["CREATED"], (told, race.jobs())
        assert "stop" not in again.kinds, again.kinds


def test_interrupted_beside_a_slow_maker():
    """one that has waited for a job in vain, and is interrupted before it starts it, leaves it to its maker, which is only slow"""
    with Race() as race:
        maker = race.program("upload")
        maker.reached("upload")
        other = race.program("path")
        other.reached("path")
        other.process.send_signal(signal.SIGINT)
        told = other.process.communicate(timeout=PATIENT)
        assert other.process.returncode == 130 and "left to the program that made it" in told[1], told
        maker.release("upload")
        race.check(0, maker)


def test_changed_file_of_a_started_job():
    """one that is gone on with, whose file has changed, does not stop the job that its rival starts meanwhile"""
    with Race() as race:
        program, other = waiting(race)
        program.kill()
        assert race.statuses() == ["CREATED"], race.jobs()
        with open(race.path("c.csv"), "rb") as data:
            race.service.put(race.service.path("d", other), data)
        race.rows("c.csv", range(4), "changed")
        kinds = []

        def start_meanwhile(method, path):
            kinds.append(kind_of(method, path))
            if kinds.count("look") == 2 and kinds[-1] == "look" or kinds[-1] == "stop":
                race.service.start_job("d", other)
            return False
        with Proxy(race.service, start_meanwhile) as proxy:
            result = race.good("--state", race.path(program.name), "runs", "resume", "1", "--json", "--endpoint-url", proxy.url)
        assert (result["JobId"], result["Status"]) == (other, "SUCCEEDED") and "stop" not in kinds, (result, kinds, race.jobs())


def test_parts_killed_while_giving_up():
    """parts that were giving their jobs up for those of a rival, both killed, are gone on with: what they send is made again"""
    with Race() as race:
        race.rows("a.csv", range(1500), "old")
        arguments = race.importing("a.csv", more=KEY)
        first, second = race.program("create", "start", arguments=arguments), race.program("create", "stop", arguments=arguments)
        for program in first, second:
            program.reached("create")
        first.release("create")
        first.reached("start")
        second.release("create")
        second.reached("stop")
        second.kill()
        first.kill()
        result = race.good("--state", race.path(second.name), "runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and len(result["jobs"]) > 1, result
        race.check_whole(range(0, 1500, 200), "old")


def test_lists_of_parts():
    """parts that look before their start at the same time share what the service lists"""
    with Race() as race:
        race.rows("a.csv", range(6000), "old")
        program = race.program(arguments=race.importing("a.csv", more=["--parallel", "64", *KEY]))
        program.sent("create", 5)
        program.hold["list"] = threading.Event()
        program.reached("list")
        eventually(lambda: time.monotonic() - program.last > LOOK_AFTER, PATIENT, "the others' turn to look")
        program.release("list")
        parts = len(program.result()["jobs"])
        assert parts > 5 and program.kinds.count("list") < 2 + parts - 2, (parts, program.kinds)


if __name__ == "__main__":
    run(globals())
