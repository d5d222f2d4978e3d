#!/usr/bin/env bats
# upjob map.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }

# Loads the mapping on standard output of the last call, and prints its unique key.
load_mapping() {
    printf '%s\n' "$output" >map.lua
    upjob run -e 'local map = assert(mapping.load "map.lua") print(map.unique_key, #map.fields)'
    expect_status 0
}

@test "map suggest writes a mapping that loads, for each of the sample files" {
    for sample in "chinook-customers CustomerId 13" "legislators-current bioguide_id 35" "legislators-district-offices id 15"; do
        read -r file key fields <<<"$sample"
        upjob map suggest "$DATA/$file.csv"
        expect_status 0
        [ -z "$errors" ]
        load_mapping
        [ "$output" = "$key"$'\t'"$fields" ] || { echo "$file: $output"; return 1; }
    done
}

@test "with what map suggest writes, every row of the sample files is imported" {
    for sample in "chinook-customers 59" "legislators-current 537" "legislators-district-offices 1312"; do
        read -r file rows <<<"$sample"
        "$UPJOB" map suggest "$DATA/$file.csv" >map.lua
        upjob import "$DATA/$file.csv" --map map.lua --domain acme --local --json
        expect_status 0
        expect_output "\"CreatedRecords\":$rows"
        expect_output '"rejected":0'
    done
}

@test "values of cells are shown by map suggest only when asked for, in --json too" {
    { echo id,email; for i in $(seq 30); do echo "A$i,a$i@example.com"; done; echo A31,private; } >c.csv
    upjob map suggest c.csv
    expect_output "line 32 is none"
    expect_no private
    upjob map suggest c.csv --json
    expect_output '"email":[{"line":32}]'
    expect_no private
    expect_no a1@example.com
    upjob map suggest c.csv --show-values
    expect_output 'line 32: "private" is none'
    upjob map suggest c.csv --json --show-values
    expect_output '{"line":32,"value":"private"}'
}

@test "map suggest --json is one object with the survey and the suggestion" {
    upjob map suggest "$DATA/chinook-customers.csv" --json
    expect_status 0
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" = 1 ]
    upjob run -e 'local o = json.decode(io.open(arg[1]):read "a")
        print(o.survey.rows, #o.survey.columns, o.suggestion.unique_key, o.suggestion.fields[2].target, o.mapping:match "^%-%- %w+")' \
        <(printf %s "$output")
    [ "$output" = $'59\t13\tCustomerId\tFirstName\t-- Suggested' ] || { echo "$output$errors"; return 1; }
}

@test "a file without any key: the mapping has none, exit status 7, and the reason on standard error" {
    { echo a,b; for i in $(seq 50); do echo "$((i % 3)),$((i % 2))"; done; } >c.csv
    upjob map suggest c.csv
    expect_status 7
    expect_output '-- unique_key = "…",'
    expect_error "c.csv: no column is unique, and no two columns together are"
}

@test "map suggest reads standard input, compressed files and other character sets" {
    printf 'Kunden-Nr.;Stra\xdfe\n1;Gr\xfcner Weg\n2;Am Stra\xdfenrand\n' >c.csv
    upjob map suggest c.csv
    expect_output 'mapping.string "Straße"'
    gzip c.csv
    upjob map suggest c.csv.gz --encoding windows-1252
    expect_output 'mapping.string "Straße"'
    output=$("$UPJOB" map suggest - <c.csv.gz)
    expect_output 'mapping.string "Straße"'
    expect_output 'from standard input: 2 rows, windows-1252, separated by semicolons'
}

@test "what map keeps on disk goes where --tmp says, and a directory that cannot take it is refused" {
    { echo id,FirstName; seq -f '%g,Name' 200000; } >big.csv
    cat >map.lua <<'EOF'
local mapping = require "upjob.mapping"
return mapping.define { unique_key = "id", mapping.string "id" : to "Attributes.id" : as "id" }
EOF
    mkdir here
    export TMPDIR=/nonexistent
    for words in "suggest" "check --map map.lua" "preview --map map.lua"; do
        upjob map $words big.csv --tmp here
        expect_status 0
        upjob map $words <(cat big.csv) --tmp here
        expect_status 0
        upjob map $words <(cat big.csv)
        [ "$status" != 0 ]
        expect_error "--tmp"
        upjob map $words big.csv --tmp nowhere
        expect_status 2
        expect_error "temporary files cannot go to nowhere: there is no such directory"
    done
}

@test "map suggest tells what is no file, and what is no encoding" {
    upjob map suggest nowhere.csv
    expect_status 7
    expect_error "nowhere.csv"
    upjob map suggest .
    expect_status 7
    : >c.csv
    upjob map suggest c.csv
    expect_status 7
    expect_error "c.csv"
    customers c.csv
    upjob map suggest c.csv --encoding utf9
    expect_status 2
    expect_error "utf9"
}

@test "map without a word, or with a wrong one, tells those that there are" {
    upjob map
    expect_status 2
    expect_error "Usage: upjob map suggest"
    upjob map sugest x.csv
    expect_status 2
    expect_error 'there is no "sugest" (did you mean "suggest"?)'
    upjob map --help
    expect_status 0
    upjob map suggest
    expect_status 2
    expect_error "missing argument 'FILE'"
}
