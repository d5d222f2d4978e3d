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
