-- Field mappings.
local mapping = require "upjob.mapping"

local function define(extra)
  local definition = { unique_key = "customer_id",
    mapping.string "Customer Id" : to "Attributes.customer_id" : as "customer_id" : required(),
    mapping.email "E-mail" : to "EmailAddress",
    mapping.phone "Mobile" : to "PhoneNumber",
    mapping.name "First" : to "FirstName",
    mapping.number "Visits" : to "Attributes.visits" }
  for k, v in pairs(extra or {}) do definition[k] = v end
  return mapping.define(definition)
end

describe("a mapping", function()
  it("becomes the Fields of CreateUploadJob", function()
    assert.same({
      customer_id = { Source = "_source.Customer Id", Target = "_profile.Attributes.customer_id", ContentType = "STRING" },
      ["E-mail"] = nil,
      e_mail = nil,
      ["Mobile"] = { Source = "_source.Mobile", Target = "_profile.PhoneNumber", ContentType = "PHONE_NUMBER" },
      First = { Source = "_source.First", Target = "_profile.FirstName", ContentType = "NAME" },
      Visits = { Source = "_source.Visits", Target = "_profile.Attributes.visits", ContentType = "NUMBER" },
    }, (function()
      local fields = define():api_fields()
      assert.same({ Source = "_source.E-mail", Target = "_profile.EmailAddress", ContentType = "EMAIL_ADDRESS" },
        fields["E-mail"])
      fields["E-mail"] = nil
      return fields
    end)())
  end)

  it("slugs a header that cannot be a field key", function()
    local map = mapping.define { unique_key = "Kunden Nr.", mapping.string "Kunden Nr." : to "Attributes.nr" }
    assert.equals("kunden_nr", map.unique_key)
    assert.equals("_source.Kunden Nr.", map:api_fields().kunden_nr.Source)
  end)

  it("takes the unique key by key or by column", function()
    assert.equals("customer_id", define().unique_key)
    assert.equals("customer_id", define { unique_key = "Customer Id" }.unique_key)
  end)

  it("names the nearest target, key and option for a misspelt one, at the caller's line", function()
    local function fails(fn, pattern)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches(pattern, message)
      assert.matches("mapping_spec.lua:%d+", message)
    end
    fails(function() local _ = mapping.email "E" : to "EmailAdress" end, 'did you mean "EmailAddress"')
    fails(function() define { unique_key = "custmer_id" } end, 'did you mean "customer_id"')
    fails(function() define { on_invlid = "reject" } end, 'did you mean "on_invalid"')
    fails(function() define { on_invalid = "perhaps" } end, "reject")
    fails(function() local _ = mapping.string "A" : to "Attributes.a" : as "no good" end, "as%(%)")
    fails(function() local _ = mapping.string() end, "name of a column")
    fails(function() mapping.define { unique_key = "a", mapping.string "a" } end, "no target")
    fails(function() mapping.define { unique_key = "a", mapping.string "a" : to "City" } end, "no place in a profile")
    fails(function() mapping.define { unique_key = "a", "a" } end, "not a field")
    fails(function() mapping.define { mapping.string "a" : to "Attributes.a" } end, "unique_key is required")
    fails(function()
      mapping.define { unique_key = "a", mapping.string "a" : to "FirstName", mapping.string "b" : to "FirstName" }
    end, "two columns go to FirstName")
  end)

  it("suggests the nearest for a misspelt kind, method or group of targets", function()
    local function fails(fn, text)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
      assert.matches("mapping_spec.lua:%d+: ", message)
    end
    fails(function() return mapping.strin "x" end, 'there is no mapping.strin (did you mean "string"?)')
    fails(function() return mapping.string "x" : requird() end, '"requird" (did you mean "required"?)')
    fails(function() local _ = mapping.string "x" : to "Attribute.tier" end, 'did you mean "Attributes.tier"')
    fails(function() local _ = mapping.string "x" : to "attributes.tier" end, 'did you mean "Attributes.tier"')
    fails(function() local _ = mapping.string "x" : to "Adress.City" end, 'did you mean "Address.City"')
    assert.is_nil(mapping.string "x".target)
  end)

  it("that is misused in a tail call is told with the line of the field", function()
    for _, definition in ipairs {
      'unique_key = "a",\n mapping.string "a" : to "Attributes.a",\n on_invlid = "stop"',
      'unique_key = "b",\n mapping.string "a" : to "Attributes.a"',
      'unique_key = "a",\n mapping.string "a"',
    } do
      local chunk = assert(load("local mapping = ...\nreturn mapping.define {\n " .. definition .. " }", "=map.lua"))
      local ok, message = pcall(chunk, mapping)
      assert.is_false(ok)
      assert.matches("^map.lua:4: ", message)
    end
    local ok, message = pcall(assert(load('local m = ...\nreturn m.string "a" : to "Frst"', "=map.lua")), mapping)
    assert.is_false(ok)
    assert.matches("^map.lua:2: ", message)
  end)

  it("without any field is told with its file", function()
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write('return require("upjob.mapping").define {}\n')
    file:close()
    local _, err = mapping.load(path)
    os.remove(path)
    assert.matches(path, tostring(err), 1, true)
  end)

  it("is printed so that nothing in a header reaches the terminal", function()
    local header = { "id", "a\27[2Jb", "c\u{9b}d", "e\u{202e}f", 'g"h\\i' }
    local text = mapping.from_header(header, "id"):to_lua()
    assert.is_nil(text:find("[\0-\9\11-\31\127]"))
    assert.is_nil(text:find("\u{9b}", 1, true) or text:find("\u{202e}", 1, true))
    local again = load(text, "=again")()
    for i, f in ipairs(again.fields) do assert.equals(header[i], f.column) end
  end)

  it("of a header refuses a name that the service would not take", function()
    local map, err = mapping.from_header({ "id", ("x"):rep(2000) }, "id", { file = "f.csv", line = 3 })
    assert.is_nil(map)
    assert.equals("InvalidFile", err.code)
    assert.matches("^f.csv:3: cell 2 of the header has 2000 characters", tostring(err))
  end)

  it("is printed as a file that gives the same mapping", function()
    local map = define()
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write(map:to_lua())
    file:close()
    local again = assert(mapping.load(path))
    assert.same(map:api_fields(), again:api_fields())
    assert.equals(map.unique_key, again.unique_key)
    os.remove(path)
  end)

  it("of a header sends equal names to the profile and the rest to attributes", function()
    local map = assert(mapping.from_header({ "CustomerId", "first name", "LAST_NAME", "City", "Phone Number", "Müller" },
      "CustomerId"))
    local where = {}
    for _, f in ipairs(map.fields) do where[f.column] = f.target .. " " .. f.content_type end
    assert.same({ CustomerId = "Attributes.customer_id STRING", ["first name"] = "FirstName NAME", LAST_NAME = "LastName NAME",
                  City = "Attributes.city STRING", ["Phone Number"] = "PhoneNumber PHONE_NUMBER",
                  ["Müller"] = "Attributes.m_ller STRING" }, where)
  end)

  it("of a header keeps two columns of one slug apart", function()
    local map = assert(mapping.from_header({ "id", "a b", "a-b" }, "id"))
    assert.equals("Attributes.a_b", map.fields[2].target)
    assert.equals("Attributes.a_b_2", map.fields[3].target)
  end)

  it("file with an error is told with its line", function()
    local path = os.tmpname()
    local file = io.open(path, "w")
    file:write('local mapping = require "upjob.mapping"\nreturn mapping.define {\n  unique_key = "a",\n',
      '  mapping.string "a" : to "Frst",\n}\n')
    file:close()
    local map, err = mapping.load(path)
    assert.is_nil(map)
    assert.equals("InvalidMapping", err.code)
    assert.matches(path .. ":4:", tostring(err), 1, true)
    map, err = mapping.load("/nowhere.lua")
    assert.is_nil(map)
    assert.equals("FileError", err.code)
    os.remove(path)
  end)

  it("is read from a regular file only: a pipe would hold everything up", function()
    local pipe = os.tmpname()
    os.remove(pipe)
    assert(os.execute("mkfifo " .. pipe))
    for path, text in pairs { ["/tmp"] = "is a directory, not a mapping file",
                              ["/dev/null"] = "is not a regular file: save the mapping in one" } do
      local _, err = mapping.load(path)
      assert.equals(path .. ": " .. text, tostring(err))
    end
    local _, err = mapping.load(pipe)
    os.remove(pipe)
    assert.equals(pipe .. ": is not a regular file: save the mapping in one", tostring(err))
  end)
end)

describe("slugs", function()
  it("are snake case of what ASCII has", function()
    for text, slug in pairs { ["CustomerId"] = "customer_id", ["Customer Id"] = "customer_id", ["HTTPServer"] = "http_server",
      ["a--b"] = "a_b", [" x "] = "x", ["ID"] = "id", ["postcode2"] = "postcode2" } do
      assert.equals(slug, mapping.slug(text))
    end
    assert.is_nil(mapping.slug("日本"))
  end)
end)
