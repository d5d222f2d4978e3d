"""Where is the data key in the memory of a running upjob? memory.py UPJOB plain|tls|http2, in a scratch directory.

Serves GetUploadJobPath and the upload itself, runs a script that goes through both, and looks for the key in all of the
process's memory after each step: prints the step and what it found. Exit status 77: this machine does not let one process read
another.
"""
import base64, http.server, json, os, re, socket, ssl, subprocess, sys, threading, time

RAW = os.urandom(32)
KEY = base64.b64encode(RAW)
JOB = "0123456789abcdef0123456789abcdef"
SCRIPT = """
local client = assert(profiles.client { region = "us-east-1", endpoint_url = arg[1],
  credentials = { access_key_id = "a", secret_access_key = "b" } })
local function step(name) io.write(name, "\\n") io.flush() io.read() end
step "start"
local path = assert(client:get_upload_job_path { DomainName = "d", JobId = "%s" })
step "got"
if arg[2] ~= "" then
  assert(upload.put { url = arg[2], key = path.ClientToken, file = "file.csv" })
  step "sent"
end
path.ClientToken:close()
step "closed"
""" % JOB


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", "\"x\"")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(reply())

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["x-amz-server-side-encryption-customer-key"] == KEY.decode()
        self.answer(b"")

    def log_message(self, *_):
        pass


def reply():
    return json.dumps({"Url": "https://example.com/" + "x" * 1500, "ClientToken": KEY.decode(), "ValidUntil": 1}).encode()


def serve(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("cert.pem", "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "%s://127.0.0.1:%d" % ("https" if tls else "http", server.server_port)


def serve_http2():
    """nghttpd gives a file for the reply; it takes no upload."""
    os.makedirs("www/domains/d/upload-jobs/" + JOB)
    with open("www/domains/d/upload-jobs/%s/path" % JOB, "wb") as file:
        file.write(reply())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.environ["PATH"] + ":/usr/sbin"
    server = subprocess.Popen(["nghttpd", "-a", "127.0.0.1", "-d", "www", str(port), "key.pem", "cert.pem"],
                              env=dict(os.environ, PATH=path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server, "https://127.0.0.1:%d" % port
        except OSError:
            time.sleep(0.05)


def scan(pid):
    """Places of the key in the memory of a process, by halves: as text (base64), raw."""
    places = []
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            start, end, rights, name = re.match(r"(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)", line).groups()
            if "w" not in rights or int(end, 16) - int(start, 16) > 1 << 30: # a sanitizer's shadow
                continue
            try:
                memory.seek(int(start, 16))
                data = memory.read(int(end, 16) - int(start, 16))
            except OSError:
                continue
            for what, needle in (("text", KEY[:22]), ("text", KEY[22:]), ("raw", RAW[:16]), ("raw", RAW[16:])):
                places += [(name or "pages", what)] * data.count(needle)
    return places


def main():
    upjob, kind = sys.argv[1:]
    server = None
    if kind == "http2":
        server, url = serve_http2()
    else:
        url = serve(kind == "tls")
    with open("file.csv", "w") as file:
        file.write("id\n1\n" * 1000)
    with open("script.lua", "w") as file:
        file.write(SCRIPT)
    put = "" if server else url + "/f?X-Amz-SignedHeaders=host"
    program = subprocess.Popen([upjob, "run", "script.lua", url, put], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for step in program.stdout:
            places = scan(program.pid)
            print(step.strip(), *["%s:%s" % place for place in places])
            program.stdin.write("\n")
            program.stdin.flush()
    except PermissionError:
        sys.exit(77)
    finally:
        program.kill()
        if server:
            server.kill()


main()
