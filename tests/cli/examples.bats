#!/usr/bin/env bats
# Every example runs, against the embedded service.
setup() { load helper; EXAMPLES=$PWD/scripts/examples; cd "$BATS_TEST_TMPDIR"; start_local --domain acme; }
teardown() {
    stop_local
    [ -z "${DAEMON:-}" ] || kill -KILL "$DAEMON" 2>/dev/null || true
    [ -z "${HOOK_PID:-}" ] || kill "$HOOK_PID" 2>/dev/null || true
}

@test "import_and_notify posts the result to a webhook" {
    python3 - >hook.port 2>hook.body 3>&- <<'P' &
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sys.stderr.write(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204); self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.timeout = 300
s.handle_request()
P
    HOOK_PID=$!
    until_true test -s hook.port
    customers c.csv
    upjob run "$EXAMPLES/import_and_notify.lua" c.csv acme CustomerId "http://127.0.0.1:$(cat hook.port)/hook"
    expect_status 0
    expect_output "webhook answered 204"
    wait "$HOOK_PID"
    grep -q '"Status":"SUCCEEDED"' hook.body
}

@test "stop_stale_jobs stops a job that is too old" {
    cat >make.lua <<'L'
local client = profiles.client {}
print(assert(client:create_upload_job { DomainName = "acme", DisplayName = "stale", UniqueKey = "id",
  Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } }).JobId)
L
    upjob run make.lua
    job=$output
    upjob run "$EXAMPLES/stop_stale_jobs.lua" acme 0
    expect_status 0
    expect_output "$job"
    expect_output "stopped after"
    upjob job get "$job" --domain acme
    expect_output STOPPED
}

@test "import_one_country imports the rows of one country" {
    upjob run "$EXAMPLES/import_one_country.lua" "$DATA/chinook-customers.csv" acme Brazil
    expect_status 0
    expect_output "5 of the rows are of Brazil: SUCCEEDED, 5 created"
}

@test "import_one_country says that no row is of the country, and imports nothing" {
    upjob run "$EXAMPLES/import_one_country.lua" "$DATA/chinook-customers.csv" acme Atlantis
    expect_status 1
    expect_error "no row has Atlantis in its column Country"
    expect_no traceback
    upjob job list --domain acme --json
    [ -z "$output" ]
}

@test "import_one_country leaves no customer data behind when it fails" {
    cat >named.lua <<'L'
local name = os.tmpname
function os.tmpname()
  local path = name()
  print(path)
  return path
end
return assert(loadfile((...)))(select(2, ...))
L
    upjob run named.lua "$EXAMPLES/import_one_country.lua" "$DATA/chinook-customers.csv" nosuch Brazil
    expect_status 1
    expect_error "nosuch"
    [ -n "$output" ]
    [ ! -e "$output" ]
}

@test "watch_and_notify tells a webhook of a job that failed" {
    python3 - >hook.port 2>hook.body 3>&- <<'P' &
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        sys.stderr.write(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204); self.end_headers()
    def log_message(self, *a): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print(s.server_port, flush=True)
s.timeout = 300
s.handle_request()
P
    HOOK_PID=$!
    until_true test -s hook.port
    "$UPJOB" run "$EXAMPLES/watch_and_notify.lua" acme "http://127.0.0.1:$(cat hook.port)/hook" >watch.out 2>&1 3>&- &
    local watcher=$!
    cat >make.lua <<'L'
local client = profiles.client {}
local made = assert(client:create_upload_job { DomainName = "acme", DisplayName = "stopped", UniqueKey = "id",
  Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } })
assert(client:stop_upload_job { DomainName = "acme", JobId = made.JobId })
L
    for ((i = 0; i < 200; i++)); do # jobs that there are when it begins are no news
        upjob run make.lua
        expect_status 0
        [ -s hook.body ] && break
        sleep 0.5
    done
    wait "$HOOK_PID"
    kill "$watcher"
    wait "$watcher" || [ $? = 143 ]
    grep -q '"type":"failed"' hook.body
    grep -q "stopped	CREATED	→	STOPPED" watch.out
}

@test "the automations are valid, and a file that is dropped is imported and put into done" {
    export DROP=$PWD/drop KEY=CustomerId UPJOB_DOMAIN=acme
    mkdir drop
    upjob daemon "$EXAMPLES/automations" --check
    expect_status 0
    expect_output 'customers/unfinished (customers.lua:'
    "$UPJOB" daemon "$EXAMPLES/automations" --state "$PWD/state" >/dev/null 2>daemon.err 3>&- </dev/null &
    DAEMON=$!
    customers drop/c.csv
    until_true test -e drop/done/c.csv || { cat daemon.err; false; }
    upjob job list --domain acme
    expect_output SUCCEEDED
    kill "$DAEMON"
    wait "$DAEMON"
    DAEMON=
}

@test "an example without its arguments tells its usage" {
    for example in "$EXAMPLES"/*.lua; do
        upjob run "$example"
        expect_status 1
        expect_error "upjob: usage: $(basename "$example") "
        expect_no traceback
    done
    upjob run "$EXAMPLES/stop_stale_jobs.lua" acme soon
    expect_status 1
    expect_error "usage: "
}
