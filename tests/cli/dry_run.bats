#!/usr/bin/env bats
# upjob import --dry-run: what it prints. That it sends nothing, and tells what would be sent, is in tests/service/test_dry_run.py.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; unset AWS_REGION AWS_DEFAULT_REGION; customers c.csv; }

@test "a dry run prints each request, secrets left out, and ends with 0" {
    AWS_REGION=eu-west-1 upjob import c.csv --key CustomerId --domain acme --dry-run --expires 30
    expect_status 0
    for line in "Dry run: nothing was sent." "endpoint  https://profile.eu-west-1.amazonaws.com" "1. POST /domains/acme/upload-jobs" \
        '"DataExpiry": 30' '"Target": "_profile.FirstName"' "2. GET /domains/acme/upload-jobs/<JobId>/path" "3. PUT <Url>" \
        "Content-Length: 98" "x-amz-server-side-encryption-customer-key: <secret>" "c.csv as it stands" \
        "4. PUT /domains/acme/upload-jobs/<JobId>" "5. GET /domains/acme/upload-jobs/<JobId>"; do
        expect_output "$line"
    done
}

@test "a dry run needs neither region nor keys" {
    AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=none AWS_SHARED_CREDENTIALS_FILE=none upjob import c.csv --key CustomerId --domain acme --dry-run
    expect_status 0
    expect_output "endpoint  there is no region"
}

@test "with --local it starts no service and makes no data directory, but tells of the domain" {
    upjob import c.csv --key CustomerId --domain acme --dry-run --local --data d
    expect_status 0
    expect_output "POST /domains/acme"
    expect_output "CreateDomain, when there is no such domain"
    expect_output "endpoint  the embedded service"
    [ ! -e d ]
}

@test "rows that would be rejected make it a 6, --max-failed a 0 or a 7, and no rejects file is written" {
    echo "4,Di" >>c.csv
    upjob import c.csv --key CustomerId --domain acme --dry-run
    expect_status 6
    expect_error "c.csv:5: the row has 2 cells"
    expect_output "c.csv: 3 of 4 rows"
    upjob import c.csv --key CustomerId --domain acme --dry-run --max-failed 1
    expect_status 0
    upjob import c.csv --key CustomerId --domain acme --dry-run --max-failed 0
    expect_status 7
    [ ! -e c.csv.rejects.csv ]
}

@test "a rejects file of an earlier run stays where it is" {
    echo "CustomerId,FirstName,EmailAddress,upjob_reason" >c.csv.rejects.csv
    upjob import c.csv --key CustomerId --domain acme --dry-run
    expect_status 0
    [ -e c.csv.rejects.csv ]
    [ ! -e c.csv.rejects.csv~ ]
}

@test "what the service would refuse is told by a dry run" {
    upjob import c.csv --key CustomerId --domain 'no/domain' --dry-run
    expect_status 2
    expect_error "DomainName"
    for option in --no-wait --report=r.html; do
        upjob import c.csv --key CustomerId --domain acme --dry-run $option
        expect_status 2
        expect_error "${option%=*} and --dry-run do not go together"
    done
    [ ! -e r.html ]
}

@test "a script gets the requests of a dry run, without a client" {
    upjob run -e 'local run = assert(job.import { domain = "acme", file = "c.csv", key = "CustomerId", dry_run = true })
        local result = assert(run:wait())
        print(result.dry_run, result.rows, #result.requests, json.decode(result.requests[1].body).UniqueKey)'
    [ "$output" = $'true\t3\t5\tCustomerId' ] || { echo "$output$errors"; return 1; }
}

@test "import --problems writes all that the check finds" {
    echo "4,Di" >>c.csv
    upjob import c.csv --key CustomerId --domain acme --local --problems p.csv
    expect_status 6
    grep -q '^5,,,,too few cells,error,' p.csv
}
