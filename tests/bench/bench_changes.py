"""The check of what has changed since the last import, beside the check of all rows."""
import os, sys

from measure import UPJOB, Run, here, median, turns

ROWS = int(os.environ.get("BENCH_ROWS", 5_000_000))


def change(path, rows, wanted):
    """Another file in which so many rows have another last name; returns its path."""
    changed = f"{path}.changed"
    every = max(1, rows // wanted)
    with open(path, "rb") as old, open(changed, "wb") as new:
        for i, line in enumerate(old):
            new.write(line.replace(b",Lee", b",Lea", 1) if i % every == 1 and i // every < wanted else line)
    return changed


def bench_changes(customers, work, runs):
    """customers: makes a file of so many rows."""
    script, plain, mapping = (os.path.join(here, name) for name in ("check_changes.lua", "check_rows.lua", "check_map.lua"))
    before, staged = (os.path.join(work, name) for name in ("keys.before", "keys.staged"))

    def compare(path):
        return Run(UPJOB, "run", script, path, mapping, staged, before)

    path = customers(work, ROWS)
    first = Run(UPJOB, "run", script, path, mapping, before)
    seen = turns({"changes": lambda: compare(path), "check": lambda: Run(UPJOB, "run", plain, path, mapping)}, runs)
    new, changed, same, *_ = map(int, seen["changes"][0].out.split())
    if new or changed or same != int(first.out.split()[0]):
        sys.exit(f"changes: an unchanged file has {new} new and {changed} changed keys of {same}")
    ours, check = median(seen["changes"], "seconds"), median(seen["check"], "seconds")
    print(f"changes: {ROWS:,} rows, {same:,} keys, {os.path.getsize(path) / 1e6:.0f} MB, none changed: {ours:.2f} s, peak "
          f"{max(run.memory for run in seen['changes']):.1f} MiB (bar 64), set of {os.path.getsize(before) / 1e6:.0f} MB; map check "
          f"{check:.2f} s: {check / ours:.2f} of its speed (bar 0.5, aim 0.7; medians of {runs})")
    print(f"  the first time, all new: {first.seconds:.2f} s, peak {first.memory:.1f} MiB", flush=True)

    rows, wanted = ROWS * 3 // 5, min(2000, ROWS // 10)
    path = customers(work, rows)
    Run("rm", "-f", before)
    Run(UPJOB, "run", script, path, mapping, before)
    other = change(path, rows, wanted)
    seen = turns({"changes": lambda: compare(other), "check": lambda: Run(UPJOB, "run", plain, other, mapping)}, runs)
    new, changed, same, sent, passed_over = map(int, seen["changes"][0].out.split())
    if new or changed > wanted or sent + passed_over != rows:
        sys.exit(f"changes: {new} new and {changed} changed keys where {wanted} rows were changed; {sent} rows to be sent")
    ours, check = median(seen["changes"], "seconds"), median(seen["check"], "seconds")
    print(f"  {wanted:,} of {rows:,} rows changed: {changed:,} keys with {sent:,} rows are sent: {ours:.2f} s for both passes, peak "
          f"{max(run.memory for run in seen['changes']):.1f} MiB; map check {check:.2f} s: {check / ours:.2f} of its speed")
