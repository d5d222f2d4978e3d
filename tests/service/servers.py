"""Small servers of credentials for the tests: what they are asked is kept, what they answer is the test's."""
import base64, hashlib, hmac, html, http.server, json, os, re, socketserver, subprocess, tempfile, threading, time, urllib.parse
from kit import UPJOB

KEYS = {"AccessKeyId": "local", "SecretAccessKey": "local", "Token": "TOKENTOKENTOKEN", "Expiration": "2100-01-01T00:00:00Z"}
SECRETS = ["TOKENTOKENTOKEN", "hunter2"]


def until(seconds):
    """A time that many seconds from now, as the services write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Request:
    def __init__(self, handler):
        self.method, self.path = handler.command, handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()


def signed_with(request, secret, service, region="us-east-1"):
    """The access key of a signed request, checked as AWS's documentation of Signature Version 4 says; None when it is not signed."""
    if "authorization" not in request.headers:
        return None
    found = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
                         request.headers["authorization"])
    assert found, request.headers
    key, scope, names, signature = found.groups()
    date = request.headers["x-amz-date"]
    assert scope == f"{date[:8]}/{region}/{service}/aws4_request", scope
    assert "host" in names and ("x-amz-security-token" not in request.headers or "x-amz-security-token" in names), names
    lines = "".join(f"{name}:{request.headers[name].strip()}\n" for name in names.split(";"))
    digest = hashlib.sha256(request.body.encode()).hexdigest()
    canonical = "\n".join([request.method, request.path, "", lines, names, digest])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    step = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        step = hmac.new(step, part.encode(), hashlib.sha256).digest()
    assert hmac.new(step, text.encode(), hashlib.sha256).hexdigest() == signature, canonical
    return key


def form(request):
    return dict(urllib.parse.parse_qsl(request.body, keep_blank_values=True, strict_parsing=True))


def role_keys(action="AssumeRole", key="local", secret="local", token="TOKENTOKENTOKEN", expires="2100-01-01T00:00:00Z"):
    """STS's answer."""
    return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n  <{action}Result>\n    <AssumedRoleUser>'
            f"<AssumedRoleId>AROA:x</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/x</Arn></AssumedRoleUser>\n    <Credentials>"
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
            f"<Expiration>{expires}</Expiration></Credentials>\n  </{action}Result>\n  <ResponseMetadata><RequestId>r-1</RequestId>"
            f"</ResponseMetadata>\n</{action}Response>\n")


def role_error(code, message):
    return (f'<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>{code}</Code>'
            f"<Message>{html.escape(message)}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>")


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """`answer(request)` gives (status, text or object[, headers]), or None: nothing is said until the test ends."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answer):
        self.answer, self.requests, self.over = answer, [], threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def handle_error(self, *ignored):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.over.set()
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        request = Request(self)
        self.server.requests.append(request)
        answer = self.server.answer(request)
        if answer is None:
            self.server.over.wait(30)
            return
        status, text, *headers = answer
        data = text if isinstance(text, bytes) else (text if isinstance(text, str) else json.dumps(text)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **(headers[0] if headers else {})}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, *ignored):
        pass


class Home:
    """A home directory with the shared files, in which upjob runs."""

    def __init__(self, config="", credentials="", region="us-east-1"):
        self.directory = tempfile.TemporaryDirectory(prefix="upjob-home-")
        self.path, self.region = self.directory.name, region
        os.mkdir(os.path.join(self.path, ".aws"))
        self.config = self.write(".aws/config", config)
        self.credentials = self.write(".aws/credentials", credentials)

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text if isinstance(text, str) else json.dumps(text))
        return path

    def environment(self, variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        region = {"AWS_REGION": self.region} if self.region else {}
        return {**kept, "HOME": self.path, "AWS_EC2_METADATA_DISABLED": "true", **region, **variables}

    def upjob(self, *arguments, timeout=100, **variables):
        """Exit status, standard output, standard error; no secret is in them."""
        done = subprocess.run([UPJOB, *arguments], env=self.environment(variables), stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=timeout)
        for secret in SECRETS:
            assert secret not in done.stdout + done.stderr, done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def doctor(self, service, *arguments, **variables):
        """The text of each check, and whether it is good."""
        _, out, messages = self.upjob("doctor", "--json", "--endpoint-url", f"http://{service.host}", *arguments, **variables)
        assert out, messages
        return {check["name"]: (check["ok"], check["text"]) for check in json.loads(out)["checks"]}

    def good(self, service, source, *arguments, **variables):
        """Keys of that source, with which the service answers."""
        checks = self.doctor(service, *arguments, **variables)
        assert checks["credentials"][0] and source in checks["credentials"][1], checks
        assert checks["service"] == (True, "answers ListDomains"), checks
        return checks["credentials"][1]

    def bad(self, service, *texts, arguments=(), **variables):
        """No keys, with an error that says each of the texts."""
        checks = self.doctor(service, *arguments, **variables)
        ok, text = checks.get("credentials") or checks["client"]
        assert not ok, checks
        for expected in texts:
            assert expected in text, f"{expected!r} is not in: {text}"
        return text

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.directory.cleanup()


ROLES = "/latest/meta-data/iam/security-credentials/"


class Instance:
    """The answers of an instance whose role has keys; `change` maps a path to another answer."""

    def __init__(self, **change):
        self.change = {"token": "/latest/api/token", "role": ROLES, "keys": ROLES + "web-role"}
        self.change = {self.change[name]: answer for name, answer in change.items()}

    def __call__(self, request):
        if request.path in self.change:
            answer = self.change[request.path]
            return answer.pop(0) if isinstance(answer, list) else answer
        if request.path == "/latest/api/token":
            good = request.method == "PUT" and request.headers.get("x-aws-ec2-metadata-token-ttl-seconds") == "21600"
            return (200, "SESSION==") if good else (400, "")
        if request.method != "GET" or request.headers.get("x-aws-ec2-metadata-token") != "SESSION==":
            return 401, ""
        return {ROLES: (200, "web-role"), ROLES + "web-role": (200, {"Code": "Success", **KEYS})}.get(request.path, (404, ""))


class MailServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A mail server. tls: "at once", "starttls" (offered) or None; `password`: that of the user "upjob", who must say it.
    `answers` maps a command (RCPT; "." for the end of the message) to replies in its place, the first of them next; a reply that
    is a number is a pause before what it would say otherwise."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, context=None, tls=None, password=None, **answers):
        self.context, self.tls, self.password, self.answers = context, tls, password, answers
        self.mails, self.commands, self.over = [], [], threading.Event()
        super().__init__(("127.0.0.1", 0), MailHandler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, *ignored):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.over.set()
        self.shutdown()
        self.server_close()


class MailHandler(socketserver.StreamRequestHandler):
    """`mails` gets (sender, receivers, message as bytes, whether it came over TLS)."""

    def secure(self):
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile, self.is_secure = self.connection.makefile("rb"), self.connection.makefile("wb", 0), True

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def line(self):
        line = self.rfile.readline()
        if not line:
            raise ConnectionError
        return line.decode("latin-1").rstrip("\r\n")

    def login(self, words):
        def decode(text):
            return base64.b64decode(text).decode()
        if words[1] == "PLAIN":
            if len(words) < 3:
                self.say("334 ")
                words.append(self.line())
            _, user, password = decode(words[2]).split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = decode(self.line())
            self.say("334 UGFzc3dvcmQ6")
            password = decode(self.line())
        self.known = (user, password) == ("upjob", self.server.password)
        self.say("235 welcome" if self.known else "535 5.7.8 wrong user name or password")

    def message(self):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)

    def hello(self):
        offers = ["127.0.0.1", "8BITMIME"]
        if self.server.tls == "starttls" and not self.is_secure:
            offers.append("STARTTLS")
        if self.server.password:
            offers.append("AUTH PLAIN LOGIN")
        for offer in offers[:-1]:
            self.say("250-" + offer)
        self.say("250 " + offers[-1])

    def handle(self):
        server, self.is_secure, self.known = self.server, False, not self.server.password
        sender, receivers = None, []
        if server.tls == "at once":
            self.secure()
        self.say("220 ready")
        while True:
            line = self.line()
            command = line.split(" ")[0].upper()
            server.commands.append(command)
            answer = server.answers[command].pop(0) if server.answers.get(command) else None
            if isinstance(answer, str):
                self.say(answer)
                continue
            server.over.wait(answer or 0)
            if command == "EHLO":
                self.hello()
            elif command == "STARTTLS":
                self.say("220 go on")
                self.secure()
            elif command == "AUTH":
                self.login(line.split(" "))
            elif command in ("MAIL", "RCPT") and not self.known:
                self.say("530 5.7.0 who are you?")
            elif command in ("MAIL", "RCPT"):
                address = line.split("<")[1].split(">")[0]
                sender, receivers = (address, []) if command == "MAIL" else (sender, [*receivers, address])
                self.say("250 ok")
            elif command == "DATA":
                text = self.message()
                refusal = server.answers["."].pop(0) if server.answers.get(".") else None
                server.over.wait(refusal if isinstance(refusal, (int, float)) else 0)
                if isinstance(refusal, str):
                    self.say(refusal)
                else:
                    server.mails.append((sender, receivers, text, self.is_secure))
                    self.say("250 taken")
            elif command == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("502 what?")
