"""A file that has more bytes than the service takes, from the file to parts that are started, beside making the parts alone."""
import json, os, shutil, subprocess, sys, time

from measure import BUILD, UPJOB, Run, here
sys.path.insert(0, os.path.join(here, "../service"))
from kit import Service  # noqa: E402

PART = 1_000_000_000
COPIES = 4  # of the file's bytes on the disk: itself, its parts, what the service keeps of them, and profiles


def size_of(work):
    wanted, free = int(os.environ.get("BENCH_BYTES", 12_000_000_000)), shutil.disk_usage(work).free
    if wanted * COPIES > free:
        wanted = int(free / COPIES)
        print(f"split: {wanted / 1e9:.1f} GB, as there is no room for more")
    return wanted


def cpu_of(process):
    """CPU seconds that a process which goes on has taken so far, in all of its threads."""
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bench_split(work):
    path, mapping, script = os.path.join(work, "large.csv"), os.path.join(here, "split_map.lua"), os.path.join(here, "split.lua")
    wanted = size_of(work)
    with open(path, "wb") as file:
        subprocess.run([os.path.join(BUILD, "bench/split_generate"), str(wanted), str(wanted // 300)], stdout=file, check=True)
    environment = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1",
                   "XDG_STATE_HOME": os.path.join(work, "split-state"), "TMPDIR": work}
    os.environ.update(environment)
    alone = Run(UPJOB, "run", script, path, mapping, str(PART))
    parts = int(alone.out)
    print(f"split: {os.path.getsize(path) / 1e9:.1f} GB in {parts} parts: mending alone {alone.seconds:.1f} s, "
          f"{os.path.getsize(path) / 1e6 / alone.seconds:.0f} MB/s, CPU {alone.cpu:.1f} s, peak {alone.memory:.1f} MiB", flush=True)
    with Service(args=["--domain", "bench"]) as service:
        at = ["--endpoint-url", "http://" + service.host]
        began = time.monotonic()
        sent = Run(UPJOB, "import", path, "--map", mapping, "--domain", "bench", "--no-wait", "--json", "--parallel", "64", *at)
        service_cpu, jobs = cpu_of(service.process), json.loads(sent.out)["jobs"]
        print(f"  with sending, until all {len(jobs)} parts were started: {sent.seconds:.1f} s, {sent.seconds / alone.seconds:.2f} times "
              f"(bar 1.15), CPU {sent.cpu:.1f} s and {service_cpu:.1f} s of the service, {(sent.cpu + service_cpu) / alone.cpu:.2f} times, "
              f"peak {sent.memory:.1f} MiB (bar 64)", flush=True)
        if os.environ.get("BENCH_TO_THE_END"):
            ended = Run(UPJOB, "runs", "resume", "1", "--json", *at)
            result = json.loads(ended.out)
            print(f"  until all rows were profiles: {time.monotonic() - began:.0f} s, {result['rows']:,} rows, {result['Status']}, peak "
                  f"{ended.memory:.1f} MiB", flush=True)
    os.remove(path)
