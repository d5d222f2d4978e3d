#!/usr/bin/env bats
# upjob map check: what it says of a file, and how it ends.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }

mapping() {
    cat >m.lua <<'L'
return require("upjob.mapping").define { unique_key = "CustomerId",
  mapping.string "CustomerId" : to "Attributes.id" : required(), mapping.name "FirstName" : to "FirstName",
  mapping.email "EmailAddress" : to "EmailAddress" : lower(), on_invalid = ON_INVALID or "reject" }
L
    sed -i "s/ON_INVALID or //; s/\"reject\" }/\"${1:-reject}\" }/; 1i local mapping = require \"upjob.mapping\"" m.lua
}

@test "a good file: what it is, that all of it would be sent, and exit status 0" {
    customers c.csv
    mapping
    upjob map check c.csv --map m.lua
    expect_status 0
    [ -z "$errors" ]
    expect_output "c.csv  3 rows, 3 columns, 98 bytes"
    expect_output "encoding   UTF-8"
    expect_output "separator  commas"
    expect_output "line ends  LF"
    expect_output "mapping    m.lua: 3 fields, the key is CustomerId"
    expect_output "An import would send all 3 rows, as the file stands."
}

@test "a value that would be refused is told by line, column and reason, counted by its class, and ends with 7" {
    customers c.csv
    echo '4,Di,di.example.com' >>c.csv
    mapping
    upjob map check c.csv --map m.lua
    expect_status 7
    expect_output 'c.csv:5: column "EmailAddress" (3): is not an e-mail address: it has no @'
    expect_output "1  error     not an e-mail address"
    expect_output "An import would send 3 of 4 rows as they stand, and keep 1 back."
    expect_no di.example
}

@test "values are shown with --show-values, and on no other output than a terminal without it" {
    customers c.csv
    echo '4,Di,private' >>c.csv
    mapping
    upjob map check c.csv --map m.lua --show-values
    expect_output 'c.csv:5: column "EmailAddress" (3): "private" is not an e-mail address: it has no @'
    for json in "" --json; do
        upjob map check c.csv --map m.lua $json
        expect_no private
    done
    upjob map check c.csv --map m.lua --json --show-values
    expect_output '"value":"private"'
}

@test "warnings alone end with 0" {
    printf 'CustomerId,FirstName,EmailAddress,Extra\n1,a,a@b.cc,\n1,b,b@b.cc,\n' >c.csv
    mapping
    upjob map check c.csv --map m.lua
    expect_status 0
    expect_output 'c.csv:1: column "Extra" (4): is not in the mapping'
    expect_output "1  warning   duplicate key"
    expect_output "An import would send all 2 rows"
}

@test "the first 20 problems are shown, and all are in the file of --problems, which nobody else can read" {
    { echo CustomerId,FirstName,EmailAddress; for i in $(seq 30); do echo "$i,a,value$i"; done; echo 31,a,a@b.cc; } >c.csv
    mapping
    upjob map check c.csv --map m.lua --problems p.csv
    expect_status 7
    [ "$(grep -c 'is not an e-mail address' <<<"$output")" = 20 ]
    expect_output "… and 10 more"
    expect_output "All problems are in p.csv."
    [ "$(head -1 p.csv)" = "line,column,name,value,class,severity,reason,hint" ]
    [ "$(wc -l <p.csv)" = 31 ]
    grep -q '^31,3,EmailAddress,value30,not an e-mail address,error,' p.csv
    [ "$(stat -c %a p.csv)" = 600 ]
}

@test "--problems does not overwrite what upjob did not write" {
    customers c.csv
    echo precious >p.csv
    upjob map check c.csv --problems p.csv
    expect_status 2
    expect_error "it exists, and upjob did not write it"
    upjob map check c.csv --problems c.csv
    expect_status 2
    [ "$(cat p.csv)" = precious ]
}

@test "a problem at the fatal level ends with 7, and what the file is is told all the same" {
    printf 'CustomerId,FirstName,E-Mail\n1,a,b\n' >c.csv
    mapping
    upjob map check c.csv --map m.lua
    expect_status 7
    expect_output "encoding   UTF-8"
    expect_error '"EmailAddress"'
    upjob map check c.csv --map m.lua --json
    expect_status 7
    expect_output '"refused":true'
    expect_output '"code":"InvalidFile"'
}

@test "--max-failed makes up to that many refused rows a 0, and more of them a 7" {
    customers c.csv
    printf '4,Di,x\n5,Ed,y\n' >>c.csv
    mapping
    upjob map check c.csv --map m.lua --max-failed 2
    expect_status 0
    upjob map check c.csv --map m.lua --max-failed 40%
    expect_status 0
    upjob map check c.csv --map m.lua --max-failed 1
    expect_status 7
    expect_output "An import would send nothing: at most 1 row may be refused, and 2 of 5 rows would be refused."
    upjob map check c.csv --map m.lua --max-failed many
    expect_status 2
}

@test "on_invalid decides: blanked values are no refusal, and stop refuses all" {
    customers c.csv
    echo '4,Di,x' >>c.csv
    mapping blank
    upjob map check c.csv --map m.lua
    expect_status 0
    expect_output "empty 1 value that is not valid"
    mapping stop
    upjob map check c.csv --map m.lua --max-failed 5
    expect_status 7
    expect_output 'An import would send nothing: the mapping says on_invalid = "stop"'
}

@test "what an import would mend is told: packing, character set, mark, separator, changed rows" {
    printf 'CustomerId;FirstName;EmailAddress\r\n1;J\xfcrgen;J@B.cc\r\n' | gzip >c.csv.gz
    mapping
    upjob map check c.csv.gz --map m.lua --encoding windows-1252
    expect_status 0
    for what in "packed     with gzip" "encoding   windows-1252" "separator  semicolons" "line ends  CR LF" "unpack it" \
        "convert it from windows-1252 to UTF-8" "with commas instead of semicolons" "change values in 1 row"; do
        expect_output "$what"
    done
    printf '\xef\xbb\xbfCustomerId,FirstName,EmailAddress\n1,a,a@b.cc\n' >c.csv
    upjob map check c.csv --map m.lua
    expect_output "drop its byte-order mark"
}

@test "--strict refuses what would be converted; --encoding that is none is named" {
    printf 'CustomerId,FirstName,EmailAddress\n1,J\xfcrgen M\xfcller aus K\xf6ln,a@b.cc\n' >c.csv
    mapping
    upjob map check c.csv --map m.lua --strict
    expect_status 7
    expect_error "not UTF-8"
    upjob map check c.csv --map m.lua --encoding klingon
    [ "$status" != 0 ]
    expect_error klingon
}

@test "converted samples are personal data, and shown as such" {
    printf 'CustomerId,FirstName,EmailAddress\n1,J\xfcrgen M\xfcller aus K\xf6ln,a@b.cc\n' >c.csv
    upjob map check c.csv
    expect_output "it is converted"
    expect_no rgen
    upjob map check c.csv --show-values
    expect_output "Jürgen"
}

@test "empty rows behind the last one are left out, which is said, and are no rows of the file" {
    customers c.csv
    printf ',,\n,,\n' >>c.csv
    mapping
    upjob map check c.csv --map m.lua
    expect_status 0
    expect_output "c.csv  3 rows"
    expect_output "leave out 2 empty rows"
    expect_no "as the file stands"
}

@test "a mapping whose rows() wants none of the rows would send nothing" {
    customers c.csv
    mapping
    sed -i 's/^return .*define {/& mapping.rows(function() return false end),/' m.lua
    upjob map check c.csv --map m.lua
    expect_status 7
    expect_output "An import would send nothing: the mapping's rows() wants none of the rows."
}

@test "an interrupt ends it, and leaves nothing" {
    mkdir d
    { echo CustomerId,FirstName,EmailAddress; seq 400000 | sed 's/$/,a,X@y.zz/'; } >d/c.csv
    mapping
    mkfifo d/pipe
    exec 9<>d/pipe
    head -c 4000000 d/c.csv >&9 & feeder=$!
    "$UPJOB" map check d/pipe --map m.lua --problems d/p.csv 2>err >out 3>&- 9>&- & pid=$!
    until_it_takes_signals $pid
    sleep 0.5
    kill -INT $pid
    status=0; wait $pid || status=$?
    kill $feeder 2>/dev/null || true
    exec 9>&-
    [ "$status" = 130 ]
    [ "$(ls d)" = $'c.csv\npipe' ]
}

@test "without a mapping only the shape of the file is looked at, which is said" {
    customers c.csv
    upjob map check c.csv
    expect_status 0
    expect_output "With --map FILE every value is looked at"
    echo '4,Di' >>c.csv
    upjob map check c.csv
    expect_status 7
    expect_output "c.csv:5: the row has 2 cells, the header has 3"
}

@test "standard input is checked" {
    customers c.csv
    mapping
    status=0; output=$("$UPJOB" map check - --map m.lua <c.csv) || status=$?
    [ "$status" = 0 ]
    expect_output "standard input  3 rows"
}

@test "--json is one object with counts, classes and problems" {
    customers c.csv
    echo '4,Di,x' >>c.csv
    mapping
    upjob map check c.csv --map m.lua --json
    expect_status 7
    python3 - "$output" <<'P'
import json, sys
r = json.loads(sys.argv[1])
assert (r["rows"], r["rejected"], r["refused"]) == (4, 1, True), r
assert r["classes"] == [{"class": "not an e-mail address", "severity": "error", "count": 1}], r
p = r["problems"][0]
assert (p["line"], p["column"], p["name"], p["severity"]) == (5, 3, "EmailAddress", "error") and "value" not in p, p
assert r["facts"]["delimiter"] == "," and r["facts"]["line_ends"] == {"crlf": 0, "lf": 5, "cr": 0}, r
P
}

@test "-q prints nothing, and the exit status says it" {
    customers c.csv
    echo '4,Di' >>c.csv
    upjob map check c.csv -q
    expect_status 7
    [ -z "$output$errors" ]
}

@test "nothing is written beside the file, and no service is called" {
    customers c.csv
    echo '4,Di,x' >>c.csv
    mapping
    mkdir d
    mv c.csv m.lua d
    AWS_ENDPOINT_URL_CUSTOMER_PROFILES=http://127.0.0.1:1 upjob map check d/c.csv --map d/m.lua
    expect_status 7
    [ "$(ls d)" = $'c.csv\nm.lua' ]
}

@test "a wrong word or option names the nearest" {
    upjob map chek f
    expect_status 2
    expect_error 'there is no "chek" (did you mean "check"?)'
    upjob map check f --problem x
    expect_status 2
    expect_error "did you mean '--problems'?"
    upjob map check
    expect_status 2
    expect_error "missing argument 'FILE'"
}

@test "the examples of the README are what is printed" {
    [ -e "${UPJOB%/*}/phone.so" ] || skip "without the rules of phone numbers"
    readme=$BATS_TEST_TMPDIR/section
    sed -n '/^### Mapping, checking/,/^### The mapping language/p' "$BATS_TEST_DIRNAME/../../README.md" >"$readme"
    {
        printf 'CustomerId;First;Last;E-mail;Mobile;Joined\r\n'
        printf 'C-1001;J\xfcrgen;M\xfcller;J.Mueller@Example.com;07400 123456;03.04.2026\r\n'
        printf 'C-1002;Zo\xeb;Smith;zoe.example.com;07911 123456;21.04.2026\r\nC-1003;Ann;Lee;ann@example.com;07700 90O123;30.04.2026\r\n'
        printf 'C-1004;Bo;Day;Bo.Day@example.com;+44 7400 123789;31.04.2026\r\n'
        printf 'C-1001;J\xfcrgen;M\xfcller;jm@example.com;07400 123456;03.04.2026\r\n'
    } >customers.csv
    sed -n '/^### Mapping, checking/,/^```$/p' "$readme" | sed -n '/^-- customers.lua/,/^```/p' | sed '$d' >customers.lua
    for words in "map check" "map preview" import; do
        sed -n "/^\$ upjob $words customers.csv/,/^\`\`\`/p" "$readme" | sed '/^```/d' >expected
        read -r _ _ arguments < <(head -1 expected)
        sed -i '1d; /^…$/d; /^$/d' expected
        [ -s expected ]
        # shellcheck disable=SC2086
        upjob $arguments --show-values
        while IFS= read -r line; do
            expect_output "$line"
        done <expected
    done
}

@test "a file that has more bytes than a job may is told to be sent in parts, and not refused" {
    { echo id,name,filler; seq -f "%.0f,some name,$(printf 'x%.0s' $(seq 900))" 10000; } >some.csv
    { head -1 some.csv; for _ in $(seq 112); do tail -n +2 some.csv; done; } >large.csv
    printf 'return mapping.define { unique_key = "id", mapping.string "id" : to "Attributes.id", mapping.name "name" : to "LastName" }\n' >m.lua
    upjob map check large.csv --map m.lua
    expect_output "It is sent in 2 parts."
    upjob map check large.csv
    expect_status 0
    upjob map preview large.csv --map m.lua
    expect_status 0
    rm large.csv
}
