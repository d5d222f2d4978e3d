#!/usr/bin/env bats
# The client on the wire: what a trace shows, which servers it speaks with.
setup() { load helper; cd "$BATS_TEST_TMPDIR"; }
teardown() { [ -z "${SERVER:-}" ] || kill "$SERVER" 2>/dev/null || true; }

# nghttpd on a free port: $SERVER, $URL; it is trusted through AWS_CA_BUNDLE.
start_http2() {
    local port i
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost \
        -addext subjectAltName=IP:127.0.0.1 2>/dev/null
    export AWS_CA_BUNDLE=$PWD/cert.pem
    mkdir -p www
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    PATH=$PATH:/usr/sbin nghttpd -a 127.0.0.1 -d www "$port" key.pem cert.pem >server.log 2>&1 3>&- </dev/null &
    SERVER=$!
    URL=https://127.0.0.1:$port
    for ((i = 0; i < 200; i++)); do
        curl -s -o /dev/null --cacert cert.pem "$URL" && return
        sleep 0.05
    done
    cat server.log
    return 1
}

@test "-v shows no secret over HTTP/2" {
    start_http2
    customers f.csv
    cat >s.lua <<'EOF'
local url = arg[1]
upload.put { url = url .. "/f?X-Amz-Signature=SIGNATURE&X-Amz-Credential=CREDENTIAL&X-Amz-SignedHeaders=host",
             key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", file = "f.csv" }
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
