"""Imports through bad days: calls that fail, uploads that are cut, stall or drip, URLs that have expired, a service that dies."""
import base64, json, os, tempfile, time
from kit import Service, Stub, counts, eventually, free_port, rows, run

work = tempfile.TemporaryDirectory()
MAP = os.path.join(work.name, "map.lua")
with open(MAP, "w") as file_:
    file_.write('''return mapping.define { unique_key = "id",
  mapping.string "Id" : to "Attributes.id" : as "id", mapping.string "Mail" : to "EmailAddress" : as "mail",
  mapping.string "Name" : to "LastName" : as "name" }
''')


def csv(data, name="customers.csv"):
    path = os.path.join(work.name, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def imported(service, path, *options, timeout=120):
    status, out, messages = service.upjob("import", path, "--domain", "acme", "--map", MAP, "--json", *options, timeout=timeout)
    return status, json.loads(out.splitlines()[-1]) if out else None, messages


def expect(service, path, expected, *options):
    status, result, messages = imported(service, path, *options)
    assert status == 0, (status, messages)
    assert counts(result) == expected, result
    eventually(lambda: service.objects() == [], what="no file being left")


def test_faults():
    """every kind of bad day, one by one and all together, ends with the right counts"""
    path = csv(rows(3000, fail=0))
    faults = ["throttle=0.3", "error=0.2", "expire-url=0.5", "drop-upload=0.5", "slow=2000000",
              "throttle=0.1,error=0.1,expire-url=0.3,drop-upload=0.3"]
    for number, fault in enumerate(faults):
        with Service(args=["--fault", f"{fault},seed={number + 1}", "--domain", "acme"]) as service:
            expect(service, path, (3000, 0, 0))


def test_denied():
    """a permission that is missing ends an import with status 4, and is named"""
    with Service(args=["--fault", "deny=1", "--domain", "acme"]) as service:
        status, _, messages = imported(service, csv(rows(10, fail=0)))
        assert status == 4 and "AccessDeniedException" in messages and "profile:" in messages, (status, messages)


def test_stall():
    """an upload that stalls is begun anew at byte 0, with a new URL"""
    path = csv(rows(3000, fail=0))
    with Service(args=["--fault", "stall-upload=0.5,seed=3", "--domain", "acme"]) as service:
        expect(service, path, (3000, 0, 0), "--stall-timeout", "3")


def test_service_dies_during_the_upload():
    """a service that dies in the middle of the upload and comes back gets the file from byte 0 on"""
    path = csv(rows(60_000, fail=0))
    with Service(args=["--fault", "slow=1500000", "--domain", "acme"], port=free_port()) as service:
        client = service.popen("import", path, "--domain", "acme", "--map", MAP, "--json")
        eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
        time.sleep(0.3)
        service.kill()
        time.sleep(0.5)
        service.start()
        out, messages = client.communicate(timeout=100)
        assert client.returncode == 0 and counts(json.loads(out)) == (60_000, 0, 0), messages


def test_service_dies_during_the_ingestion():
    """a service that dies while it ingests and comes back is watched to the end"""
    path = csv(rows(200_000, fail=0))
    with Service(args=["--domain", "acme"], port=free_port()) as service:
        client = service.popen("import", path, "--domain", "acme", "--map", MAP, "--json")

        def ingesting():
            jobs = service.call("GET", "/domains/acme/upload-jobs")["Items"]
            return jobs and jobs[0]["Status"] == "IN_PROGRESS"
        eventually(ingesting, what="the ingestion's beginning")
        service.kill()
        time.sleep(0.5)
        service.start()
        out, messages = client.communicate(timeout=100)
        assert client.returncode == 0 and sum(counts(json.loads(out))) == 200_000, messages


def test_service_stays_away():
    """a service that dies for good is an error that says at which step, and which job exists"""
    path = csv(rows(60_000, fail=0))
    with Service(args=["--fault", "slow=1500000", "--domain", "acme"]) as service:
        client = service.popen("import", path, "--domain", "acme", "--map", MAP)
        eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
        job = service.call("GET", "/domains/acme/upload-jobs")["Items"][0]["JobId"]
        service.kill()
        _, messages = client.communicate(timeout=120)
        assert client.returncode == 1 and job in messages and "was not started" in messages, (client.returncode, messages)


def test_upload_refused():
    """an upload that is refused for good stops the job; when that is refused too, the command that does is printed"""
    calls, job = [], "f" * 32

    def answer(method, path):
        calls.append((method, path))
        if method == "POST":
            return {"JobId": job}
        if path.endswith("/path"):
            return {"Url": f"http://{service.host}/object", "ClientToken": base64.b64encode(bytes(32)).decode()}
        return (403, {}) if path == "/object" or stop_fails else {}
    for stop_fails in False, True:
        calls.clear()
        with Stub(answer) as service:
            status, out, messages = service.upjob("import", csv(rows(3)), "--domain", "acme", "--map", MAP)
        assert status == 4 and out == "", (status, out, messages)
        assert calls[-1] == ("PUT", f"/domains/acme/upload-jobs/{job}/stop"), calls
        assert (f"job {job} in domain acme was not started: it was stopped" in messages) != stop_fails, messages
        assert (f"to stop it: " in messages and f"job stop {job} --domain acme" in messages) == stop_fails, messages


def test_odd_replies():
    """a list of jobs and a job with members of odd types are shown as far as they can be"""
    odd = {"JobId": 5, "Status": None, "StatusReason": [], "CreatedAt": "now", "DisplayName": {}, "DataExpiry": 1.5,
           "Fields": {"a": 1}, "ResultsSummary": {"FailedRecords": "x"}}
    with Stub(lambda method, path: {"Items": [odd, 1]} if "?" in path else odd) as service:
        status, out, messages = service.upjob("job", "list", "--domain", "acme")
        assert status == 0 and len(out.splitlines()) == 4, (status, out, messages)
        status, out, messages = service.upjob("job", "get", "0" * 32, "--domain", "acme")
        assert status == 0 and "0 created, 0 updated, 0 failed" in out, (status, out, messages)
        status, out, messages = service.upjob("job", "watch", "0" * 32, "--domain", "acme")
        assert status == 1 and "GetUploadJob: InvalidResponse: the reply has no Status" in messages, (status, out, messages)


def test_endless_list():
    """a list that is none, or that gives the same page again and again, ends with an error that says so"""
    for reply, fault in [({"Items": 5}, "its Items are no list"), ({"Items": [], "NextToken": {}}, "its NextToken is no string"),
                         ({"Items": [], "NextToken": "again"}, "its NextToken is the one that was sent")]:
        with Stub(lambda method, path: reply) as service:
            status, out, messages = service.upjob("job", "list", "--domain", "acme", timeout=100)
            assert status == 1 and out == "", (status, out, messages)
            assert f"ListUploadJobs: InvalidResponse: the reply cannot be used: {fault}" in messages, messages


def test_rates():
    """the real service's rates slow an import down and do not fail it"""
    with Service(args=["--throttle", "--domain", "acme"]) as service:
        expect(service, csv(rows(300, fail=0)), (300, 0, 0))


run(globals())
