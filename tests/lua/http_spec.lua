-- http for scripts: requests, signing, presigning.
local http = require "upjob.http"

local CREDENTIALS = { access_key_id = "AKIDEXAMPLE", secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" }
local WHEN = 1440938160 -- 20150830T123600Z, the instant of the published examples

describe("http.sign", function()
  it("gives the published signature of a plain GET", function()
    local signed = assert(http.sign({ method = "GET", url = "https://example.amazonaws.com/" },
      { service = "service", region = "us-east-1", credentials = CREDENTIALS, time = WHEN }))
    assert.equals("5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", signed.signature)
    assert.equals("20150830T123600Z", signed.headers["X-Amz-Date"])
    assert.matches("^AWS4%-HMAC%-SHA256 Credential=AKIDEXAMPLE/20150830/us%-east%-1/service/aws4_request, ",
      signed.headers.Authorization)
    assert.matches("^GET\n/\n\nhost:example.amazonaws.com\n", signed.canonical_request)
    assert.matches("^AWS4%-HMAC%-SHA256\n20150830T123600Z\n", signed.string_to_sign)
  end)

  it("takes headers as a table and as a list where names repeat", function()
    local options = { service = "service", region = "us-east-1", credentials = CREDENTIALS, time = WHEN }
    local list = assert(http.sign({ method = "GET", url = "https://example.amazonaws.com/",
      headers = { { "My-Header1", "value2" }, { "My-Header1", "value2" }, { "My-Header1", "value1" } } }, options))
    assert.equals("c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea", list.signature)
  end)

  it("raises misuse and never shows the secret", function()
    local ok, message = pcall(http.sign, { url = "https://x/" }, { region = "r", credentials = CREDENTIALS })
    assert.is_false(ok)
    assert.matches('"service" is required', message)
    assert.is_nil(message:find("wJalr", 1, true))
  end)
end)

describe("a signature without keys of the script's own", function()
  -- A program of its own, since the environment is looked at once; its answer as printed.
  local function run(environment, script)
    local file = os.tmpname()
    local out <close> = assert(io.open(file, "w"))
    out:write(script)
    out:flush()
    local command = ("env -u AWS_PROFILE %s %s run %s 2>&1"):format(environment, os.getenv "UPJOB", file)
    local program <close> = assert(io.popen(command))
    local text = program:read("a")
    os.remove(file)
    return text
  end

  local SIGN = [[
    local signed, err = http.sign({ url = "https://sns.eu-west-1.amazonaws.com/" }, { service = "sns", time = 1440938160 })
    print(signed and signed.headers.Authorization:match("Credential=([^,]+)") or err.code)
    print(signed and signed.headers["X-Amz-Security-Token"])
  ]]

  it("is made with the environment's keys and region", function()
    assert.equals("AKIDENV/20150830/eu-west-1/sns/aws4_request\ntok\n",
      run("AWS_ACCESS_KEY_ID=AKIDENV AWS_SECRET_ACCESS_KEY=s AWS_SESSION_TOKEN=tok AWS_REGION=eu-west-1", SIGN))
  end)

  it("is made with keys that a program gives, which is waited for", function()
    local config = os.tmpname()
    local out <close> = assert(io.open(config, "w"))
    out:write("[default]\nregion = eu-central-1\ncredential_process = echo '" ..
      '{"Version":1,"AccessKeyId":"AKIDPROC","SecretAccessKey":"s"}' .. "'\n")
    out:flush()
    assert.equals("AKIDPROC/20150830/eu-central-1/sns/aws4_request\nnil\n", run("AWS_CONFIG_FILE=" .. config, SIGN))
    os.remove(config)
  end)

  it("is made with the region alone, where the script has keys and nothing else has any", function()
    local script = SIGN:gsub('service = "sns"', '%0, credentials = { access_key_id = "AKIDOWN", secret_access_key = "s" }')
    assert.equals("AKIDOWN/20150830/eu-west-1/sns/aws4_request\nnil\n",
      run("HOME=/nonexistent AWS_REGION=eu-west-1 AWS_EC2_METADATA_DISABLED=true", script))
  end)

  it("is never made for STS without a region, wherever STS is", function()
    local config = os.tmpname()
    local out <close> = assert(io.open(config, "w"))
    out:write("[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = default\naws_access_key_id = a\n" ..
      "aws_secret_access_key = s\n")
    out:flush()
    local script = SIGN:gsub('service = "sns"', '%0, region = "eu-west-1"'):gsub("err.code", "err.message")
    assert.matches("^there is no region in which STS can be asked for the role: set AWS_REGION",
      run("AWS_CONFIG_FILE=" .. config .. " AWS_ENDPOINT_URL_STS=http://127.0.0.1:1", script))
    os.remove(config)
  end)

  it("is an error when there are none", function()
    assert.matches("^CredentialsError\n", run("AWS_REGION=eu-west-1 AWS_EC2_METADATA_DISABLED=true", SIGN))
    assert.matches("^ConfigurationError\n", run("AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=s", SIGN))
  end)

  it("goes out with a request, beside its own headers, and is the server's to check", function()
    local embedded = require "upjob.embedded"
    local url = assert(embedded.start())
    local sign = { service = "profile", region = "us-east-1", credentials = embedded.credentials }
    for _, headers in ipairs { { ["X-Extra"] = "a  b" }, { { "X-Extra", "1" }, { "X-Extra", "2" } } } do
      local reply = assert(http.request { url = url .. "/domains?max-results=5", headers = headers, sign = sign })
      assert.equals(200, reply.status)
      assert.is_table(reply:json().Items)
    end
    assert.equals(403, assert(http.get(url .. "/domains")).status)
    sign.credentials = { access_key_id = "local", secret_access_key = "wrong" }
    assert.equals(403, assert(http.get(url .. "/domains", { sign = sign })).status)
  end)

  it("is refused for what cannot be signed, at the caller's line", function()
    local function refusal(options)
      local ok, message = pcall(function() http.request(options) end)
      assert.is_false(ok)
      return (message:gsub("^.*http_spec.lua:%d+: ", ""))
    end
    local url = "https://s3.us-east-1.amazonaws.com/"
    assert.equals('http.request: sign: unknown option "servise" (did you mean "service"?)',
      refusal { url = url, sign = { servise = "s3" } })
    assert.equals("http.request: a signed request follows no redirects: its signature is for one address",
      refusal { url = url, follow_redirects = true, sign = { service = "s3" } })
    assert.equals('http.request: sign: "credentials" or "profile", not both',
      refusal { url = url, sign = { service = "s3", profile = "a", credentials = CREDENTIALS } })
  end)
end)

describe("http.presign", function()
  it("makes a URL that carries its signature", function()
    local url, stages = assert(http.presign({ method = "GET", url = "https://examplebucket.s3.amazonaws.com/test.txt" },
      { service = "s3", region = "us-east-1", expires = 86400, time = 1369353600,
        credentials = { access_key_id = "AKIAIOSFODNN7EXAMPLE",
                        secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" } }))
    assert.equals("aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", stages.signature)
    assert.matches("X%-Amz%-Signature=aeeed9", url)
  end)
end)

describe("http.request", function()
  it("returns an error object when there is nobody", function()
    local reply, err = http.get("http://127.0.0.1:9/", { timeout = 2 })
    assert.is_nil(reply)
    assert.equals("ConnectionError", err.code)
    assert.is_true(err.retryable)
  end)

  it("raises misuse at the caller's line", function()
    local ok, message = pcall(function() http.request { uri = "http://x" } end)
    assert.is_false(ok)
    assert.matches("http_spec.lua:%d+", message)
    assert.matches('did you mean "url"', message)
    assert.is_false(pcall(http.request, { url = "http://x", headers = { a = "b\r\nc: d" } }))
  end)

  it("refuses what is not a web address", function()
    local reply, err = http.get("file:///etc/passwd")
    assert.is_nil(reply)
    assert.is_string(err.message)
  end)

  it("says what is wrong with a URL", function()
    local function refusal(url) return select(2, http.get(url)).message end
    for _, url in ipairs { "nonsense", "", "//example.com/", "ftp://example.com/" } do
      assert.equals("the URL must begin with https:// or http://", refusal(url))
    end
    assert.equals("the URL cannot be used: No host part in the URL", refusal("http://"))
    assert.matches("^the URL cannot be used: Port number", refusal("http://x:99999/"))
    local ok, message = pcall(function() http.get() end)
    assert.is_false(ok)
    assert.matches("http_spec.lua:%d+: http.get: a URL is needed, not a nil", message)
  end)
end)
