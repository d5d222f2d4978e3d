#!/usr/bin/env bats
# upjob map preview: which rows are shown, and how.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    cat >m.lua <<'L'
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id" : required(),
  mapping.string { "First", "Last" } : to "FirstName" : as "name", mapping.email "Mail" : to "EmailAddress" : trim() : lower(),
  mapping.const "spring" : to "Attributes.origin" : as "origin" }
L
    cat >plain.lua <<'L'
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "Id", mapping.string "Id" : to "Attributes.id" : required(),
  mapping.email "Mail" : to "EmailAddress" : lower(), mapping.skip("First", "Last") }
L
    {
        echo Id,First,Last,Mail
        for i in $(seq 20); do echo "$i,Ann,Lee,a$i@b.cc"; done
        echo "21,Bob,Ray,BOB@B.CC"
        echo "22,Cy,Fox,nothing"
        echo "23,Di"
    } >c.csv
}

@test "rows that would be refused come first, then those that change, then others" {
    upjob map preview c.csv --map plain.lua --show-values -n 4
    expect_status 0
    titles=$(grep -o '^line [0-9]* [a-z ]*' <<<"$output" | tr '\n' ';')
    [ "$titles" = "line 23 is refused;line 24 is refused;line 22 is changed;line 2 is sent as it stands;" ] ||
        { echo "$output"; return 1; }
    expect_output "line 23 is refused: column \"Mail\" (4): is not an e-mail address: it has no @"
    expect_output "line 24 is refused: the row has 2 cells, the header has 4"
    expect_output "4 of 23 rows: 2 would be refused, 1 changes."
    grep -q 'Mail  *BOB@B.CC  *bob@b.cc  *EmailAddress' <<<"$output"
}

@test "ten rows without -n; -n takes a number of rows" {
    upjob map preview c.csv --map plain.lua
    [ "$(grep -c '^line ' <<<"$output")" = 10 ]
    upjob map preview c.csv --map plain.lua -n 0
    expect_status 2
    expect_error "takes a number of rows, from 1 to 1000, not '0'"
}

@test "joined columns and constants are shown with what they become" {
    upjob map preview c.csv --map m.lua --show-values -n 9
    expect_output "First + Last  Ann + Lee"
    expect_output "Ann Lee"
    grep -q '(constant)  *–  *spring  *Attributes.origin' <<<"$output"
}

@test "spaces at the ends of a value can be seen" {
    printf 'Id,First,Last,Mail\n1,a,b, x@y.zz\n2,a,b,x@y.zz \n' >s.csv
    upjob map preview s.csv --map m.lua --show-values
    expect_output '" x@y.zz"'
    expect_output '"x@y.zz "'
}

@test "off a terminal values are masked, in --json too" {
    upjob map preview c.csv --map m.lua
    expect_output "•••"
    expect_output "--show-values shows them"
    expect_no bob
    expect_no BOB
    upjob map preview c.csv --map m.lua --json
    expect_no bob
    expect_output '"kind":"changed"'
    upjob map preview c.csv --map plain.lua --json --show-values
    expect_output '"after":"bob@b.cc"'
    expect_output '"before":["BOB@B.CC"]'
}

@test "where nothing changes, the first row shows where each value goes" {
    printf 'Id,First,Last,Mail\n1,a,b,x@y.zz\n2,a,b,y@y.zz\n' >s.csv
    upjob map preview s.csv --map plain.lua --show-values
    expect_output "line 2 is sent as it stands"
    [ "$(grep -c EmailAddress <<<"$output")" = 1 ]
    upjob map preview s.csv --map plain.lua --show-values --all
    [ "$(grep -c EmailAddress <<<"$output")" = 2 ]
}

@test "on a terminal no line is wider than it, and values are shown in colours" {
    long=$(printf 'x%.0s' $(seq 150))
    printf 'Id,First,Last,Mail\n1,%s,%s,A@B.CC\n2,%s,b,nothing\n' "$long" "$long" "$long" >s.csv
    for columns in 40 80 120; do
        script -qec "stty cols $columns; '$UPJOB' map preview s.csv --map m.lua" /dev/null </dev/null >tty
        grep -q $'\e\[31m' tty
        grep -q 'a@b.cc' tty
        python3 - "$columns" <<'P'
import re, sys
for line in open("tty", encoding="utf-8"):
    line = re.sub(r"\x1b\[[0-9;]*[mK]", "", line.rstrip("\r\n")).split("\r")[-1]
    assert len(line) <= int(sys.argv[1]), (len(line), line)
P
    done
}

@test "what a terminal would obey in a cell is shown, not sent to it" {
    printf 'Id,First,Last,Mail\n1,a\e[2J,b,A@b.cc\n' >s.csv
    upjob map preview s.csv --map m.lua --show-values
    expect_no $'\e[2J'
}

@test "rows that the mapping's rows() leaves out are counted and not shown" {
    sed 's/^return/local wanted = mapping.rows(function(row) return row.Id == "21" end)\nreturn/; s/unique_key = "Id",/unique_key = "Id", wanted,/' plain.lua >r.lua
    upjob map preview c.csv --map r.lua --show-values
    expect_status 0
    [ "$(grep -c '^line ' <<<"$output")" = 2 ]
    expect_output "21 rows left out by the mapping's rows()"
}

@test "of a long file the first rows are looked at, which is said, and standard input is taken" {
    { echo Id,First,Last,Mail; seq 120000 | sed 's/$/,a,b,x@y.zz/'; } >long.csv
    status=0; output=$("$UPJOB" map preview - --map plain.lua -n 1 <long.csv) || status=$?
    [ "$status" = 0 ]
    expect_output "1 of the first 100,000 rows: 0 would be refused, 0 change."
    expect_output "upjob map check looks at all of them"
}

@test "a mapping is needed, and its errors are told" {
    upjob map preview c.csv
    expect_status 2
    expect_error "give --map FILE"
    echo 'return 1' >bad.lua
    upjob map preview c.csv --map bad.lua
    expect_status 7
    expect_error "bad.lua"
}
