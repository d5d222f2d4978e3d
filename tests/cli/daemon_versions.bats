#!/usr/bin/env bats
# What runs of a daemon is what it has loaded: files that are changed are loaded when it is told to.
setup() { load helper; export TZ=UTC; cd "$BATS_TEST_TMPDIR"; mkdir auto; }
teardown() { [ -z "${DAEMON:-}" ] || { kill -KILL "$DAEMON" 2>/dev/null || true; }; }

start_daemon() {
    "$UPJOB" daemon auto --state "$PWD/state" >daemon.out 2>daemon.err 3>&- </dev/null &
    DAEMON=$!
}

# Waits until a pattern stands in a file, from line $3 on.
seen() {
    until_true eval 'tail -n "+'"${3:-1}"'" "'"$2"'" 2>/dev/null | grep -q "'"$1"'"' && return
    printf 'no "%s" in %s:\n%s\n--- daemon\n%s\n' "$1" "$2" "$(cat "$2")" "$(cat daemon.err)"
    return 1
}

automation() {
    printf 'schedule.every("1s", { run = function() local f = io.open("%s/ran", "a") f:write("%s\\n") f:close() end })\n' "$PWD" "$1"
}

@test "a file that is broken while the daemon runs goes on in its last good version, until it is mended" {
    automation first >auto/a.lua
    start_daemon
    seen first ran
    echo 'x = = 1' >auto/a.lua
    lines=$(wc -l <ran)
    seen first ran $((lines + 1))
    kill -HUP "$DAEMON"
    seen 'a.lua:1: unexpected symbol.*its last good version stays in use' daemon.err
    lines=$(wc -l <ran)
    seen first ran $((lines + 1))
    automation second >auto/a.lua
    kill -HUP "$DAEMON"
    seen second ran
    kill "$DAEMON"
    wait "$DAEMON"
    DAEMON=
}

@test "a change takes effect when the daemon is told to load it, and a removed file has no more runs" {
    automation first >auto/a.lua
    automation other >auto/b.lua
    start_daemon
    seen first ran
    automation second >auto/a.lua
    lines=$(wc -l <ran)
    seen first ran $((lines + 3))
    [ -z "$(grep second ran)" ]
    kill -HUP "$DAEMON"
    seen second ran
    rm auto/a.lua
    kill -HUP "$DAEMON"
    seen ' 1 gone' daemon.err
    for lines in 1 2 3; do seen other ran $(($(wc -l <ran) + 1)); done
    lines=$(wc -l <ran)
    for i in 1 2; do seen other ran $(($(wc -l <ran) + 1)); done
    [ -z "$(tail -n "+$((lines + 1))" ran | grep second)" ]
    kill "$DAEMON"
    wait "$DAEMON"
    DAEMON=
}
