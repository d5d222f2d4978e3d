"""Requests that no SDK would send: without a key, half sent, far too large."""
import http.client, socket, time
from xml.etree import ElementTree
from kit import SANITIZED, Service, resident, run, sign


def send_head(service, method, target, headers, length):
    connection = http.client.HTTPConnection(service.host, timeout=100)
    connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": service.host, **headers, "Content-Length": str(length)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    return connection


def answer(connection):
    reply = connection.getresponse()
    reply.read()
    return reply.status, reply.getheader("x-amzn-ErrorType")


def hold_bodies(service, headers, size=1_000_000, count=200):
    """Calls of which all but the last byte was sent."""
    held = [send_head(service, "POST", "/domains/acme", headers, size) for _ in range(count)]
    for connection in held:
        connection.send(b" " * (size - 1))
    service.create_domain("other")
    return held


def test_bodies_of_strangers():
    """the bodies of calls that name no key of the service are not kept, and such calls are refused as ever"""
    with Service() as service:
        service.create_domain("acme")
        before = resident(service)
        stranger = sign("POST", service.host, "/domains/acme", "", b"")
        stranger["Authorization"] = stranger["Authorization"].replace("Credential=local/", "Credential=stranger/")
        held = hold_bodies(service, {})
        held.append(send_head(service, "POST", "/domains/acme", stranger, 1))
        grown = resident(service) - before
        assert grown < 60 * 1024, f"{grown} KiB"
        for connection in held:
            connection.send(b" ")
        answers = [answer(connection) for connection in held]
        assert answers[:-1] == [(403, "MissingAuthenticationTokenException")] * 200, set(answers)
        assert answers[-1] == (403, "UnrecognizedClientException"), answers[-1]


def test_bodies():
    """the bodies that are coming at a time cost bounded memory; those for which there is no room may be sent again"""
    with Service() as service:
        service.create_domain("acme")
        before = resident(service)
        held = hold_bodies(service, sign("POST", service.host, "/domains/acme", "", b""))
        grown = resident(service) - before
        # The address sanitizer keeps for a while what was freed.
        assert grown < 120 * 1024 or SANITIZED, f"{grown} KiB"
        for connection in held:
            connection.send(b" ")
        answers = [answer(connection) for connection in held]
        assert (429, "ThrottlingException") in answers, set(answers)
        assert set(answers) <= {(429, "ThrottlingException"), (403, "InvalidSignatureException")}, set(answers)
        again = send_head(service, "POST", "/domains/acme", sign("POST", service.host, "/domains/acme", "", b""), 1_000_000)
        again.send(b" " * 1_000_000)
        assert answer(again) == (403, "InvalidSignatureException")


def test_expect():
    """a call without a key that waits for leave to send its body is refused at once"""
    with Service() as service:
        connection = send_head(service, "POST", "/domains/acme", {"Expect": "100-continue"}, 1000)
        assert answer(connection) == (403, "MissingAuthenticationTokenException")


def test_refused_upload():
    """a client that is sending a small file when it is refused can send it, and sees why"""
    with Service() as service:
        service.create_domain("acme")
        path = service.path("acme", service.create_job("acme"))
        strange = {**path, "Url": path["Url"].replace("X-Amz-Signature=", "X-Amz-Signature=0")}
        for wrong in (strange, {**path, "ClientToken": "A" * 43 + "="}):
            connection = service.put_head(wrong, 500_000)
            for _ in range(50):
                connection.send(b"x" * 10_000)
                time.sleep(0.002)
            assert answer(connection)[0] == 403
        assert service.objects() == [], service.objects()


def test_error_text():
    """an error of an upload is XML, whatever the request brought into it"""
    with Service() as service:
        service.create_domain("acme")
        path = service.path("acme", service.create_job("acme"))
        connection = service.put_head(path, 0, headers={"x-amz-a&b<c>": "1"})
        reply = connection.getresponse()
        error = ElementTree.fromstring(reply.read())
        assert (reply.status, error.findtext("Code")) == (403, "AccessDenied"), ElementTree.tostring(error)
        assert error.findtext("HeadersNotSigned") == "x-amz-a&b<c>", ElementTree.tostring(error)


def test_two_lengths():
    """a request that tells its length twice is refused, and nothing behind it is read as another"""
    behind = b"GET /domains HTTP/1.1\r\nHost: x\r\n\r\n"
    with Service() as service:
        for target in (b"POST /domains/acme", b"PUT /upload-jobs/acme/0/0", b"GET /domains"):
            for lengths in (b"Content-Length: 0\r\nContent-Length: 50", b"Content-Length: 0\r\nTransfer-Encoding: chunked"):
                with socket.create_connection(service.host.split(":")) as connection:
                    connection.sendall(target + b" HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n\r\n" + behind)
                    answered = b""
                    while piece := connection.recv(65536):
                        answered += piece
                assert answered.startswith(b"HTTP/1.1 400 ") and answered.count(b"HTTP/1.1") == 1, answered


run(globals())
