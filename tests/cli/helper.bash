# What the command-line tests share.
cd "$BATS_TEST_DIRNAME/../.." || exit 1
UPJOB=${UPJOB:-$PWD/build/upjob}
DATA=$PWD/tests/data

# Runs upjob with standard output and standard error apart: $output, $errors, $status.
upjob() {
    local out=$BATS_TEST_TMPDIR/out err=$BATS_TEST_TMPDIR/err
    status=0
    "$UPJOB" "$@" >"$out" 2>"$err" </dev/null || status=$?
    output=$(cat "$out") errors=$(cat "$err")
}

# Fails with what was seen.
expect_status() {
    [ "$status" = "$1" ] && return
    printf 'status %s, expected %s\n--- output\n%s\n--- errors\n%s\n' "$status" "$1" "$output" "$errors"
    return 1
}
expect_output() {
    [[ $output == *"$1"* ]] && return
    printf 'no "%s" in the output:\n%s\n--- errors\n%s\n' "$1" "$output" "$errors"
    return 1
}
expect_error() {
    [[ $errors == *"$1"* ]] && return
    printf 'no "%s" in the errors:\n%s\n' "$1" "$errors"
    return 1
}
expect_no() {
    [[ $output$errors != *"$1"* ]] && return
    printf '"%s" was printed:\n%s\n%s\n' "$1" "$output" "$errors"
    return 1
}

# Waits until a command succeeds; a busy machine may take its time.
until_true() {
    local until=$((SECONDS + 100))
    until "$@"; do
        [ "$SECONDS" -lt "$until" ] || { echo "never: $*"; return 1; }
        sleep 0.02
    done
}

# Waits until upjob takes SIGINT as process $1: before that the signal ends it, or, in the background, does not reach it.
until_it_takes_signals() { until_true takes_signals "$1"; }
takes_signals() {
    [ "$(readlink "/proc/$1/exe")" = "$(readlink -f "$UPJOB")" ] &&
        [ $((0x$(sed -n 's/^SigCgt:\s*//p' "/proc/$1/status") & 2)) != 0 ]
}

# Starts `upjob local` in the background: $URL and $LOCAL_PID.
start_local() {
    : >"$BATS_TEST_TMPDIR/ready"
    "$UPJOB" local --data "$BATS_TEST_TMPDIR/service" "$@" >"$BATS_TEST_TMPDIR/ready" 2>"$BATS_TEST_TMPDIR/service.log" 3>&- </dev/null &
    LOCAL_PID=$!
    until_true eval 'grep -q "^ready " "$BATS_TEST_TMPDIR/ready" || ! kill -0 "$LOCAL_PID" 2>/dev/null' || true
    URL=$(sed -n 's/^ready //p' "$BATS_TEST_TMPDIR/ready")
    [ -n "$URL" ] || { cat "$BATS_TEST_TMPDIR/service.log"; return 1; }
    export AWS_ENDPOINT_URL_CUSTOMER_PROFILES=$URL AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1
}
stop_local() {
    [ -z "${LOCAL_PID:-}" ] && return
    kill "$LOCAL_PID" 2>/dev/null
    wait "$LOCAL_PID" 2>/dev/null || true
    LOCAL_PID=
}

# A small file of customers.
customers() {
    printf 'CustomerId,FirstName,EmailAddress\n1,Ann,ann@example.com\n2,Bob,bob@example.com\n3,Cy,cy@example.com\n' >"$1"
}
