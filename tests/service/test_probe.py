"""`upjob probe`: everything holds against the embedded service, and each fact that is bent there is noticed, alone."""
import http.client, http.server, json, os, signal, subprocess, tempfile, threading
from concurrent.futures import ThreadPoolExecutor
from kit import Refused, Service, UPJOB, run

# What a fact is bent to that is an amount; choices have one other value.
AMOUNTS = {"max-expiry": 90, "list-page": 2, "path-lifetime": 3600, "max-value": 300, "max-information": 2000}
ASKED_FOR = {"read-rate", "write-rate", "max-file-bytes"}  # with options of their own
REHEARSED_ONLY, PROBED_ONLY = {"queue-seconds"}, {"segment"}
# A job waits for so long, so that it can be seen, and stopped, while it is IN_PROGRESS; where that is what is looked at.
NEED_QUEUE, QUEUE, SHORT_QUEUE = {"", "stop-running", "after-start"}, "queue-seconds=1.5", "queue-seconds=0.1"
# What cannot be checked of the embedded service as it is, and what cannot once a fact is bent.
NEVER = ASKED_FOR | {"list-page"}
OF_SEGMENTS = {"segment", "segment-taken", "segment-case", "segment-exclusive", "segment-attributes"}
NOT_ALSO = {"new-url": {"new-key"}, "attribute-target": {"attribute-search"} | OF_SEGMENTS, "same-key-later": {"empty-cell"}}
NEEDS_NO_FILE = {"timestamps", "display-name", "max-expiry", "wrong-state", "after-start", "second-start", "late-path",
                 "stop-created", "stop-ended", "missing-file", "client-token"}


def facts():
    """Name and other value of all that can be bent."""
    lines = subprocess.run([UPJOB, "local", "--fact", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    for line in lines:
        name, values = line.split()[0].split("=")
        yield name, values.split("|")[1] if "|" in values else AMOUNTS.get(name)


def probe(service, *arguments):
    """Exit status, verdicts by fact, the whole."""
    status, out, messages = service.upjob("probe", "--domain", "acme", "--yes", "--json", "--settle", "1", *arguments)
    try:
        report = json.loads(out)
    except ValueError:
        raise AssertionError(f"status {status}: {out}\n{messages}")
    return status, {fact["name"]: fact for fact in report["facts"]}, report, messages


def with_verdict(found, verdict):
    return {name: fact.get("seen") for name, fact in found.items() if fact["verdict"] == verdict}


def bent(fact, *arguments):
    queue = QUEUE if fact.split("=")[0] in NEED_QUEUE else SHORT_QUEUE
    with Service(args=("--domain", "acme", "--fact", queue + ("," + fact if fact else ""))) as service:
        for number in range(3 if fact.startswith("list-page") else 0):
            service.create_job("acme", DisplayName=f"earlier {number}")
        return probe(service, *arguments)


POOL = ThreadPoolExecutor(6)
FACTS = dict(facts())
UNBENT = POOL.submit(bent, "")
RUNS = {name: POOL.submit(bent, f"{name}={other}") for name, other in FACTS.items() if other is not None}


def test_all_hold():
    """everything that is inferred holds in the embedded service, and what is not checked says why"""
    status, found, report, _ = UNBENT.result()
    assert (status, with_verdict(found, "differs")) == (0, {}), (status, found)
    unchecked = with_verdict(found, "not checked")
    assert set(unchecked) == NEVER and all(unchecked.values()), unchecked
    assert (report["held"], report["differs"], report["not_checked"]) == (len(found) - len(NEVER), 0, len(NEVER)), report


def test_names():
    """what the probe checks is what can be bent"""
    names = set(UNBENT.result()[1])
    assert names - PROBED_ONLY == set(FACTS) - REHEARSED_ONLY, names ^ set(FACTS)
    assert set(RUNS) == set(FACTS) - ASKED_FOR - REHEARSED_ONLY, "each fact has a value to be bent to"


def noticed(name):
    def test():
        status, found, _, messages = RUNS[name].result()
        differs = with_verdict(found, "differs")
        assert set(differs) == {name} and differs[name] and status == 1, (status, differs, messages)
        unchecked = set(with_verdict(found, "not checked")) - NEVER
        allowed = set(found) - NEEDS_NO_FILE if name == "client-token" else NOT_ALSO.get(name, set())
        allowed |= set() if name in NEED_QUEUE else NEED_QUEUE
        assert unchecked <= allowed, with_verdict(found, "not checked")
    test.__doc__ = f"{name}={FACTS[name]} is noticed"
    return test


for each in RUNS:
    globals()["test_bent_" + each] = noticed(each)


LARGE_RUNS = {limit: POOL.submit(bent, f"max-file-bytes={limit}", "--large", "20000") for limit in (20000, 20001, 19999)}


def test_large():
    """--large finds where the largest file ends"""
    for limit, verdict, exit_status in ((20000, "held", 0), (20001, "differs", 1), (19999, "differs", 1)):
        status, found, _, _ = LARGE_RUNS[limit].result()
        assert (found["max-file-bytes"]["verdict"], status) == (verdict, exit_status), found


RATES = """
local client = assert(profiles.client {})
local run = require("upjob.probe").new { client = client, domain = "acme", rates = true, say = print }
run.jobs[1] = { id = arg[1] }
require("upjob.probe_limits").judge(run)
for _, fact in ipairs((run:report())) do
  if fact.name:find("rate$") then io.write(fact.name, " ", fact.verdict, " ", fact.seen or "", "\\n") end
end
"""


def rates(fact, throttle=True):
    with Service(args=("--domain", "acme", "--fact", fact or SHORT_QUEUE, *(("--throttle",) if throttle else ()))) as service:
        job = service.create_job("acme")
        service.stop_job("acme", job)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
            script.write(RATES)
            script.flush()
            # The script as its own client: --endpoint-url goes before it.
            process = subprocess.run([UPJOB, "run", "--endpoint-url", f"http://{service.host}", script.name, job], text=True,
                                     env={**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
                                          "AWS_REGION": "us-east-1"}, stdin=subprocess.DEVNULL, capture_output=True)
    assert process.returncode == 0, process.stderr
    return dict(line.split(" ", 1) for line in process.stdout.splitlines())


RATE_RUNS = {name: POOL.submit(rates, *how) for name, how in {
    "both": ("",), "read": ("read-rate=0.5",), "write": ("write-rate=0.1",), "none": ("", False)}.items()}


def test_rates():
    """--rates finds calls throttled at the rates, and none throttled beyond them"""
    both, none = RATE_RUNS["both"].result(), RATE_RUNS["none"].result()
    assert both == {"read-rate": "held ", "write-rate": "held "}, both
    assert all(text.startswith("differs all of ") for text in none.values()) and len(none) == 2, none
    for which in "read", "write":
        found = RATE_RUNS[which].result()
        assert [name for name, text in found.items() if text.startswith("differs of ")] == [which + "-rate"], found


class Proxy(http.server.BaseHTTPRequestHandler):
    """A service with what the embedded one has not built in: DeleteProfile. The rest it hands on, but who is in a segment where
    the test says so."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def answer(self, status, text, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def own_answer(self, path, body):
        """None: it is not one of ours."""
        if path.endswith("/profiles/delete"):
            self.server.deleted.append(json.loads(body)["ProfileId"])
            return {"Message": "OK"}
        if "/segment-definitions/" not in path and "/segments/" not in path:
            return None
        self.server.segments.append(f"{self.command} {path}")
        if path.endswith("/membership") and self.server.membership:
            ids = json.loads(body)["ProfileIds"]
            return {"Profiles": [{"ProfileId": each, "QueryResult": self.server.membership} for each in ids]}
        return None

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        own = self.own_answer(self.path.split("?")[0], body)
        if self.command == "POST" and self.path.endswith("/upload-jobs"):
            self.server.created += 1
        if own is not None:
            return self.answer(200, json.dumps(own).encode(), [("Content-Type", "application/json")])
        connection = http.client.HTTPConnection(self.server.behind)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "expect":
                connection.putheader(name, value)
        connection.endheaders(body)
        reply = connection.getresponse()
        text = reply.read()
        if self.command == "POST" and self.server.created == self.server.silent_at:
            self.server.silent_at = None
            self.close_connection = True
            return
        self.answer(reply.status, text, [header for header in reply.getheaders() if header[0].lower() not in (
            "content-length", "connection", "date")])
        connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = handle_any


def through_proxy(membership, silent_at=None):
    with Service(args=("--domain", "acme", "--fact", SHORT_QUEUE)) as service:
        service.wait("acme", service.begin("acme", b"Id,Mail,Name\nk1,a@example.com,Ann\n"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        server.behind, server.deleted, server.segments, server.membership = service.host, [], [], membership
        server.created, server.silent_at = 0, silent_at
        threading.Thread(target=server.serve_forever, daemon=True).start()
        behind, service.host = service.host, f"127.0.0.1:{server.server_port}"
        try:
            result = probe(service)
        finally:
            service.host = behind
            server.shutdown()
            server.server_close()
        server.jobs = service.call("GET", "/domains/acme/upload-jobs")["Items"]
        server.left = service.call("GET", "/domains/acme/segment-definitions")["Items"]
        return result, server, service.search("acme", "id", "k1")["Items"][0]["ProfileId"]


PROXY_RUNS = {membership: POOL.submit(through_proxy, membership) for membership in (None, "ABSENT")}
SILENT_RUN = POOL.submit(through_proxy, None, silent_at=3)


def test_segment():
    """segments on an attribute are tried and deleted, and so are the probe's own profiles and no others"""
    (status, found, report, _), server, other = PROXY_RUNS[None].result()
    assert (status, found["segment"]["verdict"], report["left"]["profiles"]) == (0, "held", 0), report
    calls = [call.split()[0] for call in server.segments if "/membership" not in call]
    assert calls == ["POST"] * 5 + ["DELETE"] * 4 and server.left == [], server.segments
    assert len(server.deleted) > 3 and other not in server.deleted, server.deleted
    (status, found, _, _), server, _ = PROXY_RUNS["ABSENT"].result()
    assert (status, set(with_verdict(found, "differs"))) == (1, {"segment"}) and server.segments[-1].startswith("DELETE"), found


def test_unanswered():
    """a job whose creation was not answered is found by its name, and stopped"""
    (status, found, report, messages), server, _ = SILENT_RUN.result()
    probes = {job["JobId"]: job["Status"] for job in server.jobs if job["DisplayName"].startswith("upjob-probe-")}
    assert status == 1 and set(probes) == set(report["left"]["jobs"]), (probes, report, messages)
    assert not set(probes.values()) & {"CREATED", "IN_PROGRESS"}, probes
    assert with_verdict(found, "differs") == {} and len(with_verdict(found, "not checked")) > 1, found


def test_asks_first():
    """without --yes it says what it would make, and makes nothing; nor beside the running jobs of others"""
    with Service(args=("--domain", "acme", "--fact", "queue-seconds=60")) as service:
        status, out, messages = service.upjob("probe", "--domain", "acme")
        assert status == 2 and "upload jobs" in messages and "--yes" in messages and out == "", (status, out, messages)
        service.begin("acme", b"Id,Mail,Name\nk1,a@example.com,Ann\n")
        status, out, messages = service.upjob("probe", "--domain", "acme", "--yes")
        assert status == 4 and "1 upload job is in progress" in messages and "--busy" in messages, (status, messages)
        assert len(service.call("GET", "/domains/acme/upload-jobs")["Items"]) == 1


def test_interrupted():
    """interrupted, it stops its jobs, says so, and prints what it has found"""
    with Service(args=("--domain", "acme", "--fact", "queue-seconds=60")) as service:
        process = service.popen("probe", "--domain", "acme", "--yes")
        for line in process.stderr:
            if "waiting for" in line:
                break
        process.send_signal(signal.SIGINT)
        out, messages = process.communicate(timeout=100)
        assert process.returncode == 130 and "jobs are stopped" in messages, (process.returncode, messages)
        assert "held         display-name" in out, out
        states = {item["Status"] for item in service.call("GET", "/domains/acme/upload-jobs")["Items"]}
        assert states == {"STOPPED"}, states


def test_refused():
    """a domain that there is not is said, with the status of a refusal"""
    with Service() as service:
        status, out, messages = service.upjob("probe", "--domain", "nowhere", "--yes")
        assert (status, out) == (4, "") and "nowhere" in messages, (status, out, messages)


def test_facts_that_are_not_there():
    """--fact refuses a name or value that there is not, with what there is"""
    for fact, words in (("nul-bite=taken", ('did you mean "nul-byte"', "which-put=last|first")), ("nul-byte=x", ("fails or taken",)),
                        ("max-value=x", ("a number from 1",)), ("nul-byte", ("NAME=VALUE",))):
        try:
            Service(args=("--fact", fact)).close()
        except Refused as error:
            assert error.status == 2 and all(word in error.message for word in words), error
        else:
            raise AssertionError(f"{fact} was taken")


if __name__ == "__main__":
    run(globals())
