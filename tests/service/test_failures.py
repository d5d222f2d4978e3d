"""The failed records of a job: listed by the embedded service, predicted where the service lists none."""
import csv, http.server, io, json, os, re, tempfile, threading
from kit import FIELDS, Service, run

work = tempfile.TemporaryDirectory()
PATH = os.path.join(work.name, "customers.csv")
with open(PATH, "wb") as file_:
    file_.write(b'Id,Mail,Name\n1,a@b.c,Ann\n,x@b.c,"none, at\nall"\n3,a@b.c,Bob,extra\n4,a@b.c,' + b"n" * 300 + b"\n")
EXPECTED = [(3, 1, "Id", "", "the unique key is empty"), (5, 0, "", "", "has 4 cells, the header has 3"),
            (6, 3, "Name", "n" * 300, "has 300 characters, at most 255 are allowed")]


def imported(service):
    with open(PATH, "rb") as file:
        job = service.begin("acme", file.read())
    service.wait("acme", job)
    return job


def as_tuples(items):
    return [(item["Line"], item["Column"], item["ColumnName"], item["Value"], item["Reason"]) for item in items]


def test_forms():
    """job failures lists them as text, as JSON lines and as CSV, all pages of them"""
    with Service(args=["--domain", "acme"]) as service:
        job = imported(service)
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--json")
        assert status == 0 and as_tuples(map(json.loads, out.splitlines())) == EXPECTED, (out, messages)
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--csv")
        table = list(csv.reader(io.StringIO(out)))
        assert table[0] == ["Line", "Column", "ColumnName", "Value", "Reason"], out
        assert [(int(l), int(c or 0), n, v, r) for l, c, n, v, r in table[1:]] == EXPECTED, out
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme")
        assert 'line 3, column "Id" (1): the unique key is empty\n' in out and len(out.splitlines()) == 3, out
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--json", "--csv")
        assert status == 2, messages
        many = service.begin("acme", b"Id,Mail,Name\n" + b",a@b.c,N\n" * 2500)
        service.wait("acme", many)
        status, out, _ = service.upjob("job", "failures", many, "--domain", "acme", "--json")
        assert [json.loads(line)["Line"] for line in out.splitlines()] == list(range(2, 2502)), len(out.splitlines())
        status, out, _ = service.upjob("job", "failures", many, "--domain", "acme", "--max", "1700", "--json")
        assert len(out.splitlines()) == 1700
        none = service.begin("acme", b"Id,Mail,Name\n9,a@b.c,N\n")
        service.wait("acme", none)
        status, out, messages = service.upjob("job", "failures", none, "--domain", "acme")
        assert (status, out) == (0, "") and "no failed records" in messages


class Real(http.server.BaseHTTPRequestHandler):
    """A service that knows one job and, as the real one, no list of failed records."""

    def do_GET(self):
        known = re.fullmatch(r"/domains/acme/upload-jobs/(\w+)", self.path)
        body = {"JobId": known[1], "DisplayName": "x", "Status": "PARTIALLY_SUCCEEDED", "Fields": FIELDS, "UniqueKey": "id",
                "CreatedAt": 1, "ResultsSummary": {"CreatedRecords": 1, "UpdatedRecords": 0, "FailedRecords": 3}} if known \
            else {"message": "Missing Authentication Token"}
        text = json.dumps(body).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Type", "application/json")
        if not known:
            self.send_header("x-amzn-ErrorType", "MissingAuthenticationTokenException")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *ignored):
        pass


def test_predicted():
    """against a service that lists none, the file is replayed with the job's mapping, and the answer is headed as predicted"""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Real)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    service = Service.__new__(Service)
    service.host = f"127.0.0.1:{server.server_port}"
    job = "0" * 32
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme")
    assert status == 4 and "--file" in messages, (status, messages)
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--file", PATH)
    assert status == 0 and out.startswith("predicted: ") and len(out.splitlines()) == 4, (out, messages)
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--file", PATH, "--json")
    items = [json.loads(line) for line in out.splitlines()]
    assert as_tuples(items) == EXPECTED and all(item["Predicted"] for item in items) and "predicted" in messages, (out, messages)
    mapping = os.path.join(work.name, "map.lua")
    with open(mapping, "w") as file:
        file.write('return mapping.define { unique_key = "mail", mapping.string "Mail" : to "EmailAddress" : as "mail" }\n')
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--file", PATH, "--map", mapping, "--json")
    assert [json.loads(line)["Line"] for line in out.splitlines()] == [5], (out, messages)
    other = os.path.join(work.name, "other.csv")
    with open(other, "w") as file:
        file.write("A,B\n1,2\n")
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--file", other)
    assert status == 7 and out == "" and "could not be replayed" in messages, (status, out, messages)
    status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "--file", PATH + ".nowhere")
    assert status == 7 and out == "" and ".nowhere" in messages, (status, messages)
    server.shutdown()


run(globals())
