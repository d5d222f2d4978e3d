"""Notifications: what arrives at webhooks, in Slack, at a mail server and in a program; what is sent again; dead letters."""
import base64, email, email.policy, glob, hashlib, hmac, json, os, ssl, subprocess, tempfile, time
from kit import UPJOB, Service, eventually, run
from servers import MailServer, Server

work = tempfile.TemporaryDirectory()
EVENT = '{ name = "failed", JobId = "abc", DomainName = "acme", DisplayName = "spring", from = "IN_PROGRESS", to = "FAILED", ' \
        'StatusReason = "VALIDATION_FAILURE", seconds = 70, at = 1795910400, value = "PRIVATE" }'
SECRETS = ["T0SECRET", "hunter2hunter2", "PRIVATE", base64.b64encode(b"\0upjob\0hunter2hunter2").decode(),
           base64.b64encode(b"hunter2hunter2").decode()]


def certificate():
    paths = [os.path.join(work.name, name) for name in ("key.pem", "cert.pem")]
    if not os.path.exists(paths[1]):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", paths[0], "-out", paths[1],
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                       check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(paths[1], paths[0])
    return paths[1], context


class State:
    """A state directory, and upjob with it. No secret is in what it prints, traces included, nor in the journal."""

    def __init__(self):
        self.path = tempfile.mkdtemp(dir=work.name)

    def upjob(self, *arguments, **variables):
        done = subprocess.run([UPJOB, *arguments, "--state", self.path] if arguments[0] == "notify" else
                              [UPJOB, "run", "-v", "--state", self.path, "-e", *arguments],
                              stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=100,
                              env={**os.environ, **variables})
        shown = done.stdout + done.stderr
        for path in glob.glob(os.path.join(self.path, "journal.db*")):
            with open(path, "rb") as file:
                shown += file.read().decode("latin-1")
        for secret in SECRETS:
            assert secret not in shown, (secret, done.stdout, done.stderr)
        return done.returncode, done.stdout, done.stderr

    def send(self, notifier, event=EVENT, **variables):
        """What send returns, as text, and what was told."""
        _, out, messages = self.upjob(f"print(({notifier}):send({event}))", **variables)
        return out.strip(), messages

    def letters(self):
        status, out, messages = self.upjob("notify", "list", "--json")
        assert status == 0, messages
        return [json.loads(line) for line in out.splitlines()]

    def file(self, text):
        path = os.path.join(self.path, "notifiers.lua")
        with open(path, "w") as file:
            file.write(text)
        return path


def test_webhook():
    """a webhook gets the event as JSON, signed, and nothing shows its URL, its token or a value of a cell"""
    with Server(lambda request: (204, "")) as server:
        state = State()
        key = base64.b64encode(b"k" * 24).decode()
        out, messages = state.send(f'notify.webhook{{ url = "{server.url}/T0SECRET?x=T0SECRET", secret = "whsec_{key}", '
                                   'headers = { Authorization = "Bearer hunter2hunter2", ["X-Api"] = "hunter2hunter2" } }')
        assert out == "true", (out, messages)
        assert "POST" in messages, messages  # it was traced
        request = server.requests[0]
        assert request.path == "/T0SECRET?x=T0SECRET" and request.headers["x-api"] == "hunter2hunter2"
        body = json.loads(request.body)
        assert body["type"] == "failed" and body["subject"] == 'upjob: job "spring" in acme: FAILED (VALIDATION_FAILURE)', body
        assert body["data"]["from"] == "IN_PROGRESS" and "value" not in body["data"], body
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.{request.body}".encode()
        expected = base64.b64encode(hmac.new(b"k" * 24, signed, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == "v1," + expected
        assert abs(int(request.headers["webhook-timestamp"]) - time.time()) < 60
        assert state.letters() == []


def test_slack():
    """Slack gets a text in which nothing of an event is taken for markup"""
    with Server(lambda request: (200, "ok")) as server:
        out, messages = State().send(f'notify.slack{{ url = "{server.url}/services/T0SECRET" }}',
                                     '{ name = "failed", JobId = "a", DisplayName = "<!channel> & co", to = "FAILED" }')
        assert out == "true", (out, messages)
        text = json.loads(server.requests[0].body)["text"]
        assert text.startswith('*upjob: job "&lt;!channel&gt; &amp; co": FAILED*\n```\n'), text


def test_retries():
    """what fails for a passing reason is sent again with the same id, after the time that the server asks for"""
    answers = [(503, ""), (429, "", {"Retry-After": "1"}), (200, "")]
    times = []

    def answer(request):
        times.append(time.monotonic())
        return answers[len(times) - 1]
    with Server(answer) as server:
        out, messages = State().send(f'notify.webhook{{ url = "{server.url}/T0SECRET" }}')
        assert out == "true", (out, messages)
        assert len({request.headers["webhook-id"] for request in server.requests}) == 1
        assert len(times) == 3 and times[2] - times[1] >= 1, times


def test_refused():
    """what is refused for good is sent once, told, and kept without what is secret of where it was to go"""
    for answer, told in [((404, "no_service"), "404: no_service"), ((403, "T0SECRET is no token"), "403"),
                         ((302, "", {"Location": "http://127.0.0.1:1/T0SECRET"}), "redirects are not followed")]:
        with Server(lambda request: answer) as server:
            state = State()
            out, messages = state.send(f'notify.slack{{ url = "{server.url}/services/T0SECRET", name = "ops" }}')
            assert out.startswith("nil") and told in out, out
            assert "was not delivered" in messages and "dead letter 1" in messages, messages
            assert len(server.requests) == 1
            letter, = state.letters()
            assert letter["kind"] == "slack" and letter["payload"]["name"] == "ops" and letter["attempts"] == 1, letter
            assert letter["payload"]["event"]["DisplayName"] == "spring" and told in letter["error"]["message"], letter
            assert letter["target"].startswith(server.url + " #"), letter


def test_time_is_bounded():
    """a server that asks for an hour, or does not answer, does not hold anything up for longer than retry_for"""
    with Server(lambda request: (429, "", {"Retry-After": "3600"})) as server:
        out, _ = State().send(f'notify.webhook{{ url = "{server.url}/" }}')
        assert "429" in out and len(server.requests) == 1
    with Server(lambda request: None) as server:
        began = time.monotonic()
        out, _ = State().send(f'notify.webhook{{ url = "{server.url}/", timeout = 1, retry_for = 2 }}')
        assert "in time" in out and time.monotonic() - began < 200, out
    out, _ = State().send('notify.webhook{ url = "http://127.0.0.1:1/", retry_for = 1 }')
    assert "cannot connect to 127.0.0.1:1" in out, out


def test_letters_are_sent_when_the_way_is_open():
    """a dead letter goes out after the next notification that is delivered, by name though the URL is another, or by target"""
    for name in ('name = "ops", ', ""):
        down = True
        with Server(lambda request: (400, "") if down else (200, "")) as server:
            state = State()
            state.send(f'notify.webhook{{ {name} url = "{server.url}/T0SECRET" }}')
            state.send(f'notify.webhook{{ url = "{server.url}/another" }}')
            assert len(state.letters()) == 2
            down = False
            path = "/rotated" if name else "/T0SECRET"
            state.send(f'notify.webhook{{ {name} url = "{server.url}{path}" }}', '{ name = "created", JobId = "b" }')
            left = state.letters()
            assert [letter["id"] for letter in left] == [2], left
            bodies = [json.loads(request.body) for request in server.requests[-2:]]
            assert [body["type"] for body in bodies] == ["created", "failed"], bodies
            assert server.requests[-1].headers["webhook-id"] == server.requests[0].headers["webhook-id"]
            assert server.requests[-1].path == path


def test_order():
    """notifications arrive in their order, also when the first is sent again, and those that wait are not held for ever"""
    answers = [(503, ""), (503, "")]
    with Server(lambda request: answers.pop(0) if answers else (200, "")) as server:
        state = State()
        _, out, messages = state.upjob(f'''
            local one = notify.webhook{{ url = "{server.url}/T0SECRET" }}
            local sends = {{}}
            for i = 1, 5 do sends[i] = function() return one:send {{ name = "n" .. i }} end end
            print(#assert(task.all(sends)))''')
        assert out == "5\n", (out, messages)
        assert [json.loads(request.body)["type"] for request in server.requests] == ["n1"] * 3 + ["n2", "n3", "n4", "n5"]
    with Server(lambda request: None) as server:
        state = State()
        began = time.monotonic()
        _, out, messages = state.upjob(f'''
            local one = notify.webhook{{ url = "{server.url}/", timeout = 1, retry_for = 1 }}
            for i = 1, 40 do task.spawn(function() one:send {{ name = "n" .. i }} end) end''')
        assert time.monotonic() - began < 200
        letters = state.letters()
        assert len(letters) == 40 and "those before it were not delivered" in letters[-1]["error"]["message"], letters[-1]


def test_a_letter_that_is_refused_for_good():
    """a dead letter that is refused again does not hold up those behind it"""
    down = True
    with Server(lambda request: (400, "") if down or "poison" in request.body else (200, "")) as server:
        state = State()
        path = state.file(f'notify.webhook{{ name = "ops", url = "{server.url}/" }}')
        for name in ("poison", "good"):
            state.send(f'notify.webhook{{ name = "ops", url = "{server.url}/" }}', f'{{ name = "{name}" }}')
        down = False
        status, out, messages = state.upjob("notify", "retry", path)
        assert status == 1 and "delivered  2" in out and "dead letter 1 was not delivered" in messages, (out, messages)
        assert [letter["id"] for letter in state.letters()] == [1]


def test_retry_command():
    """upjob notify retry sends letters with the notifiers of a file, list shows them and drop forgets them"""
    down = True
    with Server(lambda request: (400, "") if down else (200, "")) as server:
        state = State()
        for _ in range(3):
            state.send(f'notify.webhook{{ name = "ops", url = "{server.url}/T0SECRET" }}')
        status, out, _ = state.upjob("notify", "list")
        assert status == 0 and out.count("ops") == 3 and "answered 400" in out, out
        path = state.file(f'local ops = notify.webhook{{ name = "ops", url = "{server.url}/T0SECRET" }}\n'
                          'schedule.every("1h", { run = function() end, on_failure = ops })\n')
        status, out, messages = state.upjob("notify", "retry", path)
        assert status == 1 and "dead letter 1 was not delivered" in messages and len(state.letters()) == 3, (out, messages)
        down = False
        status, out, messages = state.upjob("notify", "retry", path, "2")
        assert status == 0 and out.startswith("delivered  2  upjob: job"), (status, out, messages)
        assert [letter["id"] for letter in state.letters()] == [1, 3]
        assert state.upjob("notify", "drop", "1")[0] == 0
        status, out, messages = state.upjob("notify", "retry", path)
        assert status == 0 and state.letters() == [], (out, messages)
        status, _, messages = state.upjob("notify", "retry", path, "99")
        assert status == 1 and "there is no dead letter 99" in messages, (status, messages)
        status, _, messages = state.upjob("notify", "retry", state.file("local x = 1"))
        assert status == 3 and "makes no notifier" in messages, messages
        assert state.upjob("notify", "drop")[0] == 2


def test_exec():
    """a program gets the event as JSON and a few variables; its status says whether to try again"""
    state = State()
    seen = os.path.join(state.path, "seen")
    script = os.path.join(state.path, "told.sh")
    with open(script, "w") as file:
        file.write(f'cat >{seen}; echo "$UPJOB_EVENT $UPJOB_JOB_ID $UPJOB_STATUS" >>{seen}; echo x >>{seen}.count\n'
                   f'[ "$(wc -l <{seen}.count)" -ge "$1" ] || exit 75; exit "$2"\n')
    out, messages = state.send(f'notify.exec{{ command = {{ "sh", "{script}", "2", "0" }} }}')
    assert out == "true", (out, messages)
    with open(seen) as file:
        event, variables = file.read().splitlines()
    assert json.loads(event)["DisplayName"] == "spring" and variables == "failed abc FAILED", (event, variables)
    with open(seen + ".count") as file:
        assert len(file.readlines()) == 2
    out, _ = state.send(f'notify.exec{{ command = {{ "sh", "{script}", "1", "3", "hunter2hunter2" }} }}')
    assert "sh ended with status 3" in out, out
    out, _ = state.send('notify.exec{ command = { "sleep", "600" }, timeout = 0.3 }')
    assert "sleep has not ended within 0.3 s" in out, out
    out, _ = state.send('notify.exec{ command = { "/nonexistent/program" } }')
    assert out.startswith("nil"), out
    assert len(state.letters()) == 3


LOGIN = 'username = "upjob", password = "hunter2hunter2", '


def sent(server, state, options="", scheme="smtp", **variables):
    return state.send(f'notify.email{{ server = "{scheme}://localhost:{server.port}", from = "upjob <upjob@example.com>", '
                      f'{options} to = {{ "ops@example.com", "Jürgen <j@example.com>" }} }}', **variables)


def test_email():
    """a mail goes through TLS at once or STARTTLS, with a password that no trace shows, and reads well"""
    bundle, context = certificate()
    for tls, scheme in [("at once", "smtps"), ("starttls", "smtp")]:
        with MailServer(context, tls, "hunter2hunter2") as server:
            out, messages = sent(server, State(), LOGIN, scheme, AWS_CA_BUNDLE=bundle)
            assert out == "true", (out, messages)
            assert "AUTH <secret>" in messages and "MAIL FROM:<upjob@example.com>" in messages, messages
            (sender, receivers, text, secure), = server.mails
            assert (sender, receivers, secure) == ("upjob@example.com", ["ops@example.com", "j@example.com"], True)
            mail = email.message_from_bytes(text, policy=email.policy.default)
            assert mail["Subject"] == 'upjob: job "spring" in acme: FAILED (VALIDATION_FAILURE)', mail["Subject"]
            assert mail["To"] == "ops@example.com, Jürgen <j@example.com>", mail["To"]
            assert "StatusReason  VALIDATION_FAILURE" in mail.get_content() and not mail.defects, mail.get_content()


def test_email_refusals():
    """a mail server that refuses is told with what it says; a passing refusal is tried again"""
    bundle, context = certificate()
    with MailServer(RCPT=["450 4.2.0 try later"]) as server:
        out, messages = sent(server, State(), "starttls = false,")
        assert out == "true" and len(server.mails) == 1, (out, messages)
    with MailServer(**{".": ["554 5.7.1 spam \x1b[31m"]}) as server:
        state = State()
        out, _ = sent(server, state, "starttls = false,")
        assert "did not take the mail: 554 5.7.1 spam" in out and "\x1b" not in out and server.mails == [], out
        assert state.letters()[0]["attempts"] == 1
    with MailServer(context, "starttls", "another password") as server:
        out, _ = sent(server, State(), LOGIN, AWS_CA_BUNDLE=bundle)
        assert "535 5.7.8 wrong user name or password" in out, out


def test_email_does_not_hold_up_the_program():
    """other tasks go on while a mail server thinks about what it was given, or says nothing to the last word"""
    with MailServer(**{".": [1], "QUIT": [30]}) as server:
        _, out, messages = State().upjob(f'''
            local ticks, sent = 0
            local clock = task.spawn(function() while true do task.sleep(0.02) ticks = ticks + 1 end end)
            local mail = notify.email{{ server = "smtp://127.0.0.1:{server.port}", from = "a@b", to = "c@d", starttls = false }}
            repeat sent = mail:send {{ message = "x" }} until not sent or ticks > 20 -- on a busy machine, after some
            print(sent, ticks > 20)
            clock:cancel()''')
        assert out == "true\ttrue\n" and server.mails, (out, messages)


def test_email_that_is_given_up():
    """a mail that is given up, whatever it waits for, is not held on to, and is not cut short where it stands"""
    for answers in ({"EHLO": [300]}, {"MAIL": [300]}, {"RCPT": [300]}, {"DATA": [300]}, {".": [300]}):
        with MailServer(**answers) as server:
            began = time.monotonic()
            state = State()
            _, out, messages = state.upjob(f'''
                local mail = notify.email{{ server = "smtp://127.0.0.1:{server.port}", from = "a@b", to = "c@d",
                                            starttls = false }}
                print(select(2, task.timeout(0.5, mail.send, mail, {{ message = ("x"):rep(1000000) }})))''')
            assert out == "not done within 0.5 s\n" and time.monotonic() - began < 200, (answers, out, messages)
            assert server.mails == [] and len(state.letters()) == 1, answers


def test_email_is_not_sent_in_the_open():
    """without STARTTLS, or with a certificate that is not known, nothing is said of the mail"""
    bundle, context = certificate()
    with MailServer() as server:
        out, _ = sent(server, State(), LOGIN)
        assert "does not offer STARTTLS" in out and "MAIL" not in server.commands and "AUTH" not in server.commands, out
    with MailServer(context, "at once", "hunter2hunter2") as server:
        out, _ = sent(server, State(), LOGIN, "smtps")
        assert "certificate of localhost" in out and server.commands == [], out
    out = State().upjob('print(pcall(notify.email, { server = "smtp://mail.example.com", from = "a@b", to = "c@d", '
                        'username = "u", password = "hunter2hunter2", starttls = false }))')[1]
    assert "over TLS only" in out, out


def test_handlers():
    """a notifier handles events of a watch and of an import as it is"""
    with Server(lambda request: (200, "")) as server, Service(args=["--domain", "acme"]) as service:
        state = State()
        out, messages = state.upjob(f'''
            local client = assert(profiles.client {{ endpoint_url = "http://{service.host}", region = "us-east-1",
              credentials = {{ access_key_id = "local", secret_access_key = "local" }} }})
            local watch = assert(job.watch {{ client = client, domain = "acme", interval = 0.1 }})
            watch:on("*", notify.webhook{{ url = "{server.url}/watch" }})
            local succeeded = false
            watch:on("succeeded", function() succeeded = true end)
            local file <close> = io.open("{state.path}/c.csv", "w")
            file:write("Id\\n1\\n2\\n") file:flush()
            local run = assert(job.import {{ client = client, domain = "acme", file = "{state.path}/c.csv", key = "Id" }})
            run:on("done", notify.slack{{ url = "{server.url}/done" }})
            assert(run:wait())
            while not succeeded do task.sleep(0.05) end
            watch:close()
            local failed = notify.webhook{{ url = "{server.url}/failure" }}
            print(failed({{ schedule = "nightly" }}, {{ code = "X", message = "it broke" }}))
        ''')[1:]
        assert out.strip() == "true", (out, messages)
        got = [(request.path, json.loads(request.body)) for request in server.requests]
        assert [body["type"] for path, body in got if path == "/watch"][-1:] == ["succeeded"], got
        assert any("import of c.csv to acme: SUCCEEDED, 2 created" in body["text"] for path, body in got if path == "/done"), got
        subjects = [body["subject"] for path, body in got if path == "/failure"]
        assert subjects == ["upjob: automation nightly failed: it broke"], got


def test_automation():
    """an automation gives its failures and its recovery to notifiers; the daemon's letters are sent by what comes through"""
    down = True
    with Server(lambda request: (400, "") if down else (200, "")) as server:
        state, directory = State(), tempfile.mkdtemp(dir=work.name)
        broken = os.path.join(state.path, "broken")
        open(broken, "w").close()
        with open(os.path.join(directory, "nightly.lua"), "w") as file:
            file.write(f'''
                local ops = notify.webhook {{ name = "ops", url = "{server.url}/T0SECRET" }}
                schedule.every("1h", {{ on_failure = ops, on_recovery = ops, run = function()
                  local file = io.open("{broken}")
                  if file then return nil, "it is broken" end
                end }})''')
        daemon = subprocess.Popen([UPJOB, "daemon", directory, "--state", state.path], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            eventually(lambda: os.path.exists(os.path.join(state.path, "control.sock")), what="the daemon")

            def trigger(status):
                done = subprocess.run([UPJOB, "schedule", "trigger", "nightly", "--wait", "--state", state.path],
                                      capture_output=True, timeout=100)
                assert done.returncode == status, done

            trigger(1)
            eventually(lambda: len(state.letters()) == 1, what="a letter")
            down = False
            os.unlink(broken)
            trigger(0)
            eventually(lambda: len(server.requests) == 3 and state.letters() == [], what="what is sent")
        finally:
            daemon.terminate()
            messages = daemon.communicate(timeout=100)[1]
        bodies = [json.loads(request.body) for request in server.requests]
        assert [body["type"] for body in bodies] == ["failure", "recovery", "failure"], (bodies, messages)
        assert bodies[0]["subject"] == "upjob: automation nightly failed: it is broken", bodies
        assert bodies[1]["subject"] == "upjob: automation nightly succeeds again", bodies
        assert "T0SECRET" not in messages, messages


def test_interrupted():
    """a notification that a program's end finds on its way is a dead letter"""
    with Server(lambda request: (503, "")) as server:
        state = State()
        process = subprocess.Popen([UPJOB, "run", "--state", state.path, "-e",
                                    f'notify.webhook{{ url = "{server.url}/T0SECRET" }}:send({EVENT})'],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        eventually(lambda: server.requests)
        process.terminate()
        _, messages = process.communicate(timeout=100)
        assert process.returncode == 143, messages
        assert len(state.letters()) == 1, messages


run(globals())
