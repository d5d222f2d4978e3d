"""Uploads to the embedded service that come twice, too late, or not whole."""
import socket, time
from kit import Refused, Service, counts, eventually, rows, run


def parts(service):
    return [name for name in service.objects() if name.endswith(".part")]


def refused_as_s3_does(connection):
    reply = connection.getresponse()
    text = reply.read()
    assert reply.status == 403 and b"<Code>AccessDenied</Code>" in text, (reply.status, text)


def test_last_piece():
    """the last piece of an upload that came at once is taken, however much of it the block that is filled has room for"""
    with Service(args=("--domain", "acme")) as service:
        for size in (131_071, 131_072, 131_073, 177_000, 262_143, 262_144, 262_145, 393_217, 1_000_000):
            head = b"Id,Mail,Name\nk,a@example.com," + b"x" * 200 + b"\n"
            data = head + b"\n" * (size - len(head))
            job = service.create_job("acme")
            service.put(service.path("acme", job), data, timeout=100)
            service.start_job("acme", job)
            assert sum(counts(service.wait("acme", job))) == 1


def test_twice_to_one_url():
    """a second upload to one URL that is cut leaves the first, confirmed one alone"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        slow = service.put_head(path, 10_000_000)
        slow.send(b"x" * 200_000)
        service.put(path, rows(100))
        slow.close()
        eventually(lambda: not parts(service), what="the cut upload's file being removed")
        service.start_job("acme", job)
        assert counts(service.wait("acme", job)) == (99, 0, 1), service.get_job("acme", job)


def test_expired_url_given_again():
    """where a job is given its URL again (--fact new-url=same), it is given another once that has expired"""
    with Service(args=("--fact", "new-url=same,path-lifetime=1")) as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        first = service.path("acme", job)
        eventually(lambda: time.time() > first["ValidUntil"], what="the end of the URL")
        second = service.path("acme", job)
        assert second["Url"] != first["Url"] and second["ValidUntil"] > first["ValidUntil"], (first, second)


def test_after_the_start():
    """an upload that ends after the job was started is refused, and the job keeps its file"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        late = service.put_head(path, 8)
        late.send(b"Id,")
        eventually(lambda: parts(service), what="the late upload's beginning")
        service.put(path, rows(20_000))
        service.start_job("acme", job)
        late.send(b"Mail\n")
        refused_as_s3_does(late)
        assert counts(service.wait("acme", job)) == (19794, 0, 206), service.get_job("acme", job)
        eventually(lambda: service.objects() == [], what="no file being left")


def test_cut():
    """an upload whose client is gone is noticed at once, and nothing of it is left"""
    with Service() as service:
        service.create_domain("acme")
        path = service.path("acme", service.create_job("acme"))
        for size, reset in ((0, False), (1, False), (131_072, False), (131_073, False), (1_000_000, False), (1_000_000, True)):
            connection = service.put_head(path, 50_000_000)
            eventually(lambda: parts(service), what="the upload's beginning")
            connection.send(b"x" * size)
            if reset:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            eventually(lambda: not parts(service), what=f"the upload that was cut after {size} bytes being noticed")


def test_half_closed():
    """a client that closes its sending side after the file is answered, however slowly the file is read"""
    for fault in ("slow=1000000000", "slow=20000"):
        with Service(args=["--fault", fault]) as service:
            service.create_domain("acme")
            connection = service.put_head(service.path("acme", service.create_job("acme")), 20_000)
            # microhttpd takes an end that comes while the head is checked for a client that is gone.
            eventually(lambda: parts(service), what="the upload's beginning")
            connection.send(b"x" * 20_000)
            connection.sock.shutdown(socket.SHUT_WR)
            reply = connection.getresponse()
            assert reply.status == 200, reply.read()
            assert len(service.objects()) == 1 and not parts(service), service.objects()
            cut = service.put_head(service.path("acme", service.create_job("acme")), 20_000)
            cut.send(b"x" * 5_000)
            cut.close()
            eventually(lambda: not parts(service), what="an upload that was cut being noticed")


def test_replaced():
    """a second upload replaces the first, whose file is removed"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        service.put(service.path("acme", job), rows(10))
        first = service.objects()
        service.put(service.path("acme", job), rows(50))
        eventually(lambda: len(service.objects()) == 1 and service.objects() != first, what="the first file being removed")
        service.start_job("acme", job)
        assert counts(service.wait("acme", job)) == (50, 0, 0)


def test_stopped():
    """a job that is stopped before its start leaves no file, and takes none"""
    with Service() as service:
        service.create_domain("acme")
        job = service.create_job("acme")
        path = service.path("acme", job)
        service.put(path, rows(10))
        late = service.put_head(path, 8)
        late.send(b"Id,")
        service.stop_job("acme", job)
        late.send(b"Mail\n")
        refused_as_s3_does(late)
        eventually(lambda: service.objects() == [], what="no file being left")


def test_text_with_nul():
    """a call with the character U+0000 in a text is refused rather than cut"""
    with Service() as service:
        service.create_domain("acme")
        try:
            service.create_job("acme", DisplayName="a\0b")
        except Refused as error:
            assert (error.status, error.code) == (400, "SerializationException"), error
        else:
            raise AssertionError("it was taken")
        assert service.get_job("acme", service.create_job("acme", DisplayName="a\\u0000b"))["DisplayName"] == "a\\u0000b"


run(globals())
