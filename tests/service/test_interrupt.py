"""Signals to an import, at each of its stages."""
import base64, os, signal, socket, subprocess, tempfile, time
from kit import UPJOB, Service, Stub, counts, eventually, rows, run

work = tempfile.TemporaryDirectory()
PATH = os.path.join(work.name, "customers.csv")
with open(PATH, "wb") as file_:
    file_.write(rows(60_000, fail=0))


def jobs(service):
    return service.call("GET", "/domains/acme/upload-jobs")["Items"]


def test_during_the_upload():
    """SIGINT and SIGTERM during an upload stop the job on the service, leave nothing behind, and exit 130 and 143"""
    for sent, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with Service(args=["--fault", "slow=150000", "--domain", "acme"]) as service:
            client = service.popen("import", PATH, "--domain", "acme", "--key", "Id")
            eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
            time.sleep(0.2)
            client.send_signal(sent)
            out, messages = client.communicate(timeout=100)
            assert client.returncode == status, (client.returncode, messages)
            assert [job["Status"] for job in jobs(service)] == ["STOPPED"], jobs(service)
            # What the client had sent by then is in the socket, and is read as slowly as the rest.
            eventually(lambda: service.objects() == [], what="the upload's file being removed")
            assert "stopped" in messages, messages
            assert out == "", out
            assert [name for name in os.listdir(work.name) if name != "customers.csv"] == []


def test_after_the_start():
    """a signal after the start leaves the job running, and prints the command that picks it up again, which works"""
    for sent, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with Service(args=["--domain", "acme"]) as service:
            blocker = service.begin("acme", rows(300_000))
            client = service.popen("import", PATH, "--domain", "acme", "--key", "Id", "--name", "second")

            def started():
                return any(job["DisplayName"].startswith("second ") and job["Status"] == "IN_PROGRESS" for job in jobs(service))
            eventually(started, what="the start")
            time.sleep(0.3)
            client.send_signal(sent)
            _, messages = client.communicate(timeout=100)
            job = next(job for job in jobs(service) if job["DisplayName"].startswith("second "))
            if job["Status"] == "SUCCEEDED":
                continue  # it was quicker than the signal
            assert client.returncode == status, (client.returncode, messages)
            assert "job watch " + job["JobId"] in messages, messages
            service.stop_job("acme", blocker)
            code, out, _ = service.upjob("job", "watch", job["JobId"], "--domain", "acme", "--json")
            assert code == 0, (code, out)
            assert sum(counts(service.get_job("acme", job["JobId"]))) == 60_000


JOB = "0123456789abcdef" * 2


def silent_after_the_creation(method, path):
    return {"JobId": JOB} if method == "POST" else None


def read_until(stream, text):
    lines = ""
    while text not in lines:
        line = stream.readline()
        assert line, f"ended without \"{text}\":\n{lines}"
        lines += line
    return lines


def test_stop_hangs():
    """an interrupt whose stop the service does not answer says so and ends; a second one ends it at once; both name the job"""
    with Stub(silent_after_the_creation) as service:
        patient, hasty = (service.popen("import", PATH, "--domain", "acme", "--key", "Id", "-v") for _ in range(2))
        for client in patient, hasty:
            read_until(client.stderr, f"GET /domains/acme/upload-jobs/{JOB}/path")
            client.send_signal(signal.SIGINT)
            read_until(client.stderr, f"stopping job {JOB} on the service")
        hasty.send_signal(signal.SIGINT)
        for client in hasty, patient:
            _, messages = client.communicate(timeout=100)
            assert client.returncode == 130, (client.returncode, messages)
            assert f"job {JOB} in domain acme was not started, and could not be stopped" in messages, messages
            assert f"to stop it: {UPJOB} job stop {JOB} --domain acme" in messages, messages


def test_start_hangs():
    """an interrupt of a start that is not answered does not say that the job was not started"""
    def answer(method, path):
        if method == "POST":
            return {"JobId": JOB}
        if path.endswith("/path"):
            return {"Url": f"http://{service.host}/object", "ClientToken": base64.b64encode(bytes(32)).decode()}
        return {} if path == "/object" else None
    with Stub(answer) as service:
        client = service.popen("import", PATH, "--domain", "acme", "--key", "Id", "-v")
        read_until(client.stderr, f"PUT /domains/acme/upload-jobs/{JOB} ")
        client.send_signal(signal.SIGINT)
        read_until(client.stderr, f"stopping job {JOB} on the service")
        client.send_signal(signal.SIGINT)
        _, messages = client.communicate(timeout=100)
        assert client.returncode == 130, (client.returncode, messages)
        assert f"whether job {JOB} in domain acme was started is not known" in messages, messages
        assert f"job get {JOB} --domain acme" in messages and "was not started" not in messages, messages


def test_creation_hangs():
    """an interrupt of a creation that is not answered says how to look for the job, and by which name"""
    with Stub(lambda method, path: None) as service:
        client = service.popen("import", PATH, "--domain", "acme", "--key", "Id", "-v")
        read_until(client.stderr, "POST /domains/acme/upload-jobs")
        client.send_signal(signal.SIGINT)
        _, messages = client.communicate(timeout=100)
        assert client.returncode == 130, (client.returncode, messages)
        assert "whether the job was created is not known: look for \"customers.csv " in messages, messages
        assert f"job list --domain acme --endpoint-url http://{service.host}; to go on with the run: " in messages, messages


def test_cancelled_transfer():
    """a transfer that is cancelled closes its socket at once"""
    script = os.path.join(work.name, "cancel.lua")
    with open(script, "w") as file:
        file.write('''
local url, key, path, go = ...
local putting = task.spawn(upload.put, { url = url, key = key, file = path })
while not io.open(go) do task.sleep(0.01) end
putting:cancel()
local sent, err = putting:wait()
assert(not sent and err.code == "Cancelled", tostring(err))
print "cancelled"
io.stdout:flush()
task.sleep(200)
''')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/object"
        key = base64.b64encode(bytes(range(32))).decode()
        go = os.path.join(work.name, "go")
        client = subprocess.Popen([UPJOB, "run", script, url, key, PATH, go], stdout=subprocess.PIPE, text=True)
        connection, _ = listener.accept()
        connection.recv(1000)
        open(go, "w").close()
        assert client.stdout.readline() == "cancelled\n"
        connection.settimeout(100)
        try:
            while connection.recv(1 << 20):
                pass
        except ConnectionResetError:
            pass
        assert client.poll() is None, "the client has ended, and its socket with it"
        client.kill()
        client.wait()


def test_answered_early():
    """an upload that is answered with 200 before the file was sent is an error, not a success"""
    script = os.path.join(work.name, "put.lua")
    with open(script, "w") as file:
        file.write('''
local url, key, path = ...
local sent, err = upload.put { url = url, key = key, file = path }
print(sent and "sent" or err.code, err and err.retryable)
''')
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/object"
        key = base64.b64encode(bytes(range(32))).decode()
        client = subprocess.Popen([UPJOB, "run", script, url, key, PATH], stdout=subprocess.PIPE, text=True)
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        out, _ = client.communicate(timeout=100)
        connection.close()
        assert out == "ConnectionError\ttrue\n", out


def test_key_sent_back():
    """a server that repeats the data key in its refusal does not bring it into the error"""
    script = os.path.join(work.name, "put.lua")
    with open(script, "w") as file:
        file.write("local url, key, path = ... print(select(2, upload.put { url = url, key = key, file = path }))")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/object"
        key = base64.b64encode(bytes(range(32))).decode()
        client = subprocess.Popen([UPJOB, "run", script, url, key, PATH], stdout=subprocess.PIPE, text=True)
        connection, _ = listener.accept()
        connection.recv(1000)
        body = f"<Error><Code>AccessDenied</Code><Message>the key {key} is bad</Message></Error>".encode()
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        out, _ = client.communicate(timeout=100)
        connection.close()
        assert "AccessDenied" in out and key not in out, out


run(globals())
