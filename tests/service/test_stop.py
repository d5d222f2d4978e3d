"""StopUploadJob while an ingestion runs."""
import os, signal, sqlite3, threading, time
from kit import Refused, Service, counts, eventually, rows, run, sign


def running(service, data):
    job = service.begin("acme", data)
    eventually(lambda: counts(service.get_job("acme", job))[0] > 0, what="the first batch")
    return job


def is_on_record(service):
    """Whether the only job was told to stop, or has ended."""
    with sqlite3.connect(os.path.join(service.data, "jobs.db")) as jobs:
        return jobs.execute("SELECT status FROM job").fetchone()[0] != "IN_PROGRESS"


def test_counts():
    """a stopped ingestion has ended when the stop is answered: what it counts then is final"""
    with Service() as service:
        service.create_domain("acme")
        job = running(service, rows(400_000))
        began = time.monotonic()
        service.stop_job("acme", job)
        took = time.monotonic() - began
        got = service.get_job("acme", job)
        assert got["Status"] == "STOPPED" and "CompletedAt" in got, got
        assert 0 < counts(got)[0] < 390_000, got
        time.sleep(0.7)
        assert service.get_job("acme", job) == got
        stored = service.call("GET", "/domains/acme")["Stats"]["ProfileCount"]
        assert stored == counts(got)[0], (stored, got)
        eventually(lambda: service.objects() == [], what="the file being removed")
        print(f"# a stop took {took:.3f} s")
        try:
            service.stop_job("acme", job)
        except Refused as error:
            assert error.status == 400
        else:
            raise AssertionError("a second stop was taken")


def test_killed():
    """a job that was told to stop is STOPPED after a kill, with the counts of what was committed, and leaves no file"""
    for pause in (0, 0.01, 0.05, 0.2):
        with Service() as service:
            service.create_domain("acme")
            job = running(service, rows(300_000))
            connection = service.connect()
            path = f"/domains/acme/upload-jobs/{job}/stop"
            connection.request("PUT", path, b"", sign("PUT", service.host, path, "", b""))
            time.sleep(pause)
            if pause >= 0.05:
                eventually(lambda: is_on_record(service), what="the stop being on record")
            service.kill()
            service.start()
            got = service.wait("acme", job)
            stored = service.call("GET", "/domains/acme")["Stats"]["ProfileCount"]
            assert got["Status"] in ("STOPPED", "SUCCEEDED", "PARTIALLY_SUCCEEDED"), got
            if pause >= 0.05:
                assert got["Status"] == "STOPPED", got
            assert stored == counts(got)[0], (stored, got)
            eventually(lambda: service.objects() == [], what="the file being removed")


def test_while_waiting():
    """a stop ends a job that waits for its turn behind others"""
    with Service() as service:
        service.create_domain("acme")
        data = rows(100_000)
        jobs = [service.begin("acme", data) for _ in range(3)]
        service.stop_job("acme", jobs[2])
        assert service.get_job("acme", jobs[2])["Status"] == "STOPPED"
        for job in jobs[:2]:
            assert service.wait("acme", job)["Status"] == "PARTIALLY_SUCCEEDED"


def test_blank_lines():
    """a file with nothing but blank lines for long can be stopped"""
    with Service() as service:
        service.create_domain("acme")
        job = service.begin("acme", b"Id,Mail,Name\n" + b"\n" * 200_000_000 + b"k,a@b.c,N\n")
        time.sleep(0.3)
        service.stop_job("acme", job)
        got = service.get_job("acme", job)
        assert (got["Status"], counts(got)) == ("STOPPED", (0, 0, 0)), got


def test_terminated():
    """a stop holds after the service was terminated and started again"""
    with Service() as service:
        service.create_domain("acme")
        job = running(service, rows(300_000))
        service.stop_job("acme", job)
        assert service.kill(signal.SIGTERM) == 143 or service.process.returncode in (0, 143), service.process.returncode
        service.start()
        assert service.get_job("acme", job)["Status"] == "STOPPED"


def test_answered_at_the_end():
    """a stop that waits for its ingestion when the service is terminated is answered, and holds"""
    data = rows(300_000)
    for _ in range(4):
        with Service() as service:
            service.create_domain("acme")
            job, answers = running(service, data), []

            def stop():
                try:
                    answers.append(service.stop_job("acme", job))
                except Exception as error:
                    answers.append(error)

            stopper = threading.Thread(target=stop)
            stopper.start()
            eventually(lambda: is_on_record(service), what="the stop being on record")
            service.kill(signal.SIGTERM)
            stopper.join()
            assert answers == [{}], answers
            service.start()
            assert service.wait("acme", job)["Status"] == "STOPPED"


run(globals())
