"""Keys from a program, the container and the instance metadata: from servers that answer well, slowly, wrongly, or not at all."""
from kit import Service, eventually, run
from servers import KEYS, ROLES, Home, Instance, Server, until

SERVICE = Service()


# -- credential_process

def test_process():
    """a program's keys are used, and doctor tells where it is configured and when they end"""
    keys = '{"Version":1,"AccessKeyId":"local","SecretAccessKey":"local","Expiration":"2100-01-01T01:00:00.5+01:00"}'
    with Home() as home:
        program = home.write("keys.json", keys)
        home.write(".aws/config", f"[profile acme]\ncredential_process = cat '{program}'\n")
        text = home.good(SERVICE, f"credential_process of the profile acme in {home.config}:2", "--profile", "acme")
        assert text.endswith(", until 2100-01-01T00:00:00Z"), text


def test_process_hangs():
    """a program that hangs holds up no longer than the call may take, and other work not at all"""
    with Home("[default]\ncredential_process = sleep 100\n") as home:
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1] })
            local ticks, over = 0, false
            task.spawn(function() while not over do task.sleep(0.01) ticks = ticks + 1 end end)
            local reply, err
            repeat reply, err = client:list_domains({}, { timeout = 0.5 }) until ticks > 3 -- on a busy machine it may stand still meanwhile
            over = true
            print(reply, err.code, ticks > 3, err)
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}")
        assert status == 0 and out.startswith("nil\tTimeoutError\ttrue\t"), (out, messages)
        assert f"credentials within the given timeout: they are waited for from credential_process of the profile default in " \
            f"{home.config}:2" in out, out


def test_one_program_for_many():
    """many calls at once run the program once"""
    with Home() as home:
        program = home.write("keys.sh", """
            echo run >>"$(dirname "$0")/runs"; sleep 0.3
            echo '{"Version":1,"AccessKeyId":"local","SecretAccessKey":"local","Expiration":"2100-01-01T00:00:00Z"}'
        """)
        home.write(".aws/config", f"[default]\ncredential_process = sh {program}\n")
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1] })
            local tasks = {}
            for i = 1, 20 do tasks[i] = task.spawn(function() return client:list_domains {} end) end
            local good = 0
            for _, t in ipairs(tasks) do if t:wait() then good = good + 1 end end
            print(good)
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}")
        assert status == 0 and out == "20\n", (out, messages)
        with open(home.path + "/runs") as runs:
            assert runs.read() == "run\n"


# -- container

def full(server, **variables):
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.url + "/v1/keys?x=1", **variables}


def test_container():
    """the container's keys are asked for with the token"""
    with Home() as home, Server(lambda request: (200, KEYS)) as server:
        text = home.good(SERVICE, "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                         **full(server, AWS_CONTAINER_AUTHORIZATION_TOKEN="Basic hunter2"))
        assert text.endswith("until 2100-01-01T00:00:00Z"), text
        asked = server.requests[0]
        assert (asked.method, asked.path, asked.headers["authorization"]) == ("GET", "/v1/keys?x=1", "Basic hunter2")
        home.good(SERVICE, "container", **full(server))
        assert "authorization" not in server.requests[-1].headers


def test_container_token_file():
    """the token's file goes before the token, and is named when it is missing or broken"""
    with Home() as home, Server(lambda request: (200, KEYS)) as server:
        variables = full(server, AWS_CONTAINER_AUTHORIZATION_TOKEN="other", AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=
                         home.write("token", "Basic hunter2\n"))
        home.good(SERVICE, "container", **variables)
        assert server.requests[0].headers["authorization"] == "Basic hunter2"
        home.write("token", "hunter2\nX-Evil: 1\n")
        home.bad(SERVICE, home.path + "/token: ", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "holds a line end", **variables)
        home.write("token", " \n")
        home.bad(SERVICE, home.path + "/token: ", "is empty", **variables)
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/nonexistent/token"
        home.bad(SERVICE, "/nonexistent/token: ", "cannot be read: No such file", **variables)
        assert len(server.requests) == 1


def test_container_keys_are_renewed():
    """keys that end soon are asked for again with the token as it is then, while the old ones are served"""
    def answer(request):
        server.requests[-1].token = request.headers["authorization"]
        home.write("token", "second")
        return 200, {**KEYS, "Expiration": until(14 * 60 if len(server.requests) == 1 else 3600)}
    with Home() as home, Server(answer) as server:
        home.write("token", "first")
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1] })
            local before, ends = os.time()
            assert(client:list_domains {})
            ends = client:about().credentials_expire
            assert(ends < before + 900)
            while client:about().credentials_expire == ends do assert(client:list_domains {}) task.sleep(1) end
            print "renewed"
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}", timeout=100, **full(
            server, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=home.path + "/token"))
        assert status == 0 and out == "renewed\n", messages
        assert [request.token for request in server.requests] == ["first", "second"]


def test_ending_while_keys_are_renewed():
    """a program that ends while keys are renewed in the background does not wait for them"""
    def answer(request):
        if len(server.requests) == 1:
            return 200, {**KEYS, "Expiration": until(14 * 60)}
        home.write("asked", "")
        return None
    with Home() as home, Server(answer) as server:
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1] })
            repeat assert(client:list_domains {}) task.sleep(0.2) until io.open(arg[2])
            print "over"
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}", home.path + "/asked", **full(server))
        assert status == 0 and out == "over\n" and messages == "", messages
        assert len(server.requests) == 2


def test_container_bad_answers():
    """what is wrong with the container's answer is told"""
    answers = [
        ((403, {"code": "AccessDenied", "message": "token is not for you"}), 1, ["status 403: token is not for you"]),
        ((200, "<html><body>log in</body></html>"), 1, ["gave HTML or XML"]),
        ((200, ""), 1, ["gave nothing"]),
        ((200, "{"), 1, ["not a JSON object"]),
        ((200, {"AccessKeyId": "local", "SecretAccessKey": "hunter2"}), 1, ["without Token"]),
        ((200, {**KEYS, "Expiration": "later"}), 1, ["Expiration that is not a time"]),
        ((200, {**KEYS, "Expiration": "2001-01-01T00:00:00Z"}), 1, ["had ended when they came, at 2001-01-01T00:00:00Z"]),
        ((200, {**KEYS, "SecretAccessKey": "a\nX-Evil: 1"}), 1, ["SecretAccessKey holds a space, a line end"]),
        ((200, {**KEYS, "Token": {"a": 1}}), 1, ["without Token"]),
        ((200, "x" * 300_000), 1, ["larger than 262144 bytes"]),
        ((302, "", {"Location": "http://169.254.169.254/"}), 1, ["status 302"]),
        ((500, "oops"), 3, ["status 500: oops"]),
        ((429, {"message": "slow down"}), 3, ["status 429: slow down"]),
    ]
    for answer, attempts, texts in answers:
        with Home() as home, Server(lambda request: answer) as server:
            home.bad(SERVICE, *texts, **full(server))
            assert len(server.requests) == attempts, (answer, len(server.requests))


def test_container_silent():
    """an endpoint that says nothing is asked three times"""
    with Home() as home, Server(lambda request: None) as server:
        home.bad(SERVICE, "no answer from 127.0.0.1", **full(server))
        eventually(lambda: len(server.requests) == 3, what="three requests")


def test_container_goes_before_metadata_and_after_profiles():
    """keys of a profile go before the container's, which go before the instance metadata's"""
    with Home(credentials="[keys]\naws_access_key_id = local\naws_secret_access_key = local\n[empty]\nregion = us-east-1\n") as home, \
            Server(lambda request: (200, KEYS)) as server:
        home.good(SERVICE, f"profile keys in {home.credentials}:2", "--profile", "keys", **full(server))
        home.good(SERVICE, "container", "--profile", "empty", **full(server))
        home.good(SERVICE, "environment", **full(server, AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local"))
        assert len(server.requests) == 1


# -- instance metadata

def metadata(server, **variables):
    """With time for an answer of a busy machine: it is a second unless told otherwise."""
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": server.url,
            "AWS_METADATA_SERVICE_TIMEOUT": "60", **variables}


def test_metadata():
    """keys of the instance's role come last, with a session's token"""
    with Home() as home, Server(Instance()) as server:
        text = home.good(SERVICE, f"the instance metadata at {server.url}, role web-role", **metadata(server))
        assert text.endswith("until 2100-01-01T00:00:00Z"), text
        assert [request.path for request in server.requests] == ["/latest/api/token", ROLES, ROLES + "web-role"]
        status, out, messages = home.upjob("doctor", "-v", "--endpoint-url", f"http://{SERVICE.host}", **metadata(server))
        assert status == 0 and "SESSION" not in out + messages and "x-aws-ec2-metadata-token: <secret>" in messages, messages


def test_metadata_through_no_proxy():
    """neither the metadata nor the container is asked through a proxy"""
    with Home() as home, Server(Instance()) as server, Server(lambda request: (200, KEYS)) as container:
        home.good(SERVICE, "instance metadata", **metadata(server, http_proxy="http://127.0.0.1:1", HTTP_PROXY="http://127.0.0.1:1"))
        home.good(SERVICE, "container", **full(container, http_proxy="http://127.0.0.1:1"))


def test_metadata_switched_off():
    """switched off, the metadata is not asked"""
    with Home() as home, Server(Instance()) as server:
        home.bad(SERVICE, "there are no credentials", "switched off by AWS_EC2_METADATA_DISABLED",
                 **metadata(server, AWS_EC2_METADATA_DISABLED="TRUE"))
        assert server.requests == []


def test_metadata_bad_answers():
    """what the metadata lacks is told, with all the places that were looked at"""
    answers = [
        (Instance(token=(403, "")), ["status 403"]),
        (Instance(token=(200, "<html>portal</html>")), ["gave something that is not a token"]),
        (Instance(token=(200, "a\r\nX-Evil: 1")), ["gave something that is not a token"]),
        (Instance(token=(200, "")), ["gave something that is not a token"]),
        (Instance(role=(404, "")), ["has no role", "attach one"]),
        (Instance(role=(200, "<html>portal</html>")), ["not the name of a role"]),
        (Instance(role=(200, "../../user-data")), ["not the name of a role"]),
        (Instance(role=(200, "x" * 200)), ["not the name of a role"]),
        (Instance(keys=(200, {"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"})),
         ["no keys for the role web-role: EC2 cannot assume the role"]),
        (Instance(keys=(200, "<html>")), ["gave HTML or XML"]),
        (Instance(keys=(500, "")), ["status 500"]),
    ]
    for instance, texts in answers:
        with Home() as home, Server(instance) as server:
            home.bad(SERVICE, "there are no credentials. Looked at: AWS_ACCESS_KEY_ID in the environment (not set)",
                     f"the instance metadata at {server.url}", *texts, **metadata(server))


def test_metadata_attempts():
    """the metadata is asked once, or as often as is configured"""
    with Home() as home, Server(Instance(role=[(500, ""), (200, "web-role")])) as server:
        home.bad(SERVICE, "status 500", **metadata(server))
    with Home() as home, Server(Instance(role=[(500, ""), (200, "web-role")], keys=[(503, ""), (200, KEYS)])) as server:
        home.good(SERVICE, "instance metadata", **metadata(server, AWS_METADATA_SERVICE_NUM_ATTEMPTS="2"))
    with Home("[default]\nmetadata_service_num_attempts = 2\n") as home, \
            Server(Instance(role=[(500, ""), (200, "web-role")])) as server:
        home.good(SERVICE, "instance metadata", **metadata(server))
    with Home() as home, Server(Instance()) as server:
        home.bad(SERVICE, 'AWS_METADATA_SERVICE_NUM_ATTEMPTS is "many"', **metadata(server, AWS_METADATA_SERVICE_NUM_ATTEMPTS="many"))


def test_metadata_silent():
    """a metadata address that says nothing is asked once"""
    with Home() as home, Server(Instance(token=None)) as server:
        home.bad(SERVICE, "no answer from 127.0.0.1", **metadata(server, AWS_METADATA_SERVICE_TIMEOUT="1"))
        eventually(lambda: len(server.requests) == 1, what="one request")


def test_metadata_keys_that_are_not_renewed():
    """keys that the metadata has not renewed in time are used on"""
    with Home() as home, Server(Instance(keys=(200, {**KEYS, "Expiration": "2001-01-01T00:00:00Z"}))) as server:
        home.good(SERVICE, "instance metadata", **metadata(server))


# -- the region

def test_region():
    """without a region the instance's is taken; a place that has one goes before it"""
    def answer(request):
        return (200, "eu-south-2") if request.path == "/latest/meta-data/placement/region" else Instance()(request)
    with Home(region=None) as home, Server(answer) as server:
        assert home.doctor(SERVICE, **metadata(server))["region"] == (True, "eu-south-2")
        assert [request.path for request in server.requests[:2]] == ["/latest/api/token", "/latest/meta-data/placement/region"]
        script = home.write("s.lua", """
            local list = {} -- in a place that cannot yield, too
            table.sort({ 1, 2 }, function(a, b) list[1] = list[1] or assert(profiles.client {}):about().region return a < b end)
            print(list[1], assert(profiles.client { region = "us-west-2" }):about().region)
        """)
        status, out, messages = home.upjob("run", script, **metadata(server))
        assert status == 0 and out == "eu-south-2\tus-west-2\n", (out, messages)
        asked = len(server.requests)
        home.write(".aws/config", "[default]\nregion = ap-south-1\n")
        assert home.doctor(SERVICE, **metadata(server, AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local"))["region"] == \
            (True, "ap-south-1")
        assert len(server.requests) == asked


def test_no_region():
    """no region anywhere is an error that names every place, and what the instance metadata said"""
    for answer, said in [((404, ""), "status 404"), ((200, ""), "gave nothing"), ((200, "<html>"), "not the name of a region"),
                         ((200, "a.evil.example/"), "not the name of a region")]:
        with Home(region=None) as home, Server(lambda request: answer if "placement" in request.path else Instance()(request)) as server:
            told = home.doctor(SERVICE, **metadata(server))
            ok, text = told["region"]
            assert not ok, text
            assert "not asked for keys" in told["credentials"][1], told["credentials"]
            for place in ["--region", "AWS_REGION", "AWS_DEFAULT_REGION", 'profile "default"', "instance metadata", said]:
                assert place in text, (place, text)
    with Home(region=None) as home:
        assert "switched off by AWS_EC2_METADATA_DISABLED" in home.doctor(SERVICE)["region"][1]


try:
    run(globals())
finally:
    SERVICE.close()
