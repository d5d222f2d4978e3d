"""Many jobs, many clients, slow clients."""
import signal, socket, threading, time
from kit import SANITIZED, Service, counts, eventually, resident, rows, run

BLANK = 40_000_000 if SANITIZED else 200_000_000  # lines


def test_many_jobs():
    """500 jobs that are created, uploaded and started at once all end, each with its own counts"""
    with Service() as service:
        service.create_domain("acme")
        results, errors, lock = [], [], threading.Lock()

        def import_some(worker):
            try:
                for i in range(worker, 500, 20):
                    job = service.begin("acme", b"Id,Mail,Name\n" + b"".join(b"j%dr%d,a@example.com,N\n" % (i, r) for r in range(i % 7 + 1)))
                    with lock:
                        results.append((job, i % 7 + 1))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=import_some, args=(worker,)) for worker in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors, errors[0]
        for job, count in results:
            assert counts(service.wait("acme", job, 120)) == (count, 0, 0)
        listed, token = 0, None
        while True:
            page = service.call("GET", "/domains/acme/upload-jobs", query="max-results=100" + (f"&next-token={token}" if token else ""))
            listed, token = listed + len(page["Items"]), page.get("NextToken")
            if not token:
                break
        assert listed == 500, listed
        eventually(lambda: service.objects() == [], what="no file being left")


def test_fair():
    """a small job that is started behind a large one does not wait for its end"""
    with Service() as service:
        for domain in ("large", "small"):
            service.create_domain(domain)
        large = service.begin("large", rows(400_000))
        eventually(lambda: counts(service.get_job("large", large))[0] > 0, what="the large job's first batch")
        for domain in ("small", "large"):
            job = service.begin(domain, b"Id,Mail,Name\nnew,a@example.com,N\n")
            assert counts(service.wait(domain, job)) == (1, 0, 0)
            assert service.get_job("large", large)["Status"] == "IN_PROGRESS", "the large job has ended before the small one"
        service.stop_job("large", large)


def test_fair_to_blank_lines():
    """a small job does not wait for the end of a long run of blank lines, nor does the end of the service"""
    with Service() as service:
        service.create_domain("acme")
        for data in (b"Id,Mail,Name\n" + b"\n" * BLANK + b"k,a@b.c,N\n", b"\n" * BLANK + b"Id,Mail,Name\nk,a@b.c,N\n"):
            small = service.create_job("acme")
            service.put(service.path("acme", small), b"Id,Mail,Name\nsmall,a@example.com,N\n")
            blank = service.begin("acme", data)
            service.start_job("acme", small)
            service.wait("acme", small)
            assert service.get_job("acme", blank)["Status"] == "IN_PROGRESS", "the blank lines have come to their end first"
            service.restart(signal.SIGTERM)
            assert service.get_job("acme", blank)["Status"] == "IN_PROGRESS", "the service went on to the end of the blank lines"
            assert sum(counts(service.wait("acme", blank))) == 1


def test_fair_to_long_cells():
    """a small job does not wait for the end of a file whose cells are of megabytes"""
    with Service() as service:
        service.create_domain("acme")
        small = service.create_job("acme")
        service.put(service.path("acme", small), b"Id,Mail,Name\nsmall,a@example.com,N\n")
        cell = b'k,a@example.com,"' + b'""\n' * 5_000_000 + b'"\n'
        long = service.begin("acme", b"Id,Mail,Name\n" + cell * 20)
        service.start_job("acme", small)
        service.wait("acme", small)
        assert service.get_job("acme", long)["Status"] == "IN_PROGRESS", "the long cells have come to their end first"
        assert counts(service.wait("acme", long, 200)) == (0, 0, 20)


def test_call_during_an_upload():
    """a call that comes while a file is uploaded is answered before the upload's end"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        size, stop = 1 << 20, threading.Event()
        connection, sent = service.put_head(path, 900 * size), [0]

        def send():
            while sent[0] < 900 and not stop.is_set():
                connection.send(b"x" * size)
                sent[0] += 1

        sender = threading.Thread(target=send)
        sender.start()
        eventually(lambda: sent[0] > 20, what="the upload's beginning")
        for _ in range(5):
            service.get_job("acme", job)
        answered_at = sent[0]
        stop.set()
        sender.join()
        connection.close()
        assert answered_at < 900, "the calls waited for the upload's end"


def test_uploads_while_domains_are_deleted():
    """an upload does not wait while the ingestion into a domain that is deleted comes to its end"""
    with Service() as service:
        service.create_domain("acme")
        data, before = rows(200_000), 0
        for i in range(8):
            service.create_domain(f"gone{i}")
            path = service.path("acme", service.create_job("acme"))
            job, deleted = service.begin(f"gone{i}", data), threading.Event()
            eventually(lambda: counts(service.get_job(f"gone{i}", job))[0] > 0, what="the first batch")

            def delete():
                service.call("DELETE", f"/domains/gone{i}")
                deleted.set()

            deletion = threading.Thread(target=delete)
            deletion.start()
            eventually(lambda: len(service.call("GET", "/domains")["Items"]) == 1, what="the domain being gone")
            # The second: the first may be answered together with the deletion that it waited for.
            for _ in range(2):
                service.put(path, b"Id,Mail,Name\nk,a@example.com,N\n")
            before += not deleted.is_set()
            deletion.join()
        assert before > 0, "every upload waited for the end of a deletion"


def test_stop_among_many():
    """a stop does not wait for a turn of every other job"""
    with Service() as service:
        service.create_domain("acme")
        data = rows(100_000)
        jobs = [service.begin("acme", data) for _ in range(20)]
        before = [sum(counts(service.get_job("acme", job))) for job in jobs]
        service.stop_job("acme", jobs[-1])
        moved = sum(sum(counts(service.get_job("acme", job))) != was for job, was in zip(jobs[:-1], before))
        assert moved < 10, f"{moved} of 19 other jobs had a turn before the stop was answered"


def test_many_large_jobs():
    """many large jobs at once cost bounded memory"""
    with Service() as service:
        service.create_domain("acme")
        data, most = rows(200_000, 80_000), 0
        jobs = [service.begin("acme", data) for _ in range(10 if SANITIZED else 40)]
        waiting = set(jobs)
        while waiting:
            waiting = {job for job in waiting if sum(counts(service.get_job("acme", job))) == 0}
            most = max(most, resident(service) >> 10)
        print(f"# {len(jobs)} jobs cost {most} MiB")
        assert SANITIZED or most < 300, f"{most} MiB"


def test_idle_connections():
    """a thousand slow and idle connections cost bounded memory, and others are answered"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        service.get_job("acme", job)
        before = resident(service)
        idle = [socket.create_connection(service.host.split(":")) for _ in range(900)]
        for i, connection in enumerate(idle):
            connection.sendall(b"GET /domains/acme HTTP/1.1\r\nHost: x\r\n"[:i % 30])
        slow = [service.put_head(path, 10_000_000) for _ in range(100)]
        for connection in slow:
            connection.send(b"x" * 1000)
        time.sleep(0.5)
        grown = resident(service) - before
        print(f"# 1,000 connections cost {grown} KiB")
        assert grown < 60 * 1024, f"{grown} KiB"
        service.put(path, rows(100))
        service.start_job("acme", job)
        assert counts(service.wait("acme", job)) == (99, 0, 1)
        for connection in idle + slow:
            connection.close()
        eventually(lambda: service.objects() == [], what="no file being left")


run(globals())
