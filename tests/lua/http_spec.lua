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
    local ok, message = pcall(http.sign, { url = "https://x/" }, { service = "s", credentials = CREDENTIALS })
    assert.is_false(ok)
    assert.matches('"region" is required', message)
    assert.is_nil(message:find("wJalr", 1, true))
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
