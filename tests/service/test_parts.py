"""Imports that are sent in parts: several files, and files over the limit."""
import json, os, random, shutil, signal, time
from import_world import MAP, Proxy, World
from kit import eventually, run, some, stop_between_writes


def test_order():
    """of several files, some over the limit, the last row of a key is what stays; one result tells all parts"""
    with World() as world:
        keys = list(range(2000))
        random.Random(3).shuffle(keys)
        world.rows("1.csv", keys * 2, "old")
        world.rows("2.csv", keys[::-1], "mid")
        world.rows("3.csv", keys[:500], "new")
        result = world.good(*world.importing("?.csv", more=["--parallel", "3"]))
        assert result["Status"] == "SUCCEEDED" and result["rows"] == 6500, result
        assert result["ResultsSummary"] == {"CreatedRecords": 2000, "UpdatedRecords": 4500, "FailedRecords": 0}, result
        jobs = result["jobs"]
        assert [job["number"] for job in jobs] == list(range(1, len(jobs) + 1)) and len(jobs) > 6, jobs
        assert sum(job["rows"] for job in jobs) == 6500 and sum(job["bytes"] for job in jobs) == result["bytes"], jobs
        assert all(job["bytes"] < 30 * 1024 for job in jobs), jobs
        assert {os.path.basename(job["file"]) for job in jobs} == {"1.csv", "2.csv", "3.csv"}, jobs
        assert "JobId" not in result
        world.check_whole(keys[:500:50], "new")
        world.check_whole(keys[500::300], "mid")


def test_order_within_a_key():
    """rows of one key stay in one part, and in their order"""
    with World() as world:
        keys = [k for k in range(60) for _ in range(60)]
        random.Random(4).shuffle(keys)
        world.rows("c.csv", keys, "row")
        result = world.good(*world.importing("c.csv", more=["--parallel", "1"]))
        assert len(result["jobs"]) > 3, result["jobs"]
        last = {key: n for n, key in enumerate(keys)}
        for key in range(0, 60, 7):
            assert world.name_of(key) == f"row {last[key]}", (key, world.name_of(key))


def test_one_file_is_one_job():
    """a file below the limit is one job as ever, and has no list of jobs"""
    with World() as world:
        world.rows("c.csv", range(100), "row")
        result = world.good(*world.importing("c.csv"))
        assert result["JobId"] and "jobs" not in result, result


def test_one_part_is_one_job():
    """a large file of which little is to be sent is one job, and not part 1 of 1"""
    with World() as world:
        world.write("map.lua", MAP.replace('{ unique_key', '{ mapping.rows(function(row) return row.Id < "k11" end), unique_key'))
        world.rows("c.csv", range(3000), "row")
        arguments = world.importing("c.csv")
        rehearsed = world.good(*arguments, "--dry-run")
        assert len([r for r in rehearsed["requests"] if r["operation"] == "CreateUploadJob"]) == 1, rehearsed
        assert "parts" not in rehearsed and "part" not in rehearsed["requests"][0], rehearsed
        result = world.good(*arguments)
        assert result["JobId"] and "jobs" not in result and " part " not in result["DisplayName"], result
        assert (result["rows"], result["bytes"]) == (113, rehearsed["bytes"]), (result, rehearsed)
        assert world.statuses() == ["SUCCEEDED"] and world.name_of(1099).startswith("row"), world.jobs()
        assert "part 1" not in world.good("runs", "show", "1"), world.good("runs", "show", "1")


def test_killed():
    """an import in parts that is killed is gone on with: no part is started twice, none is missing"""
    killed = 0
    for calls in some((3, 9, 14, 19, 24, 29, 34), 2):
        with World() as world:
            world.rows("a.csv", range(2500), "old")
            world.rows("b.csv", range(1200), "new")
            arguments = world.importing("a.csv", "b.csv", more=["--parallel", "2"])
            with Proxy(world.service) as proxy:
                direct, world.url = world.url, proxy.url
                process = world.begin(*arguments)
                eventually(lambda: len(proxy.calls) >= calls or process.poll() is not None, what="so many calls")
                process.kill()
                out, messages = process.communicate()
            world.url = direct
            assert process.returncode in (0, -signal.SIGKILL), messages
            killed += process.returncode != 0
            result = json.loads(out) if process.returncode == 0 else world.good("runs", "resume", "1", "--json")
            assert result["Status"] == "SUCCEEDED" and result["rows"] == 3700, result
            assert sum(job["rows"] for job in result["jobs"]) == 3700, result["jobs"]
            world.check_whole(range(0, 1200, 300), "new")
            world.check_whole(range(1200, 2500, 400), "old")
            shown = world.good("runs", "show", "1")
            assert f"{len(result['jobs'])} of {len(result['jobs'])} parts were begun" in shown, shown
    assert killed >= 2, killed


def interrupted(world, more=()):
    """An import of c.csv of which one part was started, and has succeeded: another is refused."""
    world.rows("c.csv", range(1500), "row")
    refused = []

    def refuse(method, path):
        if method != "POST" or not world.jobs():
            return False
        eventually(lambda: "SUCCEEDED" in world.statuses(), what="the end of the first part's job")
        refused.append(path)
        return True
    with Proxy(world.service, refuse) as proxy:
        direct, world.url = world.url, proxy.url
        status, out, messages = world.upjob(*world.importing("c.csv", more=["--parallel", "1", *more]))
        world.url = direct
    assert status == 4 and refused, (status, out, messages)
    return messages


def test_refused():
    """a part that is refused ends the import, which names it and the command that goes on; that sends the other parts alone"""
    with World() as world:
        messages = interrupted(world)
        assert "part 2 of 2 (c.csv): not allowed" in messages.replace("\n", " ") or "part 2 of" in messages, messages
        assert "runs resume 1" in messages, messages
        before = world.jobs()
        assert {job["Status"] for job in before} == {"SUCCEEDED"}, before
        assert "interrupted" in world.good("runs", "list"), world.good("runs", "list")
        result = world.good("runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and result["ResultsSummary"]["CreatedRecords"] == 1500, result
        assert {job["JobId"] for job in before} < {job["JobId"] for job in world.jobs()}
        world.check_whole(range(0, 1500, 200), "row")


def test_changed_file():
    """a file that has been changed since a part of it was started is not gone on with; the same content under a new time is"""
    with World() as world:
        interrupted(world)
        with open(world.path("c.csv")) as file:
            text = file.read()
        before = world.jobs()
        world.write("c.csv", text.replace("row 7", "row 8"))
        status, _, messages = world.upjob("runs", "resume", "1")
        assert status == 7 and "is not what was checked" in messages and "runs resume 1" in messages, (status, messages)
        assert world.jobs() == before
        world.write("c.csv", text)
        result = world.good("runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and result["ResultsSummary"]["CreatedRecords"] == 1500, result


def test_run_key_elsewhere():
    """another machine, given the same run key, takes the parts that were started, and refuses those of other content"""
    with World() as world:
        interrupted(world, ["--run-key", "spring"])
        before = world.jobs()
        with open(world.path("c.csv")) as file:
            text = file.read()
        shutil.rmtree(world.state)
        world.write("c.csv", text.replace("row 7", "row 8"))
        arguments = world.importing("c.csv", more=["--parallel", "1", "--run-key", "spring"])
        status, _, messages = world.upjob(*arguments)
        assert status == 2 and "other content" in messages and "spring" in messages, (status, messages)
        assert world.jobs() == before
        shutil.rmtree(world.state)
        world.write("c.csv", text)
        result = world.good(*arguments)
        assert result["ResultsSummary"]["CreatedRecords"] == 1500, result
        assert before[0]["JobId"] in [job["JobId"] for job in result["jobs"]], result
        world.check_whole(range(0, 1500, 200), "row")
        again = world.good(*arguments)
        assert again["jobs"] == result["jobs"], again


def test_stopped_while_it_is_gone_on_with():
    """parts whose jobs are stopped while they are gone on with are made again, and sent by other jobs, in the same resume"""
    with World() as world:
        world.rows("c.csv", range(1500), "row")
        direct, held = world.url, {}

        def kill(method, path):
            if method == "GET" and path == "/domains/d/upload-jobs" and world.jobs():  # the look before a start
                held["process"].kill()
                return True
            return False
        with Proxy(world.service, kill) as proxy:
            world.url = proxy.url
            held["process"] = world.begin(*world.importing("c.csv", more=["--parallel", "2", "--run-key", "again"]))
            held["process"].communicate(timeout=60)
        looks, stopped = {}, []

        def stop(method, path):
            looks[path] = looks.get(path, 0) + 1
            is_second = method == "GET" and len(path.split("/")) == 5 and looks[path] == 2
            job = path.rsplit("/", 1)[1]
            if is_second and [one["Status"] for one in world.jobs() if one["JobId"] == job] == ["CREATED"]:
                world.service.call("PUT", path + "/stop")
                stopped.append(job)
            return False
        with Proxy(world.service, stop) as proxy:
            world.url = direct
            result = world.good("runs", "resume", "1", "--json", "--endpoint-url", proxy.url)
        assert stopped, world.jobs()
        assert result["Status"] == "SUCCEEDED" and result["ResultsSummary"]["CreatedRecords"] == 1500, result
        world.check_whole(range(0, 1500, 200), "row")


def test_signal():
    """SIGINT stops the jobs of parts that were not started; started ones go on, and the command that is told goes on with all"""
    with World("--fault", "slow=20000") as world:
        world.rows("c.csv", range(3000), "row")
        process = world.begin(*world.importing("c.csv", more=["--parallel", "2"]))
        eventually(lambda: "SUCCEEDED" in world.statuses() and "CREATED" in world.statuses(), what="a part's end")
        process.send_signal(signal.SIGINT)
        out, messages = process.communicate(timeout=100)
        assert process.returncode == 130, (process.returncode, out, messages)
        # One whose creation was under way may be left to who goes on.
        assert "STOPPED" in world.statuses() or "CREATED" in world.statuses(), world.jobs()
        assert "runs resume 1" in messages, messages
        result = world.good("runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and result["ResultsSummary"]["CreatedRecords"] == 3000, result
        world.check_whole(range(0, 3000, 300), "row")


LEASED = '''assert(require("upjob.journal").open { lease = 1 })
local import = assert(job.import { client = profiles.client {}, domain = "d", file = "c.csv", key = "Id", part_bytes = "30K", parallel = 2 })
assert(import:wait())
'''


def test_taken_over():
    """an import that was stopped for longer than its lease starts none of its parts any more, and leaves all to who goes on with it"""
    with World("--fault", "slow=10000") as world:
        world.rows("c.csv", range(3000), "row")
        stopped = world.begin("run", "--endpoint-url", world.url, world.write("leased.lua", LEASED))
        eventually(lambda: world.statuses() == ["CREATED", "CREATED"], what="two parts being uploaded")
        stop_between_writes(stopped.pid, os.path.join(world.state, "journal.db"))
        time.sleep(1.5)
        result = world.good("runs", "resume", "1", "--json")
        os.kill(stopped.pid, signal.SIGCONT)
        _, messages = stopped.communicate(timeout=100)
        assert stopped.returncode != 0 and "nothing more is done here" in messages, messages
        # An upload that was under way may be refused before it is noticed.
        assert "not recorded" not in messages or "refused the upload" in messages, messages
        assert result["Status"] == "SUCCEEDED" and world.statuses() == ["SUCCEEDED"] * len(result["jobs"]), world.jobs()


def test_failed_rows():
    """rows that the service fails in one part make the whole PARTIALLY_SUCCEEDED, and are counted in all"""
    with World() as world:
        world.rows("c.csv", range(1500), "row")
        with open(world.path("c.csv"), "a") as file:
            file.write(",nokey@example.com,none\n")
        arguments = world.importing("c.csv", more=["--no-check"])
        status, out, messages = world.upjob(*arguments)
        result = json.loads(out)
        assert status == 6 and result["Status"] == "PARTIALLY_SUCCEEDED", (status, out, messages)
        assert result["ResultsSummary"] == {"CreatedRecords": 1500, "UpdatedRecords": 0, "FailedRecords": 1}, result
        assert sorted(job["Status"] for job in result["jobs"]).count("PARTIALLY_SUCCEEDED") == 1, result["jobs"]


def test_stopped_part():
    """a part whose job somebody stops does not stop the others, and makes the whole STOPPED"""
    with World() as world:
        world.rows("c.csv", range(400_000), "row")
        process = world.begin(*world.importing("c.csv", more=["--part-size", "8M"]))
        running = []

        def started():
            running.extend(job["JobId"] for job in world.jobs() if job["Status"] == "IN_PROGRESS")
            return running
        eventually(started, what="a part being started")
        world.service.stop_job("d", running[0])
        out, messages = process.communicate(timeout=100)
        result = json.loads(out)
        assert process.returncode == 5 and result["Status"] == "STOPPED", (process.returncode, out, messages)
        assert sorted({job["Status"] for job in result["jobs"]}) == ["STOPPED", "SUCCEEDED"], result["jobs"]


def test_bad_days():
    """throttling, faults and uploads that break off are survived by each part for itself"""
    with World("--fault", "throttle=0.15,error=0.05,drop-upload=0.2,seed=5") as world:
        world.rows("a.csv", range(2000), "old")
        world.rows("b.csv", range(700), "new")
        result = world.good(*world.importing("a.csv", "b.csv"))
        assert result["Status"] == "SUCCEEDED" and result["rows"] == 2700, result
        world.service.command = [word for word in world.service.command if word != "--fault" and "throttle=" not in word]
        world.service.restart()
        world.check_whole(range(0, 700, 100), "new")


def test_no_wait():
    """--no-wait returns when all parts were started, and the command that is told goes on with them"""
    with World() as world:
        world.rows("c.csv", range(1500), "row")
        blocker = world.service.begin("d", b"Id,Mail,Name\n" + b"".join(b"b%d,b@example.com,x\n" % i for i in range(300_000)))
        status, out, messages = world.upjob(*world.importing("c.csv", more=["--no-wait"]))
        assert status == 0, (status, out, messages)
        left = json.loads(out)
        assert left["Status"] == "IN_PROGRESS" and all(job["JobId"] for job in left["jobs"]), left
        assert "runs resume 1" in messages, messages
        world.service.stop_job("d", blocker)
        result = world.good("runs", "resume", "1", "--json")
        assert result["Status"] == "SUCCEEDED" and [job["JobId"] for job in result["jobs"]] == \
            [job["JobId"] for job in left["jobs"]], result


run(globals())
