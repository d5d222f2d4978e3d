#!/usr/bin/env bats
# What the command line says of a wrong call, and of itself.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { stop_local; }

@test "a usage error is one line that names what is wrong, without escaped line ends" {
    upjob import f --nam x
    expect_status 2
    [ "${errors%%$'\n'*}" = "upjob import: unknown option '--nam' (did you mean '--name'?)" ]
    expect_no '\x0A'
}

@test "an unknown option before the command is named; one that lacks its value too" {
    upjob --foo
    expect_status 2
    expect_error "unknown option '--foo'"
    upjob --reigon eu-west-1 run s.lua
    expect_status 2
    expect_error "unknown option '--reigon' (did you mean \"--region\"?)"
    upjob --region
    expect_status 2
    expect_error "option '--region' requires an argument"
    upjob --timeout 60
    expect_status 2
    expect_error "a command is missing"
}

@test "an argument has the same name in the usage, the help and an error" {
    for words in "import FILE" "job get JOB-ID" "profile find KEY=VALUE"; do
        command=${words% *} name=${words##* }
        upjob $command --help
        [[ $output == *" $name"*"Arguments:"*"   $name "* ]] || { echo "$output"; return 1; }
        upjob $command
        expect_status 2
        expect_error "missing argument '$name'"
    done
}

@test "help of a command of two words is that command's" {
    upjob help job list
    expect_status 0
    expect_output "Usage: upjob job list"
}

@test "an empty value of an option is told, and does not go to another service" {
    for option in --endpoint-url --region --profile --data --state --domain; do
        upjob doctor "$option" ""
        expect_status 2
        expect_error "option '$option' has an empty value"
    done
    upjob local --domain acme --domain=
    expect_status 2
    expect_error "option '--domain' has an empty value"
    upjob run -e ''
    expect_status 0
}

@test "run: what is no exit status is an error, not a success" {
    for value in 256 -1 1.5 '"failed"' 2^70; do
        upjob run -e "return $value"
        expect_status 1
        expect_error "the script returned "
        expect_error "an exit status is a whole number from 0 to 255"
    done
    upjob run -e 'return false, "it did not work"'
    expect_status 1
    expect_error "upjob: it did not work"
    upjob run -e 'return false'
    expect_status 1
    upjob run -e 'return 2.0'
    expect_status 2
    for value in true '{}' 0; do
        upjob run -e "return $value"
        expect_status 0
        [ -z "$errors" ]
    done
}

@test "local: a data directory that is a file, or is in one, is named as such" {
    : >file
    upjob local --data file
    expect_status 3
    expect_error "file cannot be the data directory: file is not a directory"
    upjob local --data file/below
    expect_status 3
    expect_error "file/below cannot be the data directory: file is not a directory"
    upjob local --data /proc/none/below
    expect_status 3
    expect_error "cannot make the data directory /proc/none/below, beginning at /proc/none"
    upjob local --data "$(printf 'a/%.0s' {1..3000})"
    expect_status 3
    expect_error "the path of the data directory has 6000 bytes"
}

@test "doctor tells every fault that it can see, not one at a time" {
    HOME= XDG_STATE_HOME= upjob doctor --endpoint-url nonsense
    expect_status 3
    for name in region endpoint credentials state; do expect_output "bad $name "; done
    upjob doctor --region 'a b'
    expect_output "bad region "
    expect_output "bad credentials "
    AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b upjob doctor
    expect_status 3
    expect_output "bad region "
    expect_output "ok  credentials  environment"
    upjob doctor --profile nosuch
    [ "$(grep -c ^bad <<<"$output")" = 1 ]
    upjob doctor --local --domain nosuch
    expect_status 3
    expect_output "ok  service "
    expect_output "bad domain "
    upjob doctor --local --endpoint-url http://127.0.0.1:1
    expect_status 2
}

@test "repl: what a task prints goes above the line that is being typed, which comes back" {
    cat >typing.py <<'P'
import os, pty, re, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "repl", "--local", "-q"])
seen = b""
def too_late(*_):
    sys.exit(repr(seen))
signal.signal(signal.SIGALRM, too_late)
signal.alarm(30)
def wait_for(pattern):
    global seen
    while not re.search(pattern, seen, re.S):
        seen += os.read(terminal, 4096)
    seen = seen[re.search(pattern, seen, re.S).end():]
def send(text):
    os.write(terminal, text)
wait_for(rb"upjob> ")
send(b"task.spawn(function() while not io.open('go') do task.sleep(0.01) end print('by a task') log.error('logged') io.write('cut') end)\n")
wait_for(rb"task: .*upjob> ")
send(b"x = 12")
wait_for(rb"x = 12")
open("go", "w").close()
# The line is taken away; after the output it stands there again, and goes on where it was.
wait_for(rb"\r\x1b\[J" + rb"by a task\r\n" + rb"upjob: error: logged\r\n" + rb"cut\r*\n" + rb"[^\n]*upjob> [^\n]*x = 12")
send(b"3\nx\n")
wait_for(rb"\n123\r")
os.close(terminal)
os.waitpid(pid, 0)
P
    TERM=xterm python3 typing.py "$UPJOB"
}

@test "os.exit in a script cleans up, tells lost output, and takes no status that is none" {
    mkdir tmp
    for code in 'os.exit(5)' 'task.spawn(function() os.exit(5) end) task.sleep(60)'; do
        TMPDIR=$PWD/tmp upjob run -e "assert(profiles.client { embedded = true }) $code"
        expect_status 5
        [ -z "$(ls tmp)" ]
    done
    upjob run -e 'os.exit(300)'
    expect_status 1
    expect_error "(command line):1: os.exit: an exit status is a whole number from 0 to 255, not 300"
    upjob run -e 'os.exit(false)'
    expect_status 1
    run bash -c '"$0" run -e "io.write(1) os.exit(0)" 2>&1 >/dev/full' "$UPJOB"
    [ "$status" = 1 ]
    [ "$output" = "upjob: standard output could not be written: the output is not complete" ]
}

@test "help that cannot be written is an error, told once" {
    for words in "--help" "import --help" "run -e io.write(1)"; do
        run bash -c '"$0" $1 2>&1 >/dev/full' "$UPJOB" "$words"
        [ "$status" = 1 ]
        [ "$output" = "upjob: standard output could not be written: the output is not complete" ]
    done
}

@test "local ends when nobody can be told its address" {
    run bash -c '"$0" local --data data 2>&1 >/dev/full' "$UPJOB"
    [ "$status" = 1 ]
    [[ $output == *"standard output could not be written"* ]]
}

@test "a script that cannot be read, or has no name, is told without a traceback" {
    run bash -c '"$0" run - 2>&1 <&-' "$UPJOB"
    [ "$status" = 1 ]
    [[ $output == "upjob: cannot read the script from standard input: "* ]]
    [[ $output != *traceback* ]]
    upjob ./nosuch.lua
    expect_status 1
    expect_error "cannot open the script ./nosuch.lua"
    upjob run ''
    expect_status 2
    upjob import '' --key x --domain d --local
    expect_status 2
    expect_error "argument 'FILE' has an empty value"
}

@test "a number of an option is written in digits; -q keeps a list without items quiet" {
    for port in 0x10 1e3 ' 5' 5.; do
        upjob local --port "$port"
        expect_status 2
        expect_error "option '--port' takes a port, from 0 to 65535, not '$port'"
    done
    upjob domain list --local -q
    expect_status 0
    [ -z "$errors" ]
}

@test "repl: SIGTERM, and os.exit of a task, end it while a line is being typed, and the terminal is as before" {
    cat >ending.py <<'P'
import os, pty, signal, sys, termios
signal.alarm(60)
def end(line, ask):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.argv[1], [sys.argv[1], "repl", "--local", "-q"])
    seen = b""
    def wait_for(text):
        nonlocal seen
        while text not in seen:
            seen += os.read(terminal, 4096)
        seen = seen[seen.index(text) + len(text):]
    wait_for(b"upjob> ")
    os.write(terminal, line)
    while termios.tcgetattr(terminal)[3] & termios.ICANON:
        pass
    wait_for(b"typed")
    ask(pid)
    try:
        while os.read(terminal, 4096): pass
    except OSError: pass
    cooked = termios.tcgetattr(terminal)[3] & termios.ICANON
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), cooked != 0
seen = end(b"typed", lambda pid: os.kill(pid, signal.SIGTERM))
assert seen == (143, True), seen
spawn = b"task.spawn(function() while not io.open('go') do task.sleep(0.01) end os.exit(9) end)\ntyped"
seen = end(spawn, lambda pid: open("go", "w").close())
assert seen == (9, True), seen
P
    TERM=xterm python3 ending.py "$UPJOB"
}

@test "doctor --iam-policy prints the least policy for a domain, and asks nobody" {
    AWS_REGION=cn-north-1 upjob doctor --iam-policy --domain acme
    expect_status 0
    grep -qF '["arn:aws-cn:profile:cn-north-1:*:domains/acme", "arn:aws-cn:profile:cn-north-1:*:domains/acme/*"]' <<<"$output"
    [ "$(grep -o '"profile:[A-Z][A-Za-z]*"' <<<"$output" | wc -l)" = 14 ]
    upjob doctor --iam-policy --domain acme --region us-gov-west-1 -q
    [ "$errors" = "" ]
    grep -qF '"arn:aws-us-gov:profile:us-gov-west-1:*:domains/acme"' <<<"$output"
    AWS_REGION=cn-north-1 upjob doctor --iam-policy --domain acme --source 's3://acme-crm/exports/*' -q
    grep -qF '"arn:aws-cn:s3:::acme-crm/exports/*"' <<<"$output"
    upjob doctor --iam-policy --domain acme --source s3://acme-crm
    expect_status 2
    upjob doctor --source s3://acme-crm/a
    expect_status 2
    upjob doctor --iam-policy
    expect_status 2
    upjob doctor --iam-policy --domain 'a b'
    expect_status 2
}

@test "notify retry: a number where the file is to stand is told as that" {
    upjob notify retry 3
    expect_status 2
    expect_error "the file that makes the notifiers comes first, letters behind it: FILE 3"
}
