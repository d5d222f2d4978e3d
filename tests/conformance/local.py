"""botocore, driven by the model that the build wrote from upjob's table, drives `upjob local`: an import from its domain to its
profiles, pages, and errors by their classes."""
import datetime, os, sys, time

import botocore.config
import botocore.exceptions
import botocore.session

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../service"))
from kit import FIELDS, Service, rows, run  # noqa: E402

JOB = {"DomainName": "acme", "DisplayName": "spring – Zoë", "UniqueKey": "id", "Fields": FIELDS, "DataExpiry": 30}
MISSING = "0123456789abcdef0123456789abcdef"
MINUTE = datetime.timedelta(minutes=1)


def client_of(service, key="local", secret="local", attempts=1):
    session = botocore.session.get_session()
    session.set_credentials(key, secret)
    return session.create_client("customer-profiles", region_name="eu-central-1", endpoint_url=f"http://{service.host}",
                                 config=botocore.config.Config(retries={"total_max_attempts": attempts, "mode": "standard"}))


local = Service(args=["--domain", "acme"])
client = client_of(local)


def refused(name, status, call, **params):
    """The call fails with the modelled class of that name, or with an error that no model has."""
    try:
        reply = call(**params)
    except botocore.exceptions.ClientError as error:
        of = call.__self__
        known = getattr(of.exceptions, name) if name in of.meta.service_model.shape_names else None
        got = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got == (name, status), got
        assert known is None or isinstance(error, known), type(error)
        assert error.response["Error"]["Message"] and error.response["ResponseMetadata"]["RequestId"], error.response
        return
    raise AssertionError(f"it was taken: {reply}")


def is_now(when):
    return isinstance(when, datetime.datetime) and abs(datetime.datetime.now(datetime.timezone.utc) - when) < MINUTE


def ended(job):
    until = time.monotonic() + 60
    while time.monotonic() < until:
        reply = client.get_upload_job(DomainName="acme", JobId=job)
        if reply["Status"] not in ("CREATED", "IN_PROGRESS"):
            return reply
        time.sleep(0.02)
    raise AssertionError(f"job {job} has not ended within a minute")


def test_model():
    """the model is taken by botocore, with every operation that upjob has"""
    assert len(client.meta.service_model.operation_names) == 107, len(client.meta.service_model.operation_names)
    assert client.can_paginate("list_upload_jobs") and client.can_paginate("search_profiles")


def test_domains():
    """CreateDomain, GetDomain, ListDomains in pages, DeleteDomain"""
    reply = client.create_domain(DomainName="b", DefaultExpirationDays=90, Tags={"team": "crm"})
    assert is_now(reply["CreatedAt"]) and reply["Tags"] == {"team": "crm"}, reply
    got = client.get_domain(DomainName="b")
    assert got["DefaultExpirationDays"] == 90 and got["Stats"]["ProfileCount"] == 0, got
    for name in "cde":
        client.create_domain(DomainName=name, DefaultExpirationDays=1)
    pages = client.get_paginator("list_domains").paginate(PaginationConfig={"PageSize": 2})
    names = [[item["DomainName"] for item in page["Items"]] for page in pages]
    assert names == [["acme", "b"], ["c", "d"], ["e"]], names
    client.delete_domain(DomainName="e")
    refused("ResourceNotFoundException", 404, client.get_domain, DomainName="e")


def test_import():
    """the six operations and an SSE-C PUT: a job from its creation to its counts"""
    job = client.create_upload_job(**JOB)["JobId"]
    got = client.get_upload_job(DomainName="acme", JobId=job)
    assert is_now(got["CreatedAt"]) and got["Fields"] == FIELDS and got["DisplayName"] == JOB["DisplayName"], got
    path = client.get_upload_job_path(DomainName="acme", JobId=job)
    assert path["ValidUntil"] > datetime.datetime.now(datetime.timezone.utc), path["ValidUntil"]
    local.put(path, rows(100))
    client.start_upload_job(DomainName="acme", JobId=job)
    done = ended(job)
    assert done["Status"] == "PARTIALLY_SUCCEEDED" and is_now(done["CompletedAt"]), done
    assert done["ResultsSummary"] == {"CreatedRecords": 99, "UpdatedRecords": 0, "FailedRecords": 1}, done
    refused("BadRequestException", 400, client.start_upload_job, DomainName="acme", JobId=job)
    other = client.create_upload_job(**JOB)["JobId"]
    client.stop_upload_job(DomainName="acme", JobId=other)
    assert client.get_upload_job(DomainName="acme", JobId=other)["Status"] == "STOPPED"


def test_pages_of_jobs():
    """ListUploadJobs in pages of botocore's paginator"""
    for number in range(3):
        client.create_upload_job(**{**JOB, "DisplayName": f"job {number}"})
    pages = list(client.get_paginator("list_upload_jobs").paginate(DomainName="acme", PaginationConfig={"PageSize": 2}))
    assert [len(page["Items"]) for page in pages] == [2, 2, 1], pages
    assert len({item["JobId"] for page in pages for item in page["Items"]}) == 5


def test_searches():
    """SearchProfiles by attribute, e-mail address and name, with several keys, and in pages"""
    def found(**params):
        return client.search_profiles(DomainName="acme", **params)["Items"]
    profile, = found(KeyName="id", Values=["k0"])
    assert profile["EmailAddress"] == "user0@example.com" and profile["Attributes"] == {"id": "k0"}, profile
    assert len(found(KeyName="_email", Values=["USER0@example.com"])) == 1
    more = [{"KeyName": "_email", "Values": ["user1@example.com"]}]
    assert len(found(KeyName="id", Values=["k0"], AdditionalSearchKeys=more, LogicalOperator="OR")) == 2
    assert found(KeyName="id", Values=["k0"], AdditionalSearchKeys=more, LogicalOperator="AND") == []
    emails = [f"user{number}@example.com" for number in range(9)]
    pages = client.get_paginator("search_profiles").paginate(DomainName="acme", KeyName="_email", Values=emails,
                                                             PaginationConfig={"PageSize": 4})
    assert [len(page["Items"]) for page in pages] == [4, 4, 1]


GROUPS = {"Include": "ALL", "Groups": [{"Type": "ANY", "Dimensions": [{"ProfileAttributes": {
    "Attributes": {"id": {"DimensionType": "INCLUSIVE", "Values": ["k0", "k1"]}}}}]}]}
SEGMENT = {"DomainName": "acme", "SegmentDefinitionName": "two", "DisplayName": "Two – Zoë", "SegmentGroups": GROUPS}


def test_segments():
    """the seven operations of segments: a definition, its estimate and its members, and the end of it"""
    made = client.create_segment_definition(**SEGMENT, Description="two of them", Tags={"team": "crm"})
    assert is_now(made["CreatedAt"]) and made["Tags"] == {"team": "crm"}, made
    got = client.get_segment_definition(DomainName="acme", SegmentDefinitionName="two")
    assert (got["SegmentGroups"], got["SegmentType"], got["DisplayName"]) == (GROUPS, "CLASSIC", "Two – Zoë"), got
    assert got["SegmentDefinitionArn"] == made["SegmentDefinitionArn"] and got["CreatedAt"] == made["CreatedAt"]
    refused("BadRequestException", 400, client.create_segment_definition, **SEGMENT)
    asked = client.create_segment_estimate(DomainName="acme", SegmentQuery=GROUPS)
    assert asked["StatusCode"] == 200, asked
    until = time.monotonic() + 60
    while (estimate := client.get_segment_estimate(DomainName="acme", EstimateId=asked["EstimateId"]))["Status"] == "RUNNING":
        assert time.monotonic() < until, estimate
        time.sleep(0.02)
    assert (estimate["Status"], estimate["Estimate"]) == ("SUCCEEDED", "2"), estimate
    ids = [client.search_profiles(DomainName="acme", KeyName="id", Values=[key])["Items"][0]["ProfileId"] for key in ("k0", "k2")]
    reply = client.get_segment_membership(DomainName="acme", SegmentDefinitionName="two", ProfileIds=[*ids, MISSING])
    assert [item["QueryResult"] for item in reply["Profiles"]] == ["PRESENT", "ABSENT"] and is_now(reply["LastComputedAt"]), reply
    assert reply["Profiles"][0]["Profile"]["Attributes"] == {"id": "k0"}, reply
    assert [item["ProfileId"] for item in reply["Failures"]] == [MISSING], reply
    for name in ("a", "b"):
        client.create_segment_definition(**{**SEGMENT, "SegmentDefinitionName": name})
    pages = list(client.get_paginator("list_segment_definitions").paginate(DomainName="acme", PaginationConfig={"PageSize": 2}))
    assert [[item["SegmentDefinitionName"] for item in page["Items"]] for page in pages] == [["a", "b"], ["two"]], pages
    client.delete_segment_definition(DomainName="acme", SegmentDefinitionName="two")
    refused("ResourceNotFoundException", 404, client.get_segment_definition, DomainName="acme", SegmentDefinitionName="two")
    refused("ResourceNotFoundException", 404, client.get_segment_estimate, DomainName="acme", EstimateId=MISSING)
    refused("NotImplementedException", 501, client.create_segment_estimate, DomainName="acme", SegmentSqlQuery="SELECT 1")


def test_resource_not_found():
    """what is missing is a ResourceNotFoundException, in every operation"""
    of_job = [client.get_upload_job, client.get_upload_job_path, client.start_upload_job, client.stop_upload_job]
    for call in of_job:
        refused("ResourceNotFoundException", 404, call, DomainName="acme", JobId=MISSING)
        refused("ResourceNotFoundException", 404, call, DomainName="none", JobId=MISSING)
    for call in (client.get_domain, client.delete_domain, client.list_upload_jobs):
        refused("ResourceNotFoundException", 404, call, DomainName="none")
    refused("ResourceNotFoundException", 404, client.create_upload_job, **{**JOB, "DomainName": "none"})
    refused("ResourceNotFoundException", 404, client.search_profiles, DomainName="none", KeyName="id", Values=["x"])


def test_bad_request():
    """what breaks the model is a BadRequestException"""
    refused("BadRequestException", 400, client.create_domain, DomainName="acme", DefaultExpirationDays=1)
    refused("BadRequestException", 400, client.create_upload_job, **{**JOB, "DataExpiry": 1099})
    refused("BadRequestException", 400, client.get_upload_job, DomainName="acme", JobId="short")
    refused("BadRequestException", 400, client.list_upload_jobs, DomainName="acme", NextToken="made up")


def test_other_errors():
    """AccessDenied, Throttling and InternalServer as rehearsed; keys that are not local's; what is not built in"""
    for fault, name, status in (("deny", "AccessDeniedException", 403), ("throttle", "ThrottlingException", 429),
                                ("error", "InternalServerException", 500)):
        with Service(args=["--fault", f"{fault}=1", "--domain", "acme"]) as service:
            refused(name, status, client_of(service).get_domain, DomainName="acme")
    refused("UnrecognizedClientException", 403, client_of(local, key="other").list_domains)
    refused("InvalidSignatureException", 403, client_of(local, secret="other").list_domains)
    refused("NotImplementedException", 501, client.list_event_triggers, DomainName="acme")


def test_retries():
    """throttled calls are taken up by botocore's own retries"""
    with Service(args=["--fault", "throttle=0.5,seed=1", "--domain", "acme"]) as service:
        patient = client_of(service, attempts=10)
        for _ in range(5):
            assert patient.get_domain(DomainName="acme")["DomainName"] == "acme"


try:
    run(globals())
finally:
    local.close()
