"""What it costs to watch 10,000 jobs over 20 domains in one process, at the rates that the real service is taken to allow."""
import json, os, subprocess, sys, tempfile, threading, time

from measure import UPJOB, here
sys.path.insert(0, os.path.join(here, "../service"))
from kit import Service  # noqa: E402

DOMAINS, JOBS = 20, 500
SECONDS = float(os.environ.get("WATCH_SECONDS", 60))
STOPS = 40 # jobs that change meanwhile, one a second: what the service takes


def make_jobs(service, domain, made):
    connection = service.connect()
    for _ in range(JOBS):
        made.append((domain, service.call("POST", f"/domains/{domain}/upload-jobs", {
            "DisplayName": "nightly import of customers", "UniqueKey": "id",
            "Fields": {"id": {"Source": "_source.Id", "Target": "_profile.Attributes.id"}}}, over=connection)["JobId"]))
    connection.close()


def bench_watch(work):
    data, made = tempfile.mkdtemp(dir=work), []
    with Service(data=data) as service:
        names = [f"bench-{i + 1}" for i in range(DOMAINS)]
        for name in names:
            service.create_domain(name)
        threads = [threading.Thread(target=make_jobs, args=(service, name, made)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with Service(data=data, args=["--throttle"]) as service:
        watcher = subprocess.Popen([UPJOB, "run", os.path.join(here, "watch.lua"), f"http://{service.host}", str(DOMAINS),
                                    str(SECONDS), str(STOPS)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        begun = json.loads(watcher.stdout.readline())
        for domain, job in made[:: len(made) // STOPS][:STOPS]:
            service.stop_job(domain, job)
            time.sleep(1.1)
        out, messages = watcher.communicate(timeout=SECONDS + 120)
        if watcher.returncode != 0:
            sys.exit(f"watch.lua: {messages}")
        seen = json.loads(out)
    print(f"watch: {begun['jobs']:,} jobs over {DOMAINS} domains in one process, every 15 s: {seen['calls']:.2f} calls of "
          f"ListUploadJobs a second (5 are taken to be allowed; {seen['failures']} looks failed), {seen['cpu'] * 100:.2f} % of a "
          f"core, {seen['resident']:.1f} MiB resident (peak {seen['peak']:.1f}); begun in {begun['begun']} s; {seen['events']} of "
          f"{STOPS} changes told{messages and ': ' + messages}")
