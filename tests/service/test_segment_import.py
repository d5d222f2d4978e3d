"""Imports that make a segment of their profiles: on bad days, killed, and with other segments of that name."""
import json, signal
from import_world import Proxy, World
from kit import run

NAME = "/domains/d/segment-definitions/spring"


def importing(*more):
    return ["import", "c.csv", "--domain", "d", "--map", "map.lua", "--json", "--segment", "spring", *more]


def make_other(world):
    world.service.call("POST", NAME, {"DisplayName": "spring", "SegmentGroups": {"Groups": [{"Dimensions": [
        {"ProfileAttributes": {"LastName": {"DimensionType": "INCLUSIVE", "Values": ["x"]}}}]}]}})


def attributes(world):
    groups = world.service.call("GET", NAME)["SegmentGroups"]["Groups"]
    return groups[0]["Dimensions"][0]["ProfileAttributes"]


def through(world, refuse, *arguments):
    """What an import does whose calls go by a proxy."""
    with Proxy(world.service, refuse) as proxy:
        direct, world.url = world.url, proxy.url
        try:
            return world.upjob(*arguments), proxy.calls
        finally:
            world.url = direct


def test_killed_between():
    """an import that is killed when it has deleted the other definition, and not made its own, is gone on with"""
    with World() as world:
        world.rows("c.csv", range(50), "row")
        make_other(world)
        held = {}

        def refuse(method, path):
            if method == "POST" and path == NAME:
                held["process"].kill()
                return True
            return False
        with Proxy(world.service, refuse) as proxy:
            direct, world.url = world.url, proxy.url
            held["process"] = world.begin(*importing("--replace-segment"))
            held["process"].communicate(timeout=100)
            world.url = direct
        assert held["process"].returncode == -signal.SIGKILL
        assert world.service.call("GET", "/domains/d/segment-definitions")["Items"] == []
        result = world.good("runs", "resume", "1", "--json")
        assert result["segment"]["size"] == 50 and result["segment"]["made"] == "created", result
        assert attributes(world) == {"Attributes": {"segment_spring": {"DimensionType": "INCLUSIVE", "Values": ["spring"]}}}


def test_resumed_later():
    """an import that was left when its job had started tells the segment's size when it is gone on with"""
    with World() as world:
        world.rows("c.csv", range(50), "row")
        status, out, messages = world.upjob(*importing("--no-wait"))
        assert status == 0, messages
        result = world.good("runs", "resume", "1", "--json")
        assert result["segment"]["size"] == 50, result


def test_not_allowed():
    """what the role may not do with segments is told with the action that it needs, before anything is sent"""
    for method, path, action in (("GET", NAME, "GetSegmentDefinition"), ("POST", NAME, "CreateSegmentDefinition")):
        with World() as world:
            world.rows("c.csv", range(50), "row")
            (status, out, messages), _ = through(world, lambda m, p: (m, p) == (method, path), *importing())
            assert status == 4 and "profile:" + action in messages and world.jobs() == [], (status, messages)
    with World() as world:
        world.rows("c.csv", range(50), "row")
        make_other(world)
        (status, out, messages), _ = through(world, lambda m, p: (m, p) == ("DELETE", NAME), *importing("--replace-segment"))
        assert status == 4 and "profile:DeleteSegmentDefinition" in messages and world.jobs() == [], (status, messages)
        assert "LastName" in attributes(world)


def test_size_not_allowed():
    """an import whose segment cannot be counted has succeeded, and says why there is no size"""
    with World() as world:
        world.rows("c.csv", range(50), "row")
        (status, out, messages), _ = through(world, lambda m, p: p.endswith("/segment-estimates"), *importing())
        result = json.loads(out)
        assert status == 0 and result["Status"] == "SUCCEEDED" and "size" not in result["segment"], result
        assert "the size of segment spring is not known" in messages and "profile:CreateSegmentEstimate" in messages, messages


def test_bad_days():
    """throttled calls and faults are survived, and one definition is made"""
    with World("--fault", "throttle=0.3,error=0.2,seed=7") as world:
        world.rows("c.csv", range(50), "row")
        result = world.good(*importing())
        assert result["segment"]["size"] == 50, result


def test_members():
    """who is imported is a member, who is not is none, and a second import makes no second definition"""
    with World() as world:
        world.rows("c.csv", range(50), "row")
        world.good(*importing())
        world.rows("c.csv", range(50, 80), "row")
        first = world.good("import", "c.csv", "--domain", "d", "--map", "map.lua", "--json")
        assert "segment" not in first, first
        ids = [world.service.search("d", "id", f"k{key}")["Items"][0]["ProfileId"] for key in (3, 60)]
        found = world.service.call("POST", "/domains/d/segments/spring/membership", {"ProfileIds": ids})
        assert [item["QueryResult"] for item in found["Profiles"]] == ["PRESENT", "ABSENT"], found
        result = world.good(*importing("--only-changed"))
        assert result["segment"]["made"] == "reused" and result["segment"]["size"] == 80, result


run(globals())
