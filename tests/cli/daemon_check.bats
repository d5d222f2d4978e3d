#!/usr/bin/env bats
# upjob daemon DIR --check: what a directory of automations declares, when it fires next, and what is wrong with it.
setup() { load helper; export TZ=UTC; cd "$BATS_TEST_TMPDIR"; mkdir auto; }

@test "a directory without mistakes is 0 and has ten times of each schedule, with the offset of its zone" {
    cat >auto/nightly.lua <<'L'
schedule.cron("30 6 * * *", { tz = "Asia/Kolkata", run = print })
L
    upjob daemon auto --check
    expect_status 0
    expect_output 'nightly (nightly.lua:1): cron "30 6 * * *" in Asia/Kolkata'
    [ "$(grep -c '^  ... 20..-..-.. 06:30:00 +05:30$' <<<"$output")" = 10 ]
    [ -z "$errors" ]
}

@test "what no clock fires, and what is over, is told" {
    mkdir auto/sub
    echo 'schedule.at("2020-02-29T12:00", { run = print })' >auto/once.lua
    echo 'schedule.on_file("drop/*.csv", { run = print })' >auto/files.lua
    echo 'schedule.on_event("on*", { run = print, jitter = "90s" })' >auto/after.lua
    echo 'schedule.every("6h", { run = print })' >auto/every.lua
    upjob daemon auto --check
    expect_status 0
    expect_output 'once (once.lua:1): at "2020-02-29T12:00"'
    expect_output 'never again: its time is over'
    expect_output "on_file \"$PWD/auto/drop/*.csv\""
    expect_output 'for each file that comes'
    expect_output 'on_event "on*" succeeded, up to 90s later'
    expect_output '  after once'
    [ "$(grep -cE ' (00|06|12|18):00:00 \+00:00$' <<<"$output")" = 10 ]
}

@test "a directory with mistakes is 7, and each is told with file and line beside what is right" {
    echo 'schedule.every("1h", { run = print })' >auto/good.lua
    printf '\nschedule.cron("0 25 * * *", { run = print })\n' >auto/hour.lua
    printf -- '-- zone\n\nschedule.cron("@daily", { tz = "Europe/Berln", run = print })\n' >auto/zone.lua
    echo 'x = = 1' >auto/syntax.lua
    echo 'schedule.on_event("godo", { run = print })' >auto/lone.lua
    upjob daemon auto --check
    expect_status 7
    expect_output 'good (good.lua:1): every "1h"'
    expect_error "upjob: $PWD/auto/hour.lua:2: schedule.cron: the hour field"
    expect_error "upjob: $PWD/auto/zone.lua:3: schedule.cron: there is no time zone \"Europe/Berln\" (did you mean \"Europe/Berlin\"?)"
    expect_error "upjob: $PWD/auto/syntax.lua:1: unexpected symbol"
    expect_error "upjob: $PWD/auto/lone.lua:1: schedule.on_event: no other schedule here is named \"godo\" (did you mean \"good\"?)"
    expect_no traceback
}

@test "automations that would take the same file away from one another are a mistake" {
    echo 'schedule.on_file("drop/*.csv", { run = print })' >auto/all.lua
    echo 'schedule.on_file("drop/orders-*.csv", { run = print })' >auto/orders.lua
    echo 'schedule.on_file("drop/orders-?.txt", { run = print })' >auto/text.lua
    echo 'schedule.on_file("other/*.csv", { run = print })' >auto/other.lua
    upjob daemon auto --check
    expect_status 7
    expect_error "$PWD/auto/orders.lua:1: schedule.on_file: files as \"orders-*.csv\" are taken by all too (*.csv)"
    [ "$(wc -l <<<"$errors")" = 1 ]
    sed -i 's/run/move = false, run/' auto/all.lua auto/orders.lua
    upjob daemon auto --check
    expect_status 0
}

@test "a module that there is not is told in one line, and a directory that there is not as one" {
    printf '\nrequire "lib.mail"\n' >auto/a.lua
    upjob daemon auto --check
    expect_status 7
    [ "$(cat err)" = "upjob: $PWD/auto/a.lua:2: module 'lib.mail' not found: there is no lib/mail.lua in the directory of the automations, nor on Lua's own path" ]
    upjob daemon nowhere --check
    expect_status 3
    [ "$(cat err)" = "upjob: nowhere cannot be read: No such file or directory; name the directory with the automations" ]
}

@test "--json has a line for each schedule and for each mistake" {
    echo 'schedule.cron("0 6 * * *", { tz = "America/New_York", run = print })' >auto/a.lua
    echo 'schedule.evry("1h", { run = print })' >auto/b.lua
    echo 'schedule.at("2020-01-01", { run = print })' >auto/c.lua
    upjob daemon auto --check --json
    expect_status 7
    python3 - <<P
import json, datetime
lines = [json.loads(line) for line in r'''$output'''.splitlines()]
a, c, error = lines
assert a["id"] == "a" and a["kind"] == "cron" and a["tz"] == "America/New_York" and a["line"] == 1, a
assert len(a["next"]) == 10
for time in a["next"]:
    shown = datetime.datetime.fromisoformat(time["time"])
    assert shown.timestamp() == time["epoch"] and shown.hour == 6 and shown.utcoffset() is not None, time
assert c["id"] == "c" and "next" not in c, c
assert error["error"]["file"].endswith("/auto/b.lua") and error["error"]["line"] == 1, error
assert "did you mean" in error["error"]["message"], error
P
}

@test "a directory that is not there is told, and one without automations too" {
    upjob daemon none --check
    [ "$status" != 0 ]
    expect_error "none"
    expect_no traceback
    upjob daemon auto --check
    expect_status 0
    expect_error "has no automations: they are its files *.lua"
}

@test "a script that declares an automation outside of a daemon is told how it is run" {
    echo 'schedule.every("1h", { run = print })' >auto/a.lua
    upjob run auto/a.lua
    expect_status 1
    expect_error 'a.lua:1: schedule.every: an automation is declared by a file in a directory that "upjob daemon DIR" runs'
}
