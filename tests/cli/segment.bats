#!/usr/bin/env bats
# upjob import --segment: the segment of the imported profiles.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; customers c.csv; }
teardown() { stop_local; }

import() { upjob import c.csv --domain acme --key CustomerId "$@"; }
# A call of the client, with one line of what it gives.
call() { upjob run -e "local reply, err = require('upjob.profiles').client {}:$1 print(require('upjob.json').encode(reply or { err = tostring(err) }))"; }

@test "the profiles of an import are a segment, whose size is told" {
    import --local --segment "Frühling 2026"
    expect_status 0
    expect_output "segment   Frühling 2026 (fruhling_2026): 3 profiles"
    expect_output 'Attributes.segment_fruhling_2026 = "fruhling_2026"'
    expect_output "14 days after it was last imported"
}

@test "tonight's import uses yesterday's segment, and its members stay" {
    start_local --domain acme
    import --segment spring --json
    expect_output '"made":"created"'
    printf 'CustomerId,FirstName\n9,Zoe\n' >c.csv
    import --segment spring --json
    expect_status 0
    expect_output '"made":"reused"'
    expect_output '"size":4'
    call 'list_segment_definitions{DomainName="acme"}'
    expect_output '"SegmentDefinitionName":"spring"'
}

@test "a name that the service takes is kept as it is, and a name without a letter has one too" {
    import --local --segment "Spring-2026" --json
    expect_output '"name":"Spring-2026"'
    import --local --segment "日本" --json
    expect_status 0
    expect_output '"DisplayName":"日本"'
    expect_output '"size":3'
}

@test "another definition of that name is refused before anything is sent, and replaced when told" {
    start_local --domain acme
    call 'create_segment_definition{DomainName="acme", SegmentDefinitionName="spring", DisplayName="spring", SegmentGroups={ Groups={ { Dimensions={ { ProfileAttributes={ LastName={ DimensionType="INCLUSIVE", Values={ "x" } } } } } } } }}'
    import --segment spring
    expect_status 2
    expect_error 'another segment definition spring: it does not select Attributes.segment_spring = "spring" alone'
    expect_error "--replace-segment"
    call 'list_upload_jobs{DomainName="acme"}'
    expect_output '"Items":[]'
    import --segment spring --replace-segment
    expect_status 0
    expect_output "spring: 3 profiles"
}

@test "a run key with another segment is refused for the segment, and not for the mapping" {
    start_local --domain acme
    import --run-key night --segment one
    expect_status 0
    import --run-key night --segment two
    expect_status 2
    expect_error 'and it was of the segment "one"'
    import --run-key night
    expect_status 2
    expect_error 'and it was of the segment "one"'
}

@test "two names that become one are told apart by what they are called" {
    start_local --domain acme
    import --segment "Summer Sale"
    expect_status 0
    import --segment "summer_sale"
    expect_status 2
    expect_error 'its DisplayName is "Summer Sale", not "summer_sale"'
}

@test "a profile can be in two segments" {
    start_local --domain acme
    import --segment one
    import --segment two
    expect_output "two: 3 profiles"
    call 'get_segment_estimate{DomainName="acme", EstimateId=require("upjob.profiles").client{}:create_segment_estimate{DomainName="acme", SegmentQuery={ Groups={ { Dimensions={ { ProfileAttributes={ Attributes={ segment_one={ DimensionType="INCLUSIVE", Values={ "one" } } } } } } } } }}.EstimateId}'
    expect_output '"EstimateId"'
    import --segment one
    expect_output "one: 3 profiles"
}

@test "a mapping that writes the segment's attribute is refused with the field that does" {
    printf 'return mapping.define { unique_key = "id",\n  mapping.string "CustomerId" : to "Attributes.id" : as "id",\n  mapping.string "FirstName" : to "Attributes.segment_spring" }\n' >m.lua
    upjob import c.csv --domain acme --map m.lua --local --segment spring
    expect_status 7
    expect_error 'm.lua:3: Attributes.segment_spring is the attribute of the segment "spring", and column "FirstName" goes there'
}

@test "the mapping that was printed, saved, works with the segment as well" {
    import --local --segment spring
    sed -n 's/^    //p' <<<"$errors" >m.lua
    upjob import c.csv --local --domain acme --map m.lua --segment spring
    expect_status 0
    expect_output "spring: 3 profiles"
}

@test "a dry run tells the requests, and sends none" {
    import --local --segment "Spring 26" --dry-run
    expect_status 0
    expect_output "POST /domains/acme/segment-definitions/spring_26"
    expect_output "GET /domains/acme/segment-definitions/spring_26"
    expect_output "/segment-estimates/<EstimateId>"
}

@test "a job that FAILED has no size of a segment" {
    start_local --domain acme
    printf 'CustomerId,FirstName\n' >c.csv
    import --segment spring
    [ "$status" != 0 ]
    expect_no "segment   spring"
}

@test "names that cannot be, and --replace-segment alone, are usage errors" {
    import --local --segment ""
    expect_status 2
    expect_error "'--segment' has an empty value"
    import --local --segment "$(printf 'x%.0s' $(seq 256))"
    expect_status 2
    expect_error "--segment must have 1 to 255 characters"
    import --local --replace-segment
    expect_status 2
    expect_error "--replace-segment needs --segment"
}

@test "an import in parts is one segment" {
    { echo CustomerId,FirstName; seq -f '%g,Name' 2000; } >c.csv
    import --local --segment spring --part-size 20K
    expect_status 0
    expect_output "spring: 2,000 profiles"
}

@test "the ARN of a segment has the region and the partition of who asks" {
    start_local --domain acme
    upjob import c.csv --key CustomerId --domain acme --segment spring -q
    expect_status 0
    cat >arn.lua <<'LUA'
local client = require("upjob.profiles").client {}
print(client:get_segment_definition({ DomainName = "acme", SegmentDefinitionName = "spring" }).SegmentDefinitionArn)
for item in client:pages("list_segment_definitions", { DomainName = "acme" }) do print(item.SegmentDefinitionArn) end
LUA
    local pair
    for pair in us-east-1:aws eu-central-1:aws cn-north-1:aws-cn us-gov-west-1:aws-us-gov; do
        upjob run --region "${pair%:*}" arn.lua
        local arn="arn:${pair#*:}:profile:${pair%:*}:000000000000:domains/acme/segment-definitions/spring"
        [ "$output" = "$arn
$arn" ]
    done
    stop_local
}
