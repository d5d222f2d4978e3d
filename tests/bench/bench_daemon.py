"""The daemon with 1,000 schedules: how long it takes to start, how late ticks are that are all due at one moment, and their runs."""
import os, re, signal, sqlite3, statistics, subprocess, time

from measure import UPJOB

SCHEDULES, STARTS = 1000, 9


def fill(directory, per_file):
    os.makedirs(directory)
    for first in range(0, SCHEDULES, per_file):
        with open(os.path.join(directory, f"many{first}.lua"), "w") as file:
            for i in range(first, first + per_file):
                file.write(f'schedule.cron("* * * * *", {{ name = "s{i}", overlap = "queue", run = function() end }})\n')


class Daemon:
    def __init__(self, directory, state, jobs):
        self.began = time.monotonic()
        self.process = subprocess.Popen([UPJOB, "daemon", directory, "--state", state, "--jobs", str(jobs), "-v"],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.told("schedules of ")
        self.seconds = time.monotonic() - self.began

    def told(self, pattern):
        for line in self.process.stderr:
            found = re.search(pattern, line)
            if found:
                return found
        raise SystemExit(f"the daemon ended before it told \"{pattern}\"")

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.stderr.read()
        self.process.wait()


def most_at_once(spans):
    steps = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    now = most = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def bench_daemon(work):
    jobs = os.cpu_count()
    for per_file in (SCHEDULES, 1):
        directory, state = (os.path.join(work, f"daemon-{per_file}-{name}") for name in ("files", "state"))
        fill(directory, per_file)
        starts = []
        for _ in range(STARTS):
            daemon = Daemon(directory, state, jobs)
            starts.append(daemon.seconds * 1000)
            daemon.end()
        print(f"daemon: start with {SCHEDULES:,} schedules in {SCHEDULES // per_file:,} file{'s' if per_file == 1 else ''}: "
              f"{statistics.median(starts):.0f} ms, the first one {starts[0]:.0f} ms (bar 200; median of {STARTS})", flush=True)
    daemon = Daemon(directory, state, jobs)
    ticks, late = daemon.told(r"(\d+) ticks? committed, (\d+) ms").groups()
    ended = 0
    while ended < SCHEDULES:
        daemon.told("succeeded in")
        ended += 1
    daemon.end()
    db = sqlite3.connect(os.path.join(state, "journal.db"))
    lags = [lag * 1000 for (lag,) in db.execute("SELECT at - due FROM tick WHERE key LIKE '2%' AND run <= ?", (SCHEDULES,))]
    spans = db.execute("SELECT begun_at, ended_at FROM run WHERE id <= ? AND state = 'succeeded'", (SCHEDULES,)).fetchall()
    seconds = max(end for _, end in spans) - min(begun for begun, _ in spans)
    print(f"daemon: {ticks} ticks that are due at one moment: committed {late} ms after it (bar 100), each of them taken "
          f"{statistics.median(lags):.0f} ms (median) to {max(lags):.0f} ms after it; their runs at {most_at_once(spans)} at a time "
          f"(--jobs {jobs}) in {seconds:.1f} s, {len(spans) / seconds:.0f} a second")
