"""The memory of the check before an import does not grow with the file, nor with what is found in it."""
import json, os, resource, subprocess, tempfile
from kit import SANITIZED, UPJOB, run

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


COMPARING = """
local checking, map = require "upjob.checking", assert(require("upjob.mapping").load(arg[1]))
local comparison = assert(require("upjob.native.changes").compare { files = #arg - 1, staged = arg[1] .. ".staged" })
local result
for i = 2, #arg do
  result = assert(checking.run { file = arg[i], mapping = map, reject = true, changes = comparison })
  checking.close(result)
end
print(result.changes.new, result.changes.rows, #result.changes.lines[1], result.counts["duplicate key"])
"""


def write_rows(file, rows):
    """every key twice, one row in a hundred in error"""
    with open(file, "w") as out:
        out.write("Id,Mail\n")
        for again in range(2):
            out.writelines("k%d,%s\n" % (i, "nobody" if i % 100 == 7 else "A%d@example.com" % i) for i in range(rows // 2))


def peak_of(work, script, *arguments):
    """what the script says, and the most memory in KiB that it had"""
    path = os.path.join(work, "check.lua")
    with open(path, "w") as out:
        out.write(script)
    with open(os.path.join(work, "map.lua"), "w") as out:
        out.write(MAPPING)
    command = [UPJOB, "run", path, *arguments]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    told = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, status
    return [int(word) for word in told.split()], usage.ru_maxrss


def test_memory():
    """a file in which every key stands twice, some rows are rejected and all others change takes no more memory when it is long"""
    with tempfile.TemporaryDirectory() as work:
        rows, file = 2_000_000, os.path.join(work, "rows.csv")
        write_rows(file, rows)
        told, peak = peak_of(work, SCRIPT, file, os.path.join(work, "map.lua"), file + ".problems.csv", file + ".rejects.csv")
        bad = rows // 100
        assert told == [rows, bad, rows - bad, (rows - bad) // 2], told
        assert peak < MOST or SANITIZED, peak


def test_memory_of_several():
    """what has changed in several files, all of whose rows have keys that stand in each of them, takes no more memory"""
    with tempfile.TemporaryDirectory() as work:
        rows, files = 500_000, [os.path.join(work, f"rows{i}.csv") for i in range(3)]
        for file in files:
            write_rows(file, rows)
        told, peak = peak_of(work, COMPARING, os.path.join(work, "map.lua"), *files)
        good, keys = rows - rows // 100, (rows - rows // 100) // 2
        assert told == [keys, 3 * good, good, keys], told
        assert peak < MOST or SANITIZED, peak


def test_many_files():
    """an import of many files has no more of them open, and in memory, than one of few"""
    with tempfile.TemporaryDirectory() as work:
        for i in range(600):
            with open(os.path.join(work, f"{i}.csv"), "w") as out:
                out.write("Id,Mail\n" + "".join(f"{i}-{n},a{n}@example.com\n" for n in range(20)))
        for more in [], ["--only-changed"]:
            command = [UPJOB, "--state", os.path.join(work, "state"), "import", "*.csv", "--domain", "d", "--key", "Id", "--dry-run",
                       "--local", "--json", *more]
            child = subprocess.Popen(command, cwd=work, stdout=subprocess.PIPE, text=True,
                                     preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
            told = json.loads(child.stdout.read())
            _, status, usage = os.wait4(child.pid, 0)
            assert status == 0 and told["rows"] == 12_000, (status, told)
            assert usage.ru_maxrss < MOST or SANITIZED, usage.ru_maxrss


run(globals())
