"""Metrics as a scraper and a probe see them, over HTTP and at a socket of the file system."""
import http.client, os, socket, subprocess, sys, tempfile, time
from kit import UPJOB, eventually, run

sys.path.append("/usr/lib/python3/dist-packages")  # where Debian's package is, whichever Python this is
from prometheus_client.parser import text_string_to_metric_families

SCRIPT = r"""
local metrics = require "upjob.metrics"
local handlers = {}
local engine = {
  events = { on = function(_, name, fn) handlers[name] = fn end },
  snapshot = function()
    return { running = 1, queued = 2, errors = {},
             schedules = { { id = 'odd "name"\\ \n \xE9', next = 1795953600.5, streak = 3 }, { id = "b", paused = true } } }
  end }
local store = { runs = function(_, query)
                  if query.parent then return { { id = 1, result = { ResultsSummary = { CreatedRecords = 3 }, bytes = 9 } } } end
                  return { { ended_at = 1795953600.25 } }
                end,
                dead_letters = function() return {} end }
local meter = metrics.meter { engine = engine, store = store }
for i = 1, 3 do handlers.run_ended { schedule = "b", run = 1, state = "succeeded", seconds = i } end
handlers.run_ended { schedule = 'odd "name"\\ \n \xE9', run = 2, state = "failed", seconds = 20, error = { code = "Crashed" } }
handlers.tick { schedule = "b", lag = 0.01, skipped = "overlap" }
local asked, well = 0, true
local server = assert(metrics.serve { address = arg[1], patience = tonumber(arg[2]), healthy = function() return well, "no tick" end,
  text = function()
    asked = asked + 1
    if asked == 2 then error("no text today") end
    task.sleep(0.05)
    return meter:text()
  end })
print(server:place()) io.stdout:flush()
task.spawn(function() while asked < 3 do task.sleep(0.01) end well = false end)
task.sleep(60)
"""


class Server:
    def __init__(self, address="127.0.0.1:0", patience=10, before=()):
        self.process = subprocess.Popen([*before, UPJOB, "run", "-e", SCRIPT, address, str(patience)], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.place = self.process.stdout.readline().decode().strip()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.process.terminate()
        self.process.communicate(timeout=100)

    def connect(self):
        if self.place.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self.place[5:])
            return connection
        host, port = self.place.split("//")[1].split("/")[0].rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout=100)

    def get(self, path, method="GET", headers=()):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = self.connect()
        connection.request(method, path, headers=dict(headers))
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
        return reply, body


    def answers(self):
        """Whether it does: with little patience, one that a busy machine keeps from asking is cut off, and asks again."""
        try:
            return self.get("/healthz")[0].status in (200, 503)
        except (OSError, http.client.HTTPException):
            return False


def samples(text):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in text_string_to_metric_families(text)
            for sample in family.samples}


def expect_metrics(server):
    reply, text = server.get("/metrics")
    assert (reply.status, reply.getheader("Content-Type")) == (200, "text/plain; version=0.0.4; charset=utf-8"), reply.headers
    return samples(text)


def test_parser():
    """Prometheus' own parser reads the page, odd names too, and finds each family typed once"""
    with Server() as server:
        found = expect_metrics(server)
        odd = ("schedule", 'odd "name"\\ \n \\xE9')
        assert found["upjob_runs_total", (("outcome", "failed"), odd)] == 1, found
        assert found["upjob_runs_total", (("outcome", "succeeded"), ("schedule", "b"))] == 3
        assert found["upjob_run_duration_seconds_bucket", (("le", "1"), ("schedule", "b"))] == 1
        assert found["upjob_run_duration_seconds_sum", (("schedule", "b"),)] == 6
        assert found["upjob_rows_total", (("result", "created"), ("schedule", "b"))] == 3
        assert found["upjob_schedule_next_timestamp_seconds", (odd,)] == 1795953600.5
        assert found["process_resident_memory_bytes", ()] > 1e6 and found["process_open_fds", ()] > 5
        assert abs(found["process_start_time_seconds", ()] - time.time()) < 60
        assert [labels for name, labels in found if name == "upjob_build_info"]


def test_pages():
    """a page that cannot be made is a 503 with the reason, as is health once it is not well; other requests are refused"""
    with Server("[::1]:0") as server:
        assert server.place.startswith("http://[::1]:")
        reply, text = server.get("/healthz")
        assert (reply.status, text) == (200, "ok\n")
        expect_metrics(server)
        reply, text = server.get("/metrics")
        assert reply.status == 503 and "no text today" in text, text
        expect_metrics(server)
        eventually(lambda: server.get("/healthz")[0].status == 503, what="health being told")
        assert server.get("/healthz")[1] == "no tick\n"
        reply, text = server.get("/metrics", "HEAD")
        assert reply.status == 200 and text == "" and int(reply.getheader("Content-Length")) > 1000
        reply, text = server.get("/metrics", "DELETE")
        assert (reply.status, reply.getheader("Allow")) == (405, "GET, HEAD")
        assert server.get("/", "GET")[0].status == 404
        assert server.get("/metrics/../etc/passwd", "GET")[0].status == 404
        assert server.get("/metrics", headers={"Content-Length": "5"})[0].status == 400


def test_path():
    """a socket in the file system is for its user and group, takes the place of one left behind, and is gone at the end"""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "m.sock")
        left = socket.socket(socket.AF_UNIX)
        left.bind(path)
        left.close()
        with Server("unix:" + path) as server:
            assert server.place == "unix:" + path and os.stat(path).st_mode & 0o777 == 0o660
            expect_metrics(server)
            second = Server("unix:" + path)
            errors = second.process.communicate(timeout=100)[1].decode()
            assert "is in use by another program" in errors, errors
            assert server.get("/healthz")[0].status == 200
        assert not os.path.exists(path)
        with open(path, "w") as file:
            file.write("precious")
        errors = Server("unix:" + path).process.communicate(timeout=100)[1].decode()
        assert "something else than a socket" in errors and open(path).read() == "precious", errors


def test_slow():
    """who drips a request, and who reads nothing, is cut off; others are answered meanwhile"""
    with Server(patience=1) as server:
        dripping, silent = server.connect(), server.connect()
        dripping.settimeout(0.1)
        cut = False
        until = time.monotonic() + 200
        while not cut and time.monotonic() < until:
            try:
                dripping.sendall(b"G")
                cut = dripping.recv(100) == b""
            except TimeoutError:
                eventually(server.answers, what="an answer to others")
            except OSError:
                cut = True
        assert cut, "it may drip for ever"
        assert silent.recv(1) == b""


def test_many():
    """more connections than are taken at a time wait, and are answered when the others have been cut off"""
    with Server(patience=1) as server:
        idle = [server.connect() for _ in range(100)]
        eventually(server.answers, what="an answer")
        for connection in idle:
            connection.close()


def test_gone():
    """those who go while their page is made do no harm"""
    with Server() as server:
        for _ in range(50):
            connection = server.connect()
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.close()
        eventually(lambda: server.get("/metrics")[0].status == 200, what="a page")
        assert server.process.poll() is None


def test_end():
    """who waits for a page when the program ends is told so"""
    with Server() as server:
        server.get("/healthz")
        waiting = server.connect()
        waiting.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.02)
        server.process.terminate()
        server.process.wait(100)
        assert waiting.recv(20)[:12] in (b"HTTP/1.1 503", b"HTTP/1.1 200")


def test_descriptors():
    """where descriptors are short, a page comes when there are some again"""
    with Server(patience=1, before=("prlimit", "--nofile=24:24")) as server:
        idle = [server.connect() for _ in range(30)]
        eventually(server.answers, what="an answer")
        for connection in idle:
            connection.close()


run(globals())
