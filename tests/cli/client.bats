#!/usr/bin/env bats
# The client on the wire: what a trace shows, which servers it speaks with.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { stop_local; [ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true; }

# nghttpd on a free port: $SERVER, $URL; it is trusted through AWS_CA_BUNDLE. Another program may take the port before it does.
start_http2() {
    local port
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    export AWS_CA_BUNDLE=$PWD/cert.pem
    mkdir -p www
    for _ in 1 2 3 4 5; do
        port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        PATH=$PATH:/usr/sbin nghttpd -a 127.0.0.1 -d www "$port" key.pem cert.pem >server.log 2>&1 3>&- </dev/null &
        SERVER=$!
        URL=https://127.0.0.1:$port
        until_true eval 'curl -s -o /dev/null --cacert cert.pem "$URL" || ! kill -0 "$SERVER" 2>/dev/null' || true
        kill -0 "$SERVER" 2>/dev/null && return
    done
    cat server.log
    return 1
}

@test "-v shows no secret over HTTP/2" {
    start_http2
    cat >s.lua <<'EOF'
local url = arg[1]
http.request { url = url .. "/f?X-Amz-Signature=SIGNATURE&X-Amz-Credential=CREDENTIAL&X-Amz-SignedHeaders=host",
  headers = { ["x-amz-server-side-encryption-customer-key"] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
              ["x-amz-server-side-encryption-customer-key-MD5"] = "tP/LI3N87DFaSk0aoqYgzg==" } }
local client = assert(profiles.client { region = "us-east-1", endpoint_url = url, max_attempts = 1, credentials =
  { access_key_id = "AKIDEXAMPLE", secret_access_key = "SECRETKEY", session_token = "SESSIONTOKEN" } })
client:get_domain { DomainName = "x" }
http.get(url .. "/?token=TOKENVALUE", { headers = { Cookie = "COOKIEVALUE", ["X-Api-Key"] = "APIKEY" } })
EOF
    upjob run -v s.lua "$URL"
    expect_status 0
    expect_error "HTTP/2"
    expect_error "x-amz-server-side-encryption-customer-key: <secret>]"
    expect_error "authorization: <secret>]"
    for secret in AAECAwQ tP/LI3N8 SIGNATURE CREDENTIAL AKIDEXAMPLE SECRETKEY SESSIONTOKEN TOKENVALUE COOKIEVALUE APIKEY; do
        expect_no "$secret"
    done
}

# A service that takes every request down in requests.log and hangs up: $SERVER, $URL.
start_silent() {
    python3 - >port 3>&- <<'EOF' &
import socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    with open("requests.log", "a") as log:
        log.write(connection.recv(65536).decode().split("\r\n")[0] + "\n")
    connection.close()
EOF
    SERVER=$!
    until_true test -s port
    URL=http://127.0.0.1:$(cat port)
}

@test "an import creates its job once when the answer is lost, and says that the outcome is not known" {
    start_silent
    customers f.csv
    cat >s.lua <<'EOF'
local client = assert(profiles.client { region = "us-east-1", endpoint_url = arg[1],
  credentials = { access_key_id = "a", secret_access_key = "b" } })
local run = assert(job.import { client = client, domain = "d", file = "f.csv", key = "CustomerId" })
local result, err = run:wait()
print(result, err.code, err.outcome, err.retryable, err.step)
EOF
    upjob run s.lua "$URL"
    expect_status 0
    expect_output "nil	ConnectionError	unknown	false	create"
    [ "$(grep -c "^POST" requests.log)" = 1 ]
    grep -q "^GET /domains/d/upload-jobs?max-results=100 HTTP/1.1" requests.log
}

@test "the timeout of upload.put ends an upload that stalls" {
    start_local --domain d --fault stall-upload=1
    customers f.csv
    cat >s.lua <<'EOF'
local client = assert(profiles.client())
local id = assert(client:create_upload_job { DomainName = "d", DisplayName = "x", UniqueKey = "id",
  Fields = { id = { Source = "_source.CustomerId", Target = "_profile.Attributes.id" } } }).JobId
local path = assert(client:get_upload_job_path { DomainName = "d", JobId = id })
local sent, err = upload.put { url = path.Url, key = path.ClientToken, file = "f.csv", timeout = 0.3, stall_timeout = 600 }
print(sent, err.code, err.retryable)
EOF
    upjob run s.lua
    expect_status 0
    expect_output "nil	TimeoutError	true"
}

@test "a broken AWS configuration stops nothing that needs none of it" {
    printf '[default]\nregion = us-east-1\nthis line is broken\n' >config
    export AWS_CONFIG_FILE=$PWD/config AWS_PROFILE=nosuch AWS_MAX_ATTEMPTS=many AWS_USE_FIPS_ENDPOINT=true
    upjob domain list --local
    expect_status 0
    customers f.csv
    upjob import f.csv --local --domain d --key CustomerId
    expect_status 0
    upjob run -e 'print(assert(profiles.client { embedded = true }):list_domains({}).Items)'
    expect_status 0
    upjob demo -q
    expect_status 0
    upjob domain list
    expect_status 3
    expect_error "$PWD/config:3: this line is not"
    printf '[default]\nregion = us-east-1\n' >config
    upjob domain list
    expect_status 3
    expect_error 'nosuch'
}
