#!/usr/bin/env bats
# How a run ends before it is done: signals, time limits, and what is said of the job that is left.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { stop_local; }

# Of 340 kB, of which a slow service takes 2 kB a second.
rows() { seq 20000 | awk 'BEGIN { print "id,name" } { print $1 ",name of " $1 }' >"$1"; }

# An import whose time is up when its job is made: on a busy machine that takes longer.
import_out_of_time() {
    local seconds
    for seconds in 1 4 20 100; do
        upjob import big.csv --domain acme --key id --timeout "$seconds" "$@"
        [[ $errors == *"no job was created"* ]] || return 0
    done
}

@test "--timeout before the start stops the job and says so" {
    rows big.csv
    start_local --domain acme --fault slow=2000
    import_out_of_time
    expect_status 124
    expect_error "was not started: it was stopped"
    expect_no "goes on"
    upjob job list --domain acme
    expect_output STOPPED
}

@test "--timeout after the start says how to go on, and only where there is something to go on with" {
    rows big.csv
    upjob import big.csv --local --domain acme --key id --timeout 0
    expect_status 124
    expect_error "no job was created"
    start_local --domain acme
    cat >m.lua <<'L'
local client = profiles.client {}
local job = assert(client:create_upload_job { DomainName = "acme", DisplayName = "x", UniqueKey = "id",
  Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } })
print(job.JobId)
L
    upjob run m.lua
    job=$output
    upjob job watch "$job" --domain acme --endpoint-url "$URL" --region eu-west-1 --timeout 0.2
    expect_status 124
    expect_error "$UPJOB job watch $job --domain acme --region eu-west-1 --endpoint-url $URL"
}

@test "--timeout holds for --no-wait too" {
    rows big.csv
    start_local --domain acme --fault slow=2000
    import_out_of_time --no-wait
    expect_status 124
    expect_error "was not started: it was stopped"
}

@test "--timeout takes seconds" {
    customers c.csv
    for value in 1e400 nan -1 many ""; do
        upjob import c.csv --local --domain acme --key CustomerId --timeout "$value"
        expect_status 2
        expect_error "--timeout"
        upjob job watch 00000000000000000000000000000000 --local --domain acme --timeout "$value"
        expect_status 2
        expect_error "--timeout"
    done
}

@test "a hung-up terminal and a quit end a run as a termination does, with 129 and 131" {
    for signal in HUP/129 QUIT/131; do
        rm -f err # else the last run's could be taken for this one's
        # A shell's background job has some signals ignored: this one is told otherwise.
        python3 - "$UPJOB" <<'P' 2>err 3>&- &
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
os.execv(sys.argv[1], [sys.argv[1], "run", "-e", "io.stderr:write('go\\n') task.sleep(60)"])
P
        pid=$!
        until_true grep -qs go err
        kill -"${signal%/*}" $pid
        status=0; wait $pid || status=$?
        errors=$(cat err) expect_status "${signal#*/}"
    done
}

@test "a run that nohup started does not end when the terminal goes" {
    nohup "$UPJOB" run -e 'io.stderr:write("go\n") while not io.open("end") do task.sleep(0.02) end print("done")' >out 2>err 3>&- &
    pid=$!
    until_true grep -qs go err
    kill -HUP $pid
    touch end
    wait $pid
    grep -q done out
}

@test "an interrupted import of the embedded service stops its job before the service ends" {
    cat >s.lua <<'L'
local client = assert(profiles.client { embedded = true })
local run = assert(job.import { client = client, domain = "acme", file = "c.csv", key = "CustomerId" })
for event in run:events() do
  if event == "created" then os.execute("kill -TERM $PPID") end
end
L
    customers c.csv
    upjob run s.lua
    expect_status 143
    expect_error "was not started: it was stopped"
    expect_no "could not be stopped"
}

@test "what a killed run left in the temporary directory is swept by the next, and nothing else" {
    mkdir t t/upjob-others t/upjob-open
    export TMPDIR=$PWD/t
    echo 1 >t/upjob-others/lock
    echo 1 >t/upjob-open/lock
    chmod 755 t/upjob-others
    chmod 700 t/upjob-open
    : >t/upjob-open/keep
    exec 8>>t/upjob-open/lock
    flock 8
    "$UPJOB" run -e 'profiles.client { embedded = true } io.stderr:write("go\n") task.sleep(60)' 2>err 3>&- 8>&- &
    pid=$!
    until_true grep -qs go err
    [ "$(ls t | wc -l)" = 3 ]
    kill -KILL $pid
    wait $pid || true
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId
    exec 8>&-
    expect_status 0
    [ "$(echo $(ls t))" = "upjob-open upjob-others" ]
}

@test "--no-wait with --local needs a directory that keeps the job" {
    customers c.csv
    upjob import c.csv --local --domain acme --key CustomerId --no-wait
    expect_status 2
    expect_error "--data DIR"
    upjob import c.csv --local --data "$PWD/my data" --domain acme --key CustomerId --no-wait
    expect_status 0
    command=${errors##*to watch it: }
    [[ $command == *"--local --data '$PWD/my data'" ]]
    status=0; output=$(eval "$command" 2>&1) || status=$?
    expect_status 0
    expect_output "3 created"
}

@test "the command that picks a job up again has the options that were given and the program's name" {
    customers c.csv
    start_local --domain "acme"
    mkdir "a b" && ln -s "$UPJOB" "a b/up job"
    UPJOB="$PWD/a b/up job" upjob import c.csv --domain acme --key CustomerId --no-wait --endpoint-url "$URL" --region eu-west-1
    expect_status 0
    command=${errors##*to watch it: }
    [[ $command == "'$PWD/a b/up job' job watch "*" --domain acme --region eu-west-1 --endpoint-url $URL" ]]
    eval "$command"
}

@test "watching a job that there is not says nothing of a start" {
    start_local --domain acme
    upjob job watch 00000000000000000000000000000000 --domain acme
    expect_status 4
    expect_error ResourceNotFoundException
    expect_no "goes on"
    expect_no "started"
}

@test "a watch whose service is gone says that it tries again" {
    for seconds in 1 10 100; do # a busy machine takes longer to find out
        AWS_MAX_ATTEMPTS=1 AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b upjob job watch 00000000000000000000000000000000 \
            --domain acme --region us-east-1 --endpoint-url http://127.0.0.1:9 --timeout "$seconds"
        [[ $errors != *"trying again in"* ]] || break
    done
    expect_status 124
    expect_error "trying again in"
    expect_error "to watch it again: "
}

@test "a file that may not grow any more is an error, not the end of the program" {
    export FILE=$BATS_TEST_TMPDIR/large.csv
    run bash -c 'ulimit -f 100; "$1" run -e "$2" 2>&1' - "$UPJOB" '
        local writer = assert(csv.writer(os.getenv "FILE"))
        for _ = 1, 10000 do assert(writer:write { ("x"):rep(100) }) end'
    [ "$status" = 1 ]
    [[ $output == *"large.csv: cannot be written: File too large"* ]]
}
