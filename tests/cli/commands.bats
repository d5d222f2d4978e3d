#!/usr/bin/env bats
# The other commands.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { stop_local; }

@test "demo imports both samples and shows a person" {
    upjob demo
    expect_status 0
    expect_output "59 created, 0 updated, 0 failed"
    expect_output "536 created, 776 updated, 0 failed"
    expect_output "vanish on"
    expect_output "Gonçalves"
    expect_output "luisg@embraer.com.br"
}

@test "demo --json is JSON lines" {
    upjob demo --json
    expect_status 0
    python3 -c 'import json,sys; rows=[json.loads(l) for l in sys.argv[1].splitlines()]; assert [r["ResultsSummary"]["CreatedRecords"] for r in rows] == [59, 536], rows' "$output"
}

@test "version, help, and commands that do not exist" {
    upjob --version
    expect_status 0
    expect_output "upjob "
    upjob --help
    expect_status 0
    expect_output "import"
    for c in demo repl import local doctor; do
        upjob $c --help
        expect_status 0
        expect_output "Usage: upjob $c"
    done
    upjob run --help
    expect_status 0
    upjob job list --help
    expect_status 0
    upjob improt
    expect_status 2
    expect_error 'did you mean "import"'
    upjob job lst
    expect_status 2
    expect_error 'did you mean "list"'
}

@test "run passes arguments and the script's status" {
    echo 'print(#arg, arg[1], ...) return 9' >s.lua
    upjob run s.lua one two
    expect_status 9
    expect_output "2	one	one	two"
    upjob run -e 'print(arg[1])' hello
    expect_output hello
    echo 'print("piped", ...)' | "$UPJOB" run - x | grep -q 'piped	x'
}

@test "a script with a shebang runs" {
    mkdir bin && ln -s "$UPJOB" bin/upjob
    printf '#!/usr/bin/env upjob\nprint("from a script", arg[1])\n' >s && chmod +x s
    [ "$(PATH=$PWD/bin:$PATH ./s 1)" = "from a script	1" ]
}

@test "a script with a shebang runs from standard input, and its lines keep their numbers" {
    [ "$(printf '#!/usr/bin/env upjob\nprint("piped", ...)\n' | "$UPJOB" run - 1)" = "piped	1" ]
    [ "$(printf '\xef\xbb\xbf#!upjob\nprint("with a mark")\n' | "$UPJOB" run -)" = "with a mark" ]
    run bash -c 'printf "#!/usr/bin/env upjob\nerror(\"here\")" | "$0" run -' "$UPJOB"
    [ "$status" = 1 ]
    [[ $output == *"stdin:2: here"* ]]
}

@test "a wrong argument of a log line is told at the line that wrote it" {
    printf '\n\nlog.info("%%d rows", "x")\n' >s.lua
    upjob run s.lua
    expect_status 1
    expect_error "s.lua:3: log.info: bad argument #2 (number expected, got string)"
}

@test "an unhandled error prints its traceback and ends with 1" {
    upjob run -e 'local function f() error("boom") end f()'
    expect_status 1
    expect_error "boom"
    expect_error "stack traceback"
    upjob run -e 'error(setmetatable({}, {__tostring = function() return "an object" end}))'
    expect_status 1
    expect_error "an object"
    upjob run -e 'error { code = 5, why = "of a table" }'
    expect_status 1
    expect_error 'a table was raised as an error: { code = 5, why = "of a table" }'
    upjob run -e 'error { message = "what a table says" }'
    expect_error "what a table says"
    upjob run -e 'task.spawn(function() error("in a task") end) task.sleep(0.01)'
    expect_status 1
    expect_error "in a task"
    upjob run -e 'syntax error'
    expect_status 1
    upjob run nowhere.lua
    expect_status 1
    expect_error "nowhere.lua"
}

@test "a task's error is not reported when it is waited for later, or through task.all" {
    upjob run -e 'local h = task.spawn(function() error("late") end) task.sleep(0.2) local _, err = h:wait() print(err)'
    expect_status 0
    expect_output late
    [ -z "$errors" ]
    upjob run -e 'local function f() error("now") end print(select(2, task.all { f, f, f }))'
    expect_status 0
    expect_output now
    [ -z "$errors" ]
    upjob run -e 'local h = task.spawn(error, "given") task.sleep(0.01) print(select(2, task.all { h }))'
    expect_status 0
    [ -z "$errors" ]
}

@test "a task's error that nobody waits for is told while the script goes on, once its handle is gone" {
    echo 'do local h = task.spawn(function() task.sleep(0.01) error("forgotten") end) h = nil end task.sleep(60)' >s.lua
    "$UPJOB" run s.lua 2>err 3>&- &
    local pid=$!
    until_true grep -qs 'stack traceback' err
    kill $pid
    wait $pid || true
    grep -q 'error in a task: s.lua:1: forgotten' err
    [ "$(grep -c forgotten err)" = 1 ]
}

@test "a task's error whose handle is kept is told when the program ends, and makes it fail" {
    upjob run -e 'kept = task.spawn(function() error("kept") end) task.sleep(0.01) print("end")'
    expect_status 1
    expect_error "error in a task: (command line):1: kept"
    upjob run -e 'kept = task.spawn(error, setmetatable({}, { __tostring = function() error("worse") end })) print("end")'
    expect_status 1
    expect_output end
    expect_error "error in a task: (an error object that does not become a string)"
    upjob run -e 'task.spawn(function() error { code = 1 } end) task.sleep(0.01)'
    expect_error "error in a task: a table was raised as an error: { code = 1 }"
}

@test "a prompt does not fail because of a task's error" {
    output=$(printf 'task.spawn(function() error("seen") end)\ntask.sleep(0.01)\n' | "$UPJOB" repl --local 2>&1)
    expect_output "seen"
}

@test "a script's tasks are waited for" {
    upjob run -e 'task.spawn(function() task.sleep(0.05) print("late") end)'
    expect_status 0
    expect_output late
}

@test "SIGINT ends a script that waits, and one that computes, also in a task, with 130; SIGTERM with 143" {
    local compute='local function compute() while true do end end'
    local wait='local function wait() table.sort({ 2, 1 }, function() task.sleep(60) end) end'
    for code in 'task.sleep(60)' 'while true do end' 'pcall(function() go() task.sleep(60) end) task.sleep(0)' \
        "$compute task.spawn(compute) task.sleep(60)" "$compute task.spawn(compute):wait()" \
        "$compute task.spawn(compute) task.spawn(compute) task.sleep(60)" "$compute coroutine.wrap(compute)()" \
        "$compute task.timeout(60, coroutine.wrap(compute))" "$wait task.spawn(wait) wait()"; do
        for signal in INT TERM; do
            rm -f err # else the last run's could be taken for this one's
            [[ $code == *"go()"* ]] || code="go() $code"
            "$UPJOB" run -e "local function go() io.stderr:write('go\n') end $code" 2>err 3>&- &
            pid=$!
            until_true grep -qs go err
            kill -$signal $pid
            status=0; wait $pid || status=$?
            case "$code/$signal" in
                *pcall*) expected=0 ;;
                */INT) expected=130 ;;
                *) expected=143 ;;
            esac
            [ "$status" = "$expected" ] && ! grep -q 'error in a task' err || { echo "$code with $signal: status $status"; cat err; return 1; }
        done
    done
}

@test "SIGTERM ends a program that hangs at its end because a task catches its cancelling" {
    echo 'task.spawn(function() while true do pcall(task.sleep, 60) io.stderr:write("caught\n") end end)
          task.sleep(0.01) error("over")' >s.lua
    "$UPJOB" run s.lua 2>err 3>&- &
    local pid=$!
    until_true grep -qs caught err
    kill -TERM $pid
    status=0; wait $pid || status=$?
    [ "$status" = 1 ]
}

@test "job list, get, start, stop, failures" {
    start_local --domain acme
    customers c.csv
    upjob import c.csv --domain acme --key CustomerId --json
    job=$(python3 -c 'import json,sys; print(json.loads(sys.argv[1])["JobId"])' "$output")
    upjob job list --domain acme
    expect_status 0
    expect_output "$job"
    expect_output SUCCEEDED
    upjob job get "$job" --domain acme
    expect_status 0
    expect_output "3 created"
    expect_output "_source.Email"
    upjob job get "$job" --domain acme --json
    python3 -c 'import json,sys; assert json.loads(sys.argv[1])["UniqueKey"] == "CustomerId"' "$output"
    upjob job start "$job" --domain acme
    expect_status 4
    expect_error BadRequestException
    upjob job stop "$job" --domain acme
    expect_status 4
    upjob job get 00000000000000000000000000000000 --domain acme
    expect_status 4
    expect_error ResourceNotFoundException
    upjob job get nonsense --domain acme
    expect_status 2
    upjob job failures "$job" --domain acme
    expect_status 0
    expect_error "no failed records"
}

@test "domain list and profile find" {
    start_local --domain acme --domain beta
    upjob domain list
    expect_status 0
    expect_output acme
    expect_output beta
    upjob import "$DATA/chinook-customers.csv" --domain acme --key CustomerId
    expect_status 0
    upjob profile find lastname=x --domain acme
    expect_status 0
    expect_error "no profile"
    upjob profile find customer_id=1 --domain acme --json
    expect_status 0
    python3 -c 'import json,sys; p=json.loads(sys.argv[1]); assert p["FirstName"] == "Luís", p' "$output"
    upjob profile find customer_id=1 customer_id=2 --domain acme --json
    [ "$(wc -l <<<"$output")" = 2 ]
    upjob profile find nonsense --domain acme
    expect_status 2
}

@test "local: port in use, data directory in use or not writable" {
    start_local
    upjob local --port "${URL##*:}" --data "$PWD/other"
    expect_status 3
    expect_error "in use"
    upjob local --data "$BATS_TEST_TMPDIR/service"
    expect_status 3
    expect_error "in use"
    upjob local --data /proc/nowhere
    expect_status 3
    expect_error "/proc/nowhere"
}

@test "local keeps its data from one run to the next" {
    start_local --domain acme
    customers c.csv
    upjob import c.csv --domain acme --key CustomerId
    stop_local
    start_local
    upjob profile find email=ann@example.com --domain acme
    expect_output Ann
}

@test "doctor tells what is configured and never a secret" {
    upjob doctor
    expect_status 3
    expect_error ""
    expect_output "bad"
    AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=AKIAEXAMPLE AWS_SECRET_ACCESS_KEY=TopSecretValue upjob doctor --endpoint-url http://127.0.0.1:9
    expect_status 3
    expect_output "eu-west-1"
    expect_no TopSecretValue
    upjob doctor --local
    expect_status 0
}

@test "repl evaluates lines from a pipe" {
    output=$(printf '1 + 1\nx = {b = 2, 1}\nx\nfor i = 1, 2 do\nprint(i)\nend\nerror("oops")\ntask.sleep(0.01)\n"end"\n' | "$UPJOB" repl --local 2>&1)
    expect_output "2"
    expect_output "{ 1, b = 2 }"
    expect_output "oops"
    expect_output '"end"'
}

@test "options may stand before the command" {
    customers c.csv
    upjob --local import c.csv --domain acme --key CustomerId
    expect_status 0
}

@test "install puts everything where it belongs and it runs from there" {
    make -C "$BATS_TEST_DIRNAME/../.." -s install DESTDIR="$PWD/root" PREFIX=/usr SANITIZER="$(sed -n 's/^build\///p' <<<"${BUILD:-build}" | tr - ,)" 2>&1
    UPJOB=$PWD/root/usr/bin/upjob
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId
    expect_status 0
}

@test "uninstall leaves nothing of what install made, and what is others'" {
    local make=(make -C "$BATS_TEST_DIRNAME/../.." -s DESTDIR="$PWD/root" PREFIX=/opt/up SANITIZER="$(sed -n 's/^build\///p' <<<"${BUILD:-build}" | tr - ,)")
    "${make[@]}" install 2>&1
    "${make[@]}" uninstall
    [ ! -e root/opt/up ]
    "${make[@]}" install 2>&1
    : >root/opt/up/lib/others
    "${make[@]}" uninstall
    [ "$(cd root/opt/up && find . -type f)" = ./lib/others ]
}

@test "no temporary directory ends with 3 and says where it is looked for" {
    TMPDIR=/nonexistent upjob demo
    expect_status 3
    expect_error "/nonexistent (TMPDIR says where)"
}

@test "a statement that the end of piped input cuts off is told as an error" {
    output=$(printf '1 + 1\nfor i = 1, 2 do\nprint(i)\n' | "$UPJOB" repl --local 2>&1)
    expect_output "2"
    expect_output "'end' expected"
}

@test "doctor tells of the journal and of a daemon, where there is a state directory" {
    cd "$BATS_TEST_TMPDIR"
    mkdir state automations
    upjob doctor --local --state state
    expect_status 0
    expect_output "ok  daemon       none is running"
    expect_no journal
    [ -z "$(ls state)" ]
    upjob run --state state -e 'local store = assert(require("upjob.journal").open {})
        local run = assert(store:begin_run { kind = "automation", script = "x" })
        assert(store:end_run { id = run.id, fence = run.fence, state = "failed" })
        assert(store:add_dead_letter { kind = "webhook", target = "x", payload = {}, error = {}, attempts = 1 })'
    expect_status 0
    "$UPJOB" daemon automations --state state 2>log 3>&- &
    local daemon=$!
    until_true eval 'upjob doctor --local --state state; [[ $output == *"runs 0 schedules of"* ]]'
    kill $daemon
    wait $daemon
    expect_output "ok  daemon       runs 0 schedules of $PWD/automations, 0 at the moment"
    expect_output "ok  journal      the newest run is 1: failed; 1 dead letter: upjob notify list"
    python3 -c 'import sqlite3; sqlite3.connect("other.db").execute("create table x(a)")'
    mkdir foreign && mv other.db foreign/journal.db
    upjob doctor --local --state foreign
    expect_status 3
    expect_output "bad journal "
}

@test "doctor makes no directory, and says what is in the way of one" {
    export XDG_STATE_HOME=$PWD/state
    upjob doctor --local
    expect_status 0
    expect_output "$PWD/state/upjob (made when it is first needed)"
    [ ! -e state ]
    : >state
    upjob doctor --local
    expect_status 3
    expect_output "$PWD/state is not a directory"
}

@test "an error of job failures names what was asked for" {
    start_local --domain acme
    upjob job failures 00000000000000000000000000000000 --domain acme
    expect_status 4
    expect_error "ListFailedRecords: "
    expect_no "GET:"
}

@test "seconds in results are rounded to milliseconds" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId --json
    [[ $output =~ \"seconds\":[0-9]+(\.[0-9]{1,3})?[,}] ]]
}

@test "a value of a script's own type is printed as it says at the prompt" {
    output=$(printf 'setmetatable({}, { __tostring = function() return "mine" end, __metatable = "hidden" })\n{ profiles.client { region = "eu-west-1", credentials = { access_key_id = "a", secret_access_key = "b" } } }\n' | "$UPJOB" repl --local 2>&1)
    expect_output mine
    expect_output "upjob client: "
}

@test "a result that cannot be written is an error, a reader that left is none" {
    local import=("$UPJOB" import "$DATA/chinook-customers.csv" --local --domain d --key CustomerId --json)
    export ERR=$BATS_TEST_TMPDIR/err
    run bash -c '"$@" 2>"$ERR" >/dev/full' _ "${import[@]}"
    [ "$status" = 1 ]
    grep -q "standard output could not be written" "$ERR"
    run bash -c '"$@" 2>"$ERR" >&-' _ "${import[@]}"
    [ "$status" = 1 ]
    grep -q "standard output could not be written" "$ERR"
    run bash -c '"$@" 2>"$ERR" | true; exit ${PIPESTATUS[0]}' _ "${import[@]}"
    [ "$status" = 0 ]
    run grep "could not be written" "$ERR"
    [ "$status" = 1 ]
}

@test "run: options before the script are upjob's, those after it the script's" {
    cat >s.lua <<'L'
local client = assert(profiles.client {})
print(client.embedded, client:about().region, arg.options.json, arg.options.domain, ...)
L
    upjob run --local --json --domain acme --region eu-west-1 s.lua --json --local
    expect_status 0
    [ "$output" = "$(printf 'true\teu-west-1\ttrue\tacme\t--json\t--local')" ]
    upjob run --endpoint-url http://127.0.0.1:9 --region eu-west-2 -e 'print(profiles.client{ credentials = { access_key_id = "a", secret_access_key = "b" } }:about().endpoint, ...)' --json
    [ "$output" = "$(printf 'http://127.0.0.1:9\t--json')" ]
    upjob run --local -q s.lua
    expect_status 0
    upjob run --nonsense s.lua
    expect_status 2
    expect_error "--nonsense"
}

@test "run --local: a script that asks for a region or a profile stays in the rehearsal" {
    upjob run --local -e 'local c = assert(profiles.client { region = "us-west-2", profile = "nosuch" }) print(c.embedded, c:about().endpoint)'
    expect_status 0
    expect_output "true	http://127.0.0.1:"
}

@test "the script of the README runs in a rehearsal" {
    customers customers.csv
    sed -n '/^local client = assert(profiles.client/,/^```/p' "$BATS_TEST_DIRNAME/../../README.md" |
        sed -e '/^```/d' -e 's/{ region = "us-east-1" }/{ embedded = true }/' -e '/^http.post/d' >s.lua
    grep -q 'run:wait' s.lua
    echo 'print(result.Status)' >>s.lua
    upjob run s.lua
    expect_status 0
    expect_output SUCCEEDED
    expect_error "domain acme did not exist in the embedded service: created"
    upjob run -q s.lua
    expect_no "did not exist"
}

@test "run: nil and an error from a script are told as those of a command" {
    upjob run -e 'return csv.open "nowhere.csv"'
    expect_status 7
    expect_error "nowhere.csv"
    expect_no traceback
    upjob run -e 'return nil, "it did not work"'
    expect_status 1
    expect_error "upjob: it did not work"
    upjob run -e 'return nil'
    expect_status 0
}

@test "usage errors of options name the option" {
    for words in "job list --max x" "job list --max 0" "import f --max-failed -1" "import f --max-failed=-1" \
        "import f --expires soon" "import f --expires 1.5" "import f --stall-timeout 0" "local --port 70000" \
        "profile find a=b --max -2" "demo --expires x"; do
        upjob $words
        expect_status 2
        option=$(grep -o -- '--[a-z-]*' <<<"$words")
        expect_error "option '$option' takes"
    done
}

@test "an option with a value may stand before any word" {
    start_local --domain acme
    upjob job --max 1 --domain acme list
    expect_status 0
    customers c.csv
    upjob --timeout 60 --key CustomerId --domain acme import c.csv
    expect_status 0
    upjob --max 1 profile --domain acme find email=bob@example.com
    expect_status 0
    expect_output Bob
}

@test "an installed demo prints the name that it was called by" {
    mkdir bin && ln -s "$UPJOB" bin/upjob-9
    output=$(cd bin && PATH=$PWD:$PATH upjob-9 demo)
    expect_output "  upjob-9 import FILE.csv"
    expect_no build/upjob
}

@test "local announces the address that it listens on" {
    start_local --host 127.0.0.2 --domain acme
    [[ $URL == http://127.0.0.2:* ]]
    grep -q "AWS_ENDPOINT_URL_CUSTOMER_PROFILES=$URL" service.log
    customers c.csv
    upjob import c.csv --domain acme --key CustomerId
    expect_status 0
    stop_local
    start_local --host 0.0.0.0
    [[ $URL == http://127.0.0.1:* ]]
    upjob domain list
    expect_status 0
    for host in ::1 localhost nonsense; do
        upjob local --host $host --data "$PWD/other"
        expect_status 3
        expect_error "$host is not an IPv4 address"
    done
}

@test "the modules that read compressed files and other character sets are whole, and are not loaded without need" {
    LD_DEBUG=libs "$UPJOB" run -e 'local x = 1' >out 2>err
    ! grep -q 'charset\.so\|compression\.so\|libicu\|libzstd\|libz\.so' err
    for module in charset compression; do
        upjob run -e "assert(package.loadlib('$(dirname "$UPJOB")/$module.so', '*'))"
        expect_status 0
    done
}

@test "a script that does not use the client does not load it" {
    echo 'local x = 1' >small.lua
    LD_DEBUG=libs "$UPJOB" run small.lua >out 2>err
    ! grep -q 'client\.so\|libcurl' err
    LD_DEBUG=libs "$UPJOB" run -e 'local _ = profiles.client' >out 2>err
    grep -q 'client\.so' err
}

@test "job watch --all prints a line for each change of a domain's jobs, as JSON too" {
    start_local --domain acme
    "$UPJOB" job watch --all --domain acme --json >all.json 2>all.err 3>&- &
    local watcher=$!
    "$UPJOB" job watch --all --domain acme >all.txt 2>>all.err 3>&- &
    local reader=$!
    customers c.csv
    local i
    for ((i = 0; i < 60; i++)); do # jobs that there are when it begins are no news
        upjob import c.csv --key CustomerId --domain acme --name spring
        expect_status 0
        grep -q '"created"' all.json && grep -q SUCCEEDED all.json && grep -q SUCCEEDED all.txt && break
        sleep 1
    done
    kill "$watcher" "$reader"
    wait "$watcher" || [ $? = 143 ]
    wait "$reader" || [ $? = 143 ]
    python3 - <<'P'
import json
events = [json.loads(line) for line in open("all.json")]
created = [event for event in events if event["name"] == "created"][0]
assert "from" not in created and created["to"] == "CREATED", events
ended = [event for event in events if event["name"] == "succeeded"][0]
assert ended["to"] == "SUCCEEDED" and ended["DisplayName"].startswith("spring"), events
P
    grep -Eq '^[-0-9]+ [:0-9]+  [0-9a-f]{32}  (CREATED|IN_PROGRESS) → SUCCEEDED  spring' all.txt
}

@test "job watch says what it needs" {
    upjob job watch --domain acme --local
    expect_status 2
    expect_error "which job? give its JOB-ID, or --all"
    upjob job watch 00000000000000000000000000000000 --all --domain acme --local
    expect_status 2
    expect_error "JOB-ID and --all do not go together"
    upjob job watch --all --domain nowhere --local
    expect_status 4
    expect_error "no domain named nowhere"
}
