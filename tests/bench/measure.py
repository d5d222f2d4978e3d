"""What the benchmarks share: commands that are timed as whole processes, by turns with their peers."""
import os, statistics, subprocess, sys, tempfile, time

here = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(here, "../../build")
UPJOB = os.environ.setdefault("UPJOB", os.path.join(BUILD, "upjob"))


class Run:
    """A command as a whole process: seconds, CPU seconds, peak memory in MiB, output. A peak below Python's own is Python's."""

    def __init__(self, *command, input_=None, stdin=None):
        with tempfile.TemporaryFile() as out:
            began = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.PIPE if input_ else stdin or subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.PIPE)
            if input_:
                process.stdin.write(input_.encode())
                process.stdin.close()
            message = process.stderr.read().decode()
            _, status, used = os.wait4(process.pid, 0)
            self.seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in (0, 6):
                sys.exit(f"{' '.join(command)}: {message}")
            self.cpu, self.memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
            out.seek(0)
            self.out = out.read().decode()


def turns(ways, runs):
    """Alternately, so that a change of the machine's speed meets all. ways: name → function; name → list of what it gave"""
    seen = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            seen[name].append(way())
    return seen


def pairs(ours, peer, runs):
    seen = turns({"ours": ours, "peer": peer}, runs)
    return seen["ours"], seen["peer"]


def median(runs, what):
    return statistics.median(getattr(run, what) for run in runs)
