"""Segments of the embedded service as a process: definitions, members and estimates, also over restarts and kills."""
import os, signal, sqlite3, time
from kit import SANITIZED, Refused, Service, eventually, rows, run

FIELDS = {name: {"Source": f"_source.{name}", "Target": f"_profile.{target}"} for name, target in {
    "id": "Attributes.id", "tier": "Attributes.tier", "first": "FirstName", "city": "Address.City", "ship": "ShippingAddress.City",
    "mail": "EmailAddress", "note": "AdditionalInformation", "type": "ProfileType"}.items()}
PEOPLE = """id,tier,first,city,ship,mail,note,type
a,gold,Ann,Berlin,Bonn,ann@example.com,likes tea,
b,silver,Bob,Bern,,bob@example.org,,PROFILE
c,gold,Cem,,Berlin,cem@example.com,tea and coffee,ACCOUNT_PROFILE
d,,Dora,Berlin,Bern,dora@example.org,,
e,Gold,,,,,,
"""
ALL = "abcde"


def condition(kind, *values):
    return {"DimensionType": kind, "Values": list(values)}


def on(**attributes):
    """A dimension: custom attributes by c_NAME."""
    custom = {name[2:]: rule for name, rule in attributes.items() if name.startswith("c_")}
    rules = {name: rule for name, rule in attributes.items() if not name.startswith("c_")}
    return {"ProfileAttributes": {**rules, **({"Attributes": custom} if custom else {})}}


def groups(*dimensions, **members):
    return {"Groups": [{"Dimensions": list(dimensions), **members}]}


GOLD = on(c_tier=condition("INCLUSIVE", "gold"))
BERLIN = on(Address={"City": condition("INCLUSIVE", "Berlin")})
COM = on(EmailAddress=condition("ENDS_WITH", "@example.com"))


class Segments(Service):
    def define(self, name, query, domain="acme", **members):
        return self.call("POST", f"/domains/{domain}/segment-definitions/{name}",
                         {"DisplayName": f"The {name}", "SegmentGroups": query, **members})

    def definition(self, name, domain="acme"):
        return self.call("GET", f"/domains/{domain}/segment-definitions/{name}")

    def delete(self, name, domain="acme"):
        return self.call("DELETE", f"/domains/{domain}/segment-definitions/{name}")

    def members(self, name, ids, domain="acme"):
        return self.call("POST", f"/domains/{domain}/segments/{name}/membership", {"ProfileIds": ids})

    def ask(self, query, domain="acme"):
        return self.call("POST", f"/domains/{domain}/segment-estimates", {"SegmentQuery": query})["EstimateId"]

    def look(self, estimate, domain="acme"):
        return self.call("GET", f"/domains/{domain}/segment-estimates/{estimate}")

    def answer(self, estimate, domain="acme"):
        eventually(lambda: self.look(estimate, domain)["Status"] != "RUNNING", what="the estimate's end")
        got = self.look(estimate, domain)
        assert got["Status"] == "SUCCEEDED", got
        return int(got["Estimate"])

    def people(self):
        """ProfileId by the letter of each of PEOPLE."""
        self.create_domain("acme")
        self.wait("acme", self.begin("acme", PEOPLE.encode(), fields=FIELDS))
        return {letter: self.search("acme", "id", letter)["Items"][0]["ProfileId"] for letter in ALL}


def refused(status, code, words, call, *arguments, **members):
    try:
        call(*arguments, **members)
    except Refused as error:
        assert (error.status, error.code) == (status, code) and words in error.message, error
    else:
        raise AssertionError(f"{arguments} was taken")


def who(service, ids, query, fact=None):
    """The letters of those that a query selects, by membership; the estimate says how many."""
    service.define("who", query)
    reply = service.members("who", list(ids.values()))
    service.delete("who")
    assert reply["Failures"] == [] and [item["ProfileId"] for item in reply["Profiles"]] == list(ids.values()), reply
    found = "".join(letter for letter, item in zip(ids, reply["Profiles"]) if item["QueryResult"] == "PRESENT")
    assert service.answer(service.ask(query)) == len(found), "the estimate is of the same members"
    return found


def test_definitions():
    """a definition comes back as it was made, and is gone when it was deleted"""
    with Segments() as service:
        service.create_domain("acme")
        query = {"Include": "ANY", "Groups": [{"Type": "NONE", "Dimensions": [GOLD]}]}
        sort = {"Attributes": [{"Name": "FirstName", "Order": "ASC"}]}
        made = service.define("vip", query, Description="all who matter", Tags={"team": "crm"}, SegmentSort=sort)
        arn = made["SegmentDefinitionArn"]
        assert arn.startswith("arn:aws:profile:") and arn.endswith(":domains/acme/segment-definitions/vip"), arn
        about = {"SegmentDefinitionName": "vip", "DisplayName": "The vip", "Description": "all who matter", "Tags": {"team": "crm"},
                 "SegmentDefinitionArn": arn, "CreatedAt": made["CreatedAt"]}
        assert made == about, made
        assert service.definition("vip") == {**about, "SegmentGroups": query, "SegmentSort": sort, "SegmentType": "CLASSIC"}
        assert abs(made["CreatedAt"] - time.time()) < 60
        refused(400, "BadRequestException", "vip already exists", service.define, "vip", query)
        assert service.delete("vip") == {"Message": "OK"}
        for call in (service.definition, service.delete):
            refused(404, "ResourceNotFoundException", "vip", call, "vip")
        refused(404, "ResourceNotFoundException", "vip", service.members, "vip", ["0" * 32])
        service.define("vip", query)


def test_lists():
    """definitions are listed in pages, by name, of one domain"""
    with Segments() as service:
        for domain in ("acme", "other"):
            service.create_domain(domain)
            for number in range(5):
                service.define(f"s{number}", groups(GOLD), domain)
        path, seen, query = "/domains/acme/segment-definitions", [], "max-results=2"
        while query:
            page = service.call("GET", path, query=query)
            seen.append([item["SegmentDefinitionName"] for item in page["Items"]])
            query = "max-results=2&next-token=" + page["NextToken"] if "NextToken" in page else None
        assert seen == [["s0", "s1"], ["s2", "s3"], ["s4"]], seen
        item = service.call("GET", path)["Items"][0]
        assert "SegmentGroups" not in item and item["SegmentType"] == "CLASSIC" and item["DisplayName"] == "The s0", item
        token = service.call("GET", path, query="max-results=1")["NextToken"]
        refused(400, "BadRequestException", "token", service.call, "GET", "/domains/other/segment-definitions",
                query="next-token=" + token)


def test_conditions():
    """each kind of condition selects whom it says, on standard, address and custom attributes"""
    with Segments() as service:
        ids = service.people()
        first = lambda kind, *values: who(service, ids, groups(on(FirstName=condition(kind, *values))))
        assert first("INCLUSIVE", "Ann", "Dora", "x") == "ad"
        assert first("EXCLUSIVE", "Ann", "Dora") == "bce", "one without the attribute is not one of those"
        assert first("CONTAINS", "o", "e") == "bcd"
        assert first("BEGINS_WITH", "B", "Do") == "bd"
        assert first("ENDS_WITH", "nn", "m") == "ac"
        assert first("INCLUSIVE", "ann") == "", "case counts"
        assert first("CONTAINS", "Ann Ann") == ""
        assert who(service, ids, groups(GOLD)) == "ac"
        assert who(service, ids, groups(on(c_nobody=condition("INCLUSIVE", "x")))) == ""
        assert who(service, ids, groups(on(c_nobody=condition("EXCLUSIVE", "x")))) == ALL
        assert who(service, ids, groups(BERLIN)) == "ad"
        assert who(service, ids, groups(on(ShippingAddress={"City": condition("INCLUSIVE", "Berlin")}))) == "c"
        assert who(service, ids, groups(on(AdditionalInformation=condition("CONTAINS", "tea")))) == "ac"
        assert who(service, ids, groups(on(ProfileType=condition("INCLUSIVE", "ACCOUNT_PROFILE")))) == "c"
        assert who(service, ids, groups(on(ProfileType=condition("INCLUSIVE", "PROFILE")))) == "abde"
        assert who(service, ids, groups(on(ProfileType=condition("EXCLUSIVE", "PROFILE")))) == "c"
        both = on(Address={"City": condition("INCLUSIVE", "Berlin")}, c_tier=condition("INCLUSIVE", "gold"))
        assert who(service, ids, groups(both)) == "a", "all attributes of a dimension hold"


def test_groups():
    """ALL, ANY and NONE, of dimensions and of groups; what asks nothing rules nobody out"""
    with Segments() as service:
        ids = service.people()
        for kind, found in (("ALL", "a"), ("ANY", "acd"), ("NONE", "be")):
            assert who(service, ids, groups(GOLD, BERLIN, Type=kind)) == found, kind
            both = {"Include": kind, "Groups": [{"Dimensions": [GOLD]}, {"Dimensions": [BERLIN]}]}
            assert who(service, ids, both) == found, kind
        assert who(service, ids, groups(GOLD, BERLIN)) == "a", "ALL is meant where nothing is said"
        mixed = {"Include": "ANY", "Groups": [{"Type": "NONE", "Dimensions": [GOLD, BERLIN]}, {"Dimensions": [GOLD, BERLIN]}]}
        assert who(service, ids, mixed) == "abe"
        for nothing in ({}, {"Groups": []}, {"Groups": [{}]}, {"Include": "NONE", "Groups": []}, groups(Type="NONE")):
            assert who(service, ids, nothing) == ALL, nothing


def test_source_segments():
    """a segment of segments: any, all or none of them, at any depth; a ring is refused"""
    with Segments() as service:
        ids = service.people()
        service.define("gold", groups(GOLD))
        service.define("berlin", groups(BERLIN))
        sources = [{"SegmentDefinitionName": "gold"}, {"SegmentDefinitionName": "berlin"}]
        for kind, found in (("ALL", "a"), ("ANY", "acd"), ("NONE", "be")):
            assert who(service, ids, groups(SourceSegments=sources, SourceType=kind)) == found, kind
        assert who(service, ids, groups(COM, SourceSegments=sources, SourceType="ANY")) == "ac", "its dimensions hold too"
        service.define("either", groups(SourceSegments=sources, SourceType="ANY"))
        assert who(service, ids, groups(BERLIN, SourceSegments=[{"SegmentDefinitionName": "either"}])) == "ad"
        refused(400, "BadRequestException", "no segment definition none", service.define, "x",
                groups(SourceSegments=[{"SegmentDefinitionName": "none"}]))
        refused(400, "BadRequestException", "x draws on itself", service.define, "x",
                groups(SourceSegments=[{"SegmentDefinitionName": "x"}]))
        refused(400, "BadRequestException", "names no segment", service.define, "x", groups(SourceSegments=[{}]))
        service.delete("gold")
        refused(400, "BadRequestException", "no segment definition gold", service.members, "either", list(ids.values()))
        refused(400, "BadRequestException", "gold draws on itself", service.define, "gold",
                groups(SourceSegments=[{"SegmentDefinitionName": "either"}]))
        previous = "berlin"
        for depth in range(10):
            service.define(f"deep{depth}", groups(SourceSegments=[{"SegmentDefinitionName": previous}]))
            previous = f"deep{depth}"
        assert who(service, ids, groups(SourceSegments=[{"SegmentDefinitionName": "deep8"}])) == "ad"
        refused(400, "BadRequestException", "SourceSegments lead", service.define, "x",
                groups(SourceSegments=[{"SegmentDefinitionName": previous}]))


def test_refusals():
    """what is not evaluated is a 501 that names it, what breaks the model a 400; nothing is taken and then ignored"""
    with Segments() as service:
        service.create_domain("acme")
        at = "Groups[1].Dimensions[1]"
        calculated = {"CalculatedAttributes": {"spent": condition("GREATER_THAN", "5")}}
        for dimension, words in (
                (calculated, at + ".CalculatedAttributes"),
                (on(BirthDate=condition("BEFORE", "2000-01-01")), at + ".ProfileAttributes.BirthDate"),
                (on(c_age=condition("GREATER_THAN", "18")), at + ".ProfileAttributes.Attributes.age of DimensionType GREATER_THAN")):
            refused(501, "NotImplementedException", "SegmentGroups." + words, service.define, "x", groups(dimension))
            refused(501, "NotImplementedException", "SegmentQuery." + words, service.ask, groups(dimension))
        path = "/domains/acme/segment-definitions/x"
        refused(501, "NotImplementedException", "SegmentSqlQuery", service.call, "POST", path,
                {"DisplayName": "x", "SegmentSqlQuery": "SELECT 1"})
        refused(400, "BadRequestException", "SegmentGroups is required", service.call, "POST", path, {"DisplayName": "x"})
        refused(400, "BadRequestException", "SegmentQuery is required", service.call, "POST", "/domains/acme/segment-estimates", {})
        refused(400, "BadRequestException", "DisplayName is required", service.call, "POST", path, {"SegmentGroups": {}})
        refused(400, "BadRequestException", "exactly one of its fields", service.define, "x", groups({**GOLD, **calculated}))
        for empty in ({"ProfileAttributes": {}}, on(Address={})):
            refused(400, "BadRequestException", "names no attribute", service.define, "x", groups(empty))
        many = on(FirstName=condition("INCLUSIVE", *(str(i) for i in range(51))))
        refused(400, "BadRequestException", "51 entries, at most 50", service.define, "x", groups(many))
        for call in (lambda: service.define("x", {}, "none"), lambda: service.definition("x", "none"),
                     lambda: service.delete("x", "none"), lambda: service.members("x", ["0" * 32], "none"),
                     lambda: service.ask({}, "none"), lambda: service.look("x", "none"),
                     lambda: service.call("GET", "/domains/none/segment-definitions")):
            refused(404, "ResourceNotFoundException", "none", call)
        refused(404, "ResourceNotFoundException", "made-up", service.look, "made-up")
        refused(400, "BadRequestException", "ProfileIds", service.members, "x", [])
        refused(400, "BadRequestException", "101 entries", service.members, "x", ["0" * 32] * 101)
        assert service.call("GET", "/domains/acme/segment-definitions")["Items"] == []


def test_membership():
    """profiles come as a search gives them, those that are not there as failures, in the order that was asked for"""
    with Segments() as service:
        ids = service.people()
        service.define("gold", groups(GOLD))
        missing = "0123456789abcdef" * 2
        reply = service.members("gold", [ids["b"], missing, ids["a"], ids["b"]])
        assert [(item["ProfileId"], item["QueryResult"]) for item in reply["Profiles"]] == [
            (ids["b"], "ABSENT"), (ids["a"], "PRESENT"), (ids["b"], "ABSENT")], reply
        assert reply["Profiles"][1]["Profile"] == service.search("acme", "id", "a")["Items"][0]
        assert [(item["ProfileId"], item["Status"]) for item in reply["Failures"]] == [(missing, 404)], reply
        assert reply["SegmentDefinitionName"] == "gold" and abs(reply["LastComputedAt"] - time.time()) < 60
        service.wait("acme", service.begin("acme", b"id,tier\na,silver\nb,gold\n", fields={k: FIELDS[k] for k in ("id", "tier")}))
        reply = service.members("gold", [ids["a"], ids["b"]])
        assert [item["QueryResult"] for item in reply["Profiles"]] == ["ABSENT", "PRESENT"], "an import moves members at once"
        service.create_domain("empty")
        service.define("gold", groups(GOLD), "empty")
        assert len(service.members("gold", [ids["a"]], "empty")["Failures"]) == 1
        assert service.answer(service.ask(groups(GOLD), "empty"), "empty") == 0


def test_expiry():
    """a profile that has expired is no member"""
    with Segments() as service:
        ids = service.people()
        service.define("gold", groups(GOLD))
        service.kill(signal.SIGTERM)
        db = sqlite3.connect(os.path.join(service.data, "profiles/1.db"))
        number, = db.execute("SELECT id FROM profile WHERE uid = ?", (bytes.fromhex(ids["a"]),)).fetchone()
        db.execute("UPDATE profile_key SET expires = 1000 WHERE id = ?", (number,))
        db.commit()
        db.close()
        service.start()
        reply = service.members("gold", [ids["a"], ids["c"]])
        assert [item["ProfileId"] for item in reply["Failures"]] == [ids["a"]], reply
        assert service.answer(service.ask(groups(GOLD))) == 1


def test_restart():
    """definitions, and estimates that have ended, are there after a kill; a deleted domain leaves none behind"""
    with Segments() as service:
        ids = service.people()
        made = service.define("gold", groups(GOLD))
        estimate = service.ask(groups(GOLD))
        assert service.answer(estimate) == 2
        service.restart()
        assert service.definition("gold")["CreatedAt"] == made["CreatedAt"]
        assert service.look(estimate)["Estimate"] == "2"
        assert service.members("gold", [ids["a"]])["Profiles"][0]["QueryResult"] == "PRESENT"
        service.call("DELETE", "/domains/acme")
        service.create_domain("acme")
        refused(404, "ResourceNotFoundException", "gold", service.definition, "gold")
        refused(404, "ResourceNotFoundException", estimate, service.look, estimate)
        service.kill(signal.SIGTERM)
        service.check_integrity()


def test_killed_estimates():
    """an estimate that a kill cut short is made again"""
    many = 50000 if SANITIZED else 200000
    with Segments() as service:
        service.create_domain("acme")
        service.wait("acme", service.begin("acme", rows(many, fail=0)))
        query = groups(on(LastName=condition("ENDS_WITH", "7")))
        for how in (signal.SIGKILL, signal.SIGTERM):
            asked = [service.ask(query) for _ in range(20)]
            service.restart(how)
            assert [service.answer(estimate) for estimate in asked] == [many // 10] * 20


def test_many():
    """calls and an import go on while a store of many is gone through, and a hundred members are told at once"""
    with Segments() as service:
        service.create_domain("acme")
        service.wait("acme", service.begin("acme", rows(300000, fail=0)))
        service.define("sevens", groups(on(LastName=condition("ENDS_WITH", "7"))))
        asked = [service.ask(groups(on(LastName=condition("CONTAINS", *(f"{i}{i}" for i in range(10)))))) for _ in range(5)]
        service.wait("acme", service.begin("acme", ("Id,Mail,Name\n" + "".join(f"z{i},,Zoë\n" for i in range(1000))).encode()))
        assert [service.answer(estimate) for estimate in asked] == [115472] * 5
        keys = [f"k{i}" for i in range(100)]
        found = service.call("POST", "/domains/acme/profiles/search", {"KeyName": "id", "Values": keys}, query="max-results=100")
        reply = service.members("sevens", [item["ProfileId"] for item in found["Items"]])
        present = [item["Profile"]["LastName"] for item in reply["Profiles"] if item["QueryResult"] == "PRESENT"]
        assert len(reply["Profiles"]) == 100 and all(name.endswith("7") for name in present), reply["Failures"]


def test_failed_estimate():
    """an estimate whose store cannot be read is FAILED, and says why"""
    with Segments() as service:
        service.people()
        service.restart(signal.SIGTERM)
        with open(os.path.join(service.data, "profiles/1.db"), "r+b") as file:
            file.write(b"no database" * 100)
        estimate = service.ask(groups(GOLD))
        eventually(lambda: service.look(estimate)["Status"] != "RUNNING", what="the estimate's end")
        got = service.look(estimate)
        assert got["Status"] == "FAILED" and "1.db" in got["Message"] and "Estimate" not in got, got


def test_deleted_meanwhile():
    """a domain can be deleted while its store is gone through"""
    with Segments() as service:
        for _ in range(3):
            service.create_domain("acme")
            service.wait("acme", service.begin("acme", rows(30000, fail=0)))
            asked = [service.ask(groups(COM)) for _ in range(10)]
            service.call("DELETE", "/domains/acme")
            refused(404, "ResourceNotFoundException", "acme", service.look, asked[0])
        service.create_domain("acme")
        assert service.answer(service.ask(groups(COM))) == 0
        eventually(lambda: not os.listdir(os.path.join(service.data, "profiles")), what="the end of the stores")
        assert service.kill(signal.SIGTERM) == 143 and "estimate" not in service.messages(), service.messages()


def test_bounded_estimates():
    """of a domain's estimates the latest hundred are kept"""
    with Segments() as service:
        service.create_domain("acme")
        asked = [service.ask({}) for _ in range(103)]
        refused(404, "ResourceNotFoundException", asked[2], service.look, asked[2])
        assert service.answer(asked[3]) == 0 and service.answer(asked[-1]) == 0


def test_older_store():
    """a store of version 1 is brought to this version, and a copy of it is kept; one of a newer version is refused"""
    with Segments() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        service.kill(signal.SIGTERM)
        path = os.path.join(service.data, "jobs.db")
        db = sqlite3.connect(path)
        db.executescript("DROP TABLE segment; DROP TABLE estimate; PRAGMA user_version = 1")
        db.close()
        service.start()
        assert service.get_job("acme", job)["Status"] == "CREATED"
        service.define("gold", groups(GOLD))
        copies = [name for name in os.listdir(service.data) if name.startswith("jobs.db.version-1-")]
        assert len(copies) == 1 and os.stat(os.path.join(service.data, copies[0])).st_mode & 0o777 == 0o600, copies
        copy = sqlite3.connect(os.path.join(service.data, copies[0]))
        assert copy.execute("SELECT id FROM job").fetchall() == [(job,)]
        copy.close()
        service.restart()
        assert service.definition("gold")["DisplayName"] == "The gold"
        assert [name for name in os.listdir(service.data) if name.startswith("jobs.db.version-")] == copies, "once is enough"


def test_facts():
    """what is inferred of segments can be bent"""
    args = ["--fact", "segment-case=folded,segment-exclusive=present-only,segment-attributes=any,segment-taken=ConflictException"]
    with Segments(args=args) as service:
        ids = service.people()
        assert who(service, ids, groups(on(c_tier=condition("INCLUSIVE", "gOLD")))) == "ace"
        assert who(service, ids, groups(on(c_tier=condition("EXCLUSIVE", "gold")))) == "b"
        either = on(FirstName=condition("INCLUSIVE", "Bob"), c_tier=condition("BEGINS_WITH", "GO"))
        assert who(service, ids, groups(either)) == "abce"
        service.define("x", {})
        refused(409, "ConflictException", "x already exists", service.define, "x", {})


def test_bad_days():
    """faults and rates are rehearsed with segments too"""
    with Segments(args=["--domain", "acme", "--fault", "throttle=1"]) as service:
        for call in (lambda: service.define("x", {}), lambda: service.definition("x"), lambda: service.ask({}),
                     lambda: service.members("x", ["0" * 32])):
            refused(429, "ThrottlingException", "", call)
    with Segments(args=["--domain", "acme", "--throttle"]) as service:
        service.define("x", {})
        refused(429, "ThrottlingException", "", service.define, "y", {})
        for _ in range(5):
            service.definition("x")
        refused(429, "ThrottlingException", "", service.definition, "x")


run(globals())
