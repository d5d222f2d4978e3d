"""What the tests of the embedded service as a process share: the process, a client of its own (urllib-free, signing by itself),
and a runner that prints TAP."""
import base64, datetime, faulthandler, hashlib, hmac, http.client, http.server, json, os, random, shutil, signal, socket, sqlite3, subprocess
import sys, tempfile, threading, time, traceback, urllib.parse

UPJOB = os.environ.get("UPJOB", os.path.join(os.path.dirname(__file__), "../../build/upjob"))
SANITIZED = "address" in UPJOB  # all takes some times as long: less of the same is enough
SSE = "x-amz-server-side-encryption-customer-"
FIELDS = {"id": {"Source": "_source.Id", "Target": "_profile.Attributes.id"},
          "mail": {"Source": "_source.Mail", "Target": "_profile.EmailAddress"},
          "name": {"Source": "_source.Name", "Target": "_profile.LastName"}}


class Refused(Exception):
    def __init__(self, status, code, message):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


def sign(method, host, path, query, body):
    """Headers of a call, signed as AWS's documentation of Signature Version 4 says."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    day, digest = now[:8], hashlib.sha256(body).hexdigest()
    pairs = sorted(urllib.parse.parse_qsl(query, keep_blank_values=True))
    canonical_query = "&".join(f"{urllib.parse.quote(k, safe='-_.~')}={urllib.parse.quote(v, safe='-_.~')}" for k, v in pairs)
    canonical_path = urllib.parse.quote(path, safe="/-_.~")
    request = "\n".join([method, canonical_path, canonical_query, f"host:{host}", f"x-amz-date:{now}", "", "host;x-amz-date", digest])
    scope = f"{day}/us-east-1/profile/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = b"AWS4local"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return {"Host": host, "X-Amz-Date": now, "Authorization":
            f"AWS4-HMAC-SHA256 Credential=local/{scope}, SignedHeaders=host;x-amz-date, Signature={signature}"}


class Service:
    """`upjob local` on a data directory; killed and started again at will. `before`: a command that runs it."""

    def __init__(self, data=None, args=(), port=0, before=()):
        self.parent = None if data else tempfile.mkdtemp(prefix="upjob-service-")
        self.data, self.process = data or os.path.join(self.parent, "data"), None
        self.command = [*before, UPJOB, "local", "--port", str(port), "--data", self.data, *args]
        self.start()

    def start(self):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        line = self.process.stdout.readline().decode()
        if not line.startswith("ready "):
            self.status = self.process.wait()
            raise Refused(self.status, "NotStarted", self.messages())
        self.host = line.split("//")[1].strip()
        return self

    def messages(self):
        return text_of(self.log)

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait()
        return self.process.returncode

    def restart(self, how=signal.SIGKILL):
        self.kill(how)
        return self.start()

    def close(self):
        self.kill()
        if self.parent:
            shutil.rmtree(self.parent, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    # -- calls

    def connect(self, timeout=100):
        return http.client.HTTPConnection(self.host, timeout=timeout)

    def call(self, method, path, body=None, query="", timeout=100, raw=None, over=None):
        """`over`: a connection to use, and to leave open."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        connection = over or self.connect(timeout)
        try:
            connection.request(method, path + ("?" + query if query else ""), data, sign(method, self.host, path, query, data))
            reply = connection.getresponse()
            text = reply.read()
        finally:
            if not over:
                connection.close()
        answer = json.loads(text) if text else {}
        if reply.status != 200:
            raise Refused(reply.status, reply.getheader("x-amzn-ErrorType"), answer.get("Message"))
        return answer

    def create_domain(self, name):
        return self.call("POST", f"/domains/{name}", {"DefaultExpirationDays": 30})

    def create_job(self, domain, fields=FIELDS, **members):
        return self.call("POST", f"/domains/{domain}/upload-jobs",
                         {"DisplayName": "job", "UniqueKey": "id", "Fields": fields, **members})["JobId"]

    def path(self, domain, job):
        return self.call("GET", f"/domains/{domain}/upload-jobs/{job}/path")

    def put_head(self, path, length, timeout=100, over=None, headers={}):
        """A connection whose PUT has sent its head only, with further headers."""
        url, key = urllib.parse.urlsplit(path["Url"]), path["ClientToken"]
        connection = over or self.connect(timeout)
        connection.putrequest("PUT", url.path + "?" + url.query)
        connection.putheader("Content-Length", str(length))
        connection.putheader(SSE + "algorithm", "AES256")
        connection.putheader(SSE + "key", key)
        connection.putheader(SSE + "key-MD5", base64.b64encode(hashlib.md5(base64.b64decode(key)).digest()).decode())
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection

    def put(self, path, data, timeout=120):
        """`data`: bytes, or a file."""
        size = os.fstat(data.fileno()).st_size if hasattr(data, "fileno") else len(data)
        connection = self.put_head(path, size, timeout)
        try:
            connection.send(data)
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        if reply.status != 200:
            raise Refused(reply.status, text.split("<Code>")[-1].split("<")[0], text)

    def start_job(self, domain, job):
        return self.call("PUT", f"/domains/{domain}/upload-jobs/{job}")

    def stop_job(self, domain, job):
        return self.call("PUT", f"/domains/{domain}/upload-jobs/{job}/stop")

    def get_job(self, domain, job, timeout=100):
        return self.call("GET", f"/domains/{domain}/upload-jobs/{job}", timeout=timeout)

    def begin(self, domain, data, **members):
        """A job that was created, uploaded and started."""
        job = self.create_job(domain, **members)
        self.put(self.path(domain, job), data)
        self.start_job(domain, job)
        return job

    def wait(self, domain, job, seconds=200):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            got = self.get_job(domain, job)
            if got["Status"] not in ("CREATED", "IN_PROGRESS"):
                return got
            time.sleep(0.02)
        raise AssertionError(f"job {job} has not ended: {got}\n{self.messages()}")

    def search(self, domain, key, *values, **members):
        return self.call("POST", f"/domains/{domain}/profiles/search", {"KeyName": key, "Values": list(values), **members})

    def failures(self, domain, job, query=""):
        return self.call("GET", f"/_local/domains/{domain}/upload-jobs/{job}/failures", query=query)

    # -- the command line as its client

    def popen(self, *arguments, stdout=subprocess.PIPE):
        environment = {**os.environ, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        return subprocess.Popen([UPJOB, *arguments, "--endpoint-url", f"http://{self.host}"], env=environment, text=True,
                                stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)

    def upjob(self, *arguments, timeout=120):
        """Exit status, standard output, standard error."""
        process = self.popen(*arguments)
        out, messages = process.communicate(timeout=timeout)
        return process.returncode, out, messages

    # -- its files

    def objects(self):
        directory = os.path.join(self.data, "objects")
        return sorted(os.listdir(directory)) if os.path.isdir(directory) else []

    def check_integrity(self):
        stores = [os.path.join(self.data, "jobs.db")]
        profiles = os.path.join(self.data, "profiles")
        stores += [os.path.join(profiles, name) for name in sorted(os.listdir(profiles)) if name.endswith(".db")] \
            if os.path.isdir(profiles) else []
        for store in stores:
            if os.path.exists(store):
                db = sqlite3.connect(store)
                found = db.execute("PRAGMA integrity_check").fetchall()
                db.close()
                assert found == [("ok",)], f"{store}: {found}"


class Stub(Service):
    """A service whose answers the test decides: answer(method, path) returns a body, or status and body, or None for silence."""

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answered = answer(self.command, self.path)
                if answered is None:
                    self.rfile.read(1)  # until the client has gone
                    self.close_connection = True
                    return
                status, body = answered if isinstance(answered, tuple) else (200, answered)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("ETag", '"an upload has one"')
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do

            def log_message(self, *ignored):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def counts(job):
    summary = job["ResultsSummary"]
    return tuple(summary[name] for name in ("CreatedRecords", "UpdatedRecords", "FailedRecords"))


def rows(count, keys=None, fail=97):
    """A CSV file of `count` records over `keys` keys; every 97th has no key, and fails (fail=0: none)."""
    keys = keys or count
    out = ["Id,Mail,Name"]
    for i in range(count):
        key = "" if fail and i % fail == fail - 1 else f"k{i * 7919 % keys}"
        out.append(f"{key},user{i}@example.com,Name {i}")
    return ("\n".join(out) + "\n").encode()


def resident(service):
    """KiB of memory."""
    with open(f"/proc/{service.process.pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def some(points, every=3):
    """Of what a test sweeps through."""
    return list(points)[::every] if SANITIZED else list(points)


def eventually(true, seconds=100, what="it"):
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            raise AssertionError(f"{what} has not come true in {seconds} s")
        time.sleep(0.02)


def text_of(log):
    """What is in it by now, while a program writes to it: that program's place in the file is ours too, and stays where it is."""
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")


def free_port():
    """One that is given to nobody who asks for any."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Skip(Exception):
    pass


def where_hidden():
    """The words before a command that run it without privileges, where /proc does not show processes that are not dumpable, as it
    is in the service's unit (ProtectProc=invisible)."""
    words = ["unshare", "--mount", "sh", "-c", 'mount -t proc -o hidepid=2,gid=65534 proc /proc && exec "$@"', "sh",
             "setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    if subprocess.run([*words, "true"], capture_output=True).returncode != 0:
        raise Skip("nothing can be mounted here")
    return words


def stop_between_writes(pid, journal):
    """SIGSTOP for a process, at a moment when it holds no lock of its journal: amid a write it would keep out every other."""
    def stopped():
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"
    while True:
        os.kill(pid, signal.SIGSTOP)
        eventually(stopped, what="its being stopped")
        try:
            database = sqlite3.connect(journal, timeout=0, isolation_level=None)
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            return
        except sqlite3.OperationalError:
            os.kill(pid, signal.SIGCONT)
        finally:
            database.close()


def run(namespace):
    """Runs the functions test_… of a module in their order, and prints TAP."""
    tests = [(name, value) for name, value in namespace.items() if name.startswith("test_")]
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, (name, test) in enumerate(tests, 1):
        faulthandler.dump_traceback_later(1200, exit=True)  # a test that hangs says where
        title = (test.__doc__ or name[5:].replace("_", " ")).strip()
        try:
            test()
            print(f"ok {number} - {title}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {title} # SKIP {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {title}", flush=True)
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="", flush=True)
    sys.exit(1 if failed else 0)
