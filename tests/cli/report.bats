#!/usr/bin/env bats
# upjob import --report: what happened, as one HTML page.
setup() {
    load helper
    cd "$BATS_TEST_TMPDIR"
    printf 'id,name\n1,a\n2,b\n' >r.csv
}
teardown() { stop_local; }

import() { upjob import r.csv --domain acme --key id --report out.html "$@"; }

# Fails unless the report has each of these texts.
expect_report() {
    local part
    for part; do
        grep -qF -- "$part" out.html || { printf 'no "%s" in the report:\n' "$part"; grep -v '^[ .:@*}]' out.html; return 1; }
    done
}

@test "--report is for its owner alone, and holds the counts" {
    umask 022
    import --local
    expect_status 0
    expect_output "report    out.html"
    [ "$(stat -c %a out.html)" = 600 ]
    expect_report 'Done: all 2 rows were imported.' '<b>2</b><span>created</span>' '<b>0</b><span>rejected before sending</span>' \
        'Attributes.name' 'Profiles from this import vanish on'
    [ "$(ls)" = "$(printf 'err\nout\nout.html\nr.csv')" ]
}

@test "--report has rejected values whole, and how to run the import again" {
    printf 'id,name\n1,"<script>%s"\n2\n' "$(printf 'x%.0s' {1..300})" >r.csv
    echo 3,c >>r.csv
    import --local --name "it's"
    expect_status 6
    expect_report 'Done, but not all: 1 of 3 rows was imported.' '2 rows were rejected before sending.'
    expect_report "<bdi class=\"cell\">&lt;script&gt;$(printf 'x%.0s' {1..292})…</bdi>" 'r.csv.rejects.csv' "--name &#39;it&#39;\\&#39;&#39;s&#39;"
    ! grep -q '<script' out.html
}

@test "--report of a file that the check refuses says why, and that nothing was sent" {
    printf 'id,name\n1\n2\n3,c\n' >r.csv
    import --local --max-failed 1
    expect_status 7
    expect_error "the report is in out.html"
    expect_report 'Refused by the check: nothing was sent.' 'at most 1 may fail' 'too few cells' 'none was created' \
        '<b>1</b><span>not imported</span>'
}

@test "--report of a file whose header cannot be mapped is there too" {
    printf 'name\na\n' >r.csv
    import --local
    expect_status 7
    expect_report 'nothing was sent'
}

@test "--report of an import that fails says at which step, and what is left" {
    start_local --domain acme --fault deny=1
    import
    expect_status 4
    expect_report 'Failed before the start: nothing was imported.' 'failed at the step &quot;create&quot;' 'no job was created' 'AccessDenied'
}

@test "--report with --no-wait has the command that watches the job" {
    start_local --domain acme
    import --no-wait
    expect_status 0
    expect_report 'Not finished: the job was started' "job watch $(sed -n 's/^started  job \([0-9a-f]*\) .*/\1/p' out)" \
        'created so far' 'outcome not known' 'no longer watched' 'To go on with the run:' "runs resume "
}

@test "--report of an import that is interrupted before its start says that nothing was imported" {
    start_local --domain acme --fault slow=64k
    head -c 3000000 /dev/zero | tr '\0' 'x' | fold -w 100 | awk 'BEGIN { print "id,name" } { print NR "," $0 }' >r.csv
    "$UPJOB" import r.csv --domain acme --key id --report out.html >out 2>err </dev/null 3>&- &
    local pid=$!
    until_true eval '"$UPJOB" job list --domain acme --json 2>/dev/null | grep -q JobId'
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ "$status" = 130 ]
    expect_report 'Interrupted before the import was started: nothing was imported.' 'given up'
}

@test "--report overwrites nothing but a report, which is kept" {
    import --local
    cp out.html first
    import --local
    expect_status 0
    cmp out.html~ first
    echo precious >out.html
    import --local
    expect_status 2
    expect_error "upjob did not write it"
    [ "$(cat out.html)" = precious ]
    for path in r.csv . nowhere/out.html r.csv.rejects.csv; do
        upjob import r.csv --local --domain acme --key id --report "$path"
        expect_status 2
        expect_error "cannot go to $path"
    done
}

@test "--report that cannot be written in the end is told, and no success" {
    start_local --domain acme --fault slow=8k
    awk 'BEGIN { print "id,name"; for (i = 0; i < 2000; i++) printf "%d,%050d\n", i, i }' >r.csv
    mkdir d
    "$UPJOB" import r.csv --domain acme --key id --report d/out.html >out 2>err </dev/null 3>&- &
    local pid=$!
    until_true eval '"$UPJOB" job list --domain acme --json 2>/dev/null | grep -q JobId'
    rmdir d
    status=0
    wait $pid || status=$?
    [ "$status" = 1 ]
    grep -q 'the report was not written' err
    grep -q '^SUCCEEDED' out
}
