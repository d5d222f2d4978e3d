"""Imports of automations that are tried again: each file is imported once, whatever the first try has moved away."""
import subprocess
from daemons import Daemon
from kit import UPJOB, Service, run

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}

# Imports the files that are there, and moves each away when it is done. The process is killed when b.csv's job has been started.
FILES = """
local client = require("upjob.profiles").client {}
local job, system = require "upjob.job", require "upjob.native.system"
require("upjob.schedule").every("1000d", { retries = 3, backoff = 1, run = function(event)
  for _, name in ipairs { "a", "b", "c" } do
    local path = os.getenv("OUT") .. "." .. name .. ".csv"
    if system.stat(path) then
      local run = assert(job.import { client = client, domain = "d", file = path, key = "Id" })
      run:on("started", function()
        if name == "b" and event.attempt == 1 then os.execute("kill -9 $PPID") task.sleep(60) end
      end)
      local result, err = run:wait()
      if not result then error(err, 0) end
      say(name, result.JobId)
      os.rename(path, path .. ".done")
    end
  end
end })
"""


def write(daemon, names):
    for name in names:
        with open(f"{daemon.out}.{name}.csv", "w") as file:
            file.write(f"Id,Mail\n{name},{name}@example.com\n")


def test_moved():
    """a retry that finds fewer files than the first try goes on with the import that was cut short, and makes no second job"""
    with Service() as service:
        service.create_domain("d")
        with Daemon({"x.lua": FILES}, "--endpoint-url", f"http://{service.host}", env=CREDENTIALS) as daemon:
            write(daemon, "abc")
            subprocess.run([UPJOB, "schedule", "trigger", "x", "--state", daemon.state], check=True, stdout=subprocess.DEVNULL)
            daemon.eventually(lambda: daemon.lines("c"), "all files to be imported")
            daemon.eventually(lambda: daemon.runs("x") == ["succeeded"], "the run to end")
            jobs = service.call("GET", "/domains/d/upload-jobs")["Items"]
            names = sorted(job["DisplayName"].split()[0] for job in jobs)
            assert names == ["out.a.csv", "out.b.csv", "out.c.csv"], names
            assert {job["Status"] for job in jobs} == {"SUCCEEDED"}, jobs
            states = [state for (state,) in daemon.query("SELECT state FROM run WHERE kind = 'import'")]
            assert states == ["succeeded"] * 3, states


run(globals())
