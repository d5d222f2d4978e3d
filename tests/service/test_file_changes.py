"""Files that change while they are read or sent: noticed, and nothing is started."""
import os, tempfile
from kit import Service, eventually, rows, run

DATA = rows(500_000, fail=0) # more than what sockets hold


def change(how):
    with tempfile.TemporaryDirectory() as work, Service(args=["--fault", "slow=3000000", "--domain", "acme"]) as service:
        path = os.path.join(work, "customers.csv")
        for name in (path, path + ".new"):  # a disk may stand still while it is written to
            with open(name, "wb") as file:
                file.write(DATA)
        client = service.popen("import", path, "--domain", "acme", "--key", "Id")
        eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
        how(path)
        _, messages = client.communicate(timeout=100)
        jobs = service.call("GET", "/domains/acme/upload-jobs")["Items"]
        return client.returncode, messages, [job["Status"] for job in jobs], service


def expect_noticed(how):
    status, messages, jobs, service = change(how)
    assert status == 7, (status, messages)
    assert "customers.csv" in messages and ("while it was read" in messages or "is not what was checked" in messages), messages
    assert "IN_PROGRESS" not in jobs and "SUCCEEDED" not in jobs and "PARTIALLY_SUCCEEDED" not in jobs, jobs


def grow(path):
    with open(path, "ab") as file:
        file.write(b"more,a@example.com,N\n")


def shrink(path):
    os.truncate(path, len(DATA) - 1000)


def rewrite(path):
    with open(path, "r+b") as file:
        file.seek(len(DATA) - 500)
        file.write(b"X")


def rewrite_and_set_times(path):
    info = os.stat(path)
    rewrite(path)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


def replace(path):
    os.rename(path + ".new", path)


def remove(path):
    os.unlink(path)


def test_grows():
    """a file that grows while it is sent"""
    expect_noticed(grow)


def test_shrinks():
    """a file that shrinks while it is sent"""
    expect_noticed(shrink)


def test_changes():
    """a file one byte of which changes while it is sent, also when its times are set back"""
    expect_noticed(rewrite)
    expect_noticed(rewrite_and_set_times)


def test_replaced():
    """a file that is replaced while it is sent"""
    expect_noticed(replace)


def test_removed():
    """a file that is removed while it is sent"""
    expect_noticed(remove)


run(globals())
