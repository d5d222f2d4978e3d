#!/usr/bin/env python3
"""from_model.py MODEL.json: writes the operations table anew from a service model in botocore's form (service-2.json with
the "pagination" of paginators-1.json beside its shapes, where it has that): the shapes by subject into *.inc beside this
file, the rows into rows.inc. For a new API version; one operation is as well written by hand."""
import json
import pathlib
import re
import sys
import textwrap

HERE = pathlib.Path(__file__).parent
# What a name belongs to; the first that fits. Shapes that several subjects use go into shared.inc.
SUBJECTS = [
    ("upload_jobs", "UploadJob", "Upload jobs."),
    ("calculated_attributes", "CalculatedAttribute", "Calculated attributes."),
    ("recommenders", "Recommend", "Recommenders, their filters and schemas, and recommendations."),
    ("segments", "Segment", "Segment definitions, estimates, snapshots and membership."),
    ("events", "EventStream|EventTrigger", "Event streams and event triggers."),
    ("integrations", "Integration|Workflow", "Integrations and workflows."),
    ("matching", "Match|IdentityResolution|AutoMerging|SimilarProfiles|MergeProfiles", "Identity resolution and matching."),
    ("object_types", "ObjectType|AttributeValues", "Object types, their templates, attributes and values."),
    ("domains", "Domain|TagResource|UntagResource|TagsForResource", "Domains, their layouts and tags."),
    ("profiles", "Profile", "Profiles, their keys, objects and history."),
]
# What the model does not say: members of replies that are keys, and must not be printed.
SECRETS = {"GetUploadJobPath": "ClientToken"}


def subject_of(operation):
    return next(name for name, pattern, _ in SUBJECTS if re.search(pattern, operation))


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def number(value):
    return "%d" % value if value == int(value) else repr(value)


def wrapped(head, parts, between):
    """head(parts); on lines of their own where that is too long."""
    line = "%s%s);" % (head, between.join(parts))
    if len(line) <= 118:
        return line
    # A part is not broken at its own spaces.
    text = (between.join(part.replace(" ", "\0") for part in parts)) + ");"
    lines = textwrap.wrap(text, 112, break_long_words=False, break_on_hyphens=False)
    return (head.rstrip() + "\n" + "\n".join("    " + each for each in lines)).replace("\0", " ")


def limits(shape):
    parts = []
    if "min" in shape and "max" in shape:
        parts.append("FROM_TO(%s, %s)" % (number(shape["min"]), number(shape["max"])))
    elif "max" in shape:
        parts.append("UP_TO(%s)" % number(shape["max"]))
    elif "min" in shape:
        parts.append("AT_LEAST(%s)" % number(shape["min"]))
    if "pattern" in shape:
        parts.append("LIKE(%s)" % quoted(shape["pattern"]))
    if shape.get("sensitive"):
        parts.append("SENSITIVE")
    return parts


def member(name, of, required):
    place, wire = of.get("location"), of.get("locationName", name)
    if place == "uri":
        assert wire == name
        return "PATH(%s, %s)" % (name, of["shape"])
    if place == "statusCode":
        return "STATUS(%s, %s)" % (name, of["shape"])
    if place == "querystring":
        return "%s(%s, %s, %s)" % ("MUST_QUERY" if required else "QUERY", name, of["shape"], quoted(wire))
    assert place is None and wire == name, (name, of)
    return "%s(%s, %s)" % ("MUST" if required else "MAY", name, of["shape"])


def written(name, shape):
    kind, hidden = shape["type"], "SENSITIVE_" if shape.get("sensitive") else ""
    if "enum" in shape:
        return wrapped("%sENUM(%s, " % (hidden, name), [quoted(value) for value in shape["enum"]], ", ")
    if kind == "structure":
        word = "UNION" if shape.get("union") else "STRUCTURE"
        required = shape.get("required", [])
        members = [member(each, of, each in required) for each, of in shape["members"].items()]
        return wrapped("%s%s(%s, " % (hidden, word, name), members, " ")
    uses = {"list": lambda: [shape["member"]["shape"]],
            "map": lambda: [shape["key"]["shape"], shape["value"]["shape"]]}.get(kind, lambda: [])()
    word = {"long": "INTEGER", "float": "DOUBLE"}.get(kind, kind.upper())
    return "%s(%s);" % (word, ", ".join([name] + uses + limits(shape)))


def used(shape):
    for of in shape.get("members", {}).values():
        yield of["shape"]
    for part in ("member", "key", "value"):
        if part in shape:
            yield shape[part]["shape"]


def row(name, operation, model):
    method, path = operation["http"]["method"], operation["http"]["requestUri"]
    lua = re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
    # A creation that the service names itself makes a second one when it is repeated.
    again = not (method == "POST" and name.startswith("Create") and not path.endswith("}"))
    rest = [".idempotent = %s" % str(again).lower()]
    output = model["shapes"][operation["output"]["shape"]]["members"]
    if "NextToken" in model["shapes"][operation["input"]["shape"]]["members"] and "NextToken" in output:
        lists = [each for each, of in output.items() if model["shapes"][of["shape"]]["type"] == "list"]
        items = model.get("pagination", {}).get(name, {}).get("result_key") or (lists[0] if len(lists) == 1 else None)
        rest.append(".items = %s" % quoted(items))
    if name in SECRETS:
        rest.append(".secret = %s" % quoted(SECRETS[name]))
    prefix = re.sub("Request$", "", operation["input"]["shape"])
    assert operation["output"]["shape"] == prefix + "Response"
    head = "OPERATION(%s, " % name if prefix == name else "OPERATION_WITH(%s, %s, " % (name, prefix)
    return "%s%s, %s,\n          %s,\n          %s),\n" % (head, quoted(lua), quoted(method), quoted(path), ", ".join(rest))


def main():
    model = json.load(open(sys.argv[1], encoding="utf-8"))
    shapes, operations = model["shapes"], sorted(model["operations"].items())
    users = {}

    def mark(name, subject):
        if subject not in users.setdefault(name, set()):
            users[name].add(subject)
            for inner in used(shapes[name]):
                mark(inner, subject)

    for name, operation in operations:
        for way in ("input", "output"):
            mark(operation[way]["shape"], subject_of(name))
    done = set()

    def emit(name, subject, lines):
        home = next(iter(users[name])) if len(users[name]) == 1 else "shared"
        if name in done or home != subject:
            return
        done.add(name)
        for inner in used(shapes[name]):
            emit(inner, subject, lines)
        lines.append(written(name, shapes[name]))

    lines = ["/* Shapes that operations of several subjects use. */"]
    for name in sorted(shapes):
        if len(users.get(name, ())) > 1:
            emit(name, "shared", lines)
    (HERE / "shared.inc").write_text("\n".join(lines) + "\n")
    for subject, _, about in SUBJECTS:
        lines = ["/* %s */" % about]
        for name, operation in operations:
            if subject_of(name) == subject:
                lines += ["", "/* %s */" % name]
                emit(operation["input"]["shape"], subject, lines)
                emit(operation["output"]["shape"], subject, lines)
        (HERE / (subject + ".inc")).write_text("\n".join(lines) + "\n")
    (HERE / "rows.inc").write_text("".join(row(name, operation, model) for name, operation in operations))


main()
