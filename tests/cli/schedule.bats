#!/usr/bin/env bats
# upjob schedule and upjob status, with a daemon and without one.
bats_require_minimum_version 1.5.0
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    STATE=$PWD/state
    mkdir automations in
    cat >automations/nightly.lua <<'LUA'
schedule.cron("0 6 * * MON-FRI", { tz = "Europe/Berlin", run = function() print("hello") end })
LUA
    cat >automations/reports.lua <<'LUA'
schedule.cron("0 0 1 1 *", { name = "yearly", run = function() error("the printer is on fire") end })
schedule.on_event("nightly", { name = "after", run = function() end })
LUA
    cat >automations/orders.lua <<LUA
schedule.on_file("$PWD/in/*.csv", { settle = 1, run = function(event) print(event.path) end })
LUA
}
teardown() { stop_daemon; }

start_daemon() {
    : >daemon.log
    "$UPJOB" daemon automations --state "$STATE" >daemon.log 2>&1 3>&- </dev/null &
    DAEMON_PID=$!
    until_true eval "grep -q 'schedules of' daemon.log || ! kill -0 $DAEMON_PID 2>/dev/null" || true
    grep -q 'schedules of' daemon.log && return
    cat daemon.log
    return 1
}
stop_daemon() {
    [ -z "${DAEMON_PID:-}" ] && return
    kill "$DAEMON_PID" 2>/dev/null
    wait "$DAEMON_PID" 2>/dev/null || true
    DAEMON_PID=
}
as_json() { python3 -c 'import json, sys; lines = [json.loads(line) for line in sys.stdin]; '"$1" <<<"$output"; }

@test "where no daemon has run there is nothing to list, no fault to tell, and nothing is made" {
    upjob schedule list --state "$STATE"
    expect_status 0
    expect_error "there are no schedules in $STATE"
    upjob status --state "$STATE"
    expect_status 0
    expect_output "not running"
    upjob schedule trigger nightly --state "$STATE"
    expect_status 1
    expect_error "no daemon is running on $STATE, and one is needed for this: start upjob daemon DIR"
    for word in pause resume next; do
        upjob schedule $word nightly --state "$STATE"
        expect_status 2
        expect_error "no daemon has run on $STATE yet"
    done
    [ ! -e "$STATE" ]
}

@test "schedules are listed with what makes them fire, and what became of them" {
    start_daemon
    upjob schedule list --state "$STATE"
    expect_status 0
    [ -z "$errors" ]
    [[ $output == *"nightly "*"0 6 * * MON-FRI "*"not yet run"* ]]
    [[ $output =~ orders\ .*\ a\ file\ comes\ +-\ +not\ yet\ run ]]
    [[ $output =~ reports/after\ +after\ nightly\ +it\ ends ]]
    upjob schedule list --state "$STATE" --json
    as_json 'by = {one["id"]: one for one in lines}
assert list(by) == ["nightly", "orders", "reports/after", "reports/yearly"], by
assert by["nightly"]["tz"] == "Europe/Berlin" and by["nightly"]["next"] > 1.7e9 and not by["nightly"]["paused"]
assert "next" not in by["orders"] and "last" not in by["orders"]'
}

@test "the next times are those of the schedule's zone" {
    start_daemon
    upjob schedule next nightly --count 3 --state "$STATE"
    expect_status 0
    [ "$(grep -cE '^(Mon|Tue|Wed|Thu|Fri) 20[0-9-]+ 06:00:00 [+]0[12]:00  in ' <<<"$output")" = 3 ]
    upjob schedule next nightly --count 2 --json --state "$STATE"
    as_json 'from datetime import datetime
assert len(lines[0]["times"]) == 2
for time in lines[0]["times"]: assert datetime.fromisoformat(time["local"]).timestamp() == time["at"] and "T06:00:00+0" in time["local"]'
    upjob schedule next orders --state "$STATE"
    expect_status 0
    [ -z "$output" ]
    expect_error "orders fires when a file comes to"
    upjob schedule next nihgtly --state "$STATE"
    expect_status 2
    expect_error 'there is no schedule "nihgtly" (did you mean "nightly"?)'
    upjob schedule trigger nihgtly --state "$STATE"
    expect_status 2
    expect_error '(did you mean "nightly"?)'
}

@test "the next time is the same for the list, for next, and without the daemon" {
    echo 'schedule.every("25m", { run = function() end })' >automations/odd.lua
    start_daemon
    as_text() { python3 -c 'import json, sys; print(next(eval(sys.argv[1]) for line in sys.stdin for one in [json.loads(line)]
                if one["id"] == "odd"))' "$1" <<<"$output"; }
    upjob schedule list --json --state "$STATE"
    listed=$(as_text 'one["next"]')
    upjob schedule next odd --json --count 1 --state "$STATE"
    [ "$(as_text 'one["times"][0]["at"]')" = "$listed" ]
    stop_daemon
    upjob schedule list --json --state "$STATE"
    [ "$(as_text 'one["next"]')" = "$listed" ]
}

@test "a triggered run is waited for, and its failure is the exit status and in the status" {
    start_daemon
    upjob schedule trigger nightly --wait --state "$STATE"
    expect_status 0
    [[ $output =~ ^'succeeded  run 1 of nightly, ' ]]
    upjob status --state "$STATE"
    expect_status 0
    expect_output "running, process $DAEMON_PID, for "
    upjob schedule trigger reports/yearly --wait --state "$STATE"
    expect_status 1
    expect_output "failed  run "
    expect_error "the printer is on fire"
    upjob schedule trigger reports/yearly --wait --json --state "$STATE"
    expect_status 1
    as_json 'assert lines[0]["state"] == "failed" and lines[0]["schedule"] == "reports/yearly" and lines[0]["error"]["code"], lines'
    upjob status --state "$STATE"
    expect_status 1
    expect_output "2 failed"
    expect_output "2 runs failed in the last day"
    expect_output "the printer is on fire"
    expect_output "! the last run of one schedule has failed"
    upjob status --json --state "$STATE"
    expect_status 1
    as_json 'told = lines[0]
assert told["healthy"] is False and len(told["problems"]) == 1 and len(told["failed"]) == 2 and told["dead_letters"] == 0, told
assert told["daemon"]["pid"] == '"$DAEMON_PID"' and told["daemon"]["since"] > 1.7e9
seconds = {one["id"]: one["seconds"] for one in told["schedules"]}
assert len(seconds["nightly"]) == 1 and len(seconds["reports/yearly"]) == 2 and seconds["orders"] == [], seconds'
}

@test "a run that is not waited for is told with how to see it" {
    start_daemon
    upjob schedule trigger nightly --state "$STATE"
    expect_status 0
    [ "$output" = "run 1 of nightly is queued; to see it: $UPJOB runs show 1 --state $STATE" ]
    eval "${output#*: }"
    upjob schedule trigger nightly --state "$STATE" --json
    as_json 'assert lines[0]["schedule"] == "nightly" and lines[0]["run"] > 1, lines'
    upjob schedule trigger nightly --timeout 5 --state "$STATE"
    expect_status 2
    expect_error "--timeout goes with --wait"
}

@test "a run that takes longer than --timeout goes on" {
    echo 'schedule.cron("0 0 1 1 *", { run = function() task.sleep(600) end })' >automations/long.lua
    start_daemon
    upjob schedule trigger long --wait --timeout 0.5 --state "$STATE"
    expect_status 124
    expect_error "run 1 has not ended within 0.5 s, and goes on"
    until_true eval 'upjob schedule list --state "$STATE"; [[ $output == *running* ]]'
    kill "$DAEMON_PID" # waits for the run to end; the second one, at the end of the test, does not
    until_true grep -q 'once more' daemon.log
}

@test "a schedule stays paused when the daemon is started again, and runs nothing" {
    start_daemon
    upjob schedule pause orders nightly --state "$STATE"
    expect_status 0
    [ "$output" = $'paused  orders\npaused  nightly' ]
    stop_daemon
    start_daemon
    upjob schedule list --state "$STATE"
    [ "$(grep -c ' paused$' <<<"$output")" = 2 ]
    echo 'k' >in/a.csv
    sleep 2
    [ -e in/a.csv ]
    upjob schedule next nightly --state "$STATE"
    expect_error "nightly is paused"
    upjob schedule resume orders --state "$STATE"
    [ "$output" = "resumed  orders" ]
    until_true test -e in/done/a.csv
}

@test "pause and resume need no daemon" {
    start_daemon
    stop_daemon
    upjob schedule pause nightly --json --state "$STATE"
    expect_status 0
    as_json 'assert lines == [{"schedule": "nightly", "paused": True}], lines'
    upjob schedule list --state "$STATE"
    expect_output " paused"
    expect_error "no daemon is running: nothing fires until one does"
    start_daemon
    upjob schedule list --state "$STATE"
    expect_output " paused"
    stop_daemon
    upjob schedule resume nightly --state "$STATE"
    expect_status 0
    upjob schedule list --state "$STATE"
    expect_no " paused"
    upjob schedule pause nightly nope --state "$STATE"
    expect_status 2
    upjob schedule list --state "$STATE"
    expect_no " paused"
}

@test "status is not well when the daemon is gone, whether it ended or was killed" {
    start_daemon
    stop_daemon
    upjob status --state "$STATE"
    expect_status 1
    expect_output "! no daemon is running"
    start_daemon
    kill -9 "$DAEMON_PID"
    wait "$DAEMON_PID" || true
    DAEMON_PID=
    [ -S "$STATE/control.sock" ]
    upjob status --json --state "$STATE"
    expect_status 1
    as_json 'assert lines[0]["daemon"] is None and lines[0]["problems"] == ["no daemon is running"], lines'
    start_daemon
    upjob status -q --state "$STATE"
    expect_status 0
    [ -z "$output$errors" ]
}

@test "what works on files is not triggered without one" {
    start_daemon
    upjob schedule trigger orders --state "$STATE"
    [ "$status" != 0 ]
    expect_error "orders works on a file, and none is given: put one where it looks ($PWD/in/*.csv)"
    upjob runs list --state "$STATE"
    expect_error "no runs in the journal"
}

@test "runs are listed with their schedules, those of a file with the file, and imports with the run that they are part of" {
    cat >automations/orders.lua <<LUA
schedule.on_file("$PWD/in/*.csv", { settle = 1, run = function(event)
  local client = profiles.client { embedded = true }
  return assert(job.import { client = client, domain = "acme", file = event.path, key = "CustomerId" }:wait())
end })
LUA
    start_daemon
    upjob schedule trigger nightly --wait --state "$STATE"
    customers in/c.csv
    until_true test -e in/done/c.csv
    upjob runs list --state "$STATE"
    expect_status 0
    [[ $(sed -n 1p <<<"$output") =~ ^Run\ +State\ +Begun\ +Took\ +Schedule\ +File\ +Outcome$ ]]
    grep -qE ' orders +c.csv +3 created' <<<"$output"
    grep -qE ' in run [0-9]+ +c.csv +3 created' <<<"$output"
    grep -qE ' nightly$' <<<"$output"
    expect_no ".lua"
}

@test "status fails, and does not say that all is well, where the state is another user's" {
    [ "$(id -u)" = 0 ] || skip "only root can become somebody else"
    start_daemon
    chmod 755 "$BATS_TEST_TMPDIR" # what is above it may be closed as well
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$UPJOB" status --state "$STATE"
    [[ $stderr == *"the state directory cannot be opened: Permission denied"* ]]
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$UPJOB" schedule list --state "$STATE"
}

@test "a daemon that cannot serve metrics says so and ends" {
    run -3 --separate-stderr timeout -s KILL 200 "$UPJOB" daemon automations --state "$STATE" --metrics 0.0.0.0:9464
    [[ $stderr == *"metrics at 0.0.0.0:9464 would be open to the network"* ]]
    start_daemon
}

@test "status names a file of automations that cannot be loaded" {
    echo 'schedule.cron("61 * * * *", { run = print })' >automations/broken.lua
    start_daemon
    upjob status --state "$STATE"
    expect_status 1
    expect_output "broken.lua:1 cannot be loaded: "
}

@test "durations are drawn with what the locale has" {
    start_daemon
    for i in 1 2 3; do upjob schedule trigger nightly --wait --state "$STATE"; done
    LC_ALL=C upjob status --state "$STATE"
    [[ $(grep '^nightly ' <<<"$output") =~ \ [_.~=+*#-]{3}$ ]]
    LC_ALL=C.UTF-8 upjob status --state "$STATE"
    grep '^nightly ' <<<"$output" | LC_ALL=C.UTF-8 grep -qE ' [▁▂▃▄▅▆▇█]{3}$'
}

@test "what is printed fits a terminal of 80 columns" {
    name=a-name-of-a-schedule-that-is-longer-than-anybody-would-like-to-read-on-a-line-of-a-terminal
    echo 'schedule.cron("0 0 1 1 *", { run = function() error(("trouble "):rep(40)) end })' >automations/$name.lua
    start_daemon
    upjob schedule trigger $name --wait --state "$STATE"
    cat >terminal.py <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.environ.update(TERM="dumb", LC_ALL="C.UTF-8")
    os.execv(sys.argv[1], sys.argv[1:])
out = b""
try:
    while more := os.read(fd, 65536):
        out += more
except OSError:
    pass
text = out.decode()
assert "a-name-of" in text, text
for line in text.replace("\r", "").split("\n"):
    assert len(line) <= 80, line
PYTHON
    ln -s "$STATE" s # its path is printed
    python3 terminal.py "$UPJOB" status --state s
    python3 terminal.py "$UPJOB" schedule list --state s
}
