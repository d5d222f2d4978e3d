"""The daemon as a process: ticks and runs over kills, failures, signals, reloads, a full disk and clocks that jump."""
import collections, datetime, http.server, os, random, re, shutil, signal, sqlite3, subprocess, threading, time, zoneinfo
from daemons import LONG, Clock, Daemon, check_every_tick_has_one_run, epoch, keys
from kit import UPJOB, run
from small_disk import Small, may_mount

EVERY_SECOND = 'schedule.every("1s", { misfire = "all", overlap = "allow", run = function(event) say("tick", event.due, event.run) end })\n'


def test_two_daemons():
    """a second daemon on a state directory refuses, and names the process of the first, which goes on"""
    with Daemon({"a.lua": EVERY_SECOND}) as daemon:
        second = subprocess.run(daemon.command(), env=daemon.env, capture_output=True, text=True, timeout=LONG)
        assert second.returncode == 3, (second.returncode, second.stderr)
        assert f"process {daemon.process.pid}" in second.stderr and daemon.state in second.stderr, second.stderr
        daemon.eventually(lambda: len(daemon.runs("a", "succeeded")) > 1, "runs of the first")
        assert daemon.end() == 0
        assert daemon.start().end() == 0


def test_killed_daemon():
    """a daemon that is killed at random moments loses no tick and doubles none; what it had begun ends once"""
    seed = random.randrange(1 << 32)
    random_ = random.Random(seed)
    with Daemon({"a.lua": EVERY_SECOND}) as daemon:
        for _ in range(12):
            time.sleep(random_.uniform(0, 1.5))
            daemon.kill()
            daemon.start(wait=random_.random() < 0.8)
        daemon.told("schedules of ")
        time.sleep(1.1)
        assert daemon.end() == 0, seed
        daemon.start()
        daemon.eventually(lambda: daemon.runs("a") and set(daemon.runs("a")) == {"succeeded"}, f"every run to succeed (seed {seed})")
        assert daemon.end() == 0
        check_every_tick_has_one_run(daemon, "a")
        told = collections.Counter(line.split()[1] for line in daemon.lines("tick"))
        assert set(told.values()) == {1} and len(told) == len(daemon.runs("a", "succeeded")), (seed, told)


def test_killed_with_children():
    """runs whose processes are killed with the daemon go on when it starts again, each as the run that it was"""
    seed = random.randrange(1 << 32)
    random_ = random.Random(seed)
    slow = EVERY_SECOND.replace("say(", 'task.sleep(0.3) say(').replace("run =", "retries = 2, backoff = 1, run =")
    with Daemon({"a.lua": slow}, "--jobs", "3") as daemon:
        for _ in range(8):
            time.sleep(random_.uniform(0, 1.5))
            daemon.kill()
            daemon.kill_children()
            daemon.start()
        time.sleep(1.1)
        daemon.end()
        daemon.start()
        daemon.eventually(lambda: daemon.runs("a") and set(daemon.runs("a")) == {"succeeded"}, f"every run to succeed (seed {seed})")
        assert daemon.end() == 0
        check_every_tick_has_one_run(daemon, "a")
        told = {int(line.split()[2]) for line in daemon.lines("tick")}
        ended = {id_ for (id_,) in daemon.query("SELECT id FROM run WHERE state = 'succeeded'")}
        left = daemon.query("SELECT id, state, attempt FROM run WHERE state != 'succeeded'")
        assert told == ended, (seed, told ^ ended, left)
        assert {state for _, state, _ in left} <= {"queued"}, (seed, left)  # due when the daemon was told to end


def test_outlived():
    """a child that outlived its daemon is waited for by the next one, which does not start it again, and its end is dealt with"""
    with Daemon({"a.lua": 'schedule.every("1s", { run = function() say("begun") while not io.open(os.getenv("OUT") .. ".go") do '
                          'task.sleep(0.05) end error("no luck") end, on_failure = function(event, err) say("failed", err.message) end })'
                 }) as daemon:
        daemon.eventually(lambda: daemon.lines("begun"), "the run")
        daemon.kill()
        assert daemon.children()
        daemon.start()
        daemon.told("still running")
        assert daemon.lines() == ["begun"]
        open(daemon.out + ".go", "w").close()
        daemon.eventually(lambda: daemon.lines("failed"), "on_failure")
        assert "no luck" in daemon.lines("failed")[0]
        daemon.remove("a.lua")
        daemon.send(signal.SIGHUP)
        daemon.told("1 gone")


def test_state_directory_removed():
    """a state directory that is removed while its daemon runs: it goes on in a new one, which others find it by, and ends when told"""
    with Daemon({"a.lua": 'schedule.every("1s", { name = "short", run = function() end })\n'
                          'schedule.every("1000d", { name = "long", run = function() say("begun") '
                          'while not io.open(os.getenv("OUT") .. ".go") do task.sleep(0.05) end say("over") end })'}) as daemon:
        trigger = [UPJOB, "schedule", "trigger", "a/long", "--state", daemon.state]
        subprocess.run(trigger, check=True, stdout=subprocess.DEVNULL)
        daemon.eventually(lambda: daemon.lines("begun"), "the run")
        os.rename(daemon.state, daemon.state + ".gone")  # all of it at once: a new journal is begun while a tree is removed
        shutil.rmtree(daemon.state + ".gone")
        open(daemon.out + ".go", "w").close()
        daemon.told("run 1 of a/long failed.*there is no run 1")
        daemon.eventually(lambda: "succeeded" in daemon.runs("a/short"), "ticks in the new journal")
        daemon.eventually(lambda: daemon.query("SELECT last_due FROM schedule WHERE id = 'a/short' AND last_due > 0"), "its schedules")
        second = subprocess.run(daemon.command(), env=daemon.env, capture_output=True, text=True, timeout=LONG)
        assert second.returncode == 3 and str(daemon.process.pid) in second.stderr, second
        subprocess.run(trigger, check=True, stdout=subprocess.DEVNULL)
        daemon.eventually(lambda: len(daemon.lines("begun")) == 2, "a run that is asked for")
        assert daemon.messages().count("there is no run 1") == 1, daemon.messages()
        assert daemon.end() == 0


def test_retries():
    """a run that fails is tried again as the same run; on_failure comes after its last attempt, on_recovery at the next success"""
    with Daemon({"a.lua": '''
schedule.every("1s", { retries = 1, backoff = 1,
  run = function(event)
    say("run", event.run, event.attempt)
    if not io.open(os.getenv("OUT") .. ".go") then error("no luck") end
  end,
  on_failure = function(event, err) say("failure", event.run, err.message) end,
  on_recovery = function(event) say("recovery", event.run) end })
'''}) as daemon:
        daemon.eventually(lambda: daemon.lines("failure"), "on_failure")
        lines = daemon.lines()
        assert lines[:2] == ["run 1 1", "run 1 2"] and re.match("failure 1 .*no luck", lines[2]), lines
        open(daemon.out + ".go", "w").close()
        daemon.eventually(lambda: daemon.lines("recovery"), "on_recovery")
        count = len(daemon.lines("run"))
        daemon.eventually(lambda: len(daemon.lines("run")) > count + 2, "more runs")
        assert len(daemon.lines("recovery")) == 1, daemon.lines()
        assert daemon.end() == 0
        streak = daemon.query("SELECT streak FROM schedule")[0][0]
        assert streak >= 2, streak


def test_hook_over_a_kill():
    """on_failure of a run whose daemon is killed right after its end is called by the next daemon"""
    with Daemon({"a.lua": '''
schedule.every("1s", { overlap = "allow", run = function(event)
    if event.run == 1 then error("no luck") end
  end, on_failure = function(event)
    say("begun", event.run)
    while not io.open(os.getenv("OUT") .. ".go") do task.sleep(0.05) end
    say("failure", event.run)
  end })
'''}) as daemon:
        daemon.eventually(lambda: daemon.lines("begun"), "on_failure")
        daemon.kill()
        daemon.kill_children()
        assert not daemon.lines("failure")
        open(daemon.out + ".go", "w").close()
        daemon.start()
        daemon.eventually(lambda: daemon.lines("failure"), "on_failure again")
        daemon.end()
        assert daemon.lines("failure") == ["failure 1"]
        daemon.start()
        daemon.eventually(lambda: len(daemon.runs("a", "succeeded")) > 3, "runs")
        assert daemon.lines("failure") == ["failure 1"]


def test_overlap():
    """a run that would overlap is skipped and recorded, or queued, or allowed"""
    wait = 'run = function(event) say(event.schedule, event.run) while not io.open(os.getenv("OUT") .. ".go") do task.sleep(0.05) end end'
    with Daemon({f"{kind}.lua": f'schedule.every("1s", {{ overlap = "{kind}", {wait} }})' for kind in ("skip", "queue", "allow")},
                "--jobs", "20") as daemon:
        daemon.eventually(lambda: len(daemon.lines("allow")) >= 3, "runs beside each other")
        daemon.eventually(lambda: len(daemon.runs("queue")) >= 3, "queued runs")
        daemon.eventually(lambda: daemon.lines("skip") and daemon.lines("queue"), "the first of the others")
        assert len(daemon.lines("skip")) == len(daemon.lines("queue")) == 1, daemon.lines()
        assert daemon.runs("queue")[1:3] == ["queued", "queued"] and daemon.runs("skip") == ["running"]
        skipped = "SELECT count(*) FROM tick WHERE schedule = 'skip' AND skipped = 'overlap'"
        daemon.eventually(lambda: daemon.query(skipped)[0][0] >= 2, "two that are skipped")
        open(daemon.out + ".go", "w").close()
        daemon.eventually(lambda: len(daemon.runs("queue", "succeeded")) >= 3, "the queued runs")
        ids = [int(line.split()[1]) for line in daemon.lines("queue")]
        assert ids == sorted(ids), ids


def test_jobs():
    """no more children run at a time than --jobs says"""
    body = '''say("in")
local inside
repeat -- the first waits for the second: a busy machine may start them one after the other
  task.sleep(0.05)
  inside = 0
  for line in io.lines(os.getenv("OUT")) do inside = inside + (line == "in" and 1 or 0) end
until inside >= 2
say("out")'''
    files = {f"a{i}.lua": f'schedule.every("1s", {{ overlap = "queue", run = function() {body} end }})' for i in range(8)}
    with Daemon(files, "--jobs", "2") as daemon:
        daemon.eventually(lambda: len(daemon.lines("out")) >= 16, "sixteen runs")
        inside = most = 0
        for line in daemon.lines():
            inside += 1 if line == "in" else -1
            most = max(most, inside)
        assert most == 2, most


WAITS = '''schedule.every("1s", { overlap = "queue", run = function(event)
  say("begun", event.run, event.attempt)
  while not io.open(os.getenv("OUT") .. ".go") do task.sleep(0.05) end
  say("ended", event.run)
end })'''


def test_drain():
    """SIGTERM waits for what is running, begins nothing more, and ends with 0; what is queued is run by the next daemon"""
    with Daemon({"a.lua": WAITS}) as daemon:
        daemon.eventually(lambda: daemon.lines("begun") and "queued" in daemon.runs("a"), "a run that runs and one that waits")
        daemon.send(signal.SIGTERM)
        daemon.told("waiting for 1 run to end")
        ticks = len(keys(daemon, "a"))
        time.sleep(1.2)
        assert daemon.process.poll() is None and len(keys(daemon, "a")) == ticks
        open(daemon.out + ".go", "w").close()
        assert daemon.process.wait(LONG) == 0
        assert daemon.lines() == ["begun 1 1", "ended 1"], daemon.lines()
        assert daemon.runs("a")[0] == "succeeded" and set(daemon.runs("a")[1:]) == {"queued"}, daemon.runs("a")
        left = len(daemon.runs("a"))
        daemon.start()
        daemon.eventually(lambda: len(daemon.runs("a", "succeeded")) >= left, "the runs that were left")


def test_second_signal():
    """a second signal, and the end of --drain-timeout, stop what is running; the next daemon goes on with the same run"""
    for how in ("SIGTERM", "SIGINT", "drain"):
        with Daemon({"a.lua": WAITS}, *(["--drain-timeout", "0.2"] if how == "drain" else [])) as daemon:
            daemon.eventually(lambda: daemon.lines("begun"), "a run")
            daemon.send(signal.SIGTERM)
            if how != "drain":
                daemon.told("once more stops it")
                daemon.send(getattr(signal, how))
            assert daemon.process.wait(LONG) == 143, daemon.messages()
            assert "1 run is stopped" in daemon.messages(), daemon.messages()
            assert not daemon.children() and daemon.runs("a")[0] == "interrupted", daemon.runs("a")
            open(daemon.out + ".go", "w").close()
            daemon.start()
            daemon.eventually(lambda: "ended 1" in daemon.lines(), "the end of the run")
            assert daemon.lines("begun")[:2] == ["begun 1 1", "begun 1 2"], daemon.lines()


def test_reload():
    """SIGHUP loads what has changed; a file with an error is told with its line, and its last good version goes on"""
    with Daemon({"a.lua": EVERY_SECOND.replace("tick", "first"), "b.lua": EVERY_SECOND}) as daemon:
        daemon.eventually(lambda: daemon.lines("first"), "a run")
        daemon.write("a.lua", EVERY_SECOND.replace("tick", "second"))
        time.sleep(1.2)
        assert not daemon.lines("second"), "a directory is read when it is told, not before"
        daemon.send(signal.SIGHUP)
        daemon.told("0 new, 1 changed, 0 gone, 0 errors")
        daemon.eventually(lambda: daemon.lines("second"), "the new version")
        daemon.write("a.lua", "schedule.every(")
        daemon.send(signal.SIGHUP)
        daemon.told(r"a\.lua:\d+.*last good version")
        count = len(daemon.runs("a"))
        daemon.eventually(lambda: len(daemon.runs("a")) > count + 1, "runs of the last good version")
        daemon.write("a.lua", EVERY_SECOND.replace("tick", "third"))
        daemon.write("c.lua", EVERY_SECOND.replace("tick", "new"))
        daemon.remove("b.lua")
        daemon.send(signal.SIGHUP)
        daemon.told("1 new, 1 changed, 1 gone, 0 errors")
        daemon.eventually(lambda: daemon.lines("third") and daemon.lines("new"), "the mended and the new one")


def test_reload_that_hangs():
    """schedules tick while files that never end are loaded, and a SIGTERM is obeyed without waiting for them"""
    with Daemon({"a.lua": EVERY_SECOND}) as daemon:
        daemon.eventually(lambda: daemon.lines("tick"), "a run")
        for i in range(9):
            daemon.write(f"b{i}.lua", "while true do end")
        daemon.send(signal.SIGHUP)
        count = len(daemon.lines("tick"))
        daemon.eventually(lambda: len(daemon.lines("tick")) > count + 1, "runs meanwhile")
        assert daemon.end() == 0
        assert "b8.lua" not in daemon.messages(), daemon.messages()


def test_broken_at_the_start():
    """a file that cannot be loaded at the start is told and loses nothing that waits: it goes on once it is mended"""
    with Daemon({"a.lua": WAITS, "b.lua": EVERY_SECOND}) as daemon:
        daemon.eventually(lambda: daemon.runs("a").count("queued") >= 1, "a run that waits")
        daemon.kill()
        daemon.kill_children()
        left = len(daemon.runs("a"))
        daemon.write("a.lua", "this is no Lua")
        daemon.start()
        daemon.told(r"a\.lua:\d+")
        daemon.eventually(lambda: len(daemon.runs("b", "succeeded")) > 2, "runs of the other")
        assert "cancelled" not in daemon.runs("a")
        open(daemon.out + ".go", "w").close()
        daemon.write("a.lua", WAITS)
        daemon.send(signal.SIGHUP)
        daemon.eventually(lambda: daemon.runs("a")[:left] == ["succeeded"] * left, "the runs that waited")


def test_removed():
    """a file that is removed while its run goes on does that run no harm; runs of it that wait are cancelled, and told"""
    with Daemon({"a.lua": WAITS}) as daemon:
        daemon.eventually(lambda: daemon.lines("begun") and "queued" in daemon.runs("a"), "a run that runs and one that waits")
        daemon.remove("a.lua")
        daemon.send(signal.SIGHUP)
        daemon.told("run 2 of a is cancelled")
        open(daemon.out + ".go", "w").close()
        daemon.eventually(lambda: daemon.runs("a")[0] == "succeeded", "the end of the run")
        assert set(daemon.runs("a")[1:]) == {"cancelled"}, daemon.runs("a")
        assert daemon.end() == 0
    with Daemon({"a.lua": WAITS}) as daemon:
        daemon.eventually(lambda: daemon.lines("begun") and "queued" in daemon.runs("a"), "a run that runs and one that waits")
        daemon.kill()
        daemon.kill_children()
        daemon.remove("a.lua")
        daemon.start()
        daemon.told("run 2 of a is cancelled")


def test_removed_untold():
    """a file that is removed runs as it was loaded until the daemon is told; a script that is gone fails its run, and says so"""
    script = 'schedule.every("1s", { script = "work.txt" })'
    with Daemon({"a.lua": EVERY_SECOND, "work.txt": 'say("worked")', "b.lua": script}) as daemon:
        daemon.eventually(lambda: daemon.lines("tick") and daemon.lines("worked"), "runs")
        daemon.remove("a.lua")
        daemon.remove("work.txt")
        daemon.told(r"run \d+ of b failed after .*work\.txt")
        count = len(daemon.lines("tick"))
        daemon.eventually(lambda: len(daemon.lines("tick")) > count + 1, "runs of the other")
        daemon.send(signal.SIGHUP)
        daemon.told("1 gone, 0 errors")


def test_events():
    """the end of an automation runs what waits for it, once, also where the daemon is killed in between"""
    with Daemon({"a.lua": 'schedule.every("1s", { overlap = "allow", misfire = "all", run = function(e) say("a", e.run) end })',
                 "b.lua": 'schedule.on_event("a", { overlap = "queue", run = function(event) say("b", event.of, event.run, event.state) '
                          'end })'}) as daemon:
        for _ in range(6):
            time.sleep(random.uniform(0.5, 1.5))
            daemon.kill()
            daemon.start()
        daemon.write("a.lua", "")
        daemon.eventually(lambda: len(daemon.runs("b", "succeeded")) >= 3, "runs that follow")
        daemon.end()
        daemon.start()
        daemon.eventually(lambda: set(daemon.runs("b")) == {"succeeded"} and len(daemon.runs("b")) >= len(daemon.runs("a", "succeeded")),
                          "all that follow")
        daemon.end()
        made = daemon.query("SELECT key, count(*) FROM tick WHERE schedule = 'b' AND run IS NOT NULL GROUP BY key")
        assert all(count == 1 for _, count in made), made


class Listener:
    """Takes heartbeats; answers with a status that can be set."""

    def __init__(self, status=200):
        self.status, self.paths = status, []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                listener.paths.append(self.path)
                self.send_response(listener.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *ignored):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()


def test_hook_that_fails():
    """a hook that fails, and a run that fails with several lines, are told in one line each, with what they said"""
    with Daemon({"a.lua": '''schedule.at("2035-01-01", { run = function() error("one\\nupjob: run 2 of b succeeded") end,
            on_failure = function() return nil, "nobody is there" end })'''}) as daemon:
        subprocess.run([UPJOB, "schedule", "trigger", "a", "--state", daemon.state], check=True, stdout=subprocess.DEVNULL, timeout=LONG)
        daemon.told("on_failure of a failed for run 1: nobody is there\n")
        assert re.search(r"run 1 of a failed after .* s: a.lua:\d+: one\\x0Aupjob: run 2 of b succeeded\n", daemon.messages())


def test_heartbeat():
    """a heartbeat is sent after each success and after no failure; one that fails is told, kept, and is nothing to the run; the key
    in its URL is written nowhere"""
    with Listener() as listener, Daemon({
            "a.lua": f'schedule.every("1s", {{ heartbeat = "{listener.url}/good?token=secret", run = function() end }})',
            "b.lua": f'schedule.every("1s", {{ heartbeat = "{listener.url}/bad", run = function() error("no luck") end }})'}) as daemon:
        daemon.eventually(lambda: len(listener.paths) >= 2 and len(daemon.runs("b", "failed")) >= 2, "two heartbeats")
        assert set(listener.paths) == {"/good?token=secret"}, listener.paths
        listener.status = 500
        daemon.told("a: the heartbeat to .* failed")
        daemon.eventually(lambda: daemon.query("SELECT 1 FROM dead_letter"), "the dead letter")
        kind, target = daemon.query("SELECT kind, target FROM dead_letter")[0]
        assert kind == "heartbeat" and re.fullmatch(re.escape(listener.url) + " #[0-9a-f]+", target), (kind, target)
        daemon.write("notifier.lua", 'local ops = notify.exec { name = "ops", command = { "true" } }')
        retry = subprocess.run([UPJOB, "notify", "retry", os.path.join(daemon.dir, "notifier.lua"), "--state", daemon.state],
                               capture_output=True, text=True, timeout=LONG)
        assert (retry.returncode, retry.stderr) == (0, "upjob: there is nothing to send\n"), retry  # no heartbeat of another day
        assert "failed" not in daemon.runs("a")
        written = daemon.messages() + str(daemon.query("SELECT * FROM dead_letter")) + str(daemon.query("SELECT * FROM schedule"))
        assert "secret" not in written and "/good" not in written


def trigger(daemon, schedule):
    subprocess.run([UPJOB, "schedule", "trigger", schedule, "--state", daemon.state], check=True, stdout=subprocess.DEVNULL, timeout=LONG)


def test_killed_while_a_heartbeat_fails():
    """a heartbeat whose watchdog did not answer when the daemon was killed is sent by the next daemon, and one that would be far
    too late is not, which is told"""
    owed = "SELECT run FROM tick WHERE key = 'heartbeat'"
    with Listener(500) as listener, Daemon({"a.lua": f'schedule.at("2035-01-01", {{ heartbeat = "{listener.url}/beat", run = function() end }})'}) as daemon:
        trigger(daemon, "a")
        daemon.eventually(lambda: listener.paths and daemon.query(owed), "a heartbeat that has failed")
        daemon.kill()
        listener.status, before = 200, len(listener.paths)
        daemon.start()
        daemon.eventually(lambda: len(listener.paths) > before and not daemon.query(owed), "the heartbeat")
        assert len(listener.paths) == before + 1, listener.paths
        listener.status, before = 500, len(listener.paths)
        trigger(daemon, "a")
        daemon.eventually(lambda: len(listener.paths) > before and daemon.query(owed) == [(2,)], "another that has failed")
        daemon.kill()
        listener.status, before = 200, len(listener.paths)
        db = sqlite3.connect(os.path.join(daemon.state, "journal.db"), timeout=LONG)
        with db:
            db.execute("UPDATE run SET ended_at = ended_at - 3600 WHERE id = 2")
        db.close()
        daemon.start().told("a: the heartbeat of run 2 is not sent: the run succeeded 1 h")
        daemon.eventually(lambda: not daemon.query(owed), "it is given up")
        assert len(listener.paths) == before, listener.paths


def test_stop_during_heartbeat():
    """a daemon that is told to end while nothing but a heartbeat is under way does not tell of runs that it waits for"""
    with Listener() as listener, Daemon({"a.lua": f'schedule.at("2035-01-01", {{ heartbeat = "{listener.url}/beat", run = function() end }})'}) as daemon:
        listener.status = 500
        subprocess.run([UPJOB, "schedule", "trigger", "a", "--state", daemon.state], check=True, stdout=subprocess.DEVNULL, timeout=LONG)
        daemon.eventually(lambda: listener.paths, "a heartbeat")
        assert daemon.end() == 0
        assert "waiting for what follows runs that have ended" in daemon.messages() and "stopped" not in daemon.messages()


def test_files():
    """each file that is dropped is run once, over kills of the daemon, and moved when its run has ended"""
    with Daemon({}, start=False) as daemon:
        drop = os.path.join(daemon.root, "drop")
        os.mkdir(drop)
        daemon.write("a.lua", f'schedule.on_file("{drop}/*.csv", {{ settle = 0.2, run = function(event) say("file", event.path) '
                              'if event.path:find("bad") then error("no luck") end end })')
        daemon.start()
        for i in range(12):
            with open(os.path.join(drop, f"{'bad' if i % 4 == 0 else 'good'}{i}.csv"), "w") as file:
                file.write("Id\n1\n")
            if i % 3 == 2:
                time.sleep(random.uniform(0, 0.6))
                daemon.kill()
                daemon.start()
        daemon.eventually(lambda: sum(len(files) for path, _, files in os.walk(drop) if path != drop) == 12, "all being moved")
        assert sorted(os.listdir(os.path.join(drop, "failed"))) == ["bad0.csv", "bad4.csv", "bad8.csv"]
        assert len(daemon.lines("file")) == 12, daemon.lines("file")


def test_full_disk():
    """a disk that is full is told once; ticks that could not be recorded are due when there is room, by the misfire rule"""
    with Small(8) as disk, Daemon({"a.lua": EVERY_SECOND}, start=False) as daemon:
        daemon.state = os.path.join(disk.at, "state")
        daemon.start()
        daemon.eventually(lambda: len(daemon.runs("a", "succeeded")) >= 2, "runs")
        disk.fill()
        daemon.told("the journal: ")
        time.sleep(2.5)
        assert daemon.messages().count("the journal: ") == 1, daemon.messages()
        status = subprocess.run([UPJOB, "status", "--state", daemon.state], capture_output=True, text=True, timeout=LONG)
        assert status.returncode == 1 and "cannot use its journal" in status.stdout, status
        disk.empty()
        daemon.told("the journal can be written again")
        count = len(daemon.runs("a", "succeeded"))
        daemon.eventually(lambda: len(daemon.runs("a", "succeeded")) > count + 1, "more runs")
        daemon.end()
        ticks = keys(daemon, "a")
        times = sorted(epoch(key) for key in ticks)
        assert times == [times[0] + i for i in range(len(times))], ticks
        assert daemon.query("PRAGMA integrity_check") == [("ok",)]


# -- clocks


def at(text, zone="UTC"):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()


def test_old_runs():
    """runs that ended long ago are forgotten with their logs, but not the newest, nor what can be gone on with; so are dead letters"""
    with Daemon({"a.lua": 'schedule.cron("0 0 1 1 *", { run = function() end })'}) as daemon:
        daemon.end()
        old = time.time() - 91 * 86400
        with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as db:
            add = "INSERT INTO run (kind, state, queued_at, begun_at, ended_at) VALUES ('import', ?, ?, ?, ?)"
            db.executemany(add, [("succeeded", old, old, old)] * 5 + [("interrupted", old, old, old)])
            db.executemany("INSERT INTO dead_letter (at, kind, payload) VALUES (?, 'webhook', '{}')", [(old,), (time.time(),)])
            db.executemany(add, [("succeeded", old, old, old)] * 998 + [("failed", time.time(), time.time(), time.time())] * 2)
        log = os.path.join(daemon.state, "runs", "1.log")
        os.makedirs(os.path.dirname(log), exist_ok=True)
        open(log, "w").close()
        daemon.start()
        daemon.told("5 runs that ended more than 90 days ago are forgotten")
        daemon.told("1 notification that could not be delivered more than 90 days ago is forgotten")
        daemon.end()
        assert daemon.query("SELECT count(*) FROM dead_letter") == [(1,)]
        with sqlite3.connect(os.path.join(daemon.state, "journal.db")) as db:
            kept = [row[0] for row in db.execute("SELECT id FROM run ORDER BY id")]
        assert kept == list(range(6, 1007)), kept
        assert not os.path.exists(log)


def test_clock_back():
    """a clock that goes back by an hour: what follows it goes on at once, a fixed hour is not fired again, over a restart too"""
    with Clock() as clock:
        clock.show(at("2026-11-29 05:59:55"))
        with Daemon({"a.lua": 'schedule.cron("0 6 * * *", { tz = "UTC", misfire = "all", overlap = "allow", run = function() '
                              'say("fixed") end })', "b.lua": EVERY_SECOND.replace('"all"', '"coalesce"')}, env=clock.env) as daemon:
            daemon.eventually(lambda: daemon.lines("fixed"), "the fixed hour")
            count = len(keys(daemon, "b"))
            clock.set(clock.offset - 3600)
            daemon.told("the clock went back")
            daemon.eventually(lambda: len(keys(daemon, "b")) >= count + 3, "ticks of the second pass")
            daemon.end()
            daemon.start()
            count = len(keys(daemon, "b"))
            daemon.eventually(lambda: len(keys(daemon, "b")) >= count + 2, "ticks after a restart")
            clock.show(at("2026-11-29 05:59:58"))
            daemon.eventually(lambda: any("#" in key and key > "2026-11-29T06:00:02" for key in keys(daemon, "b")), "the hour again")
            assert daemon.lines("fixed") == ["fixed"]
            clock.show(at("2026-11-30 06:00:01"))
            daemon.eventually(lambda: len(daemon.lines("fixed")) == 2, "the next day's")


def test_night():
    """a machine that slept over ticks makes up for them by the misfire rule, whether its daemon slept with it or was not there"""
    rule = 'schedule.cron("0 * * * *", {{ tz = "UTC", misfire = "{0}", run = function(e) say("{0}", e.missed or 0) end }})'
    for sleeps in (True, False):
        with Clock() as clock:
            clock.show(at("2026-11-29 22:30"))
            with Daemon({f"{name}.lua": rule.format(name) for name in ("coalesce", "skip", "all")}, env=clock.env) as daemon:
                daemon.eventually(lambda: daemon.query("SELECT count(*) FROM schedule") == [(3,)], "three schedules")
                if not sleeps:
                    daemon.end()
                clock.show(at("2026-11-30 06:30"))
                if not sleeps:
                    daemon.start()
                daemon.eventually(lambda: len(daemon.lines()) >= 9, "nine runs")
                assert daemon.lines("coalesce") == ["coalesce 7"] and len(daemon.lines("all")) == 8, daemon.lines()
                skipped = daemon.query("SELECT key FROM tick WHERE schedule = 'skip' AND skipped = 'misfire'")
                assert skipped == [("2026-11-30T06:00:00Z",)] and not daemon.lines("skip"), skipped


def test_daylight_saving():
    """a fixed hour that is skipped is run once at the jump, one that is repeated once at its first pass, a following one in both"""
    files = {"fixed.lua": 'schedule.cron("30 2 * * *", { tz = "Europe/Berlin", run = function(e) say("fixed", e.due) end })',
             "follows.lua": 'schedule.cron("30 * * * *", { tz = "Europe/Berlin", run = function(e) say("follows", e.due) end })'}

    def due(daemon, name):
        return [float(line.split()[1]) for line in daemon.lines(name)]

    def pass_over(clock, daemon, *minutes):
        for minute in minutes:
            count = len(daemon.lines("follows"))
            clock.show(minute - 2)
            if minute % 3600 == 1800:
                daemon.eventually(lambda: len(daemon.lines("follows")) == count + 1, "the half hour")
            else:
                time.sleep(4)
    with Clock() as clock:
        jump = at("2026-03-29 01:00")  # in UTC
        clock.show(jump - 2000)
        with Daemon(files, env=clock.env) as daemon:
            pass_over(clock, daemon, jump - 1800, jump, jump + 1800, jump + 3600)
            assert due(daemon, "fixed") == [jump], (due(daemon, "fixed"), jump)
            assert due(daemon, "follows") == [jump - 1800, jump + 1800]
    with Clock() as clock:
        jump = at("2026-10-25 01:00")
        clock.show(jump - 2000)
        with Daemon(files, env=clock.env) as daemon:
            pass_over(clock, daemon, jump - 1800, jump, jump + 1800, jump + 3600)
            assert due(daemon, "fixed") == [jump - 1800], (due(daemon, "fixed"), jump)
            assert due(daemon, "follows") == [jump - 1800, jump + 1800]


may_mount()
run(globals())
