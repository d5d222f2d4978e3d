"""The memory of the check before an import does not grow with the file, nor with what is found in it."""
import os, subprocess, tempfile
from kit import UPJOB, run

MOST = 64 << 10  # KiB; the program itself takes some 14 MiB of it

SCRIPT = """
local checking, map = require "upjob.checking", assert(require("upjob.mapping").load(arg[2]))
local result = assert(checking.run { file = arg[1], mapping = map, reject = true, problems = arg[3], rejects = arg[4] })
print(result.rows, result.bad_rows, result.changed_rows, result.counts["duplicate key"])
"""

MAPPING = """
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id" : trim(),
  mapping.email "Mail" : to "EmailAddress" : lower(), mapping.string { "Id", "Mail" } : to "Attributes.both" }
"""


def peak_of(work, rows):
    """what the script says, and the most memory in KiB that it had"""
    file, script, mapping = (os.path.join(work, name) for name in ("rows.csv", "check.lua", "map.lua"))
    with open(file, "w") as out:
        out.write("Id,Mail\n")
        for again in range(2):
            out.writelines("k%d,%s\n" % (i, "nobody" if i % 100 == 7 else "A%d@example.com" % i) for i in range(rows // 2))
    with open(script, "w") as out:
        out.write(SCRIPT)
    with open(mapping, "w") as out:
        out.write(MAPPING)
    command = [UPJOB, "run", script, file, mapping, file + ".problems.csv", file + ".rejects.csv"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
    return [int(word) for word in told.split()], usage.ru_maxrss


def test_memory():
    """a file in which every key stands twice, some rows are rejected and all others change takes no more memory when it is long"""
    with tempfile.TemporaryDirectory() as work:
        rows = 2_000_000
        told, peak = peak_of(work, rows)
        bad = rows // 100
        assert told == [rows, bad, rows - bad, (rows - bad) // 2], told
        assert peak < MOST or "address-undefined" in UPJOB, peak


run(globals())
