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
