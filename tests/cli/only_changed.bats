#!/usr/bin/env bats
# upjob import --only-changed: only what is new or differs since the last import that succeeded is sent.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state
    { echo CustomerId,FirstName,Tier; seq -f '%g,Name,gold' 100; } >c.csv
}
teardown() { stop_local; }

import() { upjob import c.csv --domain acme --key CustomerId --only-changed "$@"; }
# Numbers of the changes of a result in JSON: new changed due same held gone rows.
counts() { python3 -c 'import json, sys; c = json.loads(sys.argv[1])["changes"]; print(*(c[n] for n in sys.argv[2:]))' "$output" "$@"; }
jobs() { upjob run -e 'for j in require("upjob.profiles").client {}:pages("list_upload_jobs", { DomainName = "acme" }) do print(j.Status) end'; }

@test "the first import sends all, the second nothing, and the third what is new or differs" {
    start_local --domain acme
    import
    expect_status 0
    expect_output "all 100 keys, as no import of this mapping has succeeded before"
    import
    expect_status 0
    expect_output "none: nothing was to be sent"
    expect_output "0 of 100 keys since"
    sed -i '5s/gold/silver/' c.csv
    echo 101,New,gold >>c.csv
    import
    expect_output "2 of 101 keys since"
    expect_output "1 new, 1 changed, 0 gone"
    expect_output "1 created, 1 updated, 0 failed"
    jobs
    [ "$(wc -l <<<"$output")" = 2 ]
}

@test "rows in another order, and columns that are not imported, are no changes" {
    start_local --domain acme
    printf 'return mapping.define { unique_key = "id",\n  mapping.string "CustomerId" : to "Attributes.id" : as "id",\n  mapping.name "FirstName" : to "FirstName" }\n' >m.lua
    upjob import c.csv --domain acme --map m.lua --only-changed
    expect_status 0
    { head -1 c.csv; tail -n +2 c.csv | tac | sed 's/gold/silver/'; } >d.csv
    mv d.csv c.csv
    upjob import c.csv --domain acme --map m.lua --only-changed --json
    [ "$(counts new changed same)" = "0 0 100" ]
}

@test "keys that were there and are not any more are written for erasure, and an earlier list is kept" {
    start_local --domain acme
    import
    sed -i '10d;20d' c.csv
    import --gone gone.csv
    expect_status 0
    expect_output "The keys that are gone are in gone.csv"
    [ "$(tail -n +2 gone.csv | tr '\n' ' ')" = "9 19 " ]
    [ "$(stat -c %a gone.csv)" = 600 ]
    sed -i '2d' c.csv
    import --gone gone.csv
    [ "$(tail -n +2 gone.csv)" = 1 ]
    [ "$(tail -n +2 gone.csv~ | wc -l)" = 2 ]
}

@test "after a job that only partly succeeded the next import sends the same again" {
    start_local --domain acme
    import
    python3 - <<'P'
rows = open("c.csv").read().splitlines()
rows[7] = "7," + "x" * 300 + ",gold"
rows[8] = "8,Other,gold"
open("c.csv", "w").write("\n".join(rows) + "\n")
P
    import --no-check --json
    expect_output PARTIALLY_SUCCEEDED
    expect_error "the next import with --only-changed sends these rows again"
    import --no-check --json
    [ "$(counts new changed due same)" = "0 0 2 98" ]
}

@test "what a job that only partly succeeded has sent is undone when the file is as it was before, and new keys of it are gone" {
    start_local --domain acme
    import
    cp c.csv before.csv
    python3 - <<'P'
rows = open("c.csv").read().splitlines()
rows[7] = "7," + "x" * 300 + ",gold"
rows[8] = "8,Other,gold"
open("c.csv", "w").write("\n".join(rows + ["500,New,gold"]) + "\n")
P
    import --no-check --json
    expect_output PARTIALLY_SUCCEEDED
    cp before.csv c.csv
    import --json --gone gone.csv
    expect_status 0
    [ "$(counts new changed same gone)" = "0 2 98 1" ]
    [ "$(tail -n +2 gone.csv)" = 500 ]
    import --json
    [ "$(counts rows gone)" = "0 0" ]
}

@test "a row that is rejected is neither sent nor gone, and is sent when it is right again" {
    start_local --domain acme
    printf 'return mapping.define { unique_key = "id",\n  mapping.string "CustomerId" : to "Attributes.id" : as "id",\n  mapping.number "Tier" : to "Attributes.tier" }\n' >m.lua
    sed -i 's/gold/1/' c.csv
    import() { upjob import c.csv --domain acme --map m.lua --only-changed "$@"; }
    import
    sed -i '5s/1$/many/' c.csv
    import --json
    expect_status 6
    [ "$(counts new changed same held gone)" = "0 0 99 1 0" ]
    sed -i '5s/many/2/' c.csv
    import --json
    [ "$(counts new changed same held gone)" = "0 1 99 0 0" ]
}

@test "--full sends all, once" {
    start_local --domain acme
    import
    import --full --json
    [ "$(counts rows due)" = "100 100" ]
    import --json
    [ "$(counts rows)" = 0 ]
}

@test "a domain that was made again, and another mapping, have all sent" {
    start_local --domain acme
    import
    import --segment spring --json
    [ "$(counts new rows)" = "100 100" ]
    upjob run -e 'local c = require("upjob.profiles").client {} assert(c:delete_domain { DomainName = "acme" }) assert(c:create_domain { DomainName = "acme", DefaultExpirationDays = 30 })'
    expect_status 0
    import --json
    [ "$(counts new rows)" = "100 100" ]
}

@test "an import that was left running is what the next one compares with, once it has succeeded" {
    start_local --domain acme
    import --no-wait
    expect_status 0
    upjob run -e 'local c = require("upjob.profiles").client {} for j in c:pages("list_upload_jobs", { DomainName = "acme" }) do assert(c:wait_until("upload_job_done", { DomainName = "acme", JobId = j.JobId })) end'
    import --json
    [ "$(counts rows same)" = "0 100" ]
    import --no-wait
    expect_status 0
    expect_output "none: nothing was to be sent"
}

@test "parts of what has changed are parts of nothing else" {
    { echo CustomerId,FirstName,Tier; seq -f '%g,Name,gold' 3000; } >c.csv
    start_local --domain acme
    import --part-size 10K --json
    sed -i 's/gold/silver/' c.csv
    echo 9999,New,gold >>c.csv
    import --part-size 10K --json
    expect_status 0
    [ "$(counts new changed same)" = "1 3000 0" ]
    expect_output '"CreatedRecords":1,"FailedRecords":0,"UpdatedRecords":3000'
    import --part-size 10K --json
    [ "$(counts rows)" = 0 ]
}

@test "standard input, compressed files and other character sets are compared too" {
    start_local --domain acme
    upjob_in() { status=0; "$UPJOB" "${@:2}" <"$1" >out 2>err || status=$?; output=$(cat out) errors=$(cat err); }
    upjob_in c.csv import - --domain acme --key CustomerId --only-changed --json
    expect_status 0
    sed -i '5s/gold/silver/' c.csv
    gzip -k c.csv
    upjob import c.csv.gz --domain acme --key CustomerId --only-changed --json
    [ "$(counts new changed same)" = "0 1 99" ]
    sed -i '6s/gold/silver/' c.csv
    upjob_in <(iconv -t UTF-16 c.csv) import - --domain acme --key CustomerId --only-changed --json
    expect_status 0
    [ "$(counts new changed same)" = "0 1 99" ]
    expect_output '"UpdatedRecords":1'
}

@test "a set that was damaged is told and kept aside, and all is sent" {
    start_local --domain acme
    import
    local keys
    keys=$(echo state/upjob/changes/*/keys)
    [ "$(stat -c %a "$keys")" = 600 ]
    # At its beginning, among the texts of the keys, and among the records.
    for seek in 100 500 $(($(stat -c %s "$keys") - 20)); do
        printf 'x' | dd of="$keys" bs=1 seek="$seek" conv=notrunc status=none
        import --json
        expect_status 0
        expect_error "is kept as"
        [ "$(counts rows)" = 100 ]
        ls "$keys".damaged-*
        rm "$keys".damaged-*
    done
}

@test "where the set was damaged no list of keys that are gone is written, as if none were; a dry run leaves it where it is" {
    start_local --domain acme
    import
    sed -i 10d c.csv
    truncate -s 10 state/upjob/changes/*/keys
    import --dry-run
    expect_output "as what the last import was compared with cannot be read"
    [ -z "$(ls state/upjob/changes/*/keys.damaged-* 2>/dev/null)" ]
    import --gone gone.csv -q
    expect_status 1
    expect_error "gone.csv was not written: which keys are gone since the last import is not known"
    expect_no "gone are in"
    [ ! -e gone.csv ]
    sed -i 10d c.csv
    import --gone gone.csv
    [ "$(wc -l <gone.csv)" = 2 ]
}

@test "what a damaged set had is not taken for known after an import that did not succeed" {
    start_local --domain acme
    import
    sed -i 10d c.csv
    truncate -s 10 state/upjob/changes/*/keys
    cp c.csv good.csv
    python3 - <<'P'
rows = open("c.csv").read().splitlines()
rows[7] = "7," + "x" * 300 + ",gold"
open("c.csv", "w").write("\n".join(rows) + "\n")
P
    import --no-check --json
    expect_output PARTIALLY_SUCCEEDED
    mv good.csv c.csv
    import --dry-run
    expect_output "as what the last import was compared with cannot be read"
    import --gone gone.csv
    expect_status 1
    expect_error "gone.csv was not written: which keys are gone since the last import is not known"
    [ ! -e gone.csv ]
    import --gone gone.csv
    expect_status 0
    [ "$(wc -l <gone.csv)" = 1 ]
}

@test "a list of keys that are gone that cannot be written is told with -q too, and written by the next import" {
    start_local --domain acme
    import
    sed -i '5s/gold/silver/; 10d' c.csv
    mkdir lists
    cat >import.lua <<'LUA'
local run = assert(job.import { client = profiles.client {}, domain = "acme", file = "c.csv", key = "CustomerId",
                                only_changed = true, gone = "lists/gone.csv" })
run:on("started", function() assert(os.remove("lists")) end)
print(assert(run:wait()).Status)
LUA
    upjob run -q import.lua
    expect_output SUCCEEDED
    expect_error "lists/gone.csv was not written"
    mkdir lists
    import --gone lists/gone.csv
    expect_status 0
    [ "$(wc -l <lists/gone.csv)" = 2 ]
}

@test "a dry run tells what would be sent, and keeps nothing" {
    start_local --domain acme
    import --dry-run
    expect_status 0
    [ ! -e state/upjob/changes ] || [ -z "$(find state/upjob/changes -type f)" ]
    import
    sed -i '5s/gold/silver/' c.csv
    find state/upjob/changes -type f -exec md5sum {} + >before
    import --dry-run
    expect_output "1 of 100 keys since"
    expect_output "c.csv: 1 of 100 rows"
    md5sum -c --quiet before
}

@test "what cannot be is refused" {
    upjob import c.csv --domain acme --key CustomerId --full --local
    expect_status 2
    expect_error "--full needs --only-changed"
    upjob import c.csv --domain acme --key CustomerId --only-changed --gone c.csv --local --data data
    expect_status 2
    expect_error "keys that are gone cannot go to c.csv"
    printf 'Id\nmine\n' >g.csv
    upjob import c.csv --domain acme --key CustomerId --only-changed --gone g.csv --local --data data
    expect_status 2
    expect_error "upjob did not write it"
    upjob import c.csv --domain acme --key CustomerId --only-changed --gone h.csv --local
    expect_status 2
    expect_error "give it --data DIR"
    mkdir rejected
    cp c.csv d.csv
    for gone in d.csv rejected/d.csv.rejects.csv; do
        upjob import c.csv d.csv --domain acme --key CustomerId --only-changed --gone $gone --rejects rejected --local --data data
        expect_status 2
        expect_error "keys that are gone cannot go to $gone"
    done
}

@test "the report tells of what was sent, and not of the rows that have not changed" {
    upjob import c.csv --domain acme --key CustomerId --only-changed --local --data data --report r.html -q
    sed -i '5s/gold/silver/' c.csv
    upjob import c.csv --domain acme --key CustomerId --only-changed --local --data data --report r.html -q
    expect_status 0
    grep -q "Done: 1 row that is new or changed was imported" r.html
    upjob import c.csv --domain acme --key CustomerId --only-changed --local --data data --report r.html -q
    grep -q "nothing has changed, and nothing was sent" r.html
}

@test "where a row has lost its key no key is told to be gone, and all are when it has one again" {
    start_local --domain acme
    import
    cp c.csv before.csv
    sed -i '8s/^7,/,/; 20d' c.csv
    import --gone gone.csv --max-failed 5%
    expect_status 1
    expect_error "a row has no key that can be read, so which keys are gone is not known (c.csv:8: give these rows their keys, and import again)"
    [ ! -e gone.csv ]
    sed '20d' before.csv >c.csv
    import --gone gone.csv
    expect_status 0
    [ "$(tail -n +2 gone.csv)" = 19 ]
}

# ---- several files ----

# Three files of a hundred keys each, and an import of all that there are.
write_three() {
    local i
    for i in 1 2 3; do { echo CustomerId,FirstName,Tier; seq -f '%g,Name,gold' $((i * 100)) $((i * 100 + 99)); } >part$i.csv; done
}
import_all() { upjob import 'part*.csv' --domain acme --key CustomerId --only-changed "$@"; }
# Of each file of a result in JSON the rows that were to be sent.
to_send() { python3 -c 'import json, sys; print(*(f["to_send"] for f in json.loads(sys.argv[1])["files"]))' "$output"; }
# The files of the jobs of a result in JSON, and the rows of each.
sent_jobs() { python3 -c 'import json, sys; print(*(j["file"] + ":" + str(j["rows"]) for j in json.loads(sys.argv[1])["jobs"]))' "$output"; }
expect_name() {
    upjob profile find customer_id="$1" --domain acme --json
    expect_output "\"FirstName\":\"$2\""
}

@test "several files are compared together, and only what has changed in one of them is sent, by its job alone" {
    start_local --domain acme
    write_three
    import_all --json
    expect_status 0
    [ "$(counts new rows)" = "300 300" ]
    [ "$(sent_jobs)" = "part1.csv:100 part2.csv:100 part3.csv:100" ]
    import_all
    expect_status 0
    expect_output "none: nothing was to be sent"
    expect_output "0 of 300 keys since"
    sed -i '5s/gold/silver/; 7d' part2.csv
    echo 999,New,gold >>part2.csv
    import_all --json --gone gone.csv
    expect_status 0
    [ "$(counts new changed same gone rows)" = "1 1 298 1 2" ]
    [ "$(sent_jobs)" = "part2.csv:2" ]
    [ "$(to_send)" = "0 2 0" ]
    [ "$(tail -n +2 gone.csv)" = 205 ]
    jobs
    [ "$(wc -l <<<"$output")" = 4 ]
}

@test "rows that move to another file, and files in another order, are no changes" {
    start_local --domain acme
    write_three
    import_all
    { cat part1.csv; tail -n +2 part3.csv; } >x.csv
    mv x.csv part1.csv
    rm part3.csv
    import_all --json --gone gone.csv
    [ "$(counts rows same gone)" = "0 300 0" ]
    upjob import part2.csv part1.csv --domain acme --key CustomerId --only-changed --json
    [ "$(counts rows same)" = "0 300" ]
    # And one file.
    tail -n +2 part2.csv >>part1.csv
    upjob import part1.csv --domain acme --key CustomerId --only-changed --json
    [ "$(counts rows same)" = "0 300" ]
    # A file that is left out has its keys gone.
    write_three
    upjob import part1.csv part3.csv --domain acme --key CustomerId --only-changed --json --gone gone.csv
    [ "$(counts rows same gone)" = "0 200 100" ]
    [ "$(tail -n +2 gone.csv | wc -l)" = 100 ]
}

@test "of a key with rows in several files all are sent, in their order, when one has changed" {
    start_local --domain acme
    printf 'CustomerId,FirstName\n1,one\n2,two\n1,again\n' >a.csv
    printf 'CustomerId,FirstName\n3,three\n1,last\n' >b.csv
    import_both() { upjob import a.csv b.csv --domain acme --key CustomerId --only-changed --json; }
    import_both
    [ "$(counts new rows)" = "3 5" ]
    sed -i 's/again/other/' a.csv
    import_both
    [ "$(counts changed same rows)" = "1 2 3" ]
    [ "$(sent_jobs)" = "a.csv:2 b.csv:1" ]
    expect_name 1 last
    # The same rows in another order have changed.
    upjob import b.csv a.csv --domain acme --key CustomerId --only-changed --json
    [ "$(counts changed same rows)" = "1 2 3" ]
    expect_name 1 other
}

@test "a dry run tells of each file and of all what would be sent" {
    start_local --domain acme
    write_three
    import_all
    sed -i '5s/gold/silver/' part1.csv
    sed -i '5,6s/gold/silver/' part3.csv
    import_all --dry-run
    expect_status 0
    expect_output "3 files: 3 of 300 rows"
    expect_output "part1.csv: 1 of 100 rows"
    expect_output "part2.csv: 0 of 100 rows"
    expect_output "part3.csv: 2 of 100 rows"
    expect_output "3 of 300 keys since"
    import_all --dry-run --json
    [ "$(counts changed same rows)" = "3 297 3" ]
    [ "$(to_send)" = "1 0 2" ]
    import_all --json
    [ "$(sent_jobs)" = "part1.csv:1 part3.csv:2" ]
    import_all --dry-run
    expect_output "3 files: 0 of 300 rows"
}

@test "files of which one is split, one is a pipe and one has rejected rows are compared as any" {
    start_local --domain acme
    printf 'return mapping.define { unique_key = "id",\n  mapping.string "CustomerId" : to "Attributes.id" : as "id",\n  mapping.number "Tier" : to "Attributes.tier" }\n' >m.lua
    { echo CustomerId,Tier; seq -f '%g,1' 1 2000; } >large.csv
    { echo CustomerId,Tier; seq -f '%g,1' 3001 3010; } >small.csv
    mkdir rejected
    import_each() {
        upjob import large.csv <(echo CustomerId,Tier; echo "4001,$1"; echo 4002,1) small.csv --domain acme --map m.lua \
            --only-changed --part-size 5K --json --rejects rejected --max-failed 5%
    }
    import_each 1
    expect_status 0
    [ "$(counts new rows)" = "2012 2012" ]
    sed -i 's/,1$/,2/' large.csv
    sed -i '3s/1$/many/; 4s/1$/3/' small.csv
    import_each 2
    expect_status 0
    [ "$(counts new changed same held gone rows)" = "0 2002 9 1 0 2002" ]
    [ "$(to_send)" = "2000 1 1" ]
    [ "$(tail -n +2 rejected/small.csv.rejects.csv | cut -d, -f1)" = 3002 ]
    [[ "$(sent_jobs)" == *large.csv:*large.csv:*large.csv:*" small.csv:1" ]]
    import_each 2
    [ "$(counts rows same held)" = "0 2011 1" ]
    [ "$(to_send)" = "0 0 0" ]
}

@test "--full sends all files, and a row without a key in any of them leaves open what is gone" {
    start_local --domain acme
    write_three
    import_all
    import_all --full --json
    [ "$(counts due rows)" = "300 300" ]
    sed -i '5s/^[0-9]*,/,/' part2.csv
    sed -i '7d' part3.csv
    import_all --gone gone.csv --max-failed 5%
    expect_status 1
    expect_error "a row has no key that can be read, so which keys are gone is not known"
    [ ! -e gone.csv ]
}

@test "several files of which one has something to be sent are one job, by its id and without the number of a part" {
    start_local --domain acme
    write_three
    import_all
    sed -i '5s/gold/silver/' part2.csv
    import_all --dry-run --json
    [ "$(jq -r '.DisplayName, (.requests[0].body | fromjson | .DisplayName)' <<<"$output" | grep -c "part . of")" = 0 ]
    import_all --json
    expect_status 0
    [ "$(jq -r '.jobs | length' <<<"$output")" = 1 ]
    [ "$(jq -r '.JobId, .DisplayName' <<<"$output")" = "$(jq -r '.jobs[0] | .JobId, .DisplayName' <<<"$output")" ]
    [[ "$(jq -r .DisplayName <<<"$output")" =~ ^part2\.csv\ [a-z0-9]+-1-[0-9a-f]{10}$ ]]
    sed -i '5s/silver/gold/' part2.csv
    import_all --report r.html
    expect_status 0
    [[ $output =~ "job       "[0-9a-f]{32}" in domain acme, of part2.csv" ]]
    [[ $output != *"Part  Job"* ]]
    local id=$(grep -o '[0-9a-f]\{32\}' <<<"$output" | head -1)
    grep -q "$id" r.html
    sed -i '5s/gold/bronze/' part2.csv
    import_all --no-wait --json
    expect_status 0
    [ "$(jq -r .JobId <<<"$output")" = "$(jq -r '.jobs[0].JobId' <<<"$output")" ]
    stop_local
}

# ---- the mapping of a set ----

write_map() {
    printf 'local mapping = require "upjob.mapping"\n%s\nreturn mapping.define { unique_key = "id",\n  mapping.string "CustomerId" : to "Attributes.id" : as "id",\n  mapping.string "Tier" : to "Attributes.tier"%s }\n' \
        "$2" "$3" >"$1"
}
import_by() { upjob import c.csv --domain acme --map "$1" --only-changed "${@:2}"; }

@test "a comment in the mapping file changes nothing of what is compared with; another meaning does" {
    start_local --domain acme
    write_map m.lua "" ""
    import_by m.lua -q
    sed -i '5s/gold/silver/' c.csv
    write_map m.lua "-- nightly, of the shop" "  -- gold or silver
      "
    import_by m.lua --dry-run --json
    [ "$(counts changed same)" = "1 99" ]
    import_by m.lua --json
    [ "$(counts changed same)" = "1 99" ]
    write_map m.lua "" " : via(function(value) return value end)"
    import_by m.lua --json
    [ "$(counts new same)" = "100 0" ]
    write_map m.lua "-- nothing is done" " : via(function(value) --[[ nothing ]] return value end)"
    import_by m.lua --json
    [ "$(counts rows same)" = "0 100" ]
    write_map m.lua "" " : via(function(value) return value .. '!' end)"
    import_by m.lua --json
    [ "$(counts new same)" = "100 0" ]
}

@test "feeds that are mapped alike by mapping files of their own do not have each other's keys gone" {
    start_local --domain acme
    write_map m.lua "" ""
    write_map other.lua "" ""
    import_by m.lua -q
    { echo CustomerId,FirstName,Tier; seq -f '%g,Name,gold' 501 520; } >d.csv
    upjob import d.csv --domain acme --map other.lua --only-changed --json
    [ "$(counts new gone)" = "20 0" ]
    import_by m.lua --json
    [ "$(counts rows same gone)" = "0 100 0" ]
    # Another directory is another place of the same.
    mkdir release
    cp m.lua release/m.lua
    import_by release/m.lua --json
    [ "$(counts rows same gone)" = "0 100 0" ]
}

@test "a set of an earlier version, known by the text of its mapping, is compared with" {
    start_local --domain acme
    write_map m.lua "-- a comment" ""
    import_by m.lua -q
    local new=$(dirname state/upjob/changes/*/about)
    cat >old.lua <<'LUA'
local fingerprint = require "upjob.fingerprint"
local map = assert(require("upjob.mapping").load "m.lua")
local about = io.open(arg[1] .. "/about"):read("a")
local text = about:match("^.-fingerprint ") .. fingerprint.of_mapping_before(map) .. "\n"
local id = require("upjob.native.upload").digest(text):gsub("[+/=]", { ["+"] = "-", ["/"] = "_", ["="] = "" })
local old = arg[1]:match("^(.*)/") .. "/" .. id
assert(os.rename(arg[1], old))
io.open(old .. "/about", "w"):write(text .. "mapping m.lua\n")
LUA
    "$UPJOB" run old.lua "$new"
    [ ! -e "$new" ]
    import_by m.lua --dry-run --json
    [ "$(counts rows same)" = "0 100" ]
    import_by m.lua --json
    [ "$(counts rows same)" = "0 100" ]
    [ "$(dirname state/upjob/changes/*/about)" = "$new" ]
    # And from now on by its meaning.
    write_map m.lua "-- another comment" ""
    import_by m.lua --json
    [ "$(counts rows same)" = "0 100" ]
}

@test "after an import of the mapping without --only-changed all rows are sent again, once" {
    start_local --domain acme
    write_map m.lua "" ""
    import_by m.lua -q
    sed -i '5s/gold/silver/' c.csv
    cp c.csv other.csv
    upjob import other.csv --domain acme --map m.lua -q
    expect_status 0
    upjob profile find tier=silver --domain acme
    [ -n "$output" ]
    sed -i '5s/silver/gold/' c.csv # as it was when it was compared
    import_by m.lua --dry-run --json
    [ "$(counts due same rows)" = "100 0 100" ]
    import_by m.lua
    expect_output "as an import without --only-changed has sent rows of this mapping since"
    upjob profile find tier=silver --domain acme
    [ -z "$output" ]
    import_by m.lua --json
    [ "$(counts due same rows)" = "0 100 0" ]
    # Another mapping, a dry run, and one that is refused change nothing of it.
    write_map other.lua "" " : upper()"
    upjob import c.csv --domain acme --map other.lua -q
    upjob import c.csv --domain acme --map m.lua --dry-run -q
    echo broken >bad.csv
    upjob import bad.csv --domain acme --map m.lua -q
    import_by m.lua --json
    [ "$(counts rows same)" = "0 100" ]
}
