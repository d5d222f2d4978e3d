# What `make install` puts where, and that it works there.
load helper

PLACE=$BATS_TEST_TMPDIR/place

make_install() { make -s "$@" BUILD="${BUILD:-build}" >"$BATS_TEST_TMPDIR/make.log" 2>&1 || { cat "$BATS_TEST_TMPDIR/make.log"; return 1; }; }

@test "an installed program finds its modules, and all of it is gone after uninstall" {
    make_install install PREFIX="$PLACE"
    UPJOB=$PLACE/bin/upjob
    upjob run -e 'for _, name in ipairs { "metrics", "profiles", "local" } do require("upjob.native." .. name) end print "found"'
    expect_status 0
    expect_output found
    [ -f "$PLACE/share/doc/upjob/README.md" ]
    make_install uninstall PREFIX="$PLACE"
    [ ! -e "$PLACE" ]
}

@test "a packager's directory is in no path of what is installed" {
    make_install install PREFIX=/opt/upjob DESTDIR="$PLACE"
    unit=$PLACE/opt/upjob/lib/systemd/system/upjob.service
    grep -q '^ExecStart=/opt/upjob/bin/upjob daemon ' "$unit"
    run grep -F -e "$PLACE" -e @PREFIX@ "$unit"
    [ "$status" = 1 ]
    make_install uninstall PREFIX=/opt/upjob DESTDIR="$PLACE"
    [ ! -e "$PLACE/opt/upjob" ]
}

@test "systemd takes the unit as it is, and finds it little exposed" {
    make_install install PREFIX="$PLACE"
    unit=$PLACE/lib/systemd/system/upjob.service
    run systemd-analyze verify --man=no "$unit"
    [ "$status" = 0 ] && [ -z "$output" ] || { echo "$output"; return 1; }
    run systemd-analyze security --offline=yes --threshold=25 "$unit"
    [ "$status" = 0 ] || { echo "$output"; return 1; }
}

@test "what the unit runs starts on a directory without automations, and ends well when it is told to" {
    words=$(sed -n 's/^ExecStart=[^ ]* //p' scripts/systemd/upjob.service.in)
    mkdir "$BATS_TEST_TMPDIR/automations"
    words=${words/\%S/$BATS_TEST_TMPDIR} words=${words/\$UPJOB_DAEMON_OPTIONS/} words=${words/\/etc\/upjob/$BATS_TEST_TMPDIR}
    # shellcheck disable=SC2086
    "$UPJOB" $words 2>"$BATS_TEST_TMPDIR/log" 3>&- &
    local daemon=$!
    until_true grep -q "$BATS_TEST_TMPDIR/automations" "$BATS_TEST_TMPDIR/log"
    kill -TERM $daemon
    wait $daemon || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
}
