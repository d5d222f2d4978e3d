#!/usr/bin/env bats
# upjob import: from file to profiles, and every way in which a file can be wrong.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { stop_local; }

@test "a file becomes profiles with --local, the mapping made of its header" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId
    expect_status 0
    expect_output "SUCCEEDED"
    expect_output "3 created, 0 updated, 0 failed"
    expect_output "vanish on"
    expect_error "domain acme did not exist"
    expect_error 'mapping.name   "FirstName"'
    expect_error 'to "Attributes.customer_id"'
}

@test "the mapping that was printed works when it is saved" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId
    sed -n 's/^    //p' <<<"$errors" >m.lua
    upjob import c.csv --local --domain acme --map m.lua
    expect_status 0
    expect_output "3 created"
}

@test "--json prints one object with the contract's fields" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId --json
    expect_status 0
    python3 - "$output" <<'P'
import json, sys
r = json.loads(sys.argv[1])
assert r["Status"] == "SUCCEEDED", r
assert r["ResultsSummary"] == {"CreatedRecords": 3, "UpdatedRecords": 0, "FailedRecords": 0}, r
assert r["rejected"] == 0 and r["bytes"] > 0 and r["seconds"] > 0 and len(r["JobId"]) == 32, r
P
}

@test "the district offices make 536 people of 1312 rows" {
    upjob import "$DATA/legislators-district-offices.csv" --local --domain acme --key bioguide
    expect_status 0
    expect_output "536 created, 776 updated, 0 failed"
}

@test "the same file twice creates, then updates" {
    customers c.csv
    start_local --domain acme
    upjob import c.csv --domain acme --key CustomerId
    expect_output "3 created, 0 updated"
    upjob import c.csv --domain acme --key CustomerId
    expect_output "0 created, 3 updated"
    upjob profile find email=bob@example.com --domain acme
    expect_output "Bob"
}

@test "a missing file ends with 7 and its name" {
    upjob import nowhere.csv --local --domain acme --key id
    expect_status 7
    expect_error "nowhere.csv"
    expect_error "No such file"
}

@test "a directory ends with 7" {
    mkdir d
    upjob import d --local --domain acme --key id
    expect_status 7
    expect_error "directory"
}

@test "a device ends with 7 and does not hang" {
    upjob import /dev/null --local --domain acme --key id
    expect_status 7
    expect_error "is a device"
}

@test "a named pipe is read to its end, and an interrupt ends the wait for it" {
    customers c.csv
    mkfifo pipe
    cat c.csv >pipe &
    upjob import pipe --local --domain acme --key CustomerId
    expect_status 0
    expect_output "3 created"
    "$UPJOB" import pipe --local --domain acme --key CustomerId 2>err >out 3>&- &
    pid=$!
    until_it_takes_signals $pid
    sleep 0.5
    kill -INT $pid
    status=0; wait $pid || status=$?
    [ "$status" = 130 ]
}

@test "values that are blanked and rows that are left out are told" {
    printf 'id,mail,country\n1,a@example.com,DE\n2,nobody,DE\n3,c@example.com,FR\n' >c.csv
    cat >m.lua <<'L'
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "id", on_invalid = "blank", mapping.string "id" : to "Attributes.id",
  mapping.email "mail" : to "EmailAddress", mapping.rows(function(row) return row.country == "DE" end) }
L
    upjob import c.csv --local --domain acme --map m.lua
    expect_status 0
    expect_output "2 created"
    expect_output "blanked   1 invalid value"
    expect_output "left out  1 row, by the mapping"
    expect_error 'c.csv:3: column "mail" (2): is not an e-mail address: it has no @'
    expect_error 'c.csv:1: column "country" (3): is not in the mapping, so it is not imported'
}

@test "what was found before an import was refused is told" {
    printf 'id;name\n' >c.csv
    upjob import c.csv --local --domain acme --key id
    expect_status 7
    expect_error 'c.csv: has cells that are separated by ";"'
    expect_error "has a header and no rows"
}

@test "an interrupt ends a function of a mapping that never returns" {
    customers c.csv
    echo 'return mapping.define { unique_key = "CustomerId", mapping.string "CustomerId" : to "Attributes.id",
      mapping.name "FirstName" : to "FirstName" : via(function() while true do end end) }' >m.lua
    sed -i '1i local mapping = require "upjob.mapping"' m.lua
    "$UPJOB" import c.csv --local --domain acme --map m.lua 2>err >out 3>&- &
    pid=$!
    until_it_takes_signals $pid
    sleep 1
    kill -INT $pid
    status=0; wait $pid || status=$?
    errors=$(cat err)
    [ "$status" = 130 ]
    expect_error "interrupted"
}

@test "standard input is imported, also when it comes slowly, and rejected rows have a place" {
    status=0
    (printf 'id,name\n1,a\n'; sleep 0.3; printf '2\n') | "$UPJOB" import - --local --domain acme --key id >out 2>err || status=$?
    output=$(cat out) errors=$(cat err)
    expect_status 6
    expect_output "1 created"
    expect_output "standard input"
    expect_error "standard input:3: the row has 1 cell"
    grep -q '^2,' upjob.rejects.csv
}

@test "files with other delimiters, a line that names it, and compressed ones are imported" {
    printf 'id;name\n1;"a;b"\n2;c,d\n' >semi.csv
    printf 'sep=;\r\nid;name\r\n1;a\r\n2;b\r\n' >sep.csv
    printf 'id\tname\n1\ta\n2\tb\n' >tab.csv
    printf 'id|name\n1|a\n2|b\n' >pipe.csv
    printf 'id,name\n1,a\n2,b\n' | gzip >zipped.csv.gz
    for file in semi.csv sep.csv tab.csv pipe.csv zipped.csv.gz; do
        upjob import "$file" --local --domain acme --key id
        expect_status 0
        expect_output "2 created"
        [[ $file == zipped* ]] || expect_error "they are sent with commas"
    done
}

@test "an empty file ends with 7" {
    : >e.csv
    upjob import e.csv --local --domain acme --key id
    expect_status 7
    expect_error "empty"
}

@test "a header without rows ends with 7" {
    echo "id,name" >h.csv
    upjob import h.csv --local --domain acme --key id
    expect_status 7
    expect_error "h.csv"
    expect_error "row"
}

@test "a key that is not in the header ends with 7 and names the nearest" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerID
    expect_status 7
    expect_error 'did you mean "CustomerId"'
}

@test "a mapped column that is not in the header ends with 7 and names the nearest" {
    customers c.csv
    cat >m.lua <<'L'
return require("upjob.mapping").define { unique_key = "CustomerId",
  mapping.string "CustomerId" : to "Attributes.id", mapping.email "Email-Address" : to "EmailAddress" }
L
    upjob import c.csv --local --domain acme --map m.lua
    expect_status 7
    expect_error '"Email-Address"'
    expect_error 'did you mean "EmailAddress"'
}

@test "duplicate headers end with 7" {
    printf 'id,name,name\n1,a,b\n' >d.csv
    upjob import d.csv --local --domain acme --key id
    expect_status 7
    expect_error '"name"'
}

@test "rows too short and too long are rejected, the rest is imported, status 6" {
    printf 'id,name\n1,a\n2\n3,c,x\n4,d\n' >r.csv
    upjob import r.csv --local --domain acme --key id
    expect_status 6
    expect_error "r.csv:3:"
    expect_error "r.csv:4:"
    expect_output "2 created"
    expect_output "rejected  2 rows"
    [ "$(head -n 1 r.csv.rejects.csv)" = "id,name,upjob_reason" ]
    [ "$(wc -l <r.csv.rejects.csv)" = 3 ]
    [ "$(stat -c %a r.csv.rejects.csv)" = 600 ]
}

@test "--max-failed lets that many rows be rejected" {
    printf 'id,name\n1,a\n2\n3,c\n' >r.csv
    upjob import r.csv --local --domain acme --key id --max-failed 1
    expect_status 0
    upjob import r.csv --local --domain acme --key id --max-failed 0
    expect_status 7
    expect_error "nothing was sent"
    upjob import r.csv --local --domain acme --key id --max-failed 50%
    expect_status 0
}

@test "--max-failed takes no share above all, and says what it takes" {
    customers c.csv
    for value in 500% 100.1% -1% 1.5 ""; do
        upjob import c.csv --local --domain acme --key CustomerId --max-failed "$value"
        expect_status 2
        expect_error "a number of rows, or a share from 0% to 100%"
    done
    upjob import c.csv --local --domain acme --key CustomerId --max-failed 100%
    expect_status 0
}

@test "refused rows are printed once when nothing is sent" {
    printf 'id,name\n1,a\n2\n' >r.csv
    for options in "" -q; do
        upjob import r.csv --local --domain acme --key id --max-failed 0 $options
        expect_status 7
        [ "$(grep -c 'r.csv:3: the row' <<<"$errors")" = 1 ]
    done
}

@test "--no-wait tells of rejected rows and of the day on which profiles vanish" {
    printf 'id,name\n1,a\n2\n3,c\n' >r.csv
    start_local --domain acme
    upjob import r.csv --domain acme --key id --no-wait --expires 30
    expect_status 6
    expect_output "rejected  1 row before sending: see r.csv.rejects.csv"
    expect_output "vanish on"
    expect_output "30 days after it"
    upjob import r.csv --domain acme --key id --no-wait --json
    expect_output '"rejects":"r.csv.rejects.csv"'
    expect_output '"DataExpiry":14'
}

@test "job watch takes --max-failed, and the command that picks a job up has it, so that the exit status is the import's" {
    # Of four records one fails: the service there takes shorter values than is known.
    printf 'id,n\n1,1\n2,xxxxxxxxxxxx\n3\n4,4\n5,5\n' >r.csv
    echo 'return mapping.define { unique_key = "id", mapping.string "id" : to "Attributes.id" : as "id",
      mapping.string "n" : to "Attributes.n" : as "n" }' >m.lua
    start_local --domain acme --fact max-value=10
    for case in 1:6 2:0 20%:6 40%:0; do
        IFS=: read -r given expected <<<"$case"
        upjob import r.csv --domain acme --map m.lua --max-failed "$given"
        expect_status "$expected"
        upjob import r.csv --domain acme --map m.lua --max-failed "$given" --no-wait
        expect_status 0
        command=${errors##*to watch it: }
        [[ $command == *" --max-failed "[01] ]]
        status=0; output=$(eval "$command" 2>&1) || status=$?
        expect_status "$expected"
    done
    # Without rejected rows it is what was given.
    sed -i 3,4d r.csv
    upjob import r.csv --domain acme --map m.lua --max-failed 7% --no-wait
    expect_error " --max-failed 7%"
    upjob job watch 00000000000000000000000000000000 --domain acme --max-failed 101%
    expect_status 2
    expect_error "a share from 0% to 100%"
}

@test "an unterminated quote is named by its line, the rest is imported" {
    printf 'id,name\n1,a\n2,"b\n3,c\n' >q.csv
    upjob import q.csv --local --domain acme --key id
    expect_status 6
    expect_error "q.csv:3:"
    expect_output "2 created"
}

@test "NUL bytes are found" {
    printf 'id,name\n1,a\0b\n2,c\n' >n.csv
    upjob import n.csv --local --domain acme --key id
    expect_status 6
    expect_error "n.csv:2:"
    expect_error "NUL"
}

@test "bytes that are not UTF-8 are found where they are damage, and converted where they are another character set" {
    # Characters of UTF-8 beside them: it is UTF-8, and damaged.
    printf 'id,name\n1,a\xe9\n2,c\n3,\xc3\xa9\xc3\xa9\n' >l.csv
    upjob import l.csv --local --domain acme --key id
    expect_status 6
    expect_error "l.csv:2:"
    expect_error "UTF-8"
    printf 'id,LastName,EmailAddress\n1,M\xfcller,m@example.com\n2,c,c@example.com\n' >l.csv
    start_local --domain acme
    upjob import l.csv --domain acme --key id
    expect_status 0
    expect_error "is probably windows-1252, not UTF-8: it is converted"
    expect_no "M\\xFCller"
    upjob profile find email=m@example.com --domain acme
    expect_output "Müller"
    upjob import l.csv --domain acme --key id --show-values
    expect_error 'line 2: "1,M\xFCller,m@example.com" → "1,Müller,m@example.com"'
}

@test "a byte-order mark and UTF-16 are converted with a warning" {
    printf '\xef\xbb\xbfid,name\n1,a\n' >b.csv
    upjob import b.csv --local --domain acme --key id
    expect_status 0
    expect_error "byte-order mark"
    expect_output "12 bytes sent"
    printf 'id\tname\n1\tä\n2\n' | iconv -t UTF-16 >u.csv
    upjob import u.csv --local --domain acme --key id
    expect_status 6
    expect_error "is UTF-16"
    expect_error "u.csv:3: the row has 1 cell"
    expect_output "1 created"
}

@test "an empty key is rejected" {
    printf 'id,name\n,a\n2,c\n' >k.csv
    upjob import k.csv --local --domain acme --key id
    expect_status 6
    expect_error "k.csv:2:"
}

@test "values are masked on standard error unless asked for" {
    printf 'id,name\n1,Geheimrat\0\n2,c\n' >n.csv
    upjob import n.csv --local --domain acme --key id
    expect_no "Geheimrat"
    upjob import n.csv --local --domain acme --key id --show-values
    expect_error "Geheimrat"
}

@test "the record of quoted line ends is counted by physical lines" {
    printf 'id,name\n1,"a\nb"\n2\n' >p.csv
    upjob import p.csv --local --domain acme --key id
    expect_status 6
    expect_error "p.csv:4:"
}

@test "usage errors end with 2" {
    customers c.csv
    upjob import c.csv --local --key CustomerId
    expect_status 2
    expect_error "UPJOB_DOMAIN"
    upjob import c.csv --local --domain acme
    expect_status 2
    upjob import --local --domain acme --key id
    expect_status 2
    upjob import c.csv --local --domain acme --key CustomerId --expires 2000
    expect_status 2
    expect_error "1098"
    upjob import c.csv --local --domain "no good" --key CustomerId
    expect_status 2
    upjob import c.csv --local --domain acme --key CustomerId --max-failed many
    expect_status 2
    upjob import c.csv --nonsense
    expect_status 2
}

@test "UPJOB_DOMAIN stands in for --domain" {
    customers c.csv
    UPJOB_DOMAIN=acme upjob import c.csv --local --key CustomerId
    expect_status 0
}

@test "an unknown domain on the service ends with 4" {
    customers c.csv
    start_local
    upjob import c.csv --domain nowhere --key CustomerId
    expect_status 4
    expect_error "ResourceNotFoundException"
    grep -qE " \(step create, request id [^)]+\): no job was created$" <<<"$errors"
}

@test "no credentials, and wrong ones" {
    customers c.csv
    start_local --domain acme
    (
        unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
        export AWS_EC2_METADATA_DISABLED=true
        upjob import c.csv --domain acme --key CustomerId
        expect_status 3 && expect_error "credentials"
    )
    (
        export AWS_SECRET_ACCESS_KEY=WrongSecretValue
        upjob import c.csv --domain acme --key CustomerId
        expect_status 4 && expect_error "InvalidSignatureException" && expect_no WrongSecretValue
    )
    (
        export AWS_ACCESS_KEY_ID=AKIAUNKNOWN
        upjob import c.csv --domain acme --key CustomerId
        expect_status 4 && expect_error "UnrecognizedClientException"
    )
    (
        unset AWS_SECRET_ACCESS_KEY
        upjob import c.csv --domain acme --key CustomerId
        expect_status 3 && expect_error "AWS_SECRET_ACCESS_KEY"
    )
}

@test "no region ends with 3 and names the places" {
    customers c.csv
    AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b upjob import c.csv --domain acme --key CustomerId
    expect_status 3
    expect_error "AWS_REGION"
    expect_error "--region"
}

@test "--expires is kept, and more than 90 days is warned of" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId --expires 100 --json
    expect_status 0
    expect_output '"DataExpiry":100'
    expect_error "90"
}

@test "--no-wait returns once the job was started, and job watch picks it up" {
    customers c.csv
    start_local --domain acme
    upjob import c.csv --domain acme --key CustomerId --no-wait --json
    expect_status 0
    job=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["JobId"])' "$output")
    expect_error "upjob job watch $job --domain acme"
    upjob job watch "$job" --domain acme
    expect_status 0
    expect_output "3 created"
}

@test "SIGINT before the start stops the job on the service and ends with 130" {
    head -c 60000000 /dev/zero | tr '\0' 'x' | fold -w 99 | awk 'BEGIN{print "id,name"}{print NR "," $0}' >big.csv
    start_local --domain acme --fault slow=64k
    "$UPJOB" import big.csv --domain acme --key id 2>err >out 3>&- &
    pid=$!
    until_true eval '"$UPJOB" job list --domain acme --json 2>/dev/null | grep -q CREATED'
    kill -INT $pid
    status=0; wait $pid || status=$?
    output=$(cat out) errors=$(cat err)
    expect_status 130
    output=$("$UPJOB" job list --domain acme --json)
    expect_output STOPPED
    expect_error "was stopped"
}

@test "a trace shows the requests and no secret" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId -v
    expect_status 0
    expect_error "PUT /"
    expect_error "x-amz-server-side-encryption-customer-key: <secret>"
    expect_error "Authorization: <secret>"
    [[ ! $errors =~ X-Amz-Signature=[0-9a-f] ]]
    [[ ! $errors =~ customer-key:\ [A-Za-z0-9+/]{20} ]]
}

@test "nothing stays behind after --local" {
    customers c.csv
    mkdir t
    TMPDIR=$PWD/t upjob import c.csv --local --domain acme --key CustomerId
    expect_status 0
    [ -z "$(ls -A t)" ]
}
