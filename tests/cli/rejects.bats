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

@test "rejected rows of a file with semicolons or tabs are kept when it is imported again" {
    for separator in ';' $'\t'; do
        rm -f d.csv*
        printf 'Id%sMail\n1%sa@b.de\n2%snone\n' "$separator" "$separator" "$separator" >d.csv
        echo 'return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id",
            mapping.email "Mail" : to "EmailAddress" }' >d.lua
        for _ in 1 2; do
            upjob import d.csv --map d.lua --local --domain acme
            expect_status 6
        done
        [ -e d.csv.rejects.csv ] && [ -e d.csv.rejects.csv~ ]
    done
}

@test "a mapping that does not fit the file leaves the rejected rows of an earlier run where they are" {
    printf 'Id,Mail\n1,a@b.de\n2,none\n' >d.csv
    echo 'return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id",
        mapping.email "Mail" : to "EmailAddress" }' >d.lua
    upjob import d.csv --map d.lua --local --domain acme
    expect_status 6
    sed 's/"Mail"/"E-mail"/' d.lua >other.lua
    upjob import d.csv --map other.lua --local --domain acme
    expect_status 7
    expect_error 'd.csv:1: the column "E-mail" is not in the header'
    expect_error 'other.lua:2 asks for it'
    grep -q '^2,none,' d.csv.rejects.csv
    [ ! -e d.csv.rejects.csv~ ]
}

@test "a region that is none and a lookup's file that is not there are told with their line in the mapping" {
    printf 'Id,Tel\n1,2\n' >d.csv
    for step in 'e164 { region = "XX" }' 'lookup "none.csv"'; do
        printf 'return mapping.define {\n  unique_key = "Id",\n  mapping.string "Id" : to "Attributes.id",\n' >d.lua
        printf '  mapping.phone "Tel" : to "PhoneNumber" : %s }\n' "$step" >>d.lua
        upjob import d.csv --map d.lua --local --domain acme
        expect_status 7
        expect_error "d.lua:4: "
    done
}
