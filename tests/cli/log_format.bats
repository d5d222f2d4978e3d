# What standard error is for a log collector: an object a line, whatever happens.
load helper

teardown() { stop_local; }

# Every line of standard error is an object with a time in UTC, a level and a message; prints "level message" of each.
lines() {
    UPJOB_LOG_FORMAT='' python3 - "$BATS_TEST_TMPDIR/err" <<'PYTHON'
import json, re, sys
for line in open(sys.argv[1], "rb"):
    entry = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["time"]), entry
    assert entry["level"] in ("error", "warn", "info", "debug", "trace"), entry
    print(entry["level"], entry["message"], {k: v for k, v in entry.items() if k not in ("time", "level", "message")})
PYTHON
}

expect_line() {
    local told
    told=$(lines) || { printf 'no JSON:\n%s\n' "$errors"; return 1; }
    [[ $told == *"$1"* ]] && return
    printf 'no "%s" in\n%s\n' "$1" "$told"
    return 1
}

@test "an import tells its mapping, its problems and its refused rows as objects with domain and file" {
    printf 'Id,EmailAddress\n1,ann@example.com\n2,none\n' >"$BATS_TEST_TMPDIR/in.csv"
    upjob import "$BATS_TEST_TMPDIR/in.csv" --domain acme --key Id --local --log-format json
    expect_status 6
    expect_output SUCCEEDED
    expect_line 'info the mapping used'
    expect_line 'warn '"$BATS_TEST_TMPDIR"'/in.csv:3: column "EmailAddress"'
    expect_line "'domain': 'acme', 'file': '$BATS_TEST_TMPDIR/in.csv'"
}

@test "the wire trace is objects too, with the job once there is one" {
    customers "$BATS_TEST_TMPDIR/in.csv"
    upjob import "$BATS_TEST_TMPDIR/in.csv" --domain acme --key CustomerId --local --log-format=json -v
    expect_status 0
    expect_line "'wire': 'sent'"
    expect_line "'job': '"
}

@test "errors of the command line are objects, before and behind the command" {
    upjob --log-format json import
    expect_status 2
    expect_line "error missing argument 'FILE' {'code': 'UsageError', 'command': 'import'"
    upjob import --log-format json --nonsense x
    expect_status 2
    expect_line "error unknown option '--nonsense'"
    upjob job nonsense --log-format json
    expect_status 2
    expect_line 'error there is no "nonsense"'
    upjob nonsense --log-format json
    expect_status 2
    expect_line 'error there is no command "nonsense"'
}

@test "an error of the program has its code and its place" {
    upjob import "$BATS_TEST_TMPDIR/none.csv" --domain acme --key Id --local --log-format json
    expect_status 7
    expect_line "'code': 'FileError'"
    expect_line "'file': '$BATS_TEST_TMPDIR/none.csv'"
}

@test "tracebacks of scripts, tasks and handlers are fields" {
    upjob run --log-format json -e 'error("boom\n\27[2J")'
    expect_status 1
    expect_line "error (command line):1: boom"
    expect_line "'traceback': \"stack traceback:"
    upjob run --log-format json -e 'task.spawn(function() error("in a task") end)'
    expect_status 1
    expect_line "error error in a task: (command line):1: in a task {'traceback'"
    upjob run --log-format json -e 'warn("@on") warn("of ", "Lua")'
    expect_line "warn Lua warning: of Lua {}"
}

@test "a script's fields are members, of whatever bytes they are" {
    upjob run --log-format json -e 'log.context { run = 7 }
        log.warn("read %d", 3, { file = "a\xE9\0.csv", rows = 3, ok = true, share = 1.5, level = "high", list = nil })
        log.warn("%s", "no fields")
        log.forget("run") log.error("none")'
    expect_status 0
    expect_line "warn read 3 {'run': 7, 'file': 'a\\\\xE9\\x00.csv', 'level_': 'high', 'ok': True, 'rows': 3, 'share': 1.5}"
    expect_line "warn no fields {'run': 7}"
    expect_line "error none {}"
}

@test "in text a script's fields stand behind the message, those of the process do not" {
    upjob run -e 'log.context { run = 7 } log.warn("read", { file = "a b.csv", rows = 3 }) log.warn("plain", {})'
    expect_status 0
    [ "$errors" = 'upjob: warning: read: file="a b.csv" rows=3
upjob: warning: plain' ]
}

@test "fields that go with a message that tells all are members, and not in the text" {
    code='local lines = log.with { run = 7, error = { code = "Crashed", message = "no more" } }
        lines.warn("run %d: %s", 7, "no more", "unused") lines.info("not in force") lines.error("100 %")'
    upjob run --log-format json -e "$code"
    expect_line "warn run 7: no more {'error': 'no more', 'error_code': 'Crashed', 'run': 7}"
    expect_line "error 100 % {'error': 'no more'"
    upjob run -e "$code"
    [ "$errors" = 'upjob: warning: run 7: no more
upjob: error: 100 %' ]
}

@test "each line for the journal of systemd begins with its priority, objects do not" {
    : >"$BATS_TEST_TMPDIR/err"
    export JOURNAL_STREAM
    JOURNAL_STREAM=$(stat -c %d:%i "$BATS_TEST_TMPDIR/err")
    upjob import "$BATS_TEST_TMPDIR/none.csv" --domain acme --map none --local
    [[ $errors == '<3>upjob: none: '* ]]
    upjob import --domain acme
    [ "$errors" = "<3>upjob import: missing argument 'FILE'
<3>Try 'upjob import --help'." ]
    upjob run -e 'log.level "debug" log.warn "a" log.info "b" log.debug "c" error "d"'
    [[ $errors == '<4>upjob: warning: a
<6>upjob: b
<7>upjob: debug: c
<3>upjob: (command line):1: d
<3>stack traceback:
<3>'* ]]
    upjob run --log-format json -e 'log.warn "a"'
    expect_line 'warn a {}'
    JOURNAL_STREAM=1:1 upjob run -e 'log.warn "a"'
    [ "$errors" = 'upjob: warning: a' ]
}

@test "what files of automations print and log while they are loaded is objects too" {
    mkdir "$BATS_TEST_TMPDIR/automations"
    printf 'print("printed", 1) log.warn("logged", { rows = 3 }) schedule.every("1h", { run = print })\n' \
        >"$BATS_TEST_TMPDIR/automations/a.lua"
    printf 'schedule.every("1x", { run = print })\n' >"$BATS_TEST_TMPDIR/automations/b.lua"
    upjob daemon "$BATS_TEST_TMPDIR/automations" --check --log-format json
    expect_status 7
    expect_line 'info printed	1 {}'
    expect_line "warn logged {'rows': 3}"
    expect_line "automations/b.lua:1: schedule.every"
    expect_line "'code': 'InvalidAutomation'"
}

@test "an error object in a field is its text and its code, without the value" {
    upjob run --log-format json -e 'local e = select(2, csv.open "none.csv") e.value = "private"
        log.warn("not read", { error = e })'
    expect_line "warn not read {'error': 'none.csv: "
    expect_line "'error_code': 'FileError'"
    expect_no private
}

@test "UPJOB_LOG_FORMAT stands in for the option, which comes first; another word is refused" {
    UPJOB_LOG_FORMAT=json upjob run -e 'log.warn "x"'
    expect_line 'warn x {}'
    UPJOB_LOG_FORMAT=json upjob run --log-format text -e 'log.warn "x"'
    [ "$errors" = 'upjob: warning: x' ]
    UPJOB_LOG_FORMAT=xml upjob run -e 'log.warn "x"'
    expect_status 3
    expect_error 'UPJOB_LOG_FORMAT is text or json, not "xml"'
    UPJOB_LOG_FORMAT= upjob run -e 'log.warn "x"'
    [ "$errors" = 'upjob: warning: x' ]
    upjob run --log-format xml -e ''
    expect_status 2
}

@test "what is wrong with the arguments of log is told at the caller's line" {
    upjob run -e 'log.warn("%d", "x", { a = 1 })'
    expect_status 1
    expect_error '(command line):1: log.warn: bad argument #2'
    upjob run -e 'log.context(1)'
    expect_error '(command line):1: log.context: a table of fields is needed'
}
