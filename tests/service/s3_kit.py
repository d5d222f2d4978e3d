"""A small S3 for the tests: GetObject with ranges and If-Match, of signed requests only, on loopback; and what goes wrong with one."""
import datetime, hashlib, hmac, http.server, re, socket, struct, sys, threading, time, urllib.parse
from email.utils import format_datetime

KEYS = ("AKIAEXAMPLEOFTESTS", "secret-access-key-of-the-tests-0123456789")
TOKEN = "session-token-of-the-tests-which-no-message-shows"


def xml(code, message, extra=""):
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{extra}'
            "<RequestId>BODYREQUEST</RequestId></Error>").encode()


def etag_of(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *ignored):  # the client has gone
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*ignored)


class S3:
    """objects: {(bucket, key): bytes or a file of that many bytes}. `fault(request)`, when set, may answer in its place: it
    returns True when it has. region: that of all buckets; other ones are sent there."""

    def __init__(self, objects=None, region="us-east-1", token=None, keys=KEYS):
        self.objects, self.region, self.token, self.keys, self.fault = dict(objects or {}), region, token, keys, None
        self.requests, self.refused, self.lock = [], [], threading.Lock()
        self.skew, self.last_modified = 0, "Wed, 01 Jan 2025 00:00:00 GMT"
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            s3 = outer

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *ignored):
                pass

            def date_time_string(self, timestamp=None):
                return format_datetime(datetime.datetime.fromtimestamp(time.time() + outer.skew, datetime.timezone.utc), usegmt=True)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.close()

    def environment(self, **more):
        """What a command needs to read from it."""
        given = {"AWS_ACCESS_KEY_ID": self.keys[0], "AWS_SECRET_ACCESS_KEY": self.keys[1], "AWS_REGION": "us-east-1",
                 "AWS_ENDPOINT_URL_S3": self.url, "AWS_EC2_METADATA_DISABLED": "true", **more}
        return {**given, "AWS_SESSION_TOKEN": self.token} if self.token else given

    # -- answering

    def answer(self, request):
        path, _, query = request.path.partition("?")
        entry = {"path": path, "range": request.headers.get("Range"), "if_match": request.headers.get("If-Match"),
                 "headers": dict(request.headers), "query": query}
        with self.lock:
            self.requests.append(entry)
            request.number = len(self.requests)
        fault = self.check_signature(request, path, query)
        if fault:
            with self.lock:
                self.refused.append(fault)
            return self.refuse(request, *fault)
        if self.fault and self.fault(request):
            return None
        bucket, _, key = urllib.parse.unquote(path[1:]).partition("/")
        data = self.objects.get((bucket, key))
        if data is None:
            known = any(name == bucket for name, _ in self.objects)
            return self.refuse(request, 404, "NoSuchKey" if known else "NoSuchBucket", "The specified key does not exist.")
        return self.send(request, data)

    def refuse(self, request, status, code, message, headers=None, extra=""):
        body = xml(code, message, extra)
        request.send_response(status)
        request.send_header("x-amz-request-id", f"REQUEST{request.number}")
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def send(self, request, data, claim=None, cut=None, reset=False, etag=None, pause=None, short=0):
        """The range of the data. `short`: so many bytes fewer come, as the head says; `claim`: another size is told; `cut`: so many bytes come and then nothing, `reset` hard; `pause`:
        seconds before the rest comes."""
        total = claim or len(data)
        etag = etag or etag_of(data)
        wanted = request.headers.get("If-Match")
        if wanted and wanted != etag:
            return self.refuse(request, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers["Range"]).groups())
        if first >= total:
            return self.refuse(request, 416, "InvalidRange", "The requested range is not satisfiable")
        last = min(last, total - 1)
        request.send_response(206)
        for name, value in (("x-amz-request-id", f"REQUEST{request.number}"), ("ETag", etag), ("Last-Modified", self.last_modified),
                            ("Accept-Ranges", "bytes"), ("Content-Range", f"bytes {first}-{last}/{total}"),
                            ("Content-Length", str(last - first + 1 - short))):
            request.send_header(name, value)
        request.end_headers()
        body = memoryview(data)[first:last + 1 - short]
        if cut is None:
            request.wfile.write(body)
            return None
        request.wfile.write(body[:cut])
        request.wfile.flush()
        if pause:
            time.sleep(pause)
            return None
        if reset:
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            request.connection.shutdown(socket.SHUT_RDWR)
        request.close_connection = True
        return None

    # -- signatures, as AWS's documentation of Signature Version 4 says

    def check_signature(self, request, path, query):
        """None, or status, code and message."""
        given = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, SignedHeaders=([^,]+), "
                             r"Signature=([0-9a-f]{64})", request.headers.get("Authorization", ""))
        if not given:
            return 403, "AccessDenied", "Access Denied"
        key, day, region, names, signature = given.groups()
        if key != self.keys[0]:
            return 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."
        if region != self.region:
            return (400, "AuthorizationHeaderMalformed", f"the region '{region}' is wrong; expecting '{self.region}'",
                    {"x-amz-bucket-region": self.region}, f"<Region>{self.region}</Region>")
        names = names.split(";")
        needed = {"host", "x-amz-content-sha256", "x-amz-date"} | {n.lower() for n in request.headers if n.lower().startswith("x-amz-")}
        if needed - set(names) or (self.token and request.headers.get("x-amz-security-token") != self.token):
            return 403, "AccessDenied", f"There were headers present in the request which were not signed: {needed - set(names)}"
        canonical = "\n".join(["GET", path, query, *(f"{n}:{' '.join(request.headers[n].split())}" for n in names), "",
                               ";".join(names), request.headers["x-amz-content-sha256"]])
        date = request.headers["x-amz-date"]
        text = "\n".join(["AWS4-HMAC-SHA256", date, f"{day}/{region}/s3/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
        secret = b"AWS4" + self.keys[1].encode()
        for part in (day, region, "s3", "aws4_request"):
            secret = hmac.new(secret, part.encode(), hashlib.sha256).digest()
        if hmac.new(secret, text.encode(), hashlib.sha256).hexdigest() != signature:
            return 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
        sent = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
        if abs(sent - time.time() - self.skew) > 900:
            return 403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        return None
