-- json, secrets and errors as scripts see them.
local json = require "upjob.json"
local secret = require "upjob.native.secret"

describe("json", function()
  it("writes and reads every kind of value", function()
    local value = { a = 1, b = { true, false, json.null }, c = "ü\n\"", d = 1.5, e = {}, f = json.array {} }
    local text = json.encode(value)
    assert.equals('{"a":1,"b":[true,false,null],"c":"ü\\n\\"","d":1.5,"e":{},"f":[]}', text)
    assert.same({ a = 1, b = { true, false, json.null }, c = "ü\n\"", d = 1.5, e = {}, f = {} }, json.decode(text))
    assert.equals("[]", json.encode(json.decode("[]")))
  end)

  it("keeps integers whole", function()
    assert.equals("9007199254740993", json.encode(9007199254740993))
    assert.equals("integer", math.type(json.decode("1752537600")))
  end)

  it("writes numbers that are read as the same numbers again", function()
    for _, number in ipairs { 2 ^ 53, 2 ^ 53 + 2, 2 ^ 60, 1e15, 1e17, 1e22, 1e300, 0.1, 0.1 + 0.2, 1 / 3, -1.5, 5e-324,
                              1.7976931348623157e308, math.maxinteger, math.mininteger, (1 << 53) + 1 } do
      assert.equals(number, json.decode(json.encode(number)))
    end
    assert.equals("[9007199254740992,0.1,0.30000000000000004,1e+22]", json.encode { 2 ^ 53, 0.1, 0.1 + 0.2, 1e22 })
  end)

  it("reads integers whole wherever they stand", function()
    local value = json.decode([[{"a\"1":[2,-9223372036854775807,{"3\\":9007199254740993,"t":true}],"l":9223372036854775808}]])
    assert.same({ 2, -9223372036854775807, { ["3\\"] = 9007199254740993, t = true } }, value['a"1'])
    assert.equals("integer", math.type(value['a"1'][3]["3\\"]))
    assert.equals(2.0 ^ 63, value.l)
  end)

  it("loses no digit of a number", function()
    for _, text in ipairs { "9007199254740991", "-9007199254740991", "0.30000000000000004", "1e-07", "1767323045.678" } do
      assert.equals(text, json.encode(json.decode(text)))
    end
    assert.equals("integer", math.type(json.decode("9007199254740991")))
    assert.equals("[0.1,[0.30000000000000004]]", json.encode { 0.1, { 0.1 + 0.2 } })
  end)

  it("returns nil, err for what is not JSON", function()
    for _, text in ipairs { "{", "", "[1,]", "1 2", "nul" } do
      local value, err = json.decode(text)
      assert.is_nil(value)
      assert.equals("JsonError", err.code)
    end
  end)

  it("raises for what cannot be JSON", function()
    local circle = {}
    circle.circle = circle
    for _, value in ipairs { circle, print, { 1, nil, 3, x = 1 }, 0 / 0, math.huge } do
      assert.has_error(function() json.encode(value) end)
    end
  end)
end)

describe("what cannot be JSON", function()
  local function refusal(value)
    local ok, message = pcall(function() json.encode(value) end)
    assert.is_false(ok)
    return message:match("^.*json_spec.lua:%d+: json.encode: (.*)$") or message
  end

  it("is named when it is the whole value, too", function()
    assert.equals("a function cannot be JSON", refusal(print))
    assert.equals("a number that is not finite cannot be JSON", refusal(0 / 0))
    assert.equals("a string that is not UTF-8 cannot be JSON (byte 3)", refusal("ab\xff"))
    assert.equals("a string with a NUL byte cannot be JSON here (byte 2)", refusal("a\0b"))
  end)

  it("is told with its place", function()
    assert.equals("a.b: a function cannot be JSON", refusal { a = { b = print } })
    assert.equals("a[2].c: a string that is not UTF-8 cannot be JSON (byte 1)", refusal { a = { 1, { c = "\xff" } } })
    assert.equals("[3]: a number that is not finite cannot be JSON", refusal { 1, 2, math.huge })
    assert.equals("a: a list with holes cannot be JSON", refusal { a = { 1, nil, 3 } })
    assert.equals("a: a table with both list items and named fields cannot be JSON", refusal { a = { 1, x = 2 } })
    assert.equals("a: a table with both named fields and other keys cannot be JSON", refusal { a = { x = 2, [true] = 1 } })
    assert.equals("a: a field's name that is not UTF-8 cannot be JSON (byte 2)", refusal { a = { ["b\xc3"] = 1 } })
    assert.equals("a field's name with a NUL byte cannot be JSON here (byte 1)", refusal { ["\0"] = 1 })
    local circle = {}
    circle.again = circle
    assert.equals("again.again.again.again: tables are nested too deeply (in a circle?) to be JSON", refusal(circle))
  end)

  it("is told with its place in the parameters of a call", function()
    local client = assert(require("upjob.profiles").client { region = "us-east-1", endpoint_url = "http://127.0.0.1:1",
      credentials = { access_key_id = "a", secret_access_key = "b" } })
    local function call(change)
      local request = { DomainName = "d", DisplayName = "n", UniqueKey = "k",
                        Fields = { email = { Source = "_source.k", Target = "_profile.Attributes.k" } } }
      change(request)
      local ok, message, err = pcall(function()
        local reply, failure = client:create_upload_job(request) -- no tail call: the message names this line
        return reply, failure
      end)
      return ok and err.message or message:gsub("^.*json_spec.lua:%d+: create_upload_job: ", "")
    end
    assert.equals("Fields.email.Source: a function cannot be JSON", call(function(r) r.Fields.email.Source = print end))
    assert.equals("Fields.email.Source: a string with a NUL byte cannot be JSON here (byte 2)",
      call(function(r) r.Fields.email.Source = "a\0" end))
    assert.equals("Fields.email.Source: is not UTF-8 (byte 2)", call(function(r) r.Fields.email.Source = "a\xff" end))
    assert.equals("Fields.email.Source: must be a string, not a number",
      call(function(r) r.Fields.email.Source = 1 << 53 end))
    assert.equals("Fields: a list with holes cannot be JSON", call(function(r) r.Fields = { 1, nil, 3 } end))
    assert.equals("DataExpiry: a number that is not finite cannot be JSON", call(function(r) r.DataExpiry = 0 / 0 end))
    for _, large in ipairs { 1 << 53, math.maxinteger, 2.0 ^ 60 } do
      assert.matches("^DataExpiry: .* is above the maximum 1098$", call(function(r) r.DataExpiry = large end))
    end
  end)
end)

describe("a secret", function()
  it("prints as <secret> and is revealed only on demand", function()
    local s = secret.new("top")
    assert.equals("<secret>", tostring(s))
    assert.equals("top", s:reveal())
    assert.has_error(function() return "x" .. s end)
  end)

  it("is gone when it is closed", function()
    local s = secret.new("top")
    do local _ <close> = s end
    assert.has_error(function() s:reveal() end)
  end)
end)
