"""Keys of roles, from a small STS: assumed with keys, with the keys of roles, and for tokens of identity providers."""
from kit import Service, run
from servers import KEYS, Home, Instance, Server, form, role_error, role_keys, signed_with, until

SERVICE = Service()
ROLE = "arn:aws:iam::123456789012:role/loader"
BASE = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = hunter2base\n"
PROFILE = f"[profile acme]\nrole_arn = {ROLE}\nsource_profile = base\n"


def sts(server, **variables):
    return {"AWS_ENDPOINT_URL_STS": server.url, **variables}


def test_assume_role():
    """a role is assumed with the keys of the source profile, and all that the profile says is asked for"""
    settings = "external_id = a+b &=c\nrole_session_name = nightly@example.com\nduration_seconds = 7200\n"
    with Home(PROFILE + settings, BASE) as home, Server(lambda request: (200, role_keys())) as server:
        text = home.good(SERVICE, f"role {ROLE} of the profile acme in {home.config}:2", "--profile", "acme", **sts(server))
        assert text.endswith("until 2100-01-01T00:00:00Z"), text
        asked, = server.requests
        assert signed_with(asked, "hunter2base", "sts") == "AKIDBASE"
        assert (asked.method, asked.path) == ("POST", "/")
        assert form(asked) == {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": ROLE, "ExternalId": "a+b &=c",
                               "RoleSessionName": "nightly@example.com", "DurationSeconds": "7200"}


def test_defaults():
    """without settings the session has a name of upjob's and STS's own duration; AWS_PROFILE names the profile, too"""
    with Home(PROFILE, BASE, region="eu-west-1") as home, Server(lambda request: (200, role_keys())) as server:
        home.good(SERVICE, f"role {ROLE}", **sts(server, AWS_PROFILE="acme"))
        asked = form(server.requests[0])
        assert asked.pop("RoleSessionName").startswith("upjob-") and set(asked) == {"Action", "Version", "RoleArn"}, asked
        signed_with(server.requests[0], "hunter2base", "sts", "eu-west-1")


def test_services_section():
    """the endpoint of STS may stand in the profile's services section"""
    with Server(lambda request: (200, role_keys())) as server, \
            Home(PROFILE + f"services = s\n[services s]\nsts =\n  endpoint_url = {server.url}\n", BASE) as home:
        home.good(SERVICE, f"role {ROLE}", "--profile", "acme")
        assert len(server.requests) == 1


def test_chain():
    """a role is assumed with the keys of a role; each is asked for once"""
    def answer(request):
        key = {"hunter2base": "AKIDBASE", "hunter2middle": "AKIDMIDDLE"}
        role = form(request)["RoleArn"]
        if role.endswith("middle"):
            assert signed_with(request, "hunter2base", "sts") == key["hunter2base"]
            return 200, role_keys(key="AKIDMIDDLE", secret="hunter2middle", token="hunter2token")
        assert signed_with(request, "hunter2middle", "sts") == "AKIDMIDDLE"
        assert request.headers["x-amz-security-token"] == "hunter2token"
        return 200, role_keys()
    config = PROFILE.replace("source_profile = base", "source_profile = middle") + \
        f"[profile middle]\nrole_arn = {ROLE}-middle\nsource_profile = base\n"
    with Home(config, BASE) as home, Server(answer) as server:
        home.good(SERVICE, f"role {ROLE} of the profile acme", "--profile", "acme", **sts(server))
        assert [form(request)["RoleArn"] for request in server.requests] == [ROLE + "-middle", ROLE]


def test_itself():
    """a profile may name itself for the keys beside its role, which are not used in the role's place"""
    config = f"[acme]\nrole_arn = {ROLE}\nsource_profile = acme\naws_access_key_id = AKIDBASE\naws_secret_access_key = hunter2base\n"
    with Home("", config) as home, Server(lambda request: (200, role_keys())) as server:
        home.good(SERVICE, f"role {ROLE} of the profile acme in {home.credentials}:2", "--profile", "acme", **sts(server))
        assert signed_with(server.requests[0], "hunter2base", "sts") == "AKIDBASE"


def test_source_process():
    """the source profile may get its keys from a program"""
    with Home() as home, Server(lambda request: (200, role_keys())) as server:
        keys = home.write("keys.json", '{"Version":1,"AccessKeyId":"AKIDBASE","SecretAccessKey":"hunter2base"}')
        home.write(".aws/config", PROFILE + f"[profile base]\ncredential_process = cat {keys}\n")
        home.good(SERVICE, f"role {ROLE}", "--profile", "acme", **sts(server))
        home.write(".aws/config", PROFILE + "[profile base]\ncredential_process = false\n")
        home.bad(SERVICE, f'{home.config}:5: credential_process of the profile "base" ended with status 1',
                 arguments=["--profile", "acme"], **sts(server))
        assert len(server.requests) == 1


def test_credential_source():
    """a role may be assumed with the keys of the environment, the container or the instance"""
    def config(source):
        return f"[profile acme]\nrole_arn = {ROLE}\ncredential_source = {source}\n"
    named = {"AWS_PROFILE": "acme"}
    with Server(lambda request: (200, role_keys())) as server:
        with Home(config("Environment")) as home:
            home.good(SERVICE, f"role {ROLE}", "--profile", "acme",
                      **sts(server, AWS_ACCESS_KEY_ID="AKIDENV", AWS_SECRET_ACCESS_KEY="hunter2env"))
            assert signed_with(server.requests[-1], "hunter2env", "sts") == "AKIDENV"
            home.bad(SERVICE, f"{home.config}:3: credential_source is Environment, but AWS_ACCESS_KEY_ID is not set", **sts(server, **named))
        with Home(config("EcsContainer")) as home, Server(lambda request: (200, {**KEYS, "AccessKeyId": "AKIDECS"})) as container:
            home.good(SERVICE, f"role {ROLE}", **sts(server, AWS_CONTAINER_CREDENTIALS_FULL_URI=container.url, **named))
            assert signed_with(server.requests[-1], "local", "sts") == "AKIDECS"
            home.bad(SERVICE, f"{home.config}:3: ", "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor", **sts(server, **named))
        with Home(config("Ec2InstanceMetadata")) as home, Server(Instance()) as instance:
            on = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.url,
                  "AWS_METADATA_SERVICE_TIMEOUT": "60"}
            home.good(SERVICE, f"role {ROLE}", **sts(server, **named, **on))
            home.bad(SERVICE, "switched off by AWS_EC2_METADATA_DISABLED", **sts(server, **named))
        with Home(config("environment")) as home:
            home.bad(SERVICE, f'{home.config}:3: credential_source is "environment"', "Environment, Ec2InstanceMetadata or EcsContainer",
                     **sts(server, **named))


def test_renewed():
    """a role whose session ends soon is assumed again while calls go on; the keys that it is assumed with are not fetched again"""
    def answer(request):
        return 200, role_keys(expires=until(14 * 60 if len(server.requests) == 1 else 3600))
    with Home(PROFILE, BASE) as home, Server(answer) as server:
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1], profile = "acme" })
            assert(client:list_domains {})
            local ends = client:about().credentials_expire
            while client:about().credentials_expire == ends do assert(client:list_domains {}) task.sleep(0.2) end
            print "renewed"
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}", **sts(server))
        assert status == 0 and out == "renewed\n", messages
        assert len(server.requests) == 2


def test_mfa():
    """a profile with an MFA device is refused unless a code is given, which is sent"""
    config = PROFILE + "mfa_serial = arn:aws:iam::123456789012:mfa/jo\n"
    named = ["--profile", "acme"]
    with Home(config, BASE) as home, Server(lambda request: (200, role_keys())) as server:
        home.bad(SERVICE, f"{home.config}:4: ", "mfa/jo", "UPJOB_MFA_TOKEN", "mfa_token", "unattended", arguments=named, **sts(server))
        home.bad(SERVICE, "the MFA token is not six digits", arguments=named, **sts(server, UPJOB_MFA_TOKEN="12345x"))
        home.good(SERVICE, f"role {ROLE}", *named, **sts(server, UPJOB_MFA_TOKEN="123456"))
        asked = form(server.requests[-1])
        assert (asked["SerialNumber"], asked["TokenCode"]) == ("arn:aws:iam::123456789012:mfa/jo", "123456")
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1], profile = "acme", mfa_token = "654321" })
            assert(client:list_domains {})
        """)
        status, _, messages = home.upjob("run", script, f"http://{SERVICE.host}", **sts(server, UPJOB_MFA_TOKEN="123456"))
        assert status == 0 and form(server.requests[-1])["TokenCode"] == "654321", messages


def test_mfa_session_over():
    """when the session that a code opened is over, the error says so, and the code is not sent again"""
    config = PROFILE + "mfa_serial = arn:aws:iam::123456789012:mfa/jo\n"
    with Home(config, BASE) as home, Server(lambda request: (200, role_keys(expires=until(2)))) as server:
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1], profile = "acme", mfa_token = "654321" })
            local reply, err
            repeat reply, err = client:list_domains {} task.sleep(0.1) until not reply
            print(err.code, err)
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}", **sts(server))
        assert status == 0 and out.startswith(f"CredentialsError\t{home.config}:2: the session of the role {ROLE}") and \
            "start again with a new token" in out, (out, messages)
        assert len(server.requests) == 1


def test_bad_profiles():
    """a profile that cannot work says why, and where in which file"""
    cases = [
        (f"[profile acme]\nrole_arn = {ROLE}\n", "2: ", "add source_profile or credential_source"),
        (PROFILE + "credential_source = Environment\n", "4: ", "both source_profile and credential_source"),
        (f"[profile acme]\nrole_arn = {ROLE}\nsource_profile = bose\n", "3: ", 'no profile "bose" that source_profile names',
         'did you mean "base"'),
        (PROFILE.replace("= base", "= empty") + "[profile empty]\nregion = us-east-1\n", "3: ", 'source_profile "empty" has no keys'),
        (PROFILE.replace("= base", "= acme"), "3: ", "in a circle: acme → acme: "),
        (PROFILE.replace("= base", "= b") + f"[profile b]\nrole_arn = {ROLE}\nsource_profile = c\n[profile c]\nrole_arn = {ROLE}\n"
         "source_profile = acme\n", "9: ", "in a circle: acme → b → c → acme: "),
        (PROFILE + "duration_seconds = 1h\n", "4: ", 'duration_seconds is "1h"', "from 900 to 43200"),
        (PROFILE + "duration_seconds = 899\n", "4: ", "from 900 to 43200"),
        (PROFILE.replace("arn:aws", "aws"), "2: ", "is not an ARN"),
        (PROFILE + "web_identity_token_file =\n", None),
        (PROFILE.replace("= base", "= half") + "[profile half]\naws_access_key_id = AKIDBASE\n", "5: ",
         "aws_access_key_id is given without aws_secret_access_key"),
    ]
    for config, line, *texts in cases:
        with Home(config, BASE) as home, Server(lambda request: (200, role_keys())) as server:
            if line:
                home.bad(SERVICE, f"{home.config}:{line}", *texts, arguments=["--profile", "acme"], **sts(server))
                assert server.requests == []
            else:
                home.good(SERVICE, f"role {ROLE}", "--profile", "acme", **sts(server))


def test_bad_answers():
    """what STS says, or what answers in its place, is told"""
    cases = [
        ((403, role_error("AccessDenied", "User: <jo> is not authorized to perform: sts:AssumeRole")), 1,
         "AccessDenied: User: <jo> is not authorized to perform: sts:AssumeRole"),
        ((400, role_error("ValidationError", "no\nsecond line")), 1, "ValidationError: no"),
        ((400, role_error("Throttling", "Rate exceeded")), 3, "Throttling: Rate exceeded"),
        ((500, ""), 3, "answered with status 500"),
        ((503, "<html>busy</html>"), 3, "answered with status 503"),
        ((200, "<html><body>log in</body></html>"), 1, "without AccessKeyId"),
        ((200, "<html><body>log in<br></body></html>"), 1, "not the XML of STS"),
        ((200, ""), 1, "not the XML of STS"),
        ((200, role_keys()[:-20]), 1, "not the XML of STS"),
        ((200, '<!DOCTYPE x [<!ENTITY a "b">]>' + role_keys()), 1, "not the XML of STS"),
        ((200, role_keys(token="&unknown;")), 1, "not the XML of STS"),
        ((200, "<a>" * 300), 1, "not the XML of STS"),
        ((200, role_keys(secret="")), 1, "without SecretAccessKey"),
        ((200, role_keys(secret="a&#10;b")), 1, "SecretAccessKey holds a space, a line end"),
        ((200, role_keys(token="<b>hunter2</b>")), 1, "without SessionToken"),
        ((200, role_keys(expires="never")), 1, "Expiration that is not a time"),
        ((200, role_keys(expires="2001-01-01T00:00:00Z")), 1, "had ended when they came"),
        ((200, role_keys(token="x" * 300_000)), 1, "larger than 262144 bytes"),
        ((302, "", {"Location": "http://127.0.0.1:1/"}), 1, "answered with status 302"),
    ]
    for answer, attempts, text in cases:
        with Home(PROFILE, BASE) as home, Server(lambda request: answer) as server:
            home.bad(SERVICE, text, arguments=["--profile", "acme"], **sts(server))
            assert len(server.requests) == attempts, (answer, len(server.requests))


def test_place():
    """an error of STS names the place of the role; an endpoint without a scheme is named"""
    with Home(PROFILE, BASE) as home, Server(lambda request: (403, role_error("AccessDenied", "no"))) as server:
        home.bad(SERVICE, f"{home.config}:2: the role {ROLE} cannot be assumed: STS at {server.url} refused it: AccessDenied: no",
                 arguments=["--profile", "acme"], **sts(server))
        home.bad(SERVICE, "AWS_ENDPOINT_URL_STS is not a usable URL: it must begin with https:// or http://",
                 arguments=["--profile", "acme"], AWS_ENDPOINT_URL_STS="localhost:1")


# -- web identity

def test_web_identity():
    """a token is exchanged for keys, unsigned, as the environment says; it is read anew each time"""
    def answer(request):
        home.write("token", "hunter2-second")
        return 200, role_keys("AssumeRoleWithWebIdentity", expires=until(14 * 60 if len(server.requests) == 1 else 3600))
    with Home() as home, Server(answer) as server:
        home.write("token", "hunter2-first\n")
        script = home.write("s.lua", """
            local client = assert(profiles.client { endpoint_url = arg[1] })
            assert(client:list_domains {})
            local ends = client:about().credentials_expire
            while client:about().credentials_expire == ends do assert(client:list_domains {}) task.sleep(0.2) end
            print(client:about().credentials_source)
        """)
        status, out, messages = home.upjob("run", script, f"http://{SERVICE.host}", **sts(
            server, AWS_WEB_IDENTITY_TOKEN_FILE=home.path + "/token", AWS_ROLE_ARN=ROLE, AWS_ROLE_SESSION_NAME="pod"))
        assert status == 0 and out == f"web identity for the role {ROLE} (AWS_WEB_IDENTITY_TOKEN_FILE)\n", (out, messages)
        assert [form(request)["WebIdentityToken"] for request in server.requests] == ["hunter2-first", "hunter2-second"]
        asked = server.requests[0]
        assert "authorization" not in asked.headers and "x-amz-date" not in asked.headers
        assert form(asked) == {"Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE,
                               "RoleSessionName": "pod", "WebIdentityToken": "hunter2-first"}


def test_web_identity_profile():
    """a profile's token goes with its role; variables count only when no profile was named"""
    with Home() as home, Server(lambda request: (200, role_keys("AssumeRoleWithWebIdentity"))) as server:
        token, other = home.write("token", "profile"), home.write("other", "environment")
        home.write(".aws/config", f"[profile acme]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\n")
        variables = sts(server, AWS_WEB_IDENTITY_TOKEN_FILE=other, AWS_ROLE_ARN=ROLE + "-env")
        home.good(SERVICE, f"web_identity_token_file in {home.config}:3", "--profile", "acme", **variables)
        home.good(SERVICE, "AWS_WEB_IDENTITY_TOKEN_FILE", **variables, AWS_PROFILE="acme")
        home.good(SERVICE, "AWS_WEB_IDENTITY_TOKEN_FILE", **variables)
        asked = [form(request) for request in server.requests]
        assert [(one["WebIdentityToken"], one["RoleArn"]) for one in asked] == \
            [("profile", ROLE), ("environment", ROLE + "-env"), ("environment", ROLE + "-env")]


def test_web_identity_bad():
    """a token without a role, a file that is not there, and a token that STS refuses are named"""
    with Home() as home, Server(lambda request: (400, role_error("ExpiredTokenException", "Token expired"))) as server:
        token = home.write("token", "hunter2")
        home.bad(SERVICE, "AWS_WEB_IDENTITY_TOKEN_FILE is given, but no role", "AWS_ROLE_ARN",
                 **sts(server, AWS_WEB_IDENTITY_TOKEN_FILE=token))
        home.bad(SERVICE, "/nonexistent: ", "(AWS_WEB_IDENTITY_TOKEN_FILE) cannot be read: No such file",
                 **sts(server, AWS_WEB_IDENTITY_TOKEN_FILE="/nonexistent", AWS_ROLE_ARN=ROLE))
        assert server.requests == []
        home.bad(SERVICE, f"the role {ROLE} cannot be assumed with the token in {token}: ", "ExpiredTokenException: Token expired",
                 **sts(server, AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN=ROLE))
        assert len(server.requests) == 1


try:
    run(globals())
finally:
    SERVICE.close()
