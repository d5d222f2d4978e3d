"""A service that may open no more files, or few."""
import os, resource, socket, time
from kit import Refused, Service, counts, eventually, rows, run


def processor_time(service):
    """Seconds, of the whole process."""
    with open(f"/proc/{service.process.pid}/stat") as file:
        return sum(int(ticks) for ticks in file.read().rsplit(")", 1)[1].split()[11:13]) / os.sysconf("SC_CLK_TCK")


class NoMore:
    """While it lasts the process opens nothing: neither files nor connections."""

    def __init__(self, service):
        self.pid = service.process.pid

    def __enter__(self):
        self.was = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (0, self.was[1]))

    def __exit__(self, *ignored):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.was)


def test_ingestion():
    """an ingestion that has no descriptor left for its store or its file waits, and goes on when there is one"""
    for store_is_open in (False, True):
        with Service() as service:
            service.create_domain("acme")
            large = service.begin("acme", rows(200_000)) if store_is_open else None
            job = service.create_job("acme")
            service.put(service.path("acme", job), rows(500))
            connection = service.connect()
            service.call("GET", "/domains/acme", over=connection)
            if store_is_open:
                eventually(lambda: counts(service.get_job("acme", large))[0] > 0, what="the large job's first batch")
            with NoMore(service):
                service.call("PUT", f"/domains/acme/upload-jobs/{job}", over=connection)
                eventually(lambda: f"upload job {job} waits" in service.messages(), what="its waiting")
                got = service.call("GET", f"/domains/acme/upload-jobs/{job}", over=connection)
                assert got["Status"] == "IN_PROGRESS", (got, service.messages())
            created, updated, failed = counts(service.wait("acme", job))
            assert (created + updated, failed) == (495, 5), service.messages()
            service.check_integrity()


def test_upload():
    """an upload for which no file can be opened is refused so that clients try again, and then is taken"""
    with Service() as service:
        service.create_domain("acme")
        job, connection = service.create_job("acme"), service.connect()
        path = service.path("acme", job)
        service.call("GET", "/domains/acme", over=connection)
        with NoMore(service):
            service.put_head(path, 9, over=connection)
            connection.send(b"Id\nk1\nk2\n"[:9])
            reply = connection.getresponse()
            text = reply.read().decode()
        assert reply.status == 503 and "<Code>ServiceUnavailable</Code>" in text and "Too many open files" in text, (reply.status, text)
        assert service.objects() == [], service.objects()
        service.put(path, rows(10))
        service.start_job("acme", job)
        assert counts(service.wait("acme", job)) == (10, 0, 0)


def test_many_connections():
    """connections leave descriptors for stores and files, however few the process may have"""
    with Service(before=("prlimit", "--nofile=256:256")) as service:
        service.create_domain("acme")
        job, connection = service.create_job("acme"), service.connect()
        path = service.path("acme", job)
        service.call("GET", "/domains/acme", over=connection)
        idle = [socket.create_connection(service.host.split(":")) for _ in range(300)]
        data = rows(10)
        service.put_head(path, len(data), over=connection)
        connection.send(data)
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()
        reply.read()
        service.call("PUT", f"/domains/acme/upload-jobs/{job}", over=connection)

        def ended():
            return service.call("GET", f"/domains/acme/upload-jobs/{job}", over=connection)["Status"] == "SUCCEEDED"
        eventually(ended, what="the job's end")
        for other in idle:
            other.close()
        service.get_job("acme", job)


def test_limit_raised():
    """a low limit that may be raised is raised"""
    with Service(before=("prlimit", "--nofile=256:10000")) as service:
        soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
        assert soft > 4000 and hard == 10000, (soft, hard)


def test_connection_without_descriptors():
    """a connection that cannot be accepted for want of descriptors costs no time, and is accepted when there are some"""
    for others in (0, 1):
        with Service() as service:
            service.create_domain("acme")
            kept = [service.connect() for _ in range(others)]
            for connection in kept:
                service.call("GET", "/domains/acme", over=connection)
            with NoMore(service):
                waiting = service.connect()
                waiting.connect()
                before = processor_time(service)
                time.sleep(1)
                spent = processor_time(service) - before
                assert spent < 0.3, f"{spent} s of the processor's time in a second"
            for connection in kept:
                connection.close()
            assert service.call("GET", "/domains/acme", over=waiting)["DomainName"] == "acme"


run(globals())
