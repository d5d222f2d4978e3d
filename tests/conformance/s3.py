"""s3rver, a server that speaks as S3 does, holds what botocore has put there, and upjob reads it; and upjob's requests to S3 itself
go where botocore's do."""
import base64, hashlib, http.server, json, os, subprocess, sys, tempfile, threading, time

import botocore.config
import botocore.exceptions
import botocore.session

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "../service"))
from kit import UPJOB, free_port, rows, run  # noqa: E402

FETCH = os.path.join(here, "../service/s3_fetch.lua")
KEYS = ("S3RVER", "S3RVER")
port = free_port()
URL = f"http://127.0.0.1:{port}"
environment = {**os.environ, "AWS_ACCESS_KEY_ID": KEYS[0], "AWS_SECRET_ACCESS_KEY": KEYS[1], "AWS_REGION": "us-east-1",
               "AWS_ENDPOINT_URL_S3": URL}


class Server:
    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        program = os.path.join(os.environ["PEERS"], "node_modules/s3rver/bin/s3rver.js")
        self.process = subprocess.Popen(["node", program, "--directory", self.directory.name, "--address", "127.0.0.1", "--port", str(port),
                                         "--silent", "--no-vhost-buckets", "--configure-bucket", "acme-crm"], stdout=subprocess.DEVNULL)
        session = botocore.session.get_session()
        session.set_credentials(*KEYS)
        self.client = session.create_client("s3", region_name="us-east-1", endpoint_url=URL, config=botocore.config.Config(
            s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))
        until = time.monotonic() + 30
        while True:
            try:
                self.client.list_buckets()
                return
            except botocore.exceptions.BotoCoreError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.directory.cleanup()


def upjob(*arguments):
    return subprocess.run([UPJOB, *arguments], env=environment, text=True, capture_output=True, timeout=120, cwd=os.environ["WORK"])


server = Server()


def test_whole():
    """an object of several ranges arrives whole, under each kind of key"""
    data = rows(400_000)
    for key in ("exports/customers.csv", "kunden ä (1) + 2.csv", "50%25?x#y=z&.csv"):
        server.client.put_object(Bucket="acme-crm", Key=key, Body=data)
        done = upjob("run", FETCH, f"s3://acme-crm/{key}")
        got = json.loads(done.stdout)
        assert got.get("md5") == base64.b64encode(hashlib.md5(data).digest()).decode(), got
        etag = server.client.head_object(Bucket="acme-crm", Key=key)["ETag"]
        assert got["look"] == f"s3 {etag} {len(data)}", got


def test_missing():
    """a key and a bucket that are not there are told by their codes"""
    for url, code in (("s3://acme-crm/none.csv", "NoSuchKey"), ("s3://none-such/none.csv", "NoSuchBucket")):
        done = upjob("map", "check", url)
        assert done.returncode == 4 and code in done.stderr, (done.returncode, done.stderr)


def test_import():
    """an import reads from it"""
    server.client.put_object(Bucket="acme-crm", Key="small.csv", Body=rows(500, fail=0))
    done = upjob("import", "s3://acme-crm/small.csv", "--local", "--domain", "acme", "--key", "Id", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ResultsSummary"]["CreatedRecords"] == 500, (done.stdout, done.stderr)


def url_of_botocore(region, bucket, key, fips, dual):
    session = botocore.session.get_session()
    session.set_credentials(*KEYS)
    client = session.create_client("s3", region_name=region, config=botocore.config.Config(
        signature_version="s3v4", use_fips_endpoint=fips, use_dualstack_endpoint=dual, s3={"us_east_1_regional_endpoint": "regional"}))
    urls = []

    def before(request, **ignored):
        urls.append(request.url)
        raise InterruptedError
    client.meta.events.register("before-send.s3.GetObject", before)
    try:
        client.get_object(Bucket=bucket, Key=key)
    except InterruptedError:
        pass
    return urls[0]


def test_urls():
    """the host that upjob asks is that of botocore, whatever region, bucket, FIPS and dual-stack"""
    for region, bucket, key, fips, dual in (("eu-central-1", "acme-crm", "a b/ä?+%.csv", False, False),
                                            ("us-east-1", "acme-crm", "~-_.!*'()&=;:@,$", False, False),
                                            ("eu-west-1", "acme.crm", "a//b/../c", False, False),
                                            ("eu-west-1", "acme-crm", "/x", False, True), ("us-east-1", "acme-crm", "x", True, False),
                                            ("us-east-1", "acme-crm", "x", True, True), ("cn-north-1", "acme-crm", "x", False, True),
                                            ("us-gov-west-1", "acme-crm", "x", True, False)):
        more = {name: value for name, value in environment.items() if name != "AWS_ENDPOINT_URL_S3"}
        more.update(AWS_REGION=region, AWS_USE_FIPS_ENDPOINT=str(fips).lower(), AWS_USE_DUALSTACK_ENDPOINT=str(dual).lower(),
                    AWS_MAX_ATTEMPTS="1")
        proxy = Recorder()
        more["HTTPS_PROXY"] = proxy.url
        done = subprocess.run([UPJOB, "map", "check", f"s3://{bucket}/{key}"], env=more, text=True, capture_output=True, timeout=60)
        host = url_of_botocore(region, bucket, key, fips, dual).split("/")[2]
        assert proxy.asked() == f"{host}:443", (proxy.seen, host, done.stderr)


class Recorder:
    """A proxy that notes the host which is asked for, and refuses."""

    def __init__(self):
        seen = self.seen = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                seen.append(self.path)
                self.send_error(403)

            def log_message(self, *ignored):
                pass
        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def asked(self):
        self.server.shutdown()
        self.server.server_close()
        return self.seen[0] if self.seen else None


try:
    run(globals())
finally:
    server.close()
