"""The check of a file before it is imported, beside Python's csv module doing the same checks."""
import os, sys

from measure import UPJOB, Run, here, median, turns


def bench_check(path, rows, runs):
    """path: a file of generate.py"""
    script, mapping, peer = (os.path.join(here, name) for name in ("check_rows.lua", "check_map.lua", "check_python.py"))
    seen = turns({"upjob": lambda: Run(UPJOB, "run", script, path, mapping), "python": lambda: Run("/usr/bin/python3", peer, path)}, runs)
    found = {name: list(map(int, of[0].out.split())) for name, of in seen.items()}
    if found["upjob"] != found["python"]:
        sys.exit(f"check: rows, problems and repeated keys differ: {found}")
    ours, theirs = seen["upjob"], seen["python"]
    size = os.path.getsize(path) / 1e6
    print(f"check: {rows:,} rows of 12 columns, ten of them checked, {found['upjob'][2]:,} keys that occur twice, {size:.0f} MB: "
          f"{size / median(ours, 'seconds'):,.0f} MB/s, peak {median(ours, 'memory'):.1f} MiB (bar 64); Python's csv "
          f"{size / median(theirs, 'seconds'):,.0f} MB/s, peak {median(theirs, 'memory'):.0f} MiB: "
          f"{median(theirs, 'seconds') / median(ours, 'seconds'):.2f} times (bar 4, aim 8; medians of {runs})")
