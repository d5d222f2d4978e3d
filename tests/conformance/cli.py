"""The AWS CLI of Debian, whose model is older than upload jobs, drives `upjob local` with the domain operations that it knows."""
import json, os, subprocess, sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../service"))
from kit import Service, rows, run  # noqa: E402

AWS = "/usr/bin/aws"
local = Service()
# The CLI goes by its own model, not by the one that was written for botocore.
environment = {**{name: value for name, value in os.environ.items() if name != "AWS_DATA_PATH"}, "AWS_ACCESS_KEY_ID": "local",
               "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "eu-central-1", "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}


def aws(operation, *options):
    """What it prints, as JSON; its message when it failed."""
    done = subprocess.run([AWS, "customer-profiles", operation, "--endpoint-url", f"http://{local.host}", "--output", "json", *options],
                          env=environment, text=True, capture_output=True, timeout=120)
    if done.returncode != 0:
        return done.stderr
    return json.loads(done.stdout)


def test_create():
    """create-domain"""
    reply = aws("create-domain", "--domain-name", "acme", "--default-expiration-days", "90", "--tags", "team=crm")
    assert (reply["DomainName"], reply["DefaultExpirationDays"], reply["Tags"]) == ("acme", 90, {"team": "crm"}), reply
    assert reply["CreatedAt"].startswith("20"), reply


def test_get():
    """get-domain"""
    reply = aws("get-domain", "--domain-name", "acme")
    assert reply["DefaultExpirationDays"] == 90 and reply["Stats"]["ProfileCount"] == 0, reply


def test_list():
    """list-domains, in pages"""
    for name in "bc":
        local.create_domain(name)
    first = aws("list-domains", "--max-results", "2")
    assert [item["DomainName"] for item in first["Items"]] == ["acme", "b"], first
    rest = aws("list-domains", "--max-results", "2", "--next-token", first["NextToken"])
    assert [item["DomainName"] for item in rest["Items"]] == ["c"] and "NextToken" not in rest, rest


def test_search():
    """search-profiles finds what a job imported"""
    local.wait("acme", local.begin("acme", rows(10)))
    reply = aws("search-profiles", "--domain-name", "acme", "--key-name", "_email", "--values", "user3@example.com")
    profile, = reply["Items"]
    assert profile["EmailAddress"] == "user3@example.com" and profile["Attributes"] == {"id": "k7"}, reply


def test_refusals():
    """errors are told by their name and message"""
    reply = aws("get-domain", "--domain-name", "none")
    assert "(ResourceNotFoundException)" in reply and "There is no domain named none." in reply, reply
    reply = aws("create-domain", "--domain-name", "acme", "--default-expiration-days", "1")
    assert "(BadRequestException)" in reply and "Domain acme already exists" in reply, reply
    reply = aws("list-integrations", "--domain-name", "acme")
    assert "(NotImplementedException)" in reply and "ListIntegrations" in reply, reply


def test_delete():
    """delete-domain"""
    assert aws("delete-domain", "--domain-name", "c")["Message"]
    assert "(ResourceNotFoundException)" in aws("get-domain", "--domain-name", "c")


try:
    run(globals())
finally:
    local.close()
