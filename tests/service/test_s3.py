"""Imports and checks that read from S3: a small one of the tests, with what goes wrong with one."""
import base64, hashlib, json, mmap, os, re, signal, subprocess, tempfile, threading, time
import s3_kit
from kit import SANITIZED, UPJOB, Service, counts, eventually, rows, run
from s3_kit import S3
from small_disk import Small, may_mount

may_mount()
work = tempfile.TemporaryDirectory()
FETCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "s3_fetch.lua")
URL, PLACE = "s3://acme-crm/exports/customers.csv", ("acme-crm", "exports/customers.csv")
RANGE = 8 << 20
LOCAL = ("local", "local")  # what the embedded service takes
MANY = rows(900_000)  # five ranges


def environment(s3, **more):
    return {**os.environ, "HOME": work.name, "XDG_STATE_HOME": os.path.join(work.name, "state"), **s3.environment(**more)}


def upjob(s3, *arguments, timeout=120, cwd=None, **more):
    return subprocess.run([UPJOB, *arguments], env=environment(s3, **more), cwd=cwd or work.name, timeout=timeout, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)


def fetch(s3, url=URL, directory="", stall="", before=(), **more):
    """What s3_fetch.lua prints."""
    done = subprocess.run([*before, UPJOB, "run", FETCH, url, directory, stall], env=environment(s3, **more), cwd=work.name, timeout=120,
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def digest(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def ranges(s3):
    return [request["range"] for request in s3.requests]


def once(s3, do, when=lambda request: True):
    """A fault of the first request that is meant."""
    lock, done = threading.Lock(), []

    def fault(request):
        with lock:
            if done or not when(request):
                return False
            done.append(True)
        do(request)
        return True
    s3.fault = fault


def test_whole():
    """every byte of the object arrives, over several requests, each but the first under the ETag that the first answer had"""
    with S3({PLACE: MANY}) as s3:
        got = fetch(s3)
        assert got["md5"] == digest(MANY) and got["bytes"] == len(MANY), got
        assert got["look"] == f"s3 {s3_kit.etag_of(MANY)} {len(MANY)}", got
        assert "(deleted)" in got["link"], got
        assert sorted(ranges(s3)) == sorted(f"bytes={i}-{min(i + RANGE, len(MANY) if i else i + RANGE) - 1}"
                                            for i in range(0, len(MANY), RANGE)), ranges(s3)
        assert [r["if_match"] for r in s3.requests] == [None] + [s3_kit.etag_of(MANY)] * (len(s3.requests) - 1)
        assert not s3.refused


def test_keys():
    """a key of any text is asked for as it is: spaces, question marks, per cent signs, dots, letters beyond ASCII"""
    data = rows(100, fail=0)
    for key in ("a key?x#y", "50%25+.csv", "ä/é/日本.csv", "a//b/../c", "~-_.!*'()&=;:@,$"):
        for bucket in ("acme-crm", "acme.crm.eu"):
            with S3({(bucket, key): data}) as s3:
                got = fetch(s3, f"s3://{bucket}/{key}")
                assert got.get("md5") == digest(data), (key, got, s3.requests, s3.refused)
                assert len(s3.requests) == 1


def test_bad_addresses():
    """an address that names no object is refused with what is wrong, and nothing is asked for"""
    with S3() as s3:
        for url, words in (("s3://acme-crm", "no key"), ("s3://acme-crm/", "no key"), ("s3:///key", "bucket"),
                           ("s3://acme-crm/folder/", "slash"), ("s3://arn:aws:s3:eu-west-1:1:accesspoint/a/k", "ARN")):
            done = upjob(s3, "map", "check", url)
            assert done.returncode == 2 and words in done.stderr, (url, done.stderr)
        assert not s3.requests


def test_broken_off():
    """a range whose connection is closed or reset goes on from the byte that was reached"""
    for reset in (False, True):
        with S3({PLACE: MANY}) as s3:
            once(s3, lambda request: s3.send(request, MANY, cut=3_000_000, reset=reset), lambda request: "-16777215" in
                 request.headers["Range"])
            got = fetch(s3)
            assert got.get("md5") == digest(MANY), got
            again = [r for r in ranges(s3) if r.endswith("-16777215")]
            assert len(again) == 2, ranges(s3)
            if not reset:  # of a reset connection what has come may not have been read
                assert again[1] == f"bytes={RANGE + 3_000_000}-16777215", again


def test_first_broken_off():
    """the first answer may break off too, and what follows is asked for under its ETag"""
    with S3({PLACE: MANY}) as s3:
        once(s3, lambda request: s3.send(request, MANY, cut=1_000_000))
        got = fetch(s3)
        assert got.get("md5") == digest(MANY), got
        assert f"bytes=1000000-{RANGE - 1}" in ranges(s3), ranges(s3)
        assert all(r["if_match"] for r in s3.requests[1:])


def test_stalled():
    """a range that stalls is asked for anew after the stall timeout, from the byte that was reached"""
    with S3({PLACE: MANY}) as s3:
        once(s3, lambda request: s3.send(request, MANY, cut=2_000_000, pause=60))
        got = fetch(s3, stall="10")
        assert got.get("md5") == digest(MANY), got
        assert f"bytes=2000000-{RANGE - 1}" in ranges(s3), ranges(s3)


def test_passing_trouble():
    """an answer of 500 or 503 is no end: the range is asked for again, and three in a row are the end"""
    with S3({PLACE: MANY}) as s3:
        seen = {}

        def fault(request):
            wanted = request.headers["Range"]
            with s3.lock:
                seen[wanted] = seen.get(wanted, 0) + 1
                if seen[wanted] > 1:
                    return False
            s3.refuse(request, 500, "InternalError", "We encountered an internal error. Please try again.")
            return True
        s3.fault = fault
        assert fetch(s3).get("md5") == digest(MANY)
    with S3({PLACE: MANY}) as s3:
        s3.fault = lambda request: s3.refuse(request, 503, "SlowDown", "Please reduce your request rate.") or True
        got = fetch(s3)
        assert got["code"] == "SlowDown" and "3 attempts" in got["message"] and len(s3.requests) == 3, got
        assert got["message"].startswith(URL + ": ") and "REQUEST3" in got["message"], got


def test_broken_for_good():
    """connections that break off again and again without a byte are the end after three; with bytes they go on"""
    with S3({PLACE: MANY}) as s3:
        s3.fault = lambda request: s3.send(request, MANY, cut=0) or True
        got = fetch(s3)
        assert got["code"] == "ConnectionError" and len(s3.requests) <= 12, (got, len(s3.requests))
    data = rows(300_000)
    with S3({PLACE: data}) as s3:
        s3.fault = lambda request: s3.send(request, data, cut=1_000_000) or True
        assert fetch(s3).get("md5") == digest(data)
        assert len(s3.requests) >= 12, len(s3.requests)


def test_changed():
    """an object that changes while it is read is refused, whether S3 or the ETag or the size tells it, and nothing is sent"""
    other = rows(900_000, fail=0)

    def replaced(s3, request):
        with s3.lock:
            s3.objects[PLACE] = other
        return False

    def late(do):
        return lambda request: bool(request.headers.get("If-Match")) and do(request)
    for name, fault_of in (("412", lambda s3: late(lambda r: replaced(s3, r))),
                           ("ETag", lambda s3: late(lambda r: s3.send(r, MANY, etag=r.headers["If-Match"]) if r.number % 2 else
                                                    unconditional(s3, r, MANY, '"another"') or True)),
                           ("size", lambda s3: late(lambda r: s3.send(r, MANY, claim=len(MANY) + 1) or True)),
                           ("gone", lambda s3: late(lambda r: s3.refuse(r, 404, "NoSuchKey", "gone") or True))):
        with S3({PLACE: MANY}) as s3:
            s3.fault = fault_of(s3)
            got = fetch(s3)
            assert got.get("code") == "FileError" and "has changed while it was read" in got["message"], (name, got)
    with S3({PLACE: MANY}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
        s3.fault = late(lambda r: replaced(s3, r))
        done = upjob(s3, "import", URL, "--domain", "acme", "--key", "Id", "--endpoint-url", f"http://{service.host}")
        assert done.returncode == 7 and "has changed while it was read: start again" in done.stderr, (done.returncode, done.stderr)
        assert service.call("GET", "/domains/acme/upload-jobs")["Items"] == []


def unconditional(s3, request, data, etag):
    del request.headers["If-Match"]
    return s3.send(request, data, etag=etag)


def test_lies():
    """a server that sends other bytes than were asked for, or more of them, is told to be none of S3's"""
    def whole(s3, request):
        request.send_response(200)
        request.send_header("ETag", '"x"')
        request.send_header("Content-Length", str(len(MANY)))
        request.end_headers()
        request.wfile.write(MANY)
        return True

    def other(request, total=None):
        request.send_response(206)
        request.send_header("ETag", '"x"')
        request.send_header("Content-Range", "bytes 5-104/1000")
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(bytes(100))
        return True

    def no_etag(request):
        request.send_response(200)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"hello")
        return True
    with S3({PLACE: MANY}) as s3:
        s3.fault = lambda request: whole(s3, request)
        assert fetch(s3).get("md5") == digest(MANY)  # it knows no ranges, and sends all at once
        assert len(s3.requests) == 1
    with S3({PLACE: MANY}) as s3:  # and breaks off
        def cut(request):
            request.send_response(200)
            request.send_header("ETag", '"x"')
            request.send_header("Content-Length", str(len(MANY)))
            request.end_headers()
            request.wfile.write(MANY[:10_000_000])
            request.close_connection = True
            return True
        s3.fault = cut
        got = fetch(s3)
        assert got.get("code") == "InvalidResponse" and "broke off, and the server cannot go on" in got["message"], got
    for fault in (other, no_etag):
        with S3({PLACE: MANY}) as s3:
            s3.fault = fault
            got = fetch(s3)
            assert got.get("code") == "InvalidResponse", got
    with S3({PLACE: MANY}) as s3:  # fewer bytes than were asked for: the rest is asked for
        once(s3, lambda request: s3.send(request, MANY, short=1_000_000))
        assert fetch(s3).get("md5") == digest(MANY)
        assert f"bytes={RANGE - 1_000_000}-{RANGE - 1}" in ranges(s3), ranges(s3)


def test_region():
    """a bucket of another region is asked for there, once, and the rest of it too"""
    with S3({PLACE: MANY}, region="eu-central-1") as s3:
        assert fetch(s3).get("md5") == digest(MANY)
        assert len(s3.refused) == 1 and s3.refused[0][1] == "AuthorizationHeaderMalformed", s3.refused
    with S3({PLACE: MANY}, region="eu-central-1") as s3:
        once(s3, lambda r: s3.refuse(r, 301, "PermanentRedirect", "elsewhere", {"x-amz-bucket-region": "eu-west-3"}))
        got = fetch(s3)
        assert got["code"] == "PermanentRedirect" and len(s3.requests) == 2, got  # it is sent on once, and no more
    with S3({PLACE: MANY}) as s3:
        s3.fault = lambda r: s3.refuse(r, 301, "PermanentRedirect", "elsewhere", {"x-amz-bucket-region": "evil.example.com/"}) or True
        got = fetch(s3)
        assert got["code"] == "InvalidResponse" and "the server says that the bucket is in" in got["message"], got
        s3.fault = lambda r: s3.refuse(r, 307, "TemporaryRedirect", "elsewhere", {"Location": "http://127.0.0.1:1/"}) or True
        got = fetch(s3)
        assert got["code"] == "TemporaryRedirect" and "not followed" in got["message"], got


def test_refusals():
    """what S3 refuses is told with its code and words, the request's id, and what to do; the exit status is that of a refusal"""
    with S3({PLACE: MANY}) as s3:
        for (status, code, words, told), exit_status in (
                ((403, "AccessDenied", "Access Denied", "s3:GetObject on arn:aws:s3:::acme-crm/*"), 4),
                ((403, "InvalidObjectState", "The operation is not valid for the object's storage class", "restore it first"), 4),
                ((403, "AccessDenied", "no kms:Decrypt permission", "kms:Decrypt"), 4), ((400, "ExpiredToken", "expired", "aws sso login"), 4)):
            s3.fault = lambda r: s3.refuse(r, status, code, words) or True
            done = upjob(s3, "map", "check", URL)
            assert done.returncode == exit_status, (code, done.returncode, done.stderr)
            for text in (URL, code, words, told, f"REQUEST{len(s3.requests)}"):
                assert text in done.stderr, (text, done.stderr)
        s3.fault = None
        done = upjob(s3, "map", "check", "s3://acme-crm/exports/Customers.csv")
        assert "NoSuchKey" in done.stderr and "upper and lower case count" in done.stderr, done.stderr
        done = upjob(s3, "map", "check", "s3://acme-crm/exports/*.csv")
        assert "NoSuchKey" in done.stderr and "an asterisk is part of the key" in done.stderr, done.stderr
        s3.objects[PLACE] = b""
        done = upjob(s3, "map", "check", URL)
        assert done.returncode == 7 and "is empty" in done.stderr, done.stderr


def test_secrets():
    """a session token is signed and sent, and neither it nor a key stands in a trace or a message"""
    with S3({PLACE: rows(10)}, token=s3_kit.TOKEN) as s3:
        done = upjob(s3, "-v", "map", "check", URL)
        assert done.returncode == 0 and "GET /acme-crm/" in done.stderr, done.stderr
        s3.fault = lambda r: s3.refuse(r, 403, "AccessDenied", f"token {s3_kit.TOKEN}") or True
        refused = upjob(s3, "-v", "map", "check", URL)
        for text in (done.stdout, done.stderr, refused.stdout):
            assert s3_kit.TOKEN not in text and s3_kit.KEYS[1] not in text and "Signature=" not in text, text
        assert s3_kit.KEYS[1] not in refused.stderr and "AccessDenied" in refused.stderr


def test_clock():
    """a clock that is an hour off is corrected by the server's, once"""
    with S3({PLACE: MANY}) as s3:
        s3.skew = 3600
        assert fetch(s3).get("md5") == digest(MANY)
        assert [fault[1] for fault in s3.refused] == ["RequestTimeTooSkewed"], s3.refused


def test_no_credentials():
    """without credentials the error says where they are looked for, and with --local that it takes credentials of AWS"""
    with S3({PLACE: MANY}) as s3:
        plain = {**environment(s3)}
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del plain[name]
        done = subprocess.run([UPJOB, "import", URL, "--local", "--domain", "acme", "--key", "Id"], env=plain, text=True,
                              capture_output=True, cwd=work.name, timeout=100)
        assert done.returncode == 3 and "the embedded one" in done.stderr and not s3.requests, (done.returncode, done.stderr)
        assert "or run aws configure\n" in done.stderr, done.stderr  # and not that --local needs none


def test_no_room():
    """an object that has no room in --tmp is refused when its size is known, with how much it has and how much there is"""
    with Small(4) as disk, S3({PLACE: MANY}) as s3:
        got = fetch(s3, directory=disk.at)
        assert got["code"] == "SystemError" and "38.3 MB" in got["message"] and "has room for 4.2 MB" in got["message"], got
        assert "--tmp" in got["message"] and len(s3.requests) == 1, got
        s3.objects[PLACE] = rows(1000)
        assert fetch(s3, directory=disk.at)["bytes"] == len(rows(1000))
        assert os.listdir(disk.at) == []


def test_memory():
    """an object of 500 MB takes no more memory than a small one"""
    size = 500_000_000
    with tempfile.TemporaryFile() as sparse:
        sparse.truncate(size)
        with mmap.mmap(sparse.fileno(), size, prot=mmap.PROT_READ) as data, S3({PLACE: data}) as s3:
            s3.fault = lambda r: s3.send(r, data, etag='"of-zeros"') or True
            got = fetch(s3)
    assert got["bytes"] == size, got
    assert SANITIZED or got["peak_kib"] < 64 << 10, got


def test_script():
    """a script's csv.open reads an object, and gets the error of one that is not there"""
    script = os.path.join(work.name, "read.lua")
    with open(script, "w") as file:
        file.write('local csv = require "upjob.csv"\nlocal reader <close> = assert(csv.open(arg[1], { delimiter = "," }))\n'
                   'local n = 0\nfor row in reader:rows() do n = n + (row.Mail ~= "" and 1 or 0) end\n'
                   'local none, err = csv.open(arg[1] .. ".none")\nprint(n, none, err.code)\n')
    with S3({PLACE: rows(3000)}) as s3:
        done = upjob(s3, "run", script, URL)
        assert done.stdout == "3000\tnil\tNoSuchKey\n", (done.stdout, done.stderr)


def test_import():
    """an object is imported: asked for once, its rejected rows in the current directory, its name that of the key"""
    data = rows(5000)
    with S3({PLACE: data}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service, tempfile.TemporaryDirectory() as here:
        common = ("--domain", "acme", "--key", "Id", "--endpoint-url", f"http://{service.host}", "--json")
        done = upjob(s3, "import", URL, *common, cwd=here)
        assert done.returncode == 6, (done.returncode, done.stderr)
        result = json.loads(done.stdout)
        assert result["rows"] == 5000 and result["rejected"] == 51 and result["DisplayName"].startswith("customers.csv "), result
        assert result["rejects"] == "customers.csv.rejects.csv" and os.listdir(here) == ["customers.csv.rejects.csv"], os.listdir(here)
        assert len(s3.requests) == 1, s3.requests
        job = service.get_job("acme", result["JobId"])
        assert counts(job) == (4949, 0, 0), job
        dry = upjob(s3, "import", URL, "--dry-run", *common[:4], cwd=here)
        assert dry.returncode == 6 and len(s3.requests) == 2, dry.stderr


def test_as_it_stands():
    """an object that needs no mending is sent byte by byte"""
    data = rows(2000, fail=0)
    mapping = os.path.join(work.name, "map.lua")
    with open(mapping, "w") as file:
        file.write('local m = require "upjob.mapping"\nreturn m.define { unique_key = "Id", m.string "Id" : to "AccountNumber", '
                   'm.email "Mail" : to "EmailAddress" }\n')
    with S3({PLACE: data}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
        done = upjob(s3, "import", URL, "--map", mapping, "--domain", "acme", "--endpoint-url", f"http://{service.host}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["bytes"] == len(data), done.stdout


def test_several():
    """objects and files are imported together, each object fetched once"""
    objects = {("acme-crm", f"day {i}.csv"): rows(2000 + i, fail=0) for i in (1, 2)}
    path = os.path.join(work.name, "third.csv")
    with open(path, "wb") as file:
        file.write(rows(100, fail=0))
    with S3(objects, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
        done = upjob(s3, "import", "s3://acme-crm/day 1.csv", "s3://acme-crm/day 2.csv", path, "--domain", "acme", "--key", "Id",
                     "--endpoint-url", f"http://{service.host}", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["rows"] == 4103 and len(s3.requests) == 2, (done.stdout, s3.requests)
        twice = upjob(s3, "import", "s3://acme-crm/day 1.csv", "s3://acme-crm/day 1.csv", "--domain", "acme", "--key", "Id")
        assert twice.returncode == 2 and "twice" in twice.stderr, twice.stderr


def test_only_changed():
    """objects are compared together with the last ones, each fetched once, and only what has changed of one is sent"""
    places = [("acme-crm", f"{i}.csv") for i in (1, 2)]
    files = [f"Id,FirstName\n" + "".join(f"{i}-{n},Ann\n" for n in range(100)) for i in (1, 2)]
    state = os.path.join(work.name, "only-changed")
    with S3({place: text.encode() for place, text in zip(places, files)}, keys=LOCAL) as s3, \
            Service(args=["--domain", "acme"]) as service:
        def importing():
            s3.requests.clear()
            done = upjob(s3, "import", "s3://acme-crm/1.csv", "s3://acme-crm/2.csv", "--only-changed", "--domain", "acme", "--key", "Id",
                         "--endpoint-url", f"http://{service.host}", "--state", state, "--json")
            assert done.returncode == 0, done.stderr
            assert len(s3.requests) == 2, s3.requests
            return json.loads(done.stdout)
        assert importing()["changes"]["new"] == 200
        s3.objects[places[1]] = files[1].replace("2-7,Ann", "2-7,Bob").encode()
        again = importing()
        assert again["changes"]["changed"] == 1 and [job["file"] for job in again["jobs"]] == ["s3://acme-crm/2.csv"], again
        assert importing()["changes"]["rows"] == 0


def test_parts():
    """an object that is sent in parts is fetched once, whatever passes over it they take"""
    data = rows(40_000, fail=0)
    with S3({PLACE: data}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
        done = upjob(s3, "import", URL, "--part-size", "300K", "--parallel", "1", "--domain", "acme", "--key", "Id",
                     "--endpoint-url", f"http://{service.host}", "--json")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert len(result["jobs"]) > 3 and result["rows"] == 40_000, result
        assert len(s3.requests) == 1, s3.requests


def begin_and_kill(s3, service, when, *arguments):
    """An import that is killed when something has happened: the id of its run."""
    client = subprocess.Popen([UPJOB, "import", URL, "--domain", "acme", *arguments, "--endpoint-url", f"http://{service.host}"],
                              env=environment(s3), cwd=work.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(when, what="the moment to kill it")
    client.send_signal(signal.SIGKILL)
    client.wait()
    s3.fault = None
    return newest_run(upjob(s3, "runs", "list", "--json").stdout)


def test_killed_while_it_fetches():
    """an import that is killed before it has the whole object is in the journal, and gone on with from there, with --map or --key"""
    mapping = os.path.join(work.name, "killed.lua")
    with open(mapping, "w") as file:
        file.write('local m = require "upjob.mapping"\nreturn m.define { unique_key = "Id", m.string "Id" : to "AccountNumber" }\n')
    data = rows(1000, fail=0)
    for arguments in ("--map", mapping), ("--key", "Id"), ("--key", "Id", "--run-key", "s3-killed", "--segment", "Some"):
        with S3({PLACE: data}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
            s3.fault = lambda request: s3.send(request, data, cut=1000, pause=20) or True
            run_id = begin_and_kill(s3, service, lambda: s3.requests, *arguments)
            shown = json.loads(upjob(s3, "runs", "show", run_id, "--json").stdout)
            assert shown["state"] == "lost" and shown["steps"][-1]["step"] == "fetch", shown
            # What was not checked yet may have been changed.
            s3.objects[PLACE] = rows(1001, fail=0)
            done = upjob(s3, "runs", "resume", run_id)
            assert done.returncode == 0, (done.returncode, done.stderr)
            jobs = service.call("GET", "/domains/acme/upload-jobs")["Items"]
            assert [job["Status"] for job in jobs] == ["SUCCEEDED"], jobs
            assert counts(service.get_job("acme", jobs[0]["JobId"])) == (1001, 0, 0)
            shown = json.loads(upjob(s3, "runs", "show", run_id, "--json").stdout)
            assert shown["state"] == "succeeded" and shown["mapping_fingerprint"], shown
            if "--run-key" in arguments:  # and its key knows it
                again = upjob(s3, "import", URL, "--domain", "acme", *arguments, "--endpoint-url", f"http://{service.host}")
                assert again.returncode == 0 and "has done this import" in again.stderr, again.stderr
                other = upjob(s3, "import", URL, "--domain", "acme", "--key", "Mail", *arguments[2:], "--endpoint-url",
                              f"http://{service.host}")
                assert other.returncode == 2 and "its mapping was another" in other.stderr, other.stderr


def test_changed_after_the_fetch():
    """an import that was killed when it had fetched the object, and had not checked it to its end, refuses one that has changed"""
    mapping, die = os.path.join(work.name, "die.lua"), os.path.join(work.name, "die")
    with open(mapping, "w") as file:
        file.write('local m = require "upjob.mapping"\nreturn m.define { unique_key = "Id", m.string "Id" : to "AccountNumber" : '
                   f'via(function(value) if os.remove("{die}") then os.execute("kill -9 $PPID") end return value end) }}\n')
    for changed in (False, True):
        with S3({PLACE: rows(1000, fail=0)}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
            open(die, "w").close()
            done = upjob(s3, "import", URL, "--domain", "acme", "--map", mapping, "--endpoint-url", f"http://{service.host}")
            assert done.returncode == -signal.SIGKILL, (done.returncode, done.stderr)
            run_id = newest_run(upjob(s3, "runs", "list", "--json").stdout)
            shown = json.loads(upjob(s3, "runs", "show", run_id, "--json").stdout)
            assert [(s["step"], s["state"]) for s in shown["steps"]] == [("fetch", "begin"), ("fetch", "done"), ("check", "begin")], shown
            if changed:
                s3.objects[PLACE] = rows(1001, fail=0)
            done = upjob(s3, "runs", "resume", run_id)
            assert done.returncode == (7 if changed else 0), (done.returncode, done.stderr)
            assert not changed or "is not what it was" in done.stderr, done.stderr


def test_made_mapping():
    """the mapping that is made of an object's header is printed, and one that cannot be made is an error before anything is sent"""
    with S3({PLACE: rows(100, fail=0)}, keys=LOCAL) as s3, Service(args=["--domain", "acme"]) as service:
        common = ("--domain", "acme", "--endpoint-url", f"http://{service.host}")
        done = upjob(s3, "import", URL, "--key", "Id", *common)
        assert done.returncode == 0 and 'mapping.string "Id"' in done.stderr, done.stderr
        done = upjob(s3, "import", URL, "--key", "None", *common)
        assert done.returncode == 7 and "None" in done.stderr, (done.returncode, done.stderr)
        done = upjob(s3, "import", URL + "x", "--key", "Id", "--report", "r.html", *common)
        assert done.returncode == 4 and "NoSuchKey" in done.stderr, (done.returncode, done.stderr)
        assert "nothing was sent" in open(os.path.join(work.name, "r.html")).read()
        dry = upjob(s3, "import", URL, "--key", "Id", "--dry-run", "--json", "--domain", "acme")
        assert dry.returncode == 0 and "CreateUploadJob" in dry.stdout, (dry.stdout, dry.stderr)


def test_cancelled():
    """a fetch that a script gives up leaves no descriptor open, and neither does one that failed"""
    script = os.path.join(work.name, "cancel.lua")
    with open(script, "w") as file:
        file.write("""
local source, task = require "upjob.source", require "upjob.task"
local function count()
  collectgarbage() collectgarbage()
  local n = 0
  for _ in io.popen("ls /proc/" .. require("upjob.native.system").pid() .. "/fd"):lines() do n = n + 1 end
  return n
end
source.of(arg[1] .. ".none", {})
local before = count()
for _ = 1, 5 do
  local idle
  for _ = 1, 200 do -- what the one before has open is closed soon
    idle = count()
    if idle <= before then break end
    task.sleep(0.01)
  end
  local fetch = task.spawn(function() return source.of(arg[1], {}) end)
  for _ = 1, 200 do
    task.sleep(0.01)
    if count() > idle then break end -- it has begun
  end
  task.sleep(0.3)
  fetch:cancel()
end
source.of(arg[1] .. ".none", {})
local more = 1
for _ = 1, 100 do -- what is being closed is closed soon
  more = count() - before
  if more <= 0 then break end
  task.sleep(0.1)
end
print(more)
""")
    with S3({PLACE: MANY}) as s3:
        s3.fault = lambda r: r.path.endswith(".csv") and (s3.send(r, MANY, cut=100_000, pause=5) or True)
        done = upjob(s3, "run", script, URL, timeout=400)
        assert done.returncode == 0 and int(done.stdout) <= 0, (done.stdout, done.stderr)
        assert len(s3.requests) >= 7, len(s3.requests)  # each fetch had begun


def newest_run(listed):
    return re.search(r'"id":(\d+)', listed).group(1)


def killed(s3, service):
    """An import that is killed while its file travels: the id of its run."""
    client = subprocess.Popen([UPJOB, "import", URL, "--domain", "acme", "--key", "Id", "--endpoint-url", f"http://{service.host}"],
                              env=environment(s3), cwd=work.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
    client.send_signal(signal.SIGKILL)
    client.wait()
    return newest_run(upjob(s3, "runs", "list", "--json").stdout)


def test_resume():
    """an import that was killed is gone on with when the object is what it was, and refused, with its job stopped, when not"""
    for changed in (False, True):
        with S3({PLACE: rows(60_000, fail=0)}, keys=LOCAL) as s3, Service(args=["--domain", "acme", "--fault", "slow=400000"]) as service:
            run_id = killed(s3, service)
            before = len(s3.requests)
            if changed:
                s3.objects[PLACE] = rows(60_001, fail=0)
            done = upjob(s3, "runs", "resume", run_id)
            jobs = service.call("GET", "/domains/acme/upload-jobs")["Items"]
            if changed:
                assert done.returncode == 7 and "is not what it was" in done.stderr, (done.returncode, done.stderr)
                assert [job["Status"] for job in jobs] == ["STOPPED"], jobs
                assert ranges(s3)[before:] == ["bytes=0-0"], ranges(s3)
            else:
                assert done.returncode == 0, (done.returncode, done.stderr)
                assert [job["Status"] for job in jobs] == ["SUCCEEDED"], jobs


def test_interrupted():
    """an import that is interrupted while it fetches ends at once and leaves nothing behind"""
    with S3({PLACE: MANY}) as s3, tempfile.TemporaryDirectory() as here:
        s3.fault = lambda request: s3.send(request, MANY, cut=100_000, pause=20) or True
        client = subprocess.Popen([UPJOB, "import", URL, "--local", "--domain", "acme", "--key", "Id", "--tmp", here], cwd=here,
                                  env=environment(s3), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        eventually(lambda: len(s3.requests) >= 2, what="the fetch")
        client.send_signal(signal.SIGINT)
        out, messages = client.communicate(timeout=100)
        assert client.returncode == 130, (client.returncode, messages)
        assert os.listdir(here) == [], os.listdir(here)


run(globals())
