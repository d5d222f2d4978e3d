#!/usr/bin/env bats
# The data key in memory: nowhere but in the pages of its secret, and gone when that is closed.
setup() { load helper; SCAN=$PWD/tests/cli/memory.py; cd "$BATS_TEST_TMPDIR"; }

# Both halves of the key's text, once each, in pages that are no heap and no stack; then nothing.
expect_only_the_secret() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    local status=0 found
    found=$(AWS_CA_BUNDLE=$PWD/cert.pem python3 "$SCAN" "$UPJOB" "$1") || status=$?
    [ "$status" != 77 ] || skip "this machine does not let one process read another's memory"
    [ "$found" = "$2" ] && return
    printf 'status %s, found\n%s\n' "$status" "$found"
    return 1
}

ALL_STEPS=$'start\ngot pages:text pages:text\nsent pages:text pages:text\nclosed'

@test "the data key is in one place and then in none" {
    expect_only_the_secret plain "$ALL_STEPS"
}

@test "the data key is in one place and then in none, over TLS" {
    expect_only_the_secret tls "$ALL_STEPS"
}

@test "the data key is in one place and then in none, over HTTP/2" {
    expect_only_the_secret http2 $'start\ngot pages:text pages:text\nclosed'
}
