"""The daemon is killed, with its children, without them, and they without it, again and again, while everything that follows from
a tick goes on: each tick has one run, each end is followed once by what waits for it, each failure is told.

    KILLS=300 SEED=1 python3 tests/service/test_daemon_kill.py
"""
import os, random, re, signal, time
from daemons import Daemon, check_every_tick_has_one_run
from kit import run

KILLS = int(os.environ.get("KILLS", 30))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
WORK = '''
schedule.every("1s", { misfire = "all", overlap = "allow", retries = 1, backoff = 1,
  run = function(event)
    say("work", event.run, event.attempt)
    if event.run % 3 == 0 and event.attempt == 1 then error("once") end
    if event.run % 5 == 0 then error("always") end
  end,
  on_failure = function(event) say("failure", event.run) end })
'''
FILES = {
    "work.lua": WORK,
    # More tries than they are likely to be killed in, as on a busy machine they are under way for most of the time. The last
    # pause is 26 s.
    "after.lua": 'schedule.on_event("work", { on = "ended", retries = 9, backoff = 0.1, run = function() end })',
    "alarm.lua": 'schedule.on_event("work", { on = "failed", retries = 9, backoff = 0.1, run = function() end })',
    "slow.lua": 'schedule.every("2s", { retries = 9, backoff = 0.1, run = function() task.sleep(1.5) end })',
}


def strike(daemon, random_, alone):
    """Something dies; a daemon runs afterwards. Whether children died alone, as `alone` times before: a hook has three tries."""
    how = random_.random()
    if how < 0.1 and alone < 2:
        daemon.kill_children()
        return True
    if how < 0.2:
        daemon.end()
    else:
        daemon.kill()
    if how > 0.6:
        daemon.kill_children()
    daemon.start(wait=random_.random() < 0.5)
    return False


def followed(daemon, schedule):
    """The runs whose end has made one of this schedule."""
    return sorted(int(key) for (key,) in daemon.query(
        "SELECT key FROM tick WHERE schedule = ? AND key NOT LIKE 'ended|%' AND run IS NOT NULL", schedule))


def test_kills():
    """nothing is lost and nothing doubled by any of the kills"""
    random_ = random.Random(SEED)
    with Daemon(FILES, "--jobs", "4") as daemon:
        alone = 0
        for _ in range(KILLS):
            time.sleep(random_.choice([0.02, 0.1, 0.4, 2]) * random_.random())
            alone = alone + 1 if strike(daemon, random_, alone) else 0
        daemon.told("schedules of ")
        # Nothing is due any more.
        daemon.write("work.lua", WORK.replace('"1s"', '"7000d"'))
        daemon.write("slow.lua", FILES["slow.lua"].replace('"2s"', '"7000d"'))
        daemon.send(signal.SIGHUP)
        daemon.told("2 changed")

        def settled():
            left = daemon.query("SELECT count(*) FROM run WHERE state NOT IN ('succeeded', 'failed')")
            marks = daemon.query("SELECT count(*) FROM tick WHERE key LIKE 'ended|%'")
            return left == [(0,)] and marks == daemon.query("SELECT count(*) FROM run")
        daemon.eventually(settled, f"the end of all runs (SEED={SEED})")
        assert daemon.end() == 0
        check_every_tick_has_one_run(daemon, "work")
        ends = daemon.query("SELECT id, state FROM run WHERE schedule = 'work' ORDER BY id")
        failed = [id_ for id_, state in ends if state == "failed"]
        assert followed(daemon, "after") == [id_ for id_, _ in ends], SEED
        assert followed(daemon, "alarm") == failed, SEED
        untold = set(failed) - {int(line.split()[1]) for line in daemon.lines("failure")}
        assert not untold, (SEED, untold, [line for line in daemon.all_messages() if "on_failure" in line or
                                           re.search(rf"run ({'|'.join(map(str, untold))}) of work", line)])
        assert daemon.runs("after", "failed") == daemon.runs("alarm", "failed") == [], SEED


run(globals())
