#!/usr/bin/env bats
# Headers that cannot be imported, and names that must not reach a terminal as they are.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }

by_key() { upjob import h.csv --local --domain acme --key id; }
by_mapping() {
    printf 'local m = require "upjob.mapping"\nreturn m.define { unique_key = "id", m.string "id" : to "Attributes.id" }\n' >m.lua
    upjob import h.csv --local --domain acme --map m.lua
}

@test "a header that cannot be read ends with 7, file, line and what to do, with --key and with --map" {
    for with in by_key by_mapping; do
        printf 'id,na\0me\n1,a\n' >h.csv
        $with
        expect_status 7
        expect_error "h.csv:1: cell 2 of the header holds a NUL byte: if the file is UTF-16, save it as UTF-8"
        { head -c 17000000 /dev/zero | tr '\0' x; printf ',id\n1,a\n'; } >h.csv
        $with
        expect_status 7
        expect_error "h.csv:1:"
    done
}

@test "a header's name that is too long ends with 7 and not with a usage error" {
    { printf 'id,'; head -c 3000 /dev/zero | tr '\0' x; printf '\n1,a\n'; } >h.csv
    by_key
    expect_status 7
    expect_error "h.csv:1: cell 2 of the header has 3000 characters"
}

@test "a file's name that is not UTF-8 is imported, with a run key too" {
    name=$(printf 'caf\xe9.csv')
    customers "$name"
    upjob import "$name" --local --domain acme --key CustomerId --run-key r1 --json
    expect_status 0
    expect_output '"DisplayName":"caf\\xE9.csv r1"'
    python3 -c 'import json,sys; json.loads(sys.argv[1])' "$output"
}

@test "a run key must be text of some length" {
    customers c.csv
    for key in "" "$(printf '\xe9')" "$(printf 'x%.0s' {1..201})"; do
        upjob import c.csv --local --domain acme --key CustomerId --run-key "$key"
        expect_status 2
        expect_error "--run-key"
    done
    upjob run -e 'job.import { client = profiles.client { embedded = true }, domain = "d", file = "c.csv", key = "CustomerId", run_key = "" }'
    expect_status 1
    expect_error '(command line):1: job.import: option "run_key"'
}

@test "standard input that is empty ends with 7 and is named" {
    upjob import - --local --domain acme --key id
    expect_status 7
    expect_error "standard input: the file is empty"
}

@test "escapes in names, cells and errors do not reach the terminal" {
    esc=$(printf '\033[2J') csi=$(printf '\302\2333') bidi=$(printf '\342\200\256')
    for evil in "$esc" "$csi" "$bidi"; do
        # the key is not in the header, which is shown; the nearest name is, too
        printf 'a%sid,name\n1,a\n' "$evil" >h.csv
        by_key
        expect_status 7
        expect_no "$evil"
        # the mapping is printed; the value and the column of a bad cell are shown
        printf 'id,n%s\n1,\0%s\n2,x\n' "$evil" "$evil" >h.csv
        upjob import h.csv --local --domain acme --key id --show-values
        expect_status 6
        expect_no "$evil"
        # names of files, in errors, results and the rejects file's
        printf 'id,name\n1,a\n2\n' >"f$evil.csv"
        upjob import "f$evil.csv" --local --domain acme --key id
        expect_status 6
        expect_no "$evil"
        upjob import "no$evil.csv" --local --domain acme --key id
        expect_status 7
        expect_no "$evil"
        upjob import h.csv "$evil"
        expect_status 2
        expect_no "$evil"
        upjob "$evil"
        expect_no "$evil"
        # errors of scripts, the log, the prompt
        EVIL=$evil upjob run -e 'log.warn("%s", os.getenv "EVIL") return nil, os.getenv "EVIL"'
        expect_no "$evil"
        EVIL=$evil upjob run -e 'error(os.getenv "EVIL")'
        expect_status 1
        expect_no "$evil"
        output=$(printf 'os.getenv "EVIL"\n{ [os.getenv "EVIL"] = 1 }\nerror(os.getenv "EVIL")\n' | EVIL=$evil "$UPJOB" repl --local 2>&1)
        expect_no "$evil"
    done
}

@test "columns that look like places in a profile are hinted at, before the check" {
    printf 'id,E-mail,Colour\n,a@example.com,red\n' >h.csv
    by_key
    expect_status 7
    expect_error 'mapping.string "E-mail" : to "Attributes.e_mail"'
    expect_error 'mapping.email "E-mail" : to "EmailAddress"'
    # the mapping stands before what the check found
    [[ $errors == *'return mapping.define'*'look like places'*'h.csv:2:'* ]]
}
