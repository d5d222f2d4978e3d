"""The failed records of a job: listed by the embedded service, predicted where the service lists none."""
import csv, io, json, os, pty, re, tempfile
from kit import FIELDS, Service, Stub, run

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


JOB = "0" * 32


def real(**members):
    """A service that knows one job and, as the real one, no list of failed records."""
    job = {"JobId": JOB, "DisplayName": "x", "Status": "PARTIALLY_SUCCEEDED", "Fields": FIELDS, "UniqueKey": "id", "CreatedAt": 1,
           "ResultsSummary": {"CreatedRecords": 1, "UpdatedRecords": 0, "FailedRecords": 3}, **members}

    def answer(method, path):
        if re.fullmatch(r"/domains/acme/upload-jobs/\w+", path):
            return {name: value for name, value in job.items() if value is not None}
        return 403, {"__type": "MissingAuthenticationTokenException", "message": "Missing Authentication Token"}
    return Stub(answer)


def failures_of(service, *options):
    return service.upjob("job", "failures", JOB, "--domain", "acme", *options)


def test_predicted():
    """against a service that lists none, the file is replayed with the job's mapping, and the answer is headed as predicted"""
    with real() as service:
        status, out, messages = failures_of(service)
        assert status == 4 and "--file" in messages and "PARTIALLY_SUCCEEDED with 3 failed records" in messages, (status, messages)
        status, out, messages = failures_of(service, "--file", PATH)
        assert status == 0 and out.startswith("predicted: ") and len(out.splitlines()) == 4, (out, messages)
        status, out, messages = failures_of(service, "--file", PATH, "--json")
        items = [json.loads(line) for line in out.splitlines()]
        assert as_tuples(items) == EXPECTED and all(item["Predicted"] for item in items), (out, messages)
        assert "predicted" in messages, messages
        mapping = os.path.join(work.name, "map.lua")
        with open(mapping, "w") as file:
            file.write('return mapping.define { unique_key = "mail", mapping.string "Mail" : to "EmailAddress" : as "mail" }\n')
        status, out, messages = failures_of(service, "--file", PATH, "--map", mapping, "--json")
        assert [json.loads(line)["Line"] for line in out.splitlines()] == [5], (out, messages)
        other = os.path.join(work.name, "other.csv")
        with open(other, "w") as file:
            file.write("A,B\n1,2\n")
        status, out, messages = failures_of(service, "--file", other)
        assert status == 7 and out == "" and "could not be replayed" in messages, (status, out, messages)
        status, out, messages = failures_of(service, "--file", PATH + ".nowhere")
        assert status == 7 and out == "" and ".nowhere" in messages, (status, messages)


def test_predicted_beside_the_job():
    """a prediction is told beside the job's own number, and apart from the rows that import keeps back"""
    number = {**FIELDS, "n": {"Source": "_source.N", "Target": "_profile.Attributes.n", "ContentType": "NUMBER"}}
    path = os.path.join(work.name, "numbers.csv")
    with open(path, "w") as file:
        file.write("Id,Mail,Name,N\n1,a@b.c,A,1\n,a@b.c,B,2\n3,a@b.c,C,none\n4,a@b.c,D,4,5\n5,a@b.c,E,5\n")

    def told(failed):
        with real(Fields=number, ResultsSummary=None if failed is None else {"FailedRecords": failed}) as service:
            status, out, messages = failures_of(service, "--file", path, "--json")
            assert status == 0, (status, messages)
            kept = [item["Line"] for item in map(json.loads, out.splitlines()) if item.get("KeptBack")]
            _, text, _ = failures_of(service, "--file", path)
            assert [int(line.split()[1][:-1]) for line in text.splitlines() if "(kept back by" in line] == kept, text
            return messages, kept
    kept_too = "0 records would fail, and 3 rows would be kept back by upjob import"
    messages, kept = told(0)
    assert "with 0 failed records." in messages and kept_too in messages and "differ" not in messages, messages
    assert kept == [3, 4, 5], kept
    messages, kept = told(3)
    assert "with 3 failed records." in messages and "3 records would fail." in messages and kept == [], (messages, kept)
    messages, kept = told(2)
    assert kept_too in messages and "The numbers differ" in messages and kept == [3, 4, 5], (messages, kept)
    messages, kept = told(None)
    assert "not told" in messages and kept_too in messages and "differ" not in messages, messages


def test_no_fields():
    """a job that the service tells without its Fields asks for the mapping"""
    for members in {"Fields": None}, {"Fields": {}}, {"UniqueKey": None}, {"UniqueKey": "other"}, {"Fields": {"id": 5}}:
        with real(**members) as service:
            status, out, messages = failures_of(service, "--file", PATH)
            assert status == 1 and out == "" and "--map FILE" in messages and "InvalidResponse" in messages, (status, out, messages)


def test_failed_as_a_whole():
    """a job that FAILED as a whole says so, and why, rather than that it has no failed records"""
    with Service(args=["--domain", "acme"]) as service:
        job = service.begin("acme", b"A,B\n1,2\n")
        service.wait("acme", job)
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme")
        assert status == 0 and out == "" and "FAILED as a whole (VALIDATION_FAILURE)" in messages, (status, out, messages)
        assert "no failed records" not in messages, messages
        job = service.create_job("acme")
        status, out, messages = service.upjob("job", "failures", job, "--domain", "acme")
        assert "it is CREATED" in messages, messages
    with real(Status="FAILED", StatusReason="INTERNAL_FAILURE", ResultsSummary=None) as service:
        status, out, messages = failures_of(service, "--file", PATH)
        assert "FAILED as a whole (INTERNAL_FAILURE)" in out, (status, out, messages)


def test_job_id():
    """a JobId that is none does not get into an address"""
    with Service(args=["--domain", "acme"]) as service:
        for job in "x", "0" * 31 + "/", f"../{'0' * 32}", "0" * 32 + "?a=b":
            status, out, messages = service.upjob("job", "failures", job, "--domain", "acme", "-v")
            assert status == 2 and "JobId" in messages and "GET " not in messages, (status, out, messages)


def test_csv_on_a_terminal():
    """--csv shows a terminal what it would obey, and leaves a pipe every byte"""
    evil = "\x1b[2J" + "n" * 300
    with Service(args=["--domain", "acme"]) as service:
        job = service.begin("acme", f"Id,Mail,Name\n1,a@b.c,{evil}\n".encode())
        service.wait("acme", job)
        arguments = ["job", "failures", job, "--domain", "acme", "--csv"]
        status, out, messages = service.upjob(*arguments)
        assert evil in out, out
        terminal, end = pty.openpty()
        process = service.popen(*arguments, stdout=end)
        os.close(end)
        shown = b""
        try:
            while chunk := os.read(terminal, 4096):
                shown += chunk
        except OSError:
            pass  # the end of a terminal
        os.close(terminal)
        process.communicate()
        assert b"\\x1B[2Jnnn" in shown and b"\x1b" not in shown, shown


run(globals())
