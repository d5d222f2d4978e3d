#!/usr/bin/env bats
# What the journal keeps of imports, and how one that was cut short is gone on with.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    export XDG_STATE_HOME=$PWD/state
}
teardown() { stop_local; }

# "STATUS DisplayName" of each job.
jobs() { "$UPJOB" job list --domain acme --json | sed 's/.*"DisplayName":"\([^"]*\)".*"Status":"\([^"]*\)".*/\2 \1/'; }

big() { seq 20000 | awk 'BEGIN { print "id,name" } { print $1 ",name of " $1 }' >"$1"; }

# An import that is killed while it uploads, to a service that reads slowly; the service is then as fast as ever.
import_killed_in_the_upload() {
    start_local --domain acme --fault slow=2000
    "$UPJOB" import "$@" --domain acme -q 3>&- &
    until_true eval 'ls service/objects 2>/dev/null | grep -q part'
    kill -9 $! && wait $! || true
    restart_local
}

# At the place where it was.
restart_local() {
    stop_local
    start_local --port "${URL##*:}"
}

@test "runs list has each import, newest first, also one whose check failed, and no dry run, nor the demo" {
    customers c.csv
    printf 'CustomerId,FirstName\n,x\n' >bad.csv
    upjob runs list
    expect_status 0
    expect_error "no runs in the journal of $PWD/state/upjob"
    upjob import c.csv --local --domain acme --key CustomerId
    expect_status 0
    upjob import bad.csv --local --domain acme --key CustomerId
    expect_status 7
    upjob import c.csv --local --domain acme --key CustomerId --dry-run
    expect_status 0
    upjob demo
    expect_status 0
    upjob import none.csv --local --domain acme --key CustomerId
    expect_status 7
    upjob runs list
    expect_status 0
    [ "$(wc -l <<<"$output")" = 5 ]
    [[ $(sed -n 3p <<<"$output") == *3*failed*none.csv* ]]
    [[ $(sed -n 4p <<<"$output") == *2*failed*bad.csv*"would be refused"* ]]
    [[ $(sed -n 5p <<<"$output") == *1*succeeded*c.csv*" 3 created, 0 updated, 0 failed" ]]
    upjob runs list --state-is failed --max 1 --json
    [ "$(wc -l <<<"$output")" = 1 ]
    expect_output '"state":"failed"'
    expect_output '"exit_status":7'
}

@test "runs show tells what was asked for, each step, and the end; nothing of it is a secret or a value of a cell" {
    customers c.csv
    start_local --domain acme
    upjob import c.csv --domain acme --key CustomerId --expires 30
    upjob runs show 1
    expect_status 0
    for text in "State        succeeded" "File         $PWD/c.csv" "Domain       acme" "Result       3 created, 0 updated, 0 failed" \
        "Exit status  0"; do
        expect_output "$text"
    done
    for step in check create upload start watch; do grep -qE "^$step +1 .* [0-9.]+ s +done" <<<"$output"; done
    expect_no "go on"
    upjob runs show 1 --json
    expect_output '"expires":30'
    # What is in the file of the journal, and of what SQLite keeps beside it.
    if grep -aqE 'Ann|bob@example|X-Amz|ClientToken|AWS4|Signature' state/upjob/journal.db*; then return 1; fi
    upjob runs show 7
    expect_status 1
    expect_error "there is no run 7"
    upjob runs show x
    expect_status 2
    expect_error "takes the number of a run, not 'x'"
}

@test "an import that was killed in its upload is gone on with: the file is sent again, to the same job" {
    big b.csv
    import_killed_in_the_upload b.csv --key id --name nightly
    upjob runs list --json
    expect_output '"state":"lost"'
    upjob runs show 1
    expect_output "To go on with it: $UPJOB runs resume 1"
    upjob runs resume --json
    expect_status 0
    expect_output '"CreatedRecords":20000'
    expect_output '"rows":20000'
    [[ $(jobs) == "SUCCEEDED nightly "* ]]
    [ "$(jobs | wc -l)" = 1 ]
    upjob runs show 1
    expect_output "State        succeeded, attempt 2"
    upjob runs resume
    expect_status 0
    expect_error "there is no import to go on with"
    upjob runs resume 1
    expect_status 1
    expect_error "run 1 has ended already (succeeded)"
}

@test "runs tell which of several files an error is about" {
    printf 'id,FirstName\n1,a\n' >a.csv
    mkdir b.csv
    upjob import a.csv b.csv --key id --domain acme --local
    expect_status 7
    upjob runs list
    expect_output "b.csv: is a directory"
    upjob runs show 1
    expect_output "Error        b.csv: is a directory"
}

@test "a run that goes on in another process is not gone on with a second time" {
    big b.csv
    start_local --domain acme --fault slow=2000
    "$UPJOB" import b.csv --key id --domain acme --run-key one -q 3>&- &
    pid=$!
    until_true eval 'ls service/objects 2>/dev/null | grep -q part'
    upjob runs resume 1
    expect_status 1
    expect_error "run 1 goes on in process $pid"
    upjob import b.csv --key id --domain acme --run-key one
    expect_status 1
    expect_error "process $pid"
    upjob runs resume
    expect_status 0
    kill -9 $pid && wait $pid || true
    [ "$(jobs)" = "CREATED b.csv one" ]
}

@test "a file that has changed is not sent to a job of before: the job is stopped" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    cp b.csv same.csv
    echo "20001,one more" >>b.csv
    upjob runs resume 1
    expect_status 7
    expect_error "is not what was checked: run 1 cannot go on, its job"
    expect_error "was stopped"
    [[ $(jobs) == "STOPPED b.csv "* ]]
    upjob runs list --json
    expect_output '"state":"failed"'
}

@test "a file that only has another time and place on the disk is what it was" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    cp b.csv c.csv
    mv c.csv b.csv
    touch -d yesterday b.csv
    upjob runs resume 1
    expect_status 0
    [[ $(jobs) == "SUCCEEDED b.csv "* ]]
}

@test "a mapping file that has changed ends the run, and what a script does to values cannot be gone on with without it" {
    big b.csv
    cat >m.lua <<'L'
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "id", mapping.string "id" : to "Attributes.id", mapping.name "name" : to "LastName" }
L
    import_killed_in_the_upload b.csv --map m.lua
    sed -i 's/LastName/FirstName/' m.lua
    upjob runs resume
    expect_status 7
    expect_error "the mapping $PWD/m.lua is not what it was: run 1 cannot go on, its job"
    stop_local
    rm -rf service
    cat >s.lua <<'L'
local map = mapping.define { unique_key = "id", mapping.string "id" : to "Attributes.id",
  mapping.name "name" : to "LastName" : via(function(name) return name .. "!" end) }
assert(assert(job.import { client = profiles.client {}, domain = "acme", file = "b.csv", mapping = map }):wait())
L
    start_local --domain acme --fault slow=2000
    "$UPJOB" run s.lua 3>&- 2>/dev/null &
    until_true eval 'ls service/objects 2>/dev/null | grep -q part'
    kill -9 $! && wait $! || true
    upjob runs resume
    expect_status 7
    expect_error "has functions or files of its script $PWD/s.lua: run that again: run 2 cannot go on, its job"
    [[ $(jobs) == "STOPPED b.csv "* ]]
}

@test "an interrupt before the start ends the run for good, one after it leaves a run that can be gone on with" {
    big b.csv
    start_local --domain acme --fault slow=2000
    "$UPJOB" import b.csv --key id --domain acme -q 2>err 3>&- &
    until_true eval 'ls service/objects 2>/dev/null | grep -q part'
    kill -TERM $!
    status=0; wait $! || status=$?
    [ "$status" = 143 ]
    upjob runs list
    expect_output cancelled
    upjob runs resume 1
    expect_error "run 1 has ended already (cancelled)"
    restart_local
    upjob import b.csv --key id --domain acme --no-wait
    expect_status 0
    upjob runs show 2
    expect_output "State        interrupted"
    echo "20001,one more" >>b.csv
    upjob runs resume 2
    expect_status 0
    expect_error "b.csv has been changed since run 2 sent it"
    expect_output "SUCCEEDED"
    expect_output "b.csv (20,000 rows, "
}

@test "a run that was being given up when it was killed is given up, not gone on with" {
    start_local --domain acme
    cat >s.lua <<'L'
local store = assert(require("upjob.journal").open {})
local client = profiles.client {}
local made = assert(client:create_upload_job { DomainName = "acme", DisplayName = "c.csv k", UniqueKey = "id",
  Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } })
local run = assert(store:begin_run { kind = "import", run_key = "k", file = "/c.csv", domain = "acme", job_id = made.JobId,
  options = { client = client.origin } })
for _, one in ipairs { { "create", "done" }, { "stop", "begin" } } do
  assert(store:step { id = run.id, fence = run.fence, step = one[1], state = one[2] })
end
L
    upjob run s.lua
    expect_status 0
    upjob runs resume
    expect_status 1
    expect_error "run 1 was being given up"
    [ "$(jobs)" = "STOPPED c.csv k" ]
    upjob runs list
    expect_output cancelled
}

@test "a run whose job is gone has failed; where the domain is not seen either, it may be another account's, and stays" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    stop_local
    rm -r service
    start_local --port "${URL##*:}"
    upjob runs resume
    expect_status 4
    expect_error "to go on with the run: $UPJOB runs resume 1"
    restart_local
    upjob run -e 'assert(profiles.client {}:create_domain { DomainName = "acme", DefaultExpirationDays = 30 })'
    upjob runs resume
    expect_status 4
    expect_error "the job is gone"
    upjob runs resume
    expect_status 0
    upjob runs list --json
    expect_output '"state":"failed"'
}

@test "a run of an embedded service is gone on with where that kept its data, and says so where it did not" {
    cat >s.lua <<'L'
local run = job.import { client = profiles.client { embedded = true }, domain = "acme", file = "c.csv", key = "CustomerId" }
run:on("created", function() os.execute("kill -9 $PPID") end)
run:wait()
L
    customers c.csv
    upjob run s.lua
    expect_status 137
    upjob runs resume
    expect_status 1
    expect_error "run 1 cannot go on: its embedded service, which kept no data, ended with its program"
    upjob runs resume
    expect_status 0
    upjob --local --data kept run s.lua
    expect_status 137
    cd /
    upjob runs resume --json
    expect_status 0
    expect_output '"CreatedRecords":3'
}

@test "a run key with a journal: what succeeded is told and nothing is sent; another file or mapping is refused" {
    customers c.csv
    start_local --domain acme
    upjob import c.csv --domain acme --key CustomerId --run-key n1
    expect_status 0
    upjob import c.csv --domain acme --key CustomerId --run-key n1
    expect_status 0
    expect_error "run 1 has done this import"
    expect_output "3 created"
    [ "$(jobs)" = "SUCCEEDED c.csv n1" ]
    cp c.csv d.csv
    upjob import d.csv --domain acme --key CustomerId --run-key n1
    expect_status 2
    expect_error "it was of $PWD/c.csv, not $PWD/d.csv; give another run key"
    upjob import c.csv --domain acme --key EmailAddress --run-key n1
    expect_status 2
    expect_error "its mapping was another"
    [ "$(jobs)" = "SUCCEEDED c.csv n1" ]
}

@test "a run key without a journal: the job is found on the service, whatever it has come to" {
    customers c.csv
    start_local --domain acme
    upjob import c.csv --domain acme --key CustomerId --run-key n1 --state one
    expect_status 0
    upjob import c.csv --domain acme --key CustomerId --run-key n1 --state two --json
    expect_status 0
    expect_error "has the run key n1 and is SUCCEEDED: nothing is sent"
    expect_output '"CreatedRecords":3'
    [ "$(jobs)" = "SUCCEEDED c.csv n1" ]
    # The same key, and another mapping.
    cat >m.lua <<'L'
local m = require "upjob.mapping"
return m.define { unique_key = "id", m.string "CustomerId" : to "Attributes.id" : as "id" }
L
    upjob import c.csv --domain acme --map m.lua --run-key n1 --state three
    expect_status 2
    expect_error "(\"c.csv n1\", SUCCEEDED) in domain acme has the run key n1 and another mapping than this import of m.lua: its"
    expect_error "UniqueKey is \"CustomerId\", not \"id\"; give another run key"
    # One that waits for its file gets it; one that was stopped has a successor.
    for n in 2 3; do
        cat >s.lua <<L
local client, map = profiles.client {}, mapping.load "m.lua"
local job = assert(client:create_upload_job { DomainName = "acme", DisplayName = "x n$n", UniqueKey = "id",
  Fields = map:api_fields() })
if $n == 3 then assert(client:stop_upload_job { DomainName = "acme", JobId = job.JobId }) end
L
        upjob run s.lua
        expect_status 0
        upjob import c.csv --domain acme --map m.lua --run-key n$n --name x --state "s$n"
        expect_status 0
    done
    expect_error "has the run key n3 and is STOPPED: another is made"
    [ "$(jobs | grep 'n[23]' | sort)" = "STOPPED x n3
SUCCEEDED x n2
SUCCEEDED x n3" ]
}

@test "without a journal nothing is sent, unless a run key stands in for it" {
    customers c.csv
    start_local --domain acme
    : >taken
    upjob import c.csv --domain acme --key CustomerId --state taken
    expect_status 3
    expect_error "taken"
    upjob import c.csv --domain acme --key CustomerId --state taken --run-key k
    expect_status 3
    upjob import c.csv --domain acme --key CustomerId --state /proc/none
    expect_status 3
    unset XDG_STATE_HOME
    HOME='' upjob import c.csv --domain acme --key CustomerId
    expect_status 3
    expect_error "neither HOME nor XDG_STATE_HOME is set"
    [ -z "$(jobs)" ]
    HOME='' upjob import c.csv --domain acme --key CustomerId --local
    expect_status 0
    expect_error "the run goes on without a journal"
    upjob import c.csv --domain acme --key CustomerId --state /proc/none --run-key k
    expect_status 0
    expect_error "the run goes on without a journal: a later one finds its job by the run key k"
    [ "$(jobs)" = "SUCCEEDED c.csv k" ]
}

@test "the rejects of an earlier run stay kept when a run writes its own twice" {
    seq 20000 | awk 'BEGIN { print "id,name"; print ",none" } { print $1 ",name of " $1 }' >b.csv
    printf 'id,upjob_reason\nearlier,run\n' >b.csv.rejects.csv
    import_killed_in_the_upload b.csv --key id
    grep -q earlier b.csv.rejects.csv~
    upjob runs resume
    expect_status 6
    expect_output "see $PWD/b.csv.rejects.csv"
    grep -q earlier b.csv.rejects.csv~
    [ "$(wc -l <b.csv.rejects.csv)" = 2 ]
}

@test "a file whose name is no text is recorded, and found again" {
    name=$(printf 'caf\xe9.csv')
    big "$name"
    import_killed_in_the_upload "$name" --key id
    upjob runs list --json
    expect_output '"state":"lost"'
    expect_output 'caf\\xE9.csv'
    upjob runs resume
    expect_status 0
    expect_output 'caf\xE9.csv'
}

@test "an import of an automation is gone on with by the next attempt, by its number, and is not made twice" {
    big b.csv
    cat >parent.lua <<'L'
local store = assert(require("upjob.journal").open {})
local run = arg[1] and assert(store:claim_run { id = tonumber(arg[1]) }) or assert(store:begin_run { kind = "automation" })
require("upjob.defaults").parent_run = { id = run.id, fence = run.fence, attempt = run.attempt }
for i = 1, 2 do
  local run = assert(job.import { client = profiles.client {}, domain = "acme", file = i == 1 and "c.csv" or "b.csv", key = i == 1
    and "CustomerId" or "id" })
  print(assert(run:wait()).Status)
end
L
    customers c.csv
    start_local --domain acme --fault slow=2000
    "$UPJOB" run parent.lua 3>&- &
    until_true eval '[ "$(jobs | wc -l)" = 2 ] && ls service/objects | grep -q part'
    kill -9 $! && wait $! || true
    restart_local
    upjob run parent.lua 1
    expect_status 0
    [ "$output" = "SUCCEEDED
SUCCEEDED" ]
    expect_error "run 2 has done this import"
    expect_error "run 3 goes on where it was left"
    [ "$(jobs | sed 's/ [^ ]*$//' | sort)" = "SUCCEEDED b.csv
SUCCEEDED c.csv" ]
    upjob runs show 3
    expect_output "Part of      run 1, as its import 2"
}

@test "a daemon goes on with imports that were cut short" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    mkdir automations
    echo 'schedule.at("2090-01-01T00:00", { run = function() end })' >automations/a.lua
    "$UPJOB" daemon automations 2>daemon.log 3>&- &
    DAEMON=$!
    until_true grep -q "import 1, which was cut short, is succeeded" daemon.log
    kill $DAEMON
    wait $DAEMON || true
    [[ $(jobs) == "SUCCEEDED b.csv "* ]]
}

@test "--no-wait with a run key whose job has ended gives its result" {
    customers c.csv
    start_local --domain acme
    for _ in 1 2; do
        upjob import c.csv --domain acme --key CustomerId --run-key k
        expect_status 0
    done
    upjob import c.csv --domain acme --key CustomerId --run-key k --no-wait
    expect_status 0
    expect_output "3 created"
}

@test "runs show has what a run printed and logged, also what it told for information, with its tabs" {
    mkdir automations
    echo 'schedule.every("1d", { run = function() log.info("loaded", { rows = 3 }) print("a", "b") end })' >automations/a.lua
    "$UPJOB" daemon automations >daemon.log 2>&1 3>&- &
    until_true grep -q 'schedules\? of' daemon.log
    upjob schedule trigger a --wait
    expect_status 0
    upjob runs show 1
    kill $! && wait $!
    expect_output "upjob: loaded: rows=3"
    expect_output "a	b"
}

@test "runs prune forgets what ended long ago, and keeps what was asked for" {
    customers c.csv
    for _ in 1 2 3; do upjob import c.csv --local --domain acme --key CustomerId -q; done
    upjob runs prune
    expect_output "forgot 0 runs"
    upjob runs prune --older-than 0s --keep 2 --json
    [ "$output" = '{"dead_letters":0,"pruned":1}' ]
    upjob runs list --json
    [ "$(wc -l <<<"$output")" = 2 ]
    upjob runs prune --older-than soon
    expect_status 2
    expect_error "--older-than' takes a time such as 12h, 90d or 8w, not 'soon'"
}

@test "runs prune forgets notifications that could not be delivered long ago, and says how many" {
    echo 'notify.exec { name = "ops", command = { "false" } }:send { message = "hello" }' >send.lua
    upjob run send.lua
    upjob runs prune
    expect_output "forgot 0 runs"
    upjob runs prune --older-than 0s
    expect_output "forgot 0 runs and 1 notification that could not be delivered"
    upjob notify list
    expect_error "there are no dead letters"
}

@test "runs prune gives up a run that is named, which nothing goes on with any more" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    upjob runs prune 1
    expect_status 0
    [ "$output" = "gave up run 1" ]
    upjob runs list --json
    [[ "$output" = *'"state":"cancelled"'* ]]
    upjob runs resume
    expect_status 0
    expect_error "there is no import to go on with"
    upjob runs prune 1 7
    expect_status 1
    expect_error "run 1 has ended already (cancelled)"
    expect_error "there is no run 7"
}

@test "runs resume while the service is away ends with a command to copy, and goes on when it is back" {
    big b.csv
    import_killed_in_the_upload b.csv --key id
    stop_local
    upjob runs resume
    expect_status 1
    expect_error "(step look, "
    expect_error " attempts): nothing was changed"
    [[ "$errors" = *"runs resume 1" ]]
    upjob runs list --json
    [[ "$output" = *'"state":"interrupted"'* ]]
    start_local --port "${URL##*:}"
    upjob runs resume
    expect_status 0
    expect_output "SUCCEEDED  20,000 created"
}
