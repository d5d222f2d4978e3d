"""Signatures of random requests, by upjob and by botocore at the same instant. SEED= for other requests, REQUESTS= for another
number of them."""
import datetime, functools, json, os, random, subprocess, sys, types

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../service"))
from kit import UPJOB, run  # noqa: E402

SEED, REQUESTS = int(os.environ.get("SEED", 1)), int(os.environ.get("REQUESTS", 100_000))
BATCH = 10_000
ODD = "aB0-._~ !\"#$%&'()*+,/:;<=>?@[]^`{|}éßÄ漢字😀\u2028\t\n\r\x7f\x01"
PATH_SAFE = "!$&'()*+,:;=@"  # these may stand in a path as they are
QUERY_SAFE = "!$'()*,/:;@+?"  # and these in a query; '+' stands for itself
TOKEN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~!#$%&'*+^`|"


class Clock(datetime.datetime):
    """The instant that botocore signs at."""
    instant = None

    @classmethod
    def utcnow(cls):
        return cls.instant


botocore.auth.datetime = types.SimpleNamespace(datetime=Clock)


class Maker:
    """Random requests, the same ones for the same seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def text(self, most, alphabet=ODD):
        return "".join(self.random.choices(alphabet, k=self.random.randint(0, most)))

    def encoded(self, text, bare):
        """As it goes into a URL: what may stand there as it is does so at times, and escapes are spelled either way."""
        out = []
        for char in text:
            plain = char.isascii() and char.isalnum() or char in "-._~"
            if not self.chance(0.05 if plain else 0.5) and (plain or char in bare):
                out.append(char)
            else:
                escapes = "".join(f"%{byte:02X}" for byte in char.encode())
                out.append(escapes.lower() if self.chance(0.2) else escapes)
        return "".join(out)

    def path(self):
        segments = [self.random.choice([".", "..", "", "domains", self.text(12), self.text(3)]) for _ in range(self.random.randint(0, 6))]
        ends = self.random.choice(["", "/"])
        return "/" + "/".join(self.encoded(segment, PATH_SAFE) for segment in segments) + (ends if segments else "")

    def parameters(self):
        """Unsorted, with names that repeat and values that are empty."""
        names = [self.random.choice(["a", "A", "max-results", "next-token", self.text(8), "é"]) for _ in range(self.random.randint(0, 6))]
        return [(name, self.random.choice(["", "1", "10", "2", self.text(20)])) for name in names if name]

    def query(self, parameters):
        """`name` alone is as good as `name=`."""
        pairs = []
        for name, value in parameters:
            equals = "" if value == "" and self.chance(0.3) else "="
            pairs.append(self.encoded(name, QUERY_SAFE) + equals + self.encoded(value, QUERY_SAFE))
        return "&".join(pairs)

    def headers(self):
        names = [self.random.choice(["Content-Type", "content-MD5", "X-Amz-Meta-" + self.text(5, "aZ0-_"), "X-Odd" + self.text(5, TOKEN),
                                     "User-Agent", "Expect", "X-Amzn-Trace-Id", "Accept"]) for _ in range(self.random.randint(0, 5))]
        value = [" ", "  ", "\t", "a", "b=c", "\"q\"", "é漢", "  x  y  ", ",", ";"]
        headers = [(self.random.choice([str.lower, str.upper, str])(name), "".join(self.random.choices(value, k=self.random.randint(0, 6))))
                   for name in names]
        if headers and self.chance(0.3):
            headers.append((headers[0][0].swapcase(), "again"))
        return headers

    def request(self, service, presigned):
        host = self.random.choice(["127.0.0.1", "profile.us-east-1.amazonaws.com", "a.example"])
        port = self.random.choice(["", ":8443"] if presigned else ["", ":443", ":80", ":8443"])
        scheme, parameters, query = self.random.choice(["http", "https"]), self.parameters(), ""
        if presigned:
            parameters = list(dict(parameters).items())  # botocore takes a name just once there
        if parameters:
            query = "?" + self.query(parameters)
        case = {"method": self.random.choice(["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "get"]), "headers": self.headers(),
                "url": f"{scheme}://{host}{port}{self.path()}{query}", "service": service,
                "region": self.random.choice(["us-east-1", "eu-central-1", "us-gov-west-1"]),
                "time": self.random.randrange(946684800, 4102444800), "key": "AKID" + self.text(16, "ABCDEFGHIJ234567"),
                "secret": "s" + self.text(40, "aB3/+=é")}
        if self.chance(0.1):
            case["headers"].append(("Host", "given.example"))
        if self.chance(0.1) and service != "s3" and not presigned:
            case["headers"].append(("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"))
        if self.chance(0.4):
            case["token"] = "t" + self.text(1500, "aB3/+= ")
        if presigned:
            case["expires"] = self.random.randint(1, 604800)
        elif self.chance(0.5):
            case["body"] = self.random.randbytes(self.random.choice([0, 1, 30, 3000])).hex()
        return case, parameters


def by_botocore(signer, case, parameters):
    """The Authorization header, or the presigned URL; and the canonical request."""
    Clock.instant = Clock.fromtimestamp(case["time"], datetime.timezone.utc)
    credentials = Credentials(case["key"], case["secret"], case.get("token"))
    presigned = "expires" in case
    request = AWSRequest(case["method"], case["url"].split("?")[0], data=bytes.fromhex(case.get("body", "")),
                         params=dict(parameters) if presigned else parameters)
    for name, value in case["headers"]:
        request.headers[name] = value
    auth = signer(credentials, case["service"], case["region"], *([case["expires"]] if presigned else []))
    made = []
    auth.canonical_request = lambda request: made.append(type(auth).canonical_request(auth, request)) or made[0]
    auth.add_auth(request)
    return [request.url if presigned else request.headers["Authorization"], made[0]]


def compare(signer, service, presigned, count, seed):
    maker = Maker(seed)
    cases = [maker.request(service, presigned) for _ in range(count)]
    lines = "".join(json.dumps(case) + "\n" for case, _ in cases)
    done = subprocess.run([UPJOB, "run", os.path.join(HERE, "sign.lua")], input=lines, text=True, stdout=subprocess.PIPE, check=True)
    ours = done.stdout.splitlines()
    assert len(ours) == count, f"{len(ours)} signatures of {count} requests"
    different = 0
    for (case, parameters), line in zip(cases, ours):
        theirs = by_botocore(signer, case, parameters)
        if json.loads(line) != theirs:
            different += 1
            if different == 1:
                print(f"# request  {json.dumps(case)}\n# upjob    {line}\n# botocore {json.dumps(theirs)}")
    assert different == 0, f"{different} of {count} requests are signed differently; SEED={SEED}"


PARTS = [("requests", botocore.auth.SigV4Auth, "profile", False, 1),
         ("requests for S3", botocore.auth.S3SigV4Auth, "s3", False, 5),
         ("presigned URLs", botocore.auth.SigV4QueryAuth, "profile", True, 5),
         ("presigned URLs for S3", botocore.auth.S3SigV4QueryAuth, "s3", True, 5)]


# In batches, so that not all is in memory at once.
tests = {}
for title_, signer_, service_, presigned_, share_ in PARTS:
    count_ = max(1, REQUESTS // share_)
    for start_ in range(0, count_, BATCH):
        size_ = min(BATCH, count_ - start_)
        test = functools.partial(compare, signer_, service_, presigned_, size_, f"{SEED} {title_} {start_}")
        test.__doc__ = f"{title_}, {start_ + 1} to {start_ + size_}, seed {SEED}"
        tests[f"test_{title_}_{start_}"] = test
run(tests)
