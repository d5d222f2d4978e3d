"""What tests of whole imports share: a service, a directory with files and a state; and a proxy that refuses calls."""
import http.client, http.server, json, os, re, shutil, subprocess, tempfile, threading
from kit import UPJOB, Service

MAP = '''local mapping = require "upjob.mapping"
return mapping.define { unique_key = "id",
  mapping.string "Id" : to "Attributes.id" : as "id" : required(), mapping.string "Mail" : to "EmailAddress",
  mapping.string "Name" : to "LastName" }
'''


class Proxy:
    """In front of a service: refuse(method, path) → whether a call is refused with 403, or "fault" for a 500 of which it hears
    nothing; what else comes and goes is not changed."""

    def __init__(self, service, refuse=lambda method, path: False):
        self.calls, self.refuse, outer = [], refuse, self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.calls.append((self.command, self.path.split("?")[0]))
                refused = outer.refuse(self.command, self.path.split("?")[0])
                if refused == "fault":
                    return self.send(500, [("x-amzn-ErrorType", "InternalServerException")], b'{"Message":"a fault"}')
                if refused:
                    return self.send(403, [("x-amzn-ErrorType", "AccessDeniedException")], b'{"Message":"not allowed"}')
                connection = http.client.HTTPConnection(service.host, timeout=100)
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() != "expect":
                        connection.putheader(name, value)
                connection.endheaders(body)
                reply = connection.getresponse()
                answer = reply.read()
                self.send(reply.status, [(n, v) for n, v in reply.getheaders() if n.lower() not in
                                         ("content-length", "connection", "date", "transfer-encoding")], answer)
                connection.close()

            def send(self, status, headers, body):
                self.send_response(status)
                for name, value in headers + [("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do

            def log_message(self, *ignored):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *ignored: None  # who is killed does not wait for answers
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.server.shutdown()
        self.server.server_close()


class World:
    """A service with a domain, a directory with files, and a state of its own."""

    def __init__(self, *args):
        self.directory = tempfile.mkdtemp(prefix="upjob-parts-")
        self.service = Service(args=["--domain", "d", *args])
        self.url = f"http://{self.service.host}"
        self.write("map.lua", MAP)
        self.state = os.path.join(self.directory, "state")

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.service.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def rows(self, name, keys, word):
        """A file with a row for each key, in their order."""
        return self.write(name, "Id,Mail,Name\n" + "".join(f"k{k},u{k}@example.com,{word} {n}\n" for n, k in enumerate(keys)))

    def begin(self, *arguments, environment=os.environ):
        environment = {**environment, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1"}
        at = [] if "--endpoint-url" in arguments else ["--endpoint-url", self.url]
        return subprocess.Popen([UPJOB, "--state", self.state, *arguments, *at], cwd=self.directory,
                                env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def upjob(self, *arguments, timeout=100):
        process = self.begin(*arguments)
        out, messages = process.communicate(timeout=timeout)
        return process.returncode, out, messages

    def importing(self, *files, more=()):
        return ["import", *files, "--domain", "d", "--map", "map.lua", "--json", "--part-size", "30K", *more]

    def good(self, *arguments, **options):
        status, out, messages = self.upjob(*arguments, **options)
        assert status == 0, (status, out, messages)
        return json.loads(out) if "--json" in arguments else out

    def jobs(self):
        found, token = [], None
        while True:
            page = self.service.call("GET", "/domains/d/upload-jobs", query=f"next-token={token}" if token else "")
            found += page["Items"]
            token = page.get("NextToken")
            if not token:
                return found

    def statuses(self):
        return sorted(job["Status"] for job in self.jobs())

    def name_of(self, key):
        found = self.service.search("d", "id", f"k{key}")["Items"]
        assert len(found) == 1, (key, found)
        return found[0]["LastName"]

    def check_whole(self, keys, word):
        """Each part's job was made and started once, and what is there is the last that the files have of each key."""
        numbers = sorted(int(re.search(r" part (\d+) of (\d+) ", job["DisplayName"])[1]) for job in self.jobs()
                         if job["Status"] != "STOPPED")
        assert numbers == list(range(1, len(numbers) + 1)), self.jobs()
        assert set(self.statuses()) <= {"SUCCEEDED", "STOPPED"}, self.jobs()
        for key in keys:
            assert self.name_of(key).startswith(word + " "), (key, self.name_of(key))
