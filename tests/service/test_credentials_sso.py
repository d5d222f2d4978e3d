"""Keys from IAM Identity Center: the token of `aws sso login` is used, renewed and kept; small servers stand in for SSO and SSO OIDC."""
import hashlib, json, os, stat
from kit import Service, run
from servers import Home, Server, until

SERVICE = Service()
START = "https://acme.awsapps.com/start"
SESSION = f"[sso-session corp]\nsso_start_url = {START}\nsso_region = eu-west-1\nsso_registration_scopes = sso:account:access\n"
PROFILE = "[profile acme]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Loader+1\n"
LEGACY = f"[profile acme]\nsso_start_url = {START}\nsso_region = eu-west-1\nsso_account_id = 123456789012\nsso_role_name = Loader\n"
NAMED = ["--profile", "acme"]


def role_keys(**change):
    return 200, {"roleCredentials": {"accessKeyId": "local", "secretAccessKey": "local", "sessionToken": "TOKENTOKENTOKEN",
                                     "expiration": 4102444800_000, **change}}


def cache(home, name="corp", text=None, **members):
    """The file that `aws sso login` would leave for a session or a start URL."""
    if text is None:
        text = {"startUrl": START, "region": "eu-west-1", "accessToken": "hunter2access", "expiresAt": "2100-01-01T00:00:00Z", **members}
    return home.write(f".aws/sso/cache/{hashlib.sha1(name.encode()).hexdigest()}.json", text)


def renewable(**members):
    return {"clientId": "CLIENT", "clientSecret": "hunter2client", "registrationExpiresAt": until(86400), "refreshToken":
            "hunter2refresh", **members}


def sso(server, oidc=None):
    return {"AWS_ENDPOINT_URL_SSO": server.url, "AWS_ENDPOINT_URL_SSO_OIDC": oidc.url if oidc else "http://127.0.0.1:1"}


def test_session():
    """the token of a session gives the keys of the profile's role"""
    with Home(PROFILE + SESSION) as home, Server(lambda request: role_keys()) as server:
        cache(home)
        text = home.good(SERVICE, f"SSO role Loader+1 in account 123456789012 of the profile acme in {home.config}:3", *NAMED,
                         **sso(server))
        assert text.endswith("until 2100-01-01T00:00:00Z"), text
        asked, = server.requests
        assert (asked.method, asked.path) == ("GET", "/federation/credentials?role_name=Loader%2B1&account_id=123456789012")
        assert asked.headers["x-amz-sso_bearer_token"] == "hunter2access" and "authorization" not in asked.headers
        status, out, messages = home.upjob("doctor", "-v", *NAMED, "--endpoint-url", f"http://{SERVICE.host}", **sso(server))
        assert status == 0 and "x-amz-sso_bearer_token: <secret>" in messages, messages


def test_legacy():
    """a profile without a session has its token under its start URL, which is never renewed"""
    with Home(LEGACY) as home, Server(lambda request: role_keys()) as server, Server(lambda request: (200, {})) as oidc:
        cache(home, START, **renewable(expiresAt=until(60)))
        home.good(SERVICE, "SSO role Loader in account 123456789012", *NAMED, **sso(server, oidc))
        cache(home, START, expiresAt="2020-06-17T10:02:08UTC", **renewable())
        home.bad(SERVICE, 'the SSO session of the profile "acme" ended at 2020-06-17T10:02:08UTC: run: aws sso login --profile acme',
                 arguments=NAMED, **sso(server, oidc))
        assert oidc.requests == []


def test_renewed():
    """a token that ends soon is renewed, and the cache holds the new one, for this user alone"""
    new = {"accessToken": "hunter2new", "expiresIn": 3600, "refreshToken": "hunter2next", "tokenType": "Bearer"}
    with Home(PROFILE + SESSION) as home, Server(lambda request: role_keys()) as server, Server(lambda request: (200, new)) as oidc:
        path = cache(home, **renewable(expiresAt=until(14 * 60)), registrationScopes=["x"])
        home.good(SERVICE, "SSO role", *NAMED, **sso(server, oidc))
        asked, = oidc.requests
        assert (asked.method, asked.path) == ("POST", "/token") and asked.headers["content-type"] == "application/json"
        assert json.loads(asked.body) == {"grantType": "refresh_token", "clientId": "CLIENT", "clientSecret": "hunter2client",
                                          "refreshToken": "hunter2refresh"}
        assert server.requests[0].headers["x-amz-sso_bearer_token"] == "hunter2new"
        with open(path) as file:
            kept = json.load(file)
        assert (kept["accessToken"], kept["refreshToken"], kept["clientId"], kept["registrationScopes"]) == \
            ("hunter2new", "hunter2next", "CLIENT", ["x"]), kept
        assert until(3000) < kept["expiresAt"] < until(4000), kept
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and os.listdir(os.path.dirname(path)) == [os.path.basename(path)]
        home.good(SERVICE, "SSO role", *NAMED, **sso(server, oidc))
        assert len(oidc.requests) == 1


def test_not_renewed():
    """a token that cannot be renewed is used while it lasts; then the error says why, and what to run"""
    denied = 400, {"error": "invalid_grant", "error_description": "Invalid refresh token provided"}
    for answer, said in [(denied, "status 400: Invalid refresh token provided"), ((200, "<html>"), "gave HTML or XML"),
                         ((200, {"accessToken": "hunter2"}), "without accessToken and expiresIn"),
                         ((200, {"accessToken": "hunter2", "expiresIn": -1}), "without accessToken and expiresIn")]:
        with Home(PROFILE + SESSION) as home, Server(lambda request: role_keys()) as server, Server(lambda request: answer) as oidc:
            cache(home, **renewable(expiresAt=until(60)))
            home.good(SERVICE, "SSO role", *NAMED, **sso(server, oidc))
            assert server.requests[0].headers["x-amz-sso_bearer_token"] == "hunter2access"
            cache(home, **renewable(expiresAt=until(-60)))
            home.bad(SERVICE, 'the SSO session of the profile "acme" ended at ', "cannot be renewed (SSO OIDC at ", said,
                     "run: aws sso login --profile acme", arguments=NAMED, **sso(server, oidc))
            assert len(server.requests) == 1 and len(oidc.requests) == 2


def test_renewed_by_another():
    """a token that another program has renewed meanwhile, with the refresh token that is good once, is taken from the cache"""
    denied = 400, {"error": "invalid_grant", "error_description": "Invalid refresh token provided"}
    with Home(PROFILE + SESSION) as home:
        def be_too_late(request):
            cache(home, **renewable(accessToken="hunter2other", expiresAt=until(3600), refreshToken="hunter2next"))
            return denied
        with Server(lambda request: role_keys()) as server, Server(be_too_late) as oidc:
            for left in (-60, 60):
                cache(home, **renewable(expiresAt=until(left)))
                home.good(SERVICE, "SSO role", *NAMED, **sso(server, oidc))
                assert server.requests[-1].headers["x-amz-sso_bearer_token"] == "hunter2other", left
            assert len(oidc.requests) == 2


def test_over():
    """an ended token without what renews it is not sent; the error says what to run"""
    with Home((PROFILE + SESSION).replace("acme]", "my team]")) as home, Server(lambda request: role_keys()) as server:
        named = ["--profile", "my team"]
        for members in [{}, renewable(registrationExpiresAt=until(-1)), renewable(refreshToken=""), renewable(clientSecret=None)]:
            cache(home, **{**members, "expiresAt": "2024-01-01T00:00:00Z"})
            home.bad(SERVICE, f'{home.config}:3: the SSO session of the profile "my team" ended at 2024-01-01T00:00:00Z: '
                     "run: aws sso login --profile 'my team'", arguments=named, **sso(server))
        assert server.requests == []


def test_no_token():
    """a cache without the token, or with a broken one, says what to run"""
    with Home(PROFILE + SESSION) as home, Server(lambda request: role_keys()) as server:
        remedy = "run: aws sso login --profile acme"
        home.bad(SERVICE, f'{home.config}:3: the profile "acme" has no SSO session (', "No such file", remedy, arguments=NAMED, **sso(server))
        for text in ["", "{", "<html>hunter2</html>", "[1]", {"accessToken": "hunter2"}, {"accessToken": 1, "expiresAt": 2}]:
            path = cache(home, text=text)
            home.bad(SERVICE, f"that can be read ({path})", remedy, arguments=NAMED, **sso(server))
        cache(home, accessToken="hunter2\r\nX-Evil: 1")
        home.bad(SERVICE, "holds a character that no token has", remedy, arguments=NAMED, **sso(server))
        cache(home, expiresAt="later")
        home.bad(SERVICE, "ended at later", remedy, arguments=NAMED, **sso(server))
        assert server.requests == []


def test_bad_answers():
    """what SSO says, or what answers in its place, is told"""
    cases = [
        ((401, {"message": "Session token not found or invalid"}), 1, 'takes the token of the profile "acme" no more: run: aws sso login'),
        ((403, {"message": "No access"}), 1, "no keys for the role Loader+1 in account 123456789012: SSO at http", "status 403: No access"),
        ((404, {"message": "no such account"}), 1, "status 404: no such account"),
        ((429, {"message": "slow down"}), 3, "status 429: slow down"),
        ((500, "<html>"), 3, "status 500"),
        ((200, "<html>log in</html>"), 1, "gave HTML or XML"),
        ((200, {}), 1, "without accessKeyId"),
        ((200, {"roleCredentials": [1]}), 1, "without accessKeyId"),
        (role_keys(expiration="soon"), 1, "expiration that is not a time"),
        (role_keys(expiration=1), 1, "had ended when they came"),
        (role_keys(sessionToken=None), 1, "without sessionToken"),
        ((302, "", {"Location": "http://127.0.0.1:1/"}), 1, "status 302"),
    ]
    for answer, attempts, *texts in cases:
        with Home(PROFILE + SESSION) as home, Server(lambda request: answer) as server:
            cache(home)
            home.bad(SERVICE, *texts, arguments=NAMED, **sso(server))
            assert len(server.requests) == attempts, (answer, len(server.requests))


def test_bad_profiles():
    """a profile that cannot work says why, and where in which file"""
    cases = [
        (PROFILE, "2: ", "no section [sso-session corp]", "aws configure sso"),
        (PROFILE + SESSION.replace("sso_region = eu-west-1\n", ""), "3: ", "has no sso_region (nor has [sso-session corp])"),
        (PROFILE.replace("sso_role_name = Loader+1\n", "") + SESSION, "3: ", "has no sso_role_name"),
        ("[profile acme]\nsso_session = corp\n" + SESSION, "2: ", "has no sso_account_id"),
        (LEGACY.replace("sso_region = eu-west-1\n", ""), "2: ", "has no sso_region:"),
        (PROFILE + "sso_region = us-east-1\n" + SESSION, "5: ", "sso_region is another than that of [sso-session corp] (line 8)"),
        (PROFILE + SESSION.replace("eu-west-1", "eu west"), "7: ", '"eu west" is not the name of a region'),
    ]
    for config, line, *texts in cases:
        with Home(config) as home:
            home.bad(SERVICE, f"{home.config}:{line}", *texts, arguments=NAMED)


def test_order():
    """SSO goes before keys of the profile; a session alone, without a role, does not"""
    keys = "[acme]\naws_access_key_id = local\naws_secret_access_key = local\n"
    with Home(PROFILE + SESSION, keys) as home, Server(lambda request: role_keys()) as server:
        cache(home)
        home.good(SERVICE, "SSO role", *NAMED, **sso(server))
        home.write(".aws/config", "[profile acme]\nsso_session = corp\n" + SESSION)
        home.good(SERVICE, f"profile acme in {home.credentials}:2", *NAMED, **sso(server))


def test_source_profile():
    """a role may be assumed with the keys of an SSO profile"""
    from servers import role_keys as assumed, signed_with
    config = PROFILE + SESSION + "[profile top]\nrole_arn = arn:aws:iam::1:role/top\nsource_profile = acme\n"
    with Home(config) as home, Server(lambda request: role_keys(accessKeyId="AKIDSSO")) as server, \
            Server(lambda request: (200, assumed())) as sts:
        cache(home)
        home.good(SERVICE, "role arn:aws:iam::1:role/top", "--profile", "top", AWS_ENDPOINT_URL_STS=sts.url, **sso(server))
        assert signed_with(sts.requests[0], "local", "sts") == "AKIDSSO"


try:
    run(globals())
finally:
    SERVICE.close()
