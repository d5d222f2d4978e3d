"""Imports of only what has changed, that are killed, refused, or beside each other: what is compared with afterwards is true."""
import glob, itertools, json, os, signal
from daemons import Clock
from import_world import Proxy, World
from kit import eventually, run, some


def importing(*more):
    return ["import", "c.csv", "--domain", "d", "--map", "map.lua", "--json", "--only-changed", *more]


def changes(result, *names):
    return tuple(result["changes"][name] for name in names)


def sets(world):
    """The files of sets, but for the notes on runs that nobody has gone on with yet."""
    names = (os.path.basename(path) for path in glob.glob(os.path.join(world.state, "changes", "*", "*")))
    return sorted(name for name in names if not name.endswith(".promoted"))


def edit(world, *keys, word="other", name="c.csv"):
    """Gives the rows of these keys another name."""
    with open(world.path(name)) as file:
        lines = file.read().splitlines()
    for i, line in enumerate(lines):
        if line.split(",")[0] in {f"k{key}" for key in keys}:
            lines[i] = ",".join(line.split(",")[:2] + [word + " 0"])
    world.write(name, "\n".join(lines) + "\n")


def killed_at(world, is_it, *arguments):
    """Kills an import at the first call of which is_it(method, path) is true, before it is answered."""
    held = {}

    def refuse(method, path):
        if "process" in held and is_it(method, path):
            held["process"].kill()
            return True
        return False
    with Proxy(world.service, refuse) as proxy:
        direct, world.url = world.url, proxy.url
        held["process"] = process = world.begin(*arguments)
        out, messages = process.communicate(timeout=100)
        world.url = direct
    assert process.returncode == -signal.SIGKILL, (process.returncode, out, messages)


def at_success(world, count):
    """At the look at a job that shows it to have succeeded, as the last of so many."""
    def is_it(method, path):
        if method != "GET" or len(path.split("/")) != 5:
            return False
        eventually(lambda: "IN_PROGRESS" not in world.statuses(), what="the end of the job")
        return world.statuses().count("SUCCEEDED") == count
    return is_it


def test_killed_after_success():
    """an import that is killed when its job had succeeded, before it knew: the next one compares with it, and sends nothing"""
    with World() as world:
        world.rows("c.csv", range(300), "row")
        world.good(*importing())
        edit(world, 5, 6)
        killed_at(world, at_success(world, 2), *importing())
        again = world.good(*importing())
        assert changes(again, "new", "changed", "due", "same", "rows") == (0, 0, 0, 300, 0), again
        assert world.statuses() == ["SUCCEEDED"] * 2 and sets(world) == ["about", "keys", "keys.lock"], (world.statuses(), sets(world))


def test_killed_and_resumed():
    """an import that was killed is gone on with, and what it sent is what the next one compares with"""
    with World() as world:
        world.rows("c.csv", range(300), "row")
        world.good(*importing())
        edit(world, 5, 6, 7)
        for method, ending in ("POST", "/upload-jobs"), ("PUT", ""), ("GET", "/path"):
            edit(world, 8, word=f"w{method}")
            before = len(world.jobs())
            killed_at(world, lambda m, path: m == method and path.startswith("/domains/") and path.endswith(ending), *importing())
            number = json.loads(world.upjob("runs", "list", "--json")[1].splitlines()[0])["id"]
            result = world.good("runs", "resume", str(number), "--json")
            assert result["Status"] == "SUCCEEDED" and len(world.jobs()) <= before + 2, result
            again = world.good(*importing())
            assert changes(again, "rows", "same") == (0, 300), again
        assert world.name_of(5).startswith("other") and world.name_of(8).startswith("wGET"), world.name_of(8)
        assert sets(world) == ["about", "keys", "keys.lock"], sets(world)


def test_killed_and_forgotten():
    """rows of an import that was killed before its start are sent by the next one, whatever their file has by then"""
    with World() as world:
        world.rows("c.csv", range(300), "row")
        world.good(*importing())
        edit(world, 5, 6)
        killed_at(world, lambda method, path: method == "PUT" and path.startswith("/domains/"), *importing())
        world.rows("c.csv", range(300), "row")  # as it was
        again = world.good(*importing())
        assert changes(again, "changed", "same") == (2, 298), again
        assert world.name_of(5).startswith("row"), world.name_of(5)
        again = world.good(*importing())
        assert changes(again, "rows") == (0,), again


def test_parts_killed():
    """an import in parts of what has changed that is killed sends the same rows when it is gone on with, and no others"""
    for calls in some((8, 4, 14)):
        with World() as world:
            world.rows("c.csv", range(3000), "row")
            world.good(*importing())
            edit(world, *range(0, 3000, 2), word="new")
            arguments = importing("--part-size", "10K", "--parallel", "2")
            with Proxy(world.service) as proxy:
                direct, world.url = world.url, proxy.url
                process = world.begin(*arguments)
                eventually(lambda: len(proxy.calls) >= calls or process.poll() is not None, what="so many calls")
                process.kill()
                process.communicate()
                world.url = direct
            assert process.returncode == -signal.SIGKILL
            result = world.good("runs", "resume", "2", "--json")
            assert result["Status"] == "SUCCEEDED" and sum(job["rows"] for job in result["jobs"]) == 1500, result
            assert result["ResultsSummary"] == {"CreatedRecords": 0, "UpdatedRecords": 1500, "FailedRecords": 0}, result
            again = world.good(*importing())
            assert changes(again, "rows", "same") == (0, 3000), again


def test_gone_without_waiting():
    """with --no-wait the keys that are gone are written by runs resume, when the job has succeeded, or by the next import"""
    def is_look(method, path):
        return "fault" if method == "GET" and len(path.split("/")) == 5 else False
    for parts in ([], ["--part-size", "1500"]):
        with World() as world, Proxy(world.service, is_look) as proxy:
            direct = world.url
            world.rows("c.csv", range(400), "row")
            world.good(*importing(*parts))

            def leave(last, word):
                """An import without a wait, of which the end is not seen: the number of its run."""
                world.rows("c.csv", range(last), "row")
                edit(world, *range(0, 200), word=word)
                world.url = proxy.url
                status, out, messages = world.upjob(*importing("--gone", "gone.csv", "--no-wait", *parts))
                world.url = direct
                assert status == 0 and "to watch it, and write the keys that are gone: " in messages, (status, messages)
                assert len(json.loads(out)["jobs"]) > 1 if parts else json.loads(out)["JobId"], out
                assert not os.path.exists(world.path("gone.csv"))
                eventually(lambda: "IN_PROGRESS" not in world.statuses(), 60, "the end of the jobs")
                return messages.split("runs resume ")[1].split()[0]

            def gone():
                with open(world.path("gone.csv")) as file:
                    keys = file.read().split()[1:]
                os.remove(world.path("gone.csv"))
                return keys
            status, out, messages = world.upjob("runs", "resume", leave(399, "a"), "--endpoint-url", direct)
            assert status == 0 and "gone.csv" in out and gone() == ["k399"], (status, out, messages)
            number = leave(398, "b")
            status, out, messages = world.upjob(*importing(*parts))  # without --gone
            assert status == 0 and "ended before it wrote them, are in " in messages, (status, messages)
            assert changes(json.loads(out), "rows", "gone") == (0, 0) and gone() == ["k398"], out
            # What was settled is gone on with all the same, and what is told of it is true.
            status, out, messages = world.upjob("runs", "resume", number, "--endpoint-url", direct)
            assert status == 0 and "not written" not in messages and "sends these rows again" not in messages, (status, messages)
            assert not os.path.exists(world.path("gone.csv"))
            leave(397, "c")
            world.rows("c.csv", range(397), "c")  # as nobody ever waits, the list of the last one is written
            edit(world, *range(0, 200), word="c")
            status, out, messages = world.upjob(*importing("--gone", "gone.csv", "--no-wait", *parts))
            assert status == 0 and gone() == ["k397"], (status, messages)
            notes = glob.glob(os.path.join(world.state, "changes", "*", "*.promoted"))
            assert len(notes) == 1 and not notes[0].endswith(f"/{number}.promoted"), notes  # of the last run, which is open


def test_gone_of_a_killed_import():
    """keys that were gone in an import which was killed before it wrote them are told by the next one, and are not lost"""
    def gone(name):
        with open(world.path(name)) as file:
            return sorted(file.read().split()[1:])
    for more, name in (["--gone", "next.csv"], "next.csv"), ([], "gone.csv"):
        with World() as world:
            world.rows("c.csv", range(100), "row")
            world.good(*importing())
            world.rows("c.csv", range(97), "row")
            edit(world, 5)
            killed_at(world, at_success(world, 2), *importing("--gone", "gone.csv"))
            world.rows("c.csv", range(96 if more else 97), "row")
            status, out, messages = world.upjob(*importing(*more))
            assert status == 0 and name in messages, (status, messages)
            assert gone(name) == ["k96", "k97", "k98", "k99"][0 if more else 1:], gone(name)
            assert changes(world.good(*importing()), "rows", "gone") == (0, 0)


def test_resumed_days_later():
    """an import that is gone on with days later sends what it was to send, and not what has become due meanwhile"""
    with Clock() as clock, World() as world:
        world.rows("c.csv", range(100), "row")
        world.good(*importing("--expires", "4"))
        edit(world, 5, 6)
        killed_at(world, lambda method, path: path.endswith("/path"), *importing("--expires", "4"))
        clock.set(3 * 86400)
        before = dict(os.environ)
        os.environ.update(clock.env)
        try:
            status, out, messages = world.upjob("runs", "resume", "2", "--json")
        finally:
            os.environ.clear()
            os.environ.update(before)
        assert status == 0, (status, out, messages)
        assert changes(json.loads(out), "changed", "due", "same", "rows") == (2, 0, 98, 2), out
        assert world.name_of(6).startswith("other"), world.name_of(6)


def test_resumed_after_another():
    """where another import has sent what a killed one was to send, no job of that is left waiting for its file"""
    with World() as world:
        world.rows("c.csv", range(100), "row")
        world.good(*importing())
        edit(world, 5)
        killed_at(world, lambda method, path: path.endswith("/path"), *importing())
        world.good(*importing())
        result = world.good("runs", "resume", "2", "--json")
        assert result["Status"] == "SUCCEEDED" and result["changes"]["rows"] == 0, result
        assert world.statuses() == ["STOPPED", "SUCCEEDED", "SUCCEEDED"], world.statuses()


def test_resumed_after_another_sent_some():
    """where another import has sent some of the rows of a killed one, that is said, and not that the file was changed"""
    for more in [], ["--part-size", "30K"]:
        with World() as world:
            world.rows("c.csv", range(3000), "row")
            world.good(*importing())
            edit(world, *range(1500))
            killed_at(world, lambda method, path: path.endswith("/path"), *importing(*more))
            world.rows("d.csv", range(100), "row")
            edit(world, *range(50), name="d.csv")
            world.good(*importing()[:1], "d.csv", *importing()[2:])
            status, out, messages = world.upjob("runs", "resume", "2", "--json")
            assert status == 7 and "another import has sent some of its rows since" in messages, (status, messages)
            assert "not what was checked" not in messages and "runs resume" not in messages, messages
            assert set(world.statuses()) == {"STOPPED", "SUCCEEDED"} and world.statuses().count("SUCCEEDED") == 2, world.statuses()
            assert world.upjob("runs", "resume", "2")[0] == 1  # it has ended
            assert changes(world.good(*importing()), "rows") == (2950,)


def test_two_at_once():
    """of two imports at once each sends what differs; what is compared with afterwards leaves nothing out"""
    with World() as world:
        world.rows("c.csv", range(2000), "row")
        world.good(*importing())
        edit(world, *range(100))
        both = [world.begin(*importing()) for _ in range(2)]
        ended = [process.communicate(timeout=100) + (process.returncode,) for process in both]
        assert all(status in (0, 1, 4) for out, messages, status in ended) and any(status == 0 for *_, status in ended), ended
        world.good(*importing())
        again = world.good(*importing())
        assert changes(again, "rows", "same") == (0, 2000), again
        assert world.name_of(99).startswith("other"), world.name_of(99)


def test_expiry():
    """what would vanish before the next usual import is sent again, though it has not changed"""
    with World() as world:
        world.rows("c.csv", range(100), "row")
        world.good(*importing("--expires", "1"))
        again = world.good(*importing("--expires", "1"))
        assert changes(again, "changed", "due", "same") == (0, 100, 0), again
        world.good(*importing("--expires", "20"))
        again = world.good(*importing("--expires", "20"))
        assert changes(again, "due", "same") == (0, 100), again


def test_failed_job():
    """a job that somebody stops leaves its rows to the next import"""
    with World() as world:
        world.rows("c.csv", range(100), "row")
        world.good(*importing())
        edit(world, 1, 2, 3)

        def stop(method, path):
            if method == "PUT" and path.startswith("/domains/") and not path.endswith("/stop"):
                world.service.stop_job("d", path.split("/")[-1])
            return False
        with Proxy(world.service, stop) as proxy:
            direct, world.url = world.url, proxy.url
            status, out, messages = world.upjob(*importing())
            world.url = direct
        assert status != 0, (status, out, messages)
        again = world.good(*importing())
        assert again["changes"]["rows"] == 3 and world.name_of(2).startswith("other"), again


def test_no_room_for_the_set():
    """where the set cannot be written nothing is sent, and the error says where"""
    with World() as world:
        world.rows("c.csv", range(100), "row")
        world.good(*importing())
        before = len(world.jobs())
        [directory] = glob.glob(os.path.join(world.state, "changes", "*", ""))
        edit(world, 1)
        os.makedirs(os.path.join(directory, "2.staged", "x"))  # what nobody can write to
        status, out, messages = world.upjob(*importing())
        assert status != 0 and "2.staged" in messages and len(world.jobs()) == before, (status, out, messages)
        again = world.good(*importing())
        assert changes(again, "changed") == (1,), again


def test_pruned():
    """sets that no import has used for long are forgotten with the runs"""
    with World() as world:
        world.rows("c.csv", range(10), "row")
        world.good(*importing())
        world.good("runs", "prune", "--older-than", "1d", "--json")
        assert "keys" in sets(world)
        for path in glob.glob(os.path.join(world.state, "changes", "*", "*")):
            os.utime(path, (1, 1))
        world.good("runs", "prune", "--older-than", "1d", "--json")
        assert sets(world) == [], sets(world)


def test_nothing_in_the_clear_but_in_the_set():
    """values and keys are in no journal and no other file of the state"""
    with World() as world:
        world.rows("c.csv", range(100, 160), "Geheim")
        world.good(*importing())
        edit(world, 101, word="Geheim2")
        world.good(*importing("--gone", "gone.csv"))
        for path in glob.glob(os.path.join(world.state, "**"), recursive=True):
            if os.path.isfile(path):
                assert os.stat(path).st_mode & 0o077 == 0, path
                with open(path, "rb") as file:
                    text = file.read()
                assert b"Geheim" not in text, path
                assert b"k123" not in text or path.endswith("/keys"), path


# ---- several files ----

def importing_all(*more, files=("f*.csv",)):
    return ["import", *files, *importing()[2:], "--part-size", "1K", *more]


def write_three(world):
    """Three files with 900 rows of 800 keys: a hundred of them are in the first two."""
    for number, keys in enumerate((range(300), range(200, 500), range(500, 800)), 1):
        world.rows(f"f{number}.csv", keys, f"file{number}")


def change_two(world):
    """10 keys of both files and 100 of the second, which then has to be sent in several parts: 10 and 110 rows."""
    edit(world, *range(250, 260), *range(300, 500, 2), name="f2.csv")


def rows_of(result):
    """How many rows of each file were sent."""
    rows = {}
    for job in result["jobs"]:
        name = os.path.basename(job["file"])
        rows[name] = rows.get(name, 0) + job["rows"]
    return rows


def number_of(world):
    runs = map(json.loads, world.upjob("runs", "list", "--json")[1].splitlines())
    return str(next(row["id"] for row in runs if row["kind"] == "import"))


def test_several_killed():
    """an import of what has changed in several files that is killed, whenever, sends these rows when it is gone on with, no others"""
    for calls in some((1, 2, 3, 7, 12, 17, 22)):
        with World() as world:
            write_three(world)
            world.good(*importing_all())
            change_two(world)
            count = itertools.count(1)
            killed_at(world, lambda method, path: next(count) >= calls, *importing_all("--parallel", "2"))
            result = world.good("runs", "resume", number_of(world), "--json")
            assert rows_of(result) == {"f1.csv": 10, "f2.csv": 110} and len(result["jobs"]) > 3, (calls, result)
            assert result["Status"] == "SUCCEEDED" and changes(result, "new", "changed", "due", "rows") == (0, 110, 0, 120), (calls, result)
            assert result["ResultsSummary"] == {"CreatedRecords": 0, "UpdatedRecords": 120, "FailedRecords": 0}, (calls, result)
            assert world.name_of(255) == "other 0" and world.name_of(245).startswith("file2"), (calls, world.name_of(255))
            again = world.good(*importing_all())
            assert changes(again, "rows", "same", "gone") == (0, 800, 0), (calls, again)
            assert sets(world) == ["about", "keys", "keys.lock"], sets(world)


def test_several_killed_and_forgotten():
    """rows of several files of an import that was killed are sent by the next one, whatever their files have by then"""
    with World() as world:
        write_three(world)
        world.good(*importing_all())
        change_two(world)
        killed_at(world, lambda method, path: method == "PUT" and path.startswith("/domains/"), *importing_all())
        write_three(world)  # as they were
        again = world.good(*importing_all())
        assert changes(again, "changed", "same", "rows") == (110, 690, 120) and rows_of(again) == {"f1.csv": 10, "f2.csv": 110}, again
        assert changes(world.good(*importing_all()), "rows") == (0,)


def test_several_resumed_with_one():
    """what is left to be sent of one file is sent when the others, which were sent or had nothing, are gone or have changed"""
    with World() as world:
        write_three(world)
        world.good(*importing_all())
        change_two(world)
        starts = itertools.count(1)

        def is_second_start(method, path):
            return method == "PUT" and path.startswith("/domains/") and not path.endswith("/stop") and next(starts) == 2
        killed_at(world, is_second_start, *importing_all("--parallel", "1"))
        os.remove(world.path("f1.csv"))
        edit(world, 600, 601, name="f3.csv")
        result = world.good("runs", "resume", number_of(world), "--json")
        assert result["Status"] == "SUCCEEDED" and rows_of(result) == {"f1.csv": 10, "f2.csv": 110}, result
        assert world.name_of(255) == "other 0" and world.name_of(600).startswith("file3"), world.name_of(600)
        # The keys that both files had have other rows now.
        again = world.good(*importing_all("--gone", "gone.csv"))
        assert changes(again, "new", "changed", "same", "gone") == (0, 102, 498, 200), again
        assert world.name_of(600).startswith("other"), world.name_of(600)


def test_several_resumed_after_a_change():
    """a file of several of which parts are to be made again, and that is another by then, is refused"""
    with World() as world:
        write_three(world)
        world.good(*importing_all())
        change_two(world)
        killed_at(world, lambda method, path: method == "POST" and path.endswith("/upload-jobs"), *importing_all("--parallel", "1"))
        edit(world, *range(300, 500, 2), word="a name of another length", name="f2.csv")
        status, out, messages = world.upjob("runs", "resume", number_of(world), "--json")
        assert status != 0 and "f2.csv" in messages and "is not what was checked" in messages, (status, out, messages)
        again = world.good(*importing_all())
        assert changes(again, "new", "changed", "due", "same") == (0, 100, 10, 690), again
        assert world.name_of(302).startswith("a name of another length"), world.name_of(302)


def killed_behind_success(world):
    """An import with gone.csv of three files, of which 5 keys are gone and one differs, is killed when its job had succeeded."""
    write_three(world)
    world.good(*importing_all())
    with open(world.path("f1.csv")) as file:
        lines = file.read().splitlines()
    world.write("f1.csv", "\n".join(lines[:1] + lines[6:]) + "\n")
    edit(world, 700, name="f3.csv")
    jobs = len(world.jobs())
    killed_at(world, at_success(world, jobs + 1), *importing_all("--gone", "gone.csv"))
    assert not os.path.exists(world.path("gone.csv"))


def gone_keys(world, name):
    with open(world.path(name)) as file:
        return sorted(file.read().split()[1:])


def test_several_killed_after_success():
    """an import of several files that is killed when its jobs had succeeded is what the next one compares with, and no key is lost"""
    gone = [f"k{key}" for key in range(5)]
    with World() as world:
        killed_behind_success(world)
        again = world.good(*importing_all())
        assert changes(again, "rows", "same", "gone") == (0, 795, 0) and gone_keys(world, "gone.csv") == gone, again
        assert sets(world) == ["about", "keys", "keys.lock"], sets(world)
    with World() as world:
        killed_behind_success(world)
        again = world.good(*importing_all("--gone", "next.csv"))
        assert changes(again, "due", "gone") == (1, 5) and rows_of(again) == {"f3.csv": 1} and gone_keys(world, "next.csv") == gone, again
    with World() as world:
        killed_behind_success(world)
        result = world.good("runs", "resume", number_of(world), "--json")
        assert changes(result, "changed", "gone") == (1, 5) and gone_keys(world, "gone.csv") == gone, result
        assert changes(world.good(*importing_all()), "rows", "gone") == (0, 0)


run(globals())
