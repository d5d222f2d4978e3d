"""The CSV reader and writer beside libcsv, zsv and Python's csv module."""
import json, os, shlex, subprocess, sys

from measure import BUILD, UPJOB, Run, here, median, turns

MB, RUNS, STREAM_GB = (int(os.environ.get(name, preset)) for name, preset in
                       (("CSV_MB", 500), ("CSV_RUNS", 5), ("CSV_STREAM_GB", 50)))
CLOCK = "cpu" if os.environ.get("CSV_CLOCK") == "cpu" else "seconds"
KINDS = {"mixed": 5, "plain": 8, "quoted": None, "wide": None}  # files, and the bar: how many times as fast as libcsv
PYTHON, DICTIONARIES = "Python's csv", "its DictReader"


def program(name):
    return os.path.join(BUILD, "bench", name)


def ours(way, path, *columns):
    return [UPJOB, "run", os.path.join(here, "csv.lua"), way, path, *columns]


def python(way, path, *columns):
    return ["/usr/bin/python3", os.path.join(here, "csv_python.py"), way, path, *columns]


class File:
    def __init__(self, work, kind):
        self.path = os.path.join(work, kind + ".csv")
        with open(self.path, "wb") as out:
            made = subprocess.run([program("csv_generate"), kind, str(MB)], stdout=out, stderr=subprocess.PIPE, check=True)
            os.fsync(out.fileno())  # what is still to be written would disturb the runs
        self.megabytes = os.path.getsize(self.path) / 1e6
        self.records, self.with_quotes = json.loads(made.stderr).values()


def speeds(file, commands):
    """MB/s of commands that read a file, by turns; name → command. What the reader cannot do yet is left out."""
    return all_speeds({name: (file, command) for name, command in commands.items()})


def all_speeds(jobs):
    """The same with a file for each: name → (file, command)"""
    seen = turns({name: lambda command=command: Run(*command) for name, (_, command) in jobs.items()}, RUNS)
    done = {name: runs for name, runs in seen.items() if not runs[0].out.startswith("no ")}
    for file in {file for file, _ in jobs.values()}:
        results = {name: runs[0].out.split() for name, runs in done.items() if jobs[name][0] is file}
        sums = {result[1] for result in results.values() if result[1:]}
        if any(int(result[0]) != file.records for result in results.values()) or len(sums) > 1:
            sys.exit(f"csv: {file.path} has {file.records} records, and was read as {results}")
    return {name: jobs[name][0].megabytes / median(runs, CLOCK) for name, runs in done.items()}


def show(title, speed, peers):
    """peers: name, MB/s, and the bar: how many times as fast ours is to be, or None"""
    if speed is None:
        return print(f"  {title}: not measured, the reader has not got it", flush=True)
    beside = [f"{name} {theirs:,.0f}: {speed / theirs:.2f} times{f' (bar {bar})' if bar else ''}" for name, theirs, bar in peers]
    print(f"  {title}: {speed:,.0f} MB/s; {'; '.join(beside)}", flush=True)


def count(files):
    zsv, jobs = shlex.split(os.environ.get("ZSV", "")), {}
    for kind, file in files.items():
        jobs[kind, "upjob"] = file, ours("count", file.path)
        jobs[kind, "libcsv"] = file, [program("csv_libcsv"), file.path]
        if zsv:
            jobs[kind, "zsv"] = file, [*zsv, file.path]
    jobs["mixed", PYTHON] = files["mixed"], python("count", files["mixed"].path)
    seen = all_speeds(jobs)
    for kind, file in files.items():
        bars = {"libcsv": KINDS[kind], "zsv": 1.1, PYTHON: None}
        show(f"count, {kind} ({file.with_quotes * 100 / file.records:.0f} % of the records hold a quote)", seen[kind, "upjob"],
             [(name, seen[kind, name], bar) for name, bar in bars.items() if (kind, name) in seen])
    if not zsv:
        print("  zsv was not measured: ZSV= is a command that is given a file and prints its records")
    for kind in "quoted", "wide":
        longer = seen["mixed", "upjob"] / seen[kind, "upjob"]
        print(f"  count, {kind}: {longer:.2f} times as long per byte as mixed (bar: at most 1.6)", flush=True)


def two_cells(file):
    columns = file.path, "Email", "Phone"
    seen = speeds(file, {"names": ours("names", *columns), "columns": ours("columns", *columns),
                         PYTHON: python("names", *columns), DICTIONARIES: python("dictionaries", *columns)})
    for way, title, bar in ("names", "two cells by name", 6), ("columns", "two columns projected", 7):
        show(f"{title}, their lengths summed", seen.get(way),
             [(PYTHON, seen[PYTHON], bar), (DICTIONARIES, seen[DICTIONARIES], None)])
    columns = file.path, "Country", "Tier"
    seen = speeds(file, {"columns": ours("columns", *columns), PYTHON: python("names", *columns)})
    show("two columns of few distinct values projected", seen.get("columns"), [(PYTHON, seen[PYTHON], None)])


def all_cells(file):
    ways = {"lists": ("every cell, as a list per row", 2), "cells": ("every cell, put into a list by the script", None),
            "copies": ("every cell, by name and by index (csv.copy)", None)}
    seen = speeds(file, {**{way: ours(way, file.path) for way in ways}, PYTHON: python("cells", file.path)})
    for way, (title, bar) in ways.items():
        show(title, seen.get(way), [(PYTHON, seen[PYTHON], bar)])


def write():
    if os.path.exists(program("csv_write")):
        for line in Run(program("csv_write"), str(RUNS)).out.splitlines():
            print(f"  {line}", flush=True)


def bench_csv(work):
    files = {kind: File(work, kind) for kind in KINDS}
    print(f"csv: customers in files of {MB} MB, read by whole processes, medians of {RUNS}"
          f"{', per second of CPU' if CLOCK == 'cpu' else ''}", flush=True)
    count(files)
    two_cells(files["mixed"])
    all_cells(files["mixed"])
    write()
    for file in files.values():
        os.unlink(file.path)


def bench_csv_memory(_):
    for times in 1, max(1, STREAM_GB * 1000 // MB):
        generator = subprocess.Popen([program("csv_generate"), "mixed", str(MB), str(times)], stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
        run = Run(*ours("memory", "-"), stdin=generator.stdout)
        generator.stdout.close()
        made = json.loads(generator.communicate()[1])
        records, peak = run.out.split()
        if int(records) != made["records"]:
            sys.exit(f"csv-memory: {made['records']} records were read as {records}")
        print(f"csv-memory: {MB * times / 1000:g} GB from a pipe, {int(records):,} records counted in {run.seconds:.0f} s: "
              f"peak {int(peak) / 1024:.1f} MiB (bar 16)", flush=True)
