-- The embedded service's wire: signatures, pre-signed URLs, encryption headers, errors as AWS words them.
local http = require "upjob.http"
local json = require "upjob.json"
local profiles = require "upjob.profiles"

local client = assert(profiles.client { embedded = true })
local base = client:about().endpoint
assert(client:create_domain { DomainName = "wire", DefaultExpirationDays = 30 })

-- A signed call; `change` may bend credentials, region, time, service or headers.
local function call(method, path, body, change)
  change = change or {}
  local request = { method = method, url = base .. path, body = body, headers = change.headers or {} }
  local signed = assert(http.sign(request, { service = change.service or "profile", region = change.region or "eu-west-1",
    time = change.time, credentials = { access_key_id = change.key or "local", secret_access_key = change.secret or "local" } }))
  for name, value in pairs(signed.headers) do request.headers[name] = value end
  if change.after then change.after(request) end
  return assert(http.request(request))
end

local function error_of(reply)
  return reply.status, reply.headers["x-amzn-errortype"], assert(reply:json()).Message
end

describe("a call", function()
  it("is answered for any region, with a request id", function()
    local reply = call("GET", "/domains/wire")
    assert.equals(200, reply.status)
    assert.equals("wire", reply:json().DomainName)
    assert.equals("application/json", reply.headers["content-type"])
    assert.matches("^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$", reply.headers["x-amzn-requestid"])
  end)

  it("without a signature is refused", function()
    local status, code = error_of(assert(http.get(base .. "/domains/wire")))
    assert.same({ 403, "MissingAuthenticationTokenException" }, { status, code })
  end)

  it("of an unknown key, a wrong secret, another service, a changed body or path is refused", function()
    for _, case in ipairs {
      { { key = "AKIAOTHER" }, "UnrecognizedClientException" }, { { secret = "other" }, "InvalidSignatureException" },
      { { service = "s3" }, "InvalidSignatureException" },
      { { after = function(r) r.url = r.url:gsub("wire", "wira") end }, "InvalidSignatureException" },
      { { after = function(r) r.headers.Authorization = "AWS4-HMAC-SHA256 nonsense" end }, "IncompleteSignatureException" },
    } do
      local status, code = error_of(call("GET", "/domains/wire", nil, case[1]))
      assert.same({ 403, case[2] }, { status, code })
    end
  end)

  it("signed more than five minutes ago, or ahead, is refused in AWS's words", function()
    local _, code, message = error_of(call("GET", "/domains/wire", nil, { time = os.time() - 400 }))
    assert.equals("InvalidSignatureException", code)
    assert.matches("^Signature expired: %d+T%d+Z is now earlier than ", message)
    _, code, message = error_of(call("GET", "/domains/wire", nil, { time = os.time() + 400 }))
    assert.equals("InvalidSignatureException", code)
    assert.matches("^Signature not yet current: ", message)
  end)

  it("that breaks the model is a 400 that names the member", function()
    local status, code, message = error_of(call("POST", "/domains/wire/upload-jobs", '{"DisplayName":"x"}'))
    assert.same({ 400, "BadRequestException" }, { status, code })
    assert.matches("Fields is required", message)
    status, code = error_of(call("POST", "/domains/wire/upload-jobs", "not json"))
    assert.same({ 400, "SerializationException" }, { status, code })
    status, code = error_of(call("GET", "/domains/wire/upload-jobs?max-results=501"))
    assert.same({ 400, "BadRequestException" }, { status, code })
  end)

  it("of an operation that is not built in is a 501 that names it", function()
    local status, code, message = error_of(call("GET", "/domains/wire/event-triggers"))
    assert.same({ 501, "NotImplementedException" }, { status, code })
    assert.matches("ListEventTriggers", message)
    status, code = error_of(call("GET", "/nothing/here"))
    assert.same({ 501, "NotImplementedException" }, { status, code })
  end)
end)

describe("an upload URL", function()
  local function new_path()
    local id = assert(client:create_upload_job { DomainName = "wire", DisplayName = "x", UniqueKey = "id",
      Fields = { id = { Source = "_source.id", Target = "_profile.Attributes.id" } } }).JobId
    return assert(client:get_upload_job_path { DomainName = "wire", JobId = id }), id
  end

  local SSE = "x-amz-server-side-encryption-customer-"

  local function put(path, change)
    local key = path.ClientToken:reveal()
    local digest = change and change.digest
    local headers = { [SSE .. "algorithm"] = "AES256", [SSE .. "key"] = key, [SSE .. "key-MD5"] = digest }
    for name, value in pairs(change and change.headers or {}) do headers[name] = value or nil end
    return assert(http.request { method = "PUT", url = change and change.url or path.Url, headers = headers,
                                 body = "id\n1\n" })
  end

  local function xml(reply)
    return reply.status, reply.body:match("<Code>(.-)</Code>"), reply.body:match("<Message>(.-)</Message>")
  end

  it("is at most 2048 characters, signs the encryption headers, and expires in 15 minutes", function()
    local before = os.time()
    local path = new_path()
    assert.is_true(#path.Url <= 2048)
    assert.matches("X%-Amz%-Expires=900", path.Url)
    assert.matches("customer%-key%-md5", path.Url)
    assert.is_true(path.ValidUntil >= before + 899 and path.ValidUntil <= os.time() + 901)
    assert.equals(44, #path.ClientToken:reveal())
  end)

  it("gives a new key each time", function()
    local path, id = new_path()
    local again = assert(client:get_upload_job_path { DomainName = "wire", JobId = id })
    assert.are_not.equal(path.ClientToken:reveal(), again.ClientToken:reveal())
  end)

  it("wants the three headers", function()
    local path = new_path()
    local status, code = xml(assert(http.request { method = "PUT", url = path.Url, body = "id\n1\n" }))
    assert.same({ 400, "InvalidRequest" }, { status, code })
    status, code = xml(put(path, { headers = { [SSE .. "key"] = "bm90IGEga2V5" } }))
    assert.same({ 400, "InvalidArgument" }, { status, code })
    local _, _, message = xml(put(path, { digest = "AAAAAAAAAAAAAAAAAAAAAA==" }))
    assert.equals("The calculated MD5 hash of the key did not match the hash that was provided.", message)
  end)

  it("refuses a changed signature, an expired one and headers that it did not sign", function()
    local path = new_path()
    local upload = require "upjob.upload"
    local file = os.tmpname()
    local f = io.open(file, "w")
    f:write("id\n1\n")
    f:close()
    local _, err = upload.put { url = path.Url:gsub("X%-Amz%-Signature=%x%x%x%x", "X-Amz-Signature=0000"),
                                key = path.ClientToken, file = file }
    assert.equals("SignatureDoesNotMatch", err.code)
    _, err = upload.put { url = path.Url:gsub("X%-Amz%-Date=%d+", "X-Amz-Date=20200101"), key = path.ClientToken, file = file }
    assert.equals("AccessDenied", err.code)
    local other = new_path()
    _, err = upload.put { url = path.Url, key = other.ClientToken, file = file }
    assert.equals(403, err.status)
    assert(upload.put { url = path.Url, key = path.ClientToken, file = file })
    os.remove(file)
  end)
end)

describe("SearchProfiles", function()
  local function load_people()
    local file = os.tmpname()
    local f = io.open(file, "w")
    f:write("id,first,last,mail,phone,tier\n",
      "1,Ann,Lee,Ann.Lee@Example.com,+15551234567,gold\n", "2,Bob,Lee,bob@example.com,(555) 123-4567,gold\n",
      "3,Zoë,Müller,zoe@example.com,+49 711 123456,silver\n")
    f:close()
    local mapping = require "upjob.mapping"
    local map = mapping.define { unique_key = "id",
      mapping.string "id" : to "Attributes.id", mapping.name "first" : to "FirstName", mapping.name "last" : to "LastName",
      mapping.email "mail" : to "EmailAddress", mapping.phone "phone" : to "PhoneNumber",
      mapping.string "tier" : to "Attributes.tier" }
    local run = assert(require("upjob.job").import { client = client, domain = "wire", file = file, mapping = map })
    assert.equals("SUCCEEDED", assert(run:wait()).Status)
    os.remove(file)
  end
  load_people()

  local function find(params)
    params.DomainName = "wire"
    local reply, err = client:search_profiles(params)
    assert.is_nil(err)
    local ids = {}
    for i, item in ipairs(reply.Items) do ids[i] = item.Attributes.id end
    table.sort(ids)
    return table.concat(ids, " "), reply
  end

  it("finds by e-mail, phone, name, custom attribute and id", function()
    assert.equals("1", (find { KeyName = "_email", Values = { "ann.lee@example.COM" } }))
    assert.equals("1 2", (find { KeyName = "_phone", Values = { "+15551234567" } }))
    assert.equals("1 2", (find { KeyName = "_phone", Values = { "555-123-4567" } }))
    assert.equals("3", (find { KeyName = "_fullName", Values = { "Zoë Müller" } }))
    assert.equals("1 2", (find { KeyName = "tier", Values = { "gold" } }))
    local _, reply = find { KeyName = "id", Values = { "3" } }
    assert.equals("3", (find { KeyName = "_profileId", Values = { reply.Items[1].ProfileId } }))
    assert.equals("", (find { KeyName = "tier", Values = { "Gold" } }))
    assert.equals("2 3", (find { KeyName = "id", Values = { "2", "3" } }))
  end)

  it("combines keys with OR and AND", function()
    local more = { { KeyName = "_email", Values = { "bob@example.com" } } }
    assert.equals("1 2", (find { KeyName = "tier", Values = { "gold" }, AdditionalSearchKeys = more }))
    local ids, reply = find { KeyName = "tier", Values = { "gold" }, AdditionalSearchKeys = more, LogicalOperator = "AND" }
    assert.equals("2", ids)
    assert.equals(2, #reply.Items[1].FoundByItems)
  end)

  it("goes page by page", function()
    local seen = 0
    local params = { DomainName = "wire", KeyName = "id", Values = { "1", "2", "3" }, MaxResults = 1 }
    for _ in client:pages("search_profiles", params) do
      seen = seen + 1
    end
    assert.equals(3, seen)
  end)

  it("finds nothing in a domain that was deleted and made again", function()
    assert(client:delete_domain { DomainName = "wire" })
    assert(client:create_domain { DomainName = "wire", DefaultExpirationDays = 30 })
    assert.equals("", (find { KeyName = "tier", Values = { "gold" } }))
    assert.equals(0, client:get_domain({ DomainName = "wire" }).Stats.ProfileCount)
  end)
end)

describe("json", function()
  it("of an error can be read by any client", function()
    local reply = call("GET", "/domains/nowhere")
    assert.equals(404, reply.status)
    assert.is_string(json.decode(reply.body).Message)
  end)
end)
