"""A full disk: a small tmpfs, with a file of ballast that takes the room and gives it back."""
import os, subprocess, tempfile, time
from kit import Refused, Service, counts, eventually, rows, run
from small_disk import Small, may_mount


def refused(call, status, *words):
    try:
        call()
    except Refused as error:
        assert error.status == status and all(word in str(error) for word in words), error
    else:
        raise AssertionError("it was taken")


def test_upload():
    """an upload that the disk has no room for is refused and leaves nothing; a smaller one is taken"""
    with Small(16) as disk, Service(os.path.join(disk.at, "data")) as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        refused(lambda: service.put(path, b"Id\n" + b"x" * 30_000_000), 503, "No space left on device")
        eventually(lambda: service.objects() == [], what="no file being left")
        service.put(path, rows(1000))
        service.start_job("acme", job)
        assert counts(service.wait("acme", job)) == (990, 0, 10)
        service.check_integrity()


def test_profiles():
    """an ingestion that finds the disk full waits, and goes on to the same counts when there is room, also after a kill"""
    for kill in (False, True):
        with Small(64) as disk, Service(os.path.join(disk.at, "data")) as service:
            service.create_domain("acme")
            job = service.create_job("acme")
            service.put(service.path("acme", job), rows(60_000))
            disk.fill(leave=3 << 20)
            service.start_job("acme", job)
            eventually(lambda: "the disk is full" in service.messages(), what="the disk being full")
            time.sleep(1.5)
            assert service.get_job("acme", job)["Status"] == "IN_PROGRESS"
            assert service.messages().count("the disk is full") < 5, service.messages()
            if kill:
                service.kill()
            disk.empty()
            if kill:
                service.start()
            assert counts(service.wait("acme", job)) == (59382, 0, 618)
            service.check_integrity()
            eventually(lambda: service.objects() == [], what="no file being left")


def test_no_room_for_names():
    """an ingestion that cannot make the files of its store waits, and goes on when it can"""
    for inodes in (9, 10, 11, 12):
        with Small(16, f",nr_inodes={inodes}") as disk, Service(os.path.join(disk.at, "data")) as service:
            service.create_domain("acme")
            job = service.begin("acme", rows(500))
            time.sleep(0.5)
            assert service.get_job("acme", job)["Status"] == "IN_PROGRESS", service.messages()
            subprocess.run(["mount", "-o", "remount,nr_inodes=1000", disk.at], check=True)
            assert counts(service.wait("acme", job)) == (495, 0, 5)
            service.check_integrity()


def test_stopped_while_full():
    """a stop that cannot be written down is refused, and is taken when there is room"""
    with Small(64) as disk, Service(os.path.join(disk.at, "data")) as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        service.put(service.path("acme", job), rows(60_000))
        disk.fill(leave=3 << 20)
        service.start_job("acme", job)
        eventually(lambda: "the disk is full" in service.messages(), what="the disk being full")
        refused(lambda: service.stop_job("acme", job), 500, "the disk is full")
        assert service.get_job("acme", job)["Status"] == "IN_PROGRESS"
        disk.empty()
        service.stop_job("acme", job)
        assert service.get_job("acme", job)["Status"] == "STOPPED"
        assert counts(service.wait("acme", service.begin("acme", rows(100))))[2] == 1


def test_jobs():
    """calls that the disk has no room for say so and are taken when there is room"""
    with Small(16) as disk, Service(os.path.join(disk.at, "data")) as service:
        service.create_domain("acme")
        disk.fill()
        made = []
        def create_many():
            for _ in range(2000):
                made.append(service.create_job("acme"))
        refused(create_many, 500, "the disk is full")
        assert service.call("GET", "/domains/acme")["DomainName"] == "acme"
        disk.empty()
        made.append(service.create_job("acme"))
        service.restart()
        for job in made:
            assert service.get_job("acme", job)["Status"] == "CREATED"
        service.check_integrity()


def test_start():
    """a service that is started on a full disk says so and exits, or runs; what is there is not harmed"""
    with Small(16) as disk, Service(os.path.join(disk.at, "data")) as service:
        service.create_domain("acme")
        service.wait("acme", service.begin("acme", rows(500)))
        service.kill()
        disk.fill()
        try:
            service.start()
        except Refused as error:
            assert error.status == 3 and ("full" in error.message or "No space" in error.message), error
        service.kill()
        disk.empty()
        service.start()
        assert service.search("acme", "id", "k0")["Items"]
        service.check_integrity()


def test_client():
    """an import that has no room for its rejects, or for the rows that it would send, says so and creates no job"""
    with Small(4) as disk, tempfile.TemporaryDirectory() as work, Service(args=["--domain", "acme"]) as service:
        path = os.path.join(work, "customers.csv")
        with open(path, "wb") as file:
            file.write(b"Id,Mail,Name\n" + b"".join(b"%s,a@b.c,%s\n" % (b"k%d" % i if i % 2 else b"", b"n" * 90) for i in range(100_000)))
        rejects = os.path.join(disk.at, "rejects.csv")
        status, out, messages = service.upjob("import", path, "--domain", "acme", "--key", "Id", "--rejects", rejects)
        assert status == 1 and "rejects.csv" in messages and "No space left on device" in messages, (status, messages)
        assert os.listdir(disk.at) == [], os.listdir(disk.at)
        os.environ["TMPDIR"] = disk.at
        try:
            status, out, messages = service.upjob("import", path, "--domain", "acme", "--key", "Id")
        finally:
            del os.environ["TMPDIR"]
        assert status == 1 and disk.at in messages and ("No space left on device" in messages or "the disk is full" in messages), (status, messages)
        assert os.listdir(disk.at) == [] and sorted(os.listdir(work)) == ["customers.csv"], os.listdir(work)
        assert service.call("GET", "/domains/acme/upload-jobs")["Items"] == []


def test_journal_of_an_import():
    """an import that cannot be recorded for want of room fails and says so: nothing is sent, or its job is stopped, and not started"""
    with Small(8) as disk, Service(args=["--domain", "acme", "--fault", "slow=40000"]) as service, \
            tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "c.csv")
        with open(path, "wb") as file:
            file.write(rows(3000, fail=0))
        command = ["import", path, "--domain", "acme", "--key", "Id", "-q", "--state", os.path.join(disk.at, "state")]

        def statuses():
            return [job["Status"] for job in service.call("GET", "/domains/acme/upload-jobs")["Items"]]
        disk.fill()
        status, _, messages = service.upjob(*command)
        assert status == 1 and "full" in messages.lower() or "space" in messages.lower(), (status, messages)
        assert statuses() == []
        disk.empty()
        client = service.popen(*command)
        eventually(lambda: any(name.endswith(".part") for name in service.objects()), what="the upload's beginning")
        disk.fill()
        _, messages = client.communicate(timeout=100)
        assert client.returncode == 1 and "full" in messages.lower(), (client.returncode, messages)
        assert statuses() == ["STOPPED"], messages
        disk.empty()
        status, _, messages = service.upjob("runs", "resume", "--state", os.path.join(disk.at, "state"), "-q", timeout=100)
        assert status == 5 and statuses() == ["STOPPED"], (status, messages)
        status, _, messages = service.upjob(*command, timeout=100)
        assert status == 0 and sorted(statuses()) == ["STOPPED", "SUCCEEDED"], (status, messages)


may_mount()
run(globals())
