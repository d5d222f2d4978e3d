#!/usr/bin/env bats
# Several files in one import, and files that are sent in parts.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    export XDG_STATE_HOME=$PWD/state
    rows 1 3 Ann >a.csv
    rows 2 5 Bob >b.csv
}

# rows FROM TO NAME: a file of these keys.
rows() {
    printf 'id,name\n'
    local i
    for ((i = $1; i <= $2; i++)); do printf '%d,%s\n' "$i" "$3"; done
}

import() { upjob import "$@" --local --domain acme --key id -q --color never; }

@test "several files are one import: one result, a job for each" {
    upjob import a.csv b.csv --local --domain acme --key id --color never
    expect_status 0
    expect_output "SUCCEEDED  5 created, 2 updated, 0 failed"
    expect_output "2 files (7 rows"
    expect_output "jobs      2 in domain acme"
    [[ $output =~ 1\ +[0-9a-f]{32}\ +SUCCEEDED\ +3\ .*a\.csv ]]
    import a.csv b.csv --json
    [ "$(jq -c '[.Status, .rows, .JobId, (.jobs | length), (.jobs | map(.rows))]' <<<"$output")" = '["SUCCEEDED",7,null,2,[3,4]]' ]
    [ "$(jq -c '[.files[] | .file, .rows]' <<<"$output")" = '["a.csv",3,"b.csv",4]' ]
}

@test "a pattern stands for files in the order of their bytes, but for what upjob wrote itself" {
    mkdir in
    for name in 10 9 b B; do cp a.csv "in/$name.csv"; done
    printf 'id,name,upjob_reason\n1,x,y\n' >in/9.csv.rejects.csv
    mkdir in/d.csv
    import 'in/*.csv' --json
    expect_status 0
    [ "$(jq -r '.files[].file' <<<"$output" | tr '\n' ' ')" = "in/10.csv in/9.csv in/B.csv in/b.csv " ]
    cp a.csv 'in/[x].csv'
    import 'in/[x].csv' --json
    [ "$(jq -c '[.rows, .jobs]' <<<"$output")" = '[3,null]' ]
}

@test "a pattern that stands for nothing, a file that is given twice and standard input beside others are errors" {
    import 'none*.csv'
    expect_status 7
    expect_error "none*.csv: there is no file that the pattern stands for"
    ln -s a.csv link.csv
    import a.csv b.csv link.csv
    expect_status 2
    expect_error "a.csv is to be imported twice: link.csv is the same file"
    import a.csv -
    expect_status 2
    expect_error "standard input is imported alone"
}

@test "when one of the files is invalid nothing is sent of any" {
    printf 'id,name\n1,x,y\n' >c.csv
    printf 'id\n1\n' >d.csv
    start_local --domain acme
    upjob import a.csv d.csv --domain acme --key id -q
    expect_status 7
    expect_error 'd.csv:1: the column "name" is not in the header'
    upjob import a.csv c.csv --domain acme --key id -q --max-failed 0
    expect_status 7
    expect_error "c.csv"
    expect_error "1 of 4 rows would be refused"
    upjob job list --domain acme --json
    [ -z "$output" ]
    stop_local
}

@test "rejected rows of several files go beside each, or to a directory" {
    printf '9\n' >>b.csv
    import a.csv b.csv --json
    expect_status 6
    [ "$(jq -c '[.rows, .rejected, (.files | map(.rejects))]' <<<"$output")" = '[8,1,[null,"b.csv.rejects.csv"]]' ]
    grep -q '^9,' b.csv.rejects.csv
    [ ! -e a.csv.rejects.csv ]
    mkdir bad
    upjob import a.csv b.csv --local --domain acme --key id --rejects bad --problems bad
    expect_status 6
    expect_output "1 of b.csv: see bad/b.csv.rejects.csv"
    [ "$(ls bad | tr '\n' ' ')" = "a.csv.problems.csv b.csv.problems.csv b.csv.rejects.csv " ]
    import a.csv b.csv --rejects one.csv
    expect_status 2
    expect_error "--rejects names a directory"
    mkdir x && cp b.csv x/b.csv
    import b.csv x/b.csv --rejects bad
    expect_status 2
    expect_error "x/b.csv would go to one file"
}

@test "--max-failed counts the rows of all files" {
    printf '9\n' >>a.csv
    printf '9\n' >>b.csv
    import a.csv b.csv --max-failed 1
    expect_status 7
    expect_error "2 of 9 rows would be refused"
    import a.csv b.csv --max-failed 2
    expect_status 0
}

@test "a file of the part size or more is sent in parts, from standard input too" {
    rows 1 500 Somebody >big.csv
    for parallel in 1 9; do
        import big.csv --part-size 2K --parallel "$parallel" --json
        expect_status 0
        [ "$(jq -c '[.rows, .ResultsSummary.CreatedRecords, ([.jobs[].bytes] | max < 2048)]' <<<"$output")" = '[500,500,true]' ]
        [ "$(jq '.jobs | length' <<<"$output")" -ge 4 ]
    done
    for how in cat 'gzip -c'; do
        $how big.csv | "$UPJOB" import - --local --domain acme --key id -q --part-size 2K --parallel 2 --json >out
        [ "$(jq -c '[.rows, .ResultsSummary.CreatedRecords, .jobs[0].file]' out)" = '[500,500,"-"]' ]
    done
}

@test "with a run key, an import in parts into a domain that the embedded service does not have makes it" {
    rows 1 400 Ann >many.csv
    upjob import many.csv --local --domain fresh --key id --part-size 2K --run-key once -q --color never --json
    expect_status 0
    [ "$(jq -c '[.Status, .rows]' <<<"$output")" = '["SUCCEEDED",400]' ]
}

@test "a dry run tells how many parts there would be, and nothing is sent" {
    upjob import a.csv b.csv --local --domain acme --key id --dry-run --color never
    expect_status 0
    expect_output "2 files: 7 of 7 rows"
    expect_output "in 2 parts"
    expect_output "Part 2: b.csv part 2 of 2 <run key>-2-<digest>"
    import a.csv b.csv --dry-run --json
    [ "$(jq -c '[.parts, [.requests[] | select(.operation == "CreateUploadJob") | .part]]' <<<"$output")" = '[2,[1,2]]' ]
}

@test "the report of an import in parts has a table of them" {
    import a.csv b.csv --report r.html
    expect_status 0
    grep -q "2 parts, each a job of its own" r.html
    [ "$(grep -o '>SUCCEEDED<' r.html | wc -l)" -ge 2 ]
}

@test "an option of parts that is out of bounds is a usage error" {
    for size in 0 1023 2G x 1.5M; do
        import a.csv --part-size "$size"
        expect_status 2
        expect_error "--part-size"
    done
    import a.csv --parallel 0
    expect_status 2
    expect_error "--parallel"
}

@test "runs lists an import with its parts behind it, and shows them" {
    start_local --domain acme
    upjob import a.csv b.csv --domain acme --key id -q
    upjob runs list
    [ "$(wc -l <<<"$output")" = 3 ]
    expect_output "2 files"
    upjob runs list --kind part
    [ "$(wc -l <<<"$output")" = 4 ]
    expect_output "part 2 of 1"
    upjob runs show 1
    expect_output "2 of 2 parts were begun"
    upjob runs show 1 --json
    [ "$(jq -c '[.parts[] | .kind, .ordinal, .state]' <<<"$output")" = '["part",1,"succeeded","part",2,"succeeded"]' ]
    upjob runs show 2
    expect_output "run 1, as its part 1"
    upjob runs resume 2
    expect_status 2
    expect_error "upjob runs resume 1"
    stop_local
}

@test "runs show tells of the check, and of what went on beside what was sent, once each" {
    { rows 1 2000 Ann; rows 1 1000 Bob | tail -n +2; } >keys.csv
    import keys.csv --part-size 8K
    expect_status 0
    upjob runs show 1 --json
    [ "$(jq -c '[.steps[] | select(.state == "done") | .step]' <<<"$output")" = '["check","split","keys"]' ]
    [ "$(jq -c '[.steps[] | select(.state == "done" and .step != "split") | .detail.counts["duplicate key"]]' <<<"$output")" = \
        '[null,1000]' ]
}

@test "a refusal is told with its request id once, though it is of a part and of the whole" {
    printf 'CustomerId,FirstName\n1,a\n' >1.csv
    printf 'CustomerId,FirstName\n2,b\n' >2.csv
    start_local
    upjob import 1.csv 2.csv --domain nowhere --key CustomerId
    expect_status 4
    [ "$(grep -o 'request id' <<<"$errors" | wc -l)" = 1 ]
    stop_local
}

@test "a link to nowhere that a pattern finds is refused, and not left out in silence" {
    printf 'CustomerId,FirstName\n1,a\n' >1.csv
    ln -s nowhere.csv 2.csv
    upjob import '?.csv' --local --domain acme --key CustomerId
    expect_status 7
    expect_error "2.csv: cannot be opened: No such file or directory"
}

@test "--timeout ends an import that waits for the header of a silent pipe" {
    mkfifo silent.csv
    sleep 60 >silent.csv 3>&- &
    upjob import silent.csv --local --domain acme --key CustomerId --timeout 0.2
    kill $!
    expect_status 124
    expect_error "not done within 0.2 s: no job was created"
}

@test "temporary files go where --tmp says, and a directory that cannot take them is refused before anything is read" {
    { echo CustomerId,FirstName; seq -f '%g,Name' 3000; } >big.csv
    mkdir here
    export TMPDIR=/nonexistent
    upjob import big.csv --domain acme --key CustomerId --part-size 10K --data data --local --tmp here
    expect_status 0
    upjob import big.csv --domain acme --key CustomerId --part-size 10K --data data --local
    [ "$status" != 0 ]
    expect_error "--tmp"
    unset TMPDIR
    upjob import big.csv --local --domain acme --key CustomerId --tmp nowhere
    expect_status 2
    expect_error "temporary files cannot go to nowhere: there is no such directory"
    upjob import big.csv --local --domain acme --key CustomerId --tmp big.csv
    expect_status 2
    expect_error "it is no directory"
}

@test "a pipe that a pattern finds is passed over and told, and not waited for; one that is named is read" {
    mkdir in
    cp a.csv in/a.csv
    mkfifo in/pipe.csv
    upjob import 'in/*.csv' --local --domain acme --key id --json
    expect_status 0
    expect_error 'in/pipe.csv, which "in/*.csv" stands for, is no regular file and is passed over'
    [ "$(jq -c '[.rows, .jobs]' <<<"$output")" = '[3,null]' ]
    import 'in/p*.csv'
    expect_status 2
    expect_error "stands for no regular file, but for in/pipe.csv"
    cat b.csv >in/pipe.csv &
    import in/pipe.csv --json
    expect_status 0
    [ "$(jq -c .rows <<<"$output")" = 4 ]
}
