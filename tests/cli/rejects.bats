#!/usr/bin/env bats
# Where rejected rows go, and that nothing else is lost by it.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    printf 'id,name\n1,a\n2\n' >r.csv
}

import() { upjob import r.csv --local --domain acme --key id "$@"; }

@test "--rejects does not overwrite the input, by whatever name" {
    cp r.csv before
    ln r.csv hard && ln -s r.csv soft
    for path in r.csv ./r.csv hard soft; do
        import --rejects "$path"
        expect_status 2
        expect_error "$path"
        cmp r.csv before
    done
}

@test "--rejects does not overwrite the mapping or another file" {
    printf 'local m = require "upjob.mapping"\nreturn m.define { unique_key = "id", m.string "id" : to "Attributes.id" }\n' >m.lua
    cp m.lua before
    upjob import r.csv --local --domain acme --map m.lua --rejects m.lua
    expect_status 2
    expect_error "m.lua"
    cmp m.lua before
    cp before notes
    import --rejects notes
    expect_status 2
    expect_error "upjob did not write it"
    cmp notes before
    cp before r.csv.rejects.csv
    import
    expect_status 2
    expect_error "--rejects FILE"
    cmp r.csv.rejects.csv before
}

@test "--rejects that is a directory, a device or in none is noticed before the check" {
    mkdir d
    printf 'id,name\n1,a\n' >r.csv
    for path in d /dev/null nowhere/r d/; do
        import --rejects "$path"
        expect_status 2
        expect_error "rejected rows cannot go to"
    done
    import --rejects ""
    expect_status 2
    expect_error "option '--rejects' has an empty value"
    [ -c /dev/null ]
}

@test "the rejects file of an earlier run is kept as FILE~" {
    import
    expect_status 6
    cp r.csv.rejects.csv first
    printf 'id,name\n1,a\n3,c,d\n' >r.csv
    import
    expect_status 6
    expect_error "r.csv.rejects.csv~"
    cmp first r.csv.rejects.csv~
    grep -q '^3,c,d' r.csv.rejects.csv
}

@test "a rejects file of an earlier run is not mistaken for one of this run" {
    import
    printf 'id,name\n1,a\n2,b\n' >r.csv
    import
    expect_status 0
    expect_error "this run rejected none"
    [ ! -e r.csv.rejects.csv ]
    [ -s r.csv.rejects.csv~ ]
}

@test "FILE~ is not overwritten when it is something else" {
    import
    echo precious >r.csv.rejects.csv~
    import
    expect_status 2
    expect_error "r.csv.rejects.csv~"
    [ "$(cat r.csv.rejects.csv~)" = precious ]
}

@test "an empty file takes the rejected rows" {
    : >mine
    import --rejects mine
    expect_status 6
    grep -q upjob_reason mine
}

@test "rows that are rejected again have one column of reasons, the new one, under its header" {
    import
    expect_status 6
    [ "$(cat r.csv.rejects.csv)" = "$(printf 'id,name,upjob_reason\n2,,"the row has 1 cell, the header has 2"')" ]
    printf 'id,name,upjob_reason\n,b,old\n2,b,\n' >mended.csv
    upjob import mended.csv --local --domain acme --key id --rejects again.csv
    expect_status 6
    python3 - <<'P'
import csv
header, row = csv.reader(open("again.csv"))
assert header == ["id", "name", "upjob_reason"], header
assert row[:2] == ["", "b"] and "unique key" in row[2], row
P
}
