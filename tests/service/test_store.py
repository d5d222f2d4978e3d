"""The data directory of the embedded service: what it looks like, and what is made of a strange one."""
import os, signal, sqlite3, stat
from urllib.parse import quote
from kit import Refused, Service, counts, eventually, rows, run


def stopped_with_data():
    service = Service()
    service.create_domain("acme")
    service.wait("acme", service.begin("acme", rows(200)))
    service.kill(signal.SIGTERM)
    return service


def refuses(service, *words):
    try:
        service.start()
    except Refused as error:
        assert error.status == 3, error
        for word in words:
            assert word in error.message, error
    else:
        raise AssertionError("it started")


def test_modes():
    """everything in it is for its owner alone, also in a directory that others may read"""
    os.umask(0o022)
    with Service() as service:
        os.chmod(service.data, 0o755)
        service.create_domain("acme")
        job = service.create_job("acme")
        service.put(service.path("acme", job), rows(2000))
        service.start_job("acme", job)
        for at, directories, files in os.walk(service.data):
            for name in files:
                try:
                    mode = stat.S_IMODE(os.stat(os.path.join(at, name)).st_mode)
                except FileNotFoundError:
                    continue
                assert mode == 0o600, f"{name} has mode {mode:o}"
        service.wait("acme", job)


def test_key():
    """a missing key file is not replaced by a new one: what the old one protects would be lost"""
    with stopped_with_data() as service:
        key = os.path.join(service.data, "key")
        os.rename(key, key + ".away")
        refuses(service, "key file", "is missing")
        assert not os.path.exists(key)
        os.rename(key + ".away", key)
        service.start()


def test_version():
    """a store of another version is refused at the start, whichever it is"""
    with stopped_with_data() as service:
        for store in ("jobs.db", "profiles/1.db"):
            path = os.path.join(service.data, store)
            db = sqlite3.connect(path)
            was = db.execute("PRAGMA user_version").fetchone()[0]
            db.execute("PRAGMA user_version = 99")
            db.close()
            refuses(service, store, "version 99", "newer upjob")
            db = sqlite3.connect(path)
            db.execute(f"PRAGMA user_version = {was}")
            db.close()
        service.start()


def test_orphans():
    """what a killed process left and no job needs is removed at the next start; what is not its own stays"""
    with stopped_with_data() as service:
        objects, profiles = os.path.join(service.data, "objects"), os.path.join(service.data, "profiles")
        orphans = [os.path.join(objects, "0" * 32), os.path.join(objects, "1" * 32 + ".part"), os.path.join(profiles, "77.db"),
                   os.path.join(profiles, "77.db-wal")]
        others = [os.path.join(objects, "notes"), os.path.join(profiles, "notes")]
        for path in orphans + others:
            with open(path, "w") as file:
                file.write("x")
        service.start()
        for path in orphans:
            assert not os.path.exists(path), path
        for path in others:
            assert os.path.exists(path), path
        assert service.search("acme", "id", "k0")["Items"], "the profiles that were there are still found"


def test_opened_by_a_search():
    """a search of a domain whose store is just being made finds nothing, and does not fail"""
    with Service() as service:
        service.create_domain("acme")
        os.makedirs(os.path.join(service.data, "profiles"), exist_ok=True)
        open(os.path.join(service.data, "profiles/1.db"), "w").close()
        assert service.search("acme", "id", "k0")["Items"] == []


def test_header_only_killed():
    """a file of a header alone is a VALIDATION_FAILURE also after a kill"""
    with Service() as service:
        service.create_domain("acme")
        for _ in range(10):
            job = service.begin("acme", b"Id,Mail,Name\n")
            service.restart()
            got = service.wait("acme", job)
            assert (got["Status"], counts(got)) == ("FAILED", (0, 0, 0)), got


def test_failure_values():
    """the value of a failed record is cut between characters, never within one"""
    with Service() as service:
        service.create_domain("acme")
        job = service.begin("acme", ("Id,Mail,Name\nk1,a@b.c,a" + "é" * 3000 + "\n").encode())
        service.wait("acme", job)
        item = service.failures("acme", job)["Items"][0]
        assert item["Value"] == "a" + "é" * 999 and item["Line"] == 2 and item["ColumnName"] == "Name", item
        for query in ("max-results=1e1", "max-results=0x10", "max-results=abc", "max-results=0", "max-results=1001", "max-results=-1"):
            try:
                service.failures("acme", job, query)
            except Refused as error:
                assert error.status == 400, error
            else:
                raise AssertionError(query + " was taken")


def test_content_types():
    """a NUMBER is a decimal number and nothing else that a C library reads as one"""
    fields = {"id": {"Source": "_source.Id", "Target": "_profile.Attributes.id"},
              "n": {"Source": "_source.N", "Target": "_profile.Attributes.n", "ContentType": "NUMBER"}}
    good, bad = ["1", "-1.5", "+.5", "5.", "1e9", "1E-3", ""], ["nan", "inf", "0x1F", "1e", ".", "-", "1 ", " 1", "1,5", "1e5.0", "infinity"]
    with Service() as service:
        service.create_domain("acme")
        text = "Id,N\n" + "".join(f'k{i},"{value}"\n' for i, value in enumerate(good + bad))
        job = service.begin("acme", text.encode(), fields=fields)
        assert counts(service.wait("acme", job)) == (len(good), 0, len(bad))
        assert [item["Value"] for item in service.failures("acme", job)["Items"]] == bad


def test_search():
    """names and e-mail addresses are found in any case, of any script"""
    fields = {"id": {"Source": "_source.Id", "Target": "_profile.Attributes.id"},
              "first": {"Source": "_source.First", "Target": "_profile.FirstName"},
              "last": {"Source": "_source.Last", "Target": "_profile.LastName"}}
    with Service() as service:
        service.create_domain("acme")
        service.wait("acme", service.begin("acme", "Id,First,Last\n1,JOSÉ,ÑUÑEZ\n2,Ольга,ЖУКОВА\n3,Ærø,Ødegård\n".encode(), fields=fields))
        for name, key in (("josé ñuñez", "1"), ("ОЛЬГА жукова", "2"), ("ærø ØDEGÅRD", "3")):
            items = service.search("acme", "_fullName", name)["Items"]
            assert [item["Attributes"]["id"] for item in items] == [key], (name, items)


def test_long_value_cut():
    """a value of thousands of bytes, as --fact allows, is found whole"""
    value = "é" * 3000
    with Service(args=("--fact", "max-value=5000")) as service:
        service.create_domain("acme")
        service.wait("acme", service.begin("acme", f"Id,Mail,Name\nk,a@example.com,{value}\n".encode()))
        assert service.search("acme", "id", "k")["Items"][0]["LastName"] == value


def test_search_token():
    """a token of one search is refused by another"""
    with Service() as service:
        service.create_domain("acme")
        data = b"Id,Mail,Name\n" + b"".join(b"k%d,u%d@example.com,Smith\n" % (i, i) for i in range(50))
        service.wait("acme", service.begin("acme", data))
        path = "/domains/acme/profiles/search"
        body = {"KeyName": "_fullName", "Values": ["smith"]}
        page = service.call("POST", path, body, query="max-results=5")
        token = page["NextToken"]
        more = service.call("POST", path, body, query=f"max-results=7&next-token={quote(token)}")
        assert len(more["Items"]) == 7 and more["Items"][0] not in page["Items"]
        try:
            service.call("POST", path, {"KeyName": "_fullName", "Values": ["jones"]}, query=f"next-token={quote(token)}")
        except Refused as error:
            assert error.status == 400
        else:
            raise AssertionError("it was taken")


def test_search_of_rare_and_common():
    """AND of what all have and what one has looks at that one alone, in whichever order they are given"""
    with Service() as service:
        service.create_domain("acme")
        data = b"Id,Mail,Name\n" + b"".join(b"k%d,u%d@example.com,Smith\n" % (i, i) for i in range(60_000))
        service.wait("acme", service.begin("acme", data))
        pairs = [{"KeyName": "_fullName", "Values": ["Smith"]}, {"KeyName": "_email", "Values": ["u59999@example.com"]}]
        for first, second in (pairs, pairs[::-1]):
            page = service.call("POST", "/domains/acme/profiles/search",
                                {**first, "LogicalOperator": "AND", "AdditionalSearchKeys": [second]})
            assert [item["Attributes"]["id"] for item in page["Items"]] == ["k59999"] and "NextToken" not in page, page
        none = service.call("POST", "/domains/acme/profiles/search", {**pairs[0], "LogicalOperator": "AND",
                            "AdditionalSearchKeys": [{"KeyName": "_email", "Values": ["nobody@example.com"]}]})
        assert none["Items"] == [] and "NextToken" not in none, none


run(globals())
