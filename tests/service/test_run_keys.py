"""Run keys: what programs do that have one and the same, or one that ends another's."""
import contextlib, os, shutil, subprocess, tempfile
from kit import UPJOB, Service, run

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1", "NO_COLOR": "1"}


@contextlib.contextmanager
def imports():
    """The service, and a function that begins an import with a run key, on a state directory of its own."""
    root = tempfile.mkdtemp(prefix="upjob-run-keys-")
    file = os.path.join(root, "c.csv")
    with open(file, "w") as out:
        out.write("Id,Mail\n1,a@example.com\n")

    def begin(service, key, state):
        return subprocess.Popen([UPJOB, "import", file, "--domain", "d", "--key", "Id", "--run-key", key, "--state", os.path.join(root, state),
                                 "--endpoint-url", f"http://{service.host}"], env={**os.environ, **CREDENTIALS}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with Service() as service:
            service.create_domain("d")
            yield service, begin
    finally:
        shutil.rmtree(root)


def statuses(service):
    return [job["Status"] for job in service.call("GET", "/domains/d/upload-jobs")["Items"]]


def test_at_once():
    """programs that share a run key and no journal import once, and each has the result"""
    with imports() as (service, begin):
        first = begin(service, "nightly", "0")
        first.stdout.readline()
        # A moment later, so that they find the job of the first, which is at work on it.
        processes = [begin(service, "nightly", str(i)) for i in (1, 2, 3)]
        told = [process.communicate(timeout=100)[0] for process in [first, *processes]]
        found = statuses(service)
        assert found.count("SUCCEEDED") == 1 and set(found) <= {"SUCCEEDED", "STOPPED"}, (found, told)
        assert [process.returncode for process in [first, *processes]] == [0] * 4, told


def test_one_that_ends_another():
    """a run key with a space is refused: a key that is its last word would find its job"""
    with imports() as (service, begin):
        told = begin(service, "orders nightly", "0").communicate(timeout=100)[0]
        assert "--run-key must be one word" in told and statuses(service) == [], told


run(globals())
