"""upjob import --dry-run beside the import itself: the same requests, and none of them sent."""
import base64, gzip, http.server, json, os, re, subprocess, tempfile, threading
from kit import SSE, UPJOB, run

JOB = "0123456789abcdef" * 2
KEY = base64.b64encode(b"k" * 32).decode()
HEADERS = ["content-length", "content-md5", "expect", *(SSE.lower() + name for name in ("algorithm", "key", "key-md5"))]


class Recorder:
    """Answers as the service and S3 do, and keeps what it was sent; `seen` counts connections too."""

    def __init__(self):
        self.requests, self.connections = [], 0
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                recorder.connections += 1
                super().setup()

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                recorder.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                text = json.dumps(recorder.answer(self.command, self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("ETag", '"etag"')
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do

            def log_message(self, *ignored):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, method, path):
        if path.startswith("/object") or (method == "PUT" and path.endswith(JOB)):
            return {}
        if path.endswith("/path"):
            return {"Url": self.url + "/object?X-Amz-SignedHeaders=host", "ClientToken": KEY}
        if method == "POST":
            return {"JobId": JOB}
        return {"JobId": JOB, "Status": "SUCCEEDED",
                "ResultsSummary": {"CreatedRecords": 2, "UpdatedRecords": 0, "FailedRecords": 0}}

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()


def upjob(url, directory, *arguments, data=None):
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
    return subprocess.run([UPJOB, *arguments, "--endpoint-url", url], cwd=directory, env=environment, timeout=100,
                          input=data, stdin=None if data else subprocess.DEVNULL, capture_output=True)


def plain(method, path, headers, body):
    """What is compared of a request."""
    put = path.startswith("/object")
    sent = {name: headers[name] for name in HEADERS if name in headers} if put else {}
    for name in ("key", "key-md5"):
        if put:
            sent[SSE.lower() + name] = "<secret>"
    text = "" if put else re.sub(r'("DisplayName":"[^"]*) [a-z0-9]{10}"', r'\1 <run key>"', body.decode())
    return method, "<Url>" if put else path.replace(JOB, "<JobId>"), sent, text


def told(request):
    headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
    return request["method"], request["path"] + ("?" + request["query"] if "query" in request else ""), headers, \
        request.get("body", "")


def compare(recorder, directory, *arguments, data=None):
    """The dry run and then the import: what the first told is what the second sent. Returns what was uploaded."""
    dry = upjob(recorder.url, directory, "import", *arguments, "--dry-run", "--json", data=data)
    assert recorder.connections == 0, recorder.requests
    files = sorted(os.listdir(directory))
    real = upjob(recorder.url, directory, "import", *arguments, "--json", data=data)
    assert dry.returncode == real.returncode, (dry, real)
    answer = json.loads(dry.stdout)
    expected, sent = [told(request) for request in answer["requests"]], [plain(*request) for request in recorder.requests]
    if expected[0] == sent[0] == sent[1]:
        del sent[1]  # the list of jobs, which is asked for again
    assert expected == sent, f"\n{expected}\n{sent}"
    assert json.loads(real.stdout)["rejected"] == answer["rejected"]
    body = next(body for _, path, _, body in recorder.requests if path.startswith("/object"))
    assert answer["bytes"] == len(body)
    recorder.requests.clear()
    return answer, body, files


MAPPING = '''local mapping = require "upjob.mapping"
return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id" : required(),
  mapping.email "Mail" : to "EmailAddress" : lower(), mapping.string { "Id", "Mail" } : to "Attributes.both" : as "both" }
'''


def write(directory, name, text):
    with open(os.path.join(directory, name), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def test_as_it_stands():
    """a file that is sent as it stands: the dry run tells each request as the import sends it, and sends none"""
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        write(directory, "c.csv", "Id,Mail\n1,a@b.cc\n2,b@b.cc\n")
        answer, body, _ = compare(recorder, directory, "c.csv", "--key", "Id", "--domain", "acme", "--expires", "30",
                                  "--run-key", "nightly-7")
        assert answer["requests"][3]["file"] == "c.csv" and body.startswith(b"Id,Mail"), answer
        assert json.loads(answer["requests"][1]["body"])["DisplayName"] == "c.csv nightly-7"


def test_mended():
    """a file that is mended, and has a row that is kept back: length and digest are those of what is sent; no rejects file"""
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        write(directory, "c.csv", "Id;Mail\n1;A@B.CC\n2;nothing\n3;c@b.cc\n")
        write(directory, "m.lua", MAPPING)
        answer, body, files = compare(recorder, directory, "c.csv", "--map", "m.lua", "--domain", "acme")
        assert answer["rejected"] == 1 and body.splitlines()[1] == b"1,a@b.cc,1 A@B.CC", body
        assert "file" not in answer["requests"][2] and files == ["c.csv", "m.lua"], (answer, files)
        assert sorted(os.listdir(directory)) == ["c.csv", "c.csv.rejects.csv", "m.lua"]


def test_large():
    """a file of more than a megabyte, which asks before it is sent"""
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        write(directory, "c.csv", "Id,Mail\n" + "".join(f"{i},user{i}@example.com\n" for i in range(50000)))
        answer, _, _ = compare(recorder, directory, "c.csv", "--key", "Id", "--domain", "acme")
        assert answer["requests"][2]["headers"]["Expect"] == "100-continue"


def test_standard_input():
    """standard input, and a compressed file"""
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        answer, _, _ = compare(recorder, directory, "-", "--key", "Id", "--domain", "acme", data=b"Id,Mail\n1,a@b.cc\n2,b@b.cc\n")
        assert answer["rows"] == 2
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        write(directory, "c.csv.gz", gzip.compress(b"Id,Mail\n1,a@b.cc\n2,b@b.cc\n"))
        _, body, _ = compare(recorder, directory, "c.csv.gz", "--key", "Id", "--domain", "acme")
        assert body == b"Id,Mail\n1,a@b.cc\n2,b@b.cc\n", body


def test_encoding():
    """--encoding decides what is sent; --no-check sends what would be refused; --problems and --strict reach the check"""
    with Recorder() as recorder, tempfile.TemporaryDirectory() as directory:
        write(directory, "m.lua", MAPPING)
        write(directory, "c.csv", b"Id,Mail\n1,a@b.cc\n2,\xe9\n")
        _, body, _ = compare(recorder, directory, "c.csv", "--map", "m.lua", "--domain", "acme", "--encoding", "cp850",
                             "--no-check")
        assert "2,Ú" in body.decode(), body
        done = upjob(recorder.url, directory, "import", "c.csv", "--map", "m.lua", "--domain", "acme", "--dry-run", "--strict",
                     "--encoding", "cp850", "--problems", "p.csv")
        assert done.returncode == 7 and b"without" in done.stderr, done
        assert not recorder.requests


run(globals())
