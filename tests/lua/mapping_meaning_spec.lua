local fingerprint = require "upjob.fingerprint"
local mapping = require "upjob.mapping"
local meaning = require "upjob.mapping_meaning"

local function of_loaded(text, load)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write('local mapping = require "upjob.mapping"\n', text)
  file:close()
  local found = fingerprint.of_mapping(assert(load(path)))
  os.remove(path)
  return found
end

-- The fingerprint of a mapping of a script, and of a mapping file.
local function of(text) return of_loaded(text, dofile) end
local function of_file(text) return of_loaded(text, mapping.load) end

local PLAIN = [[return mapping.define { unique_key = "id",
  mapping.string "Id" : to "Attributes.id" : as "id", mapping.email "Mail" : to "EmailAddress" : lower() }]]

describe("the meaning of a mapping", function()
  it("is the same whatever its comments, its white space, its quotes and the order of its fields", function()
    for _, of_text in ipairs { of, of_file } do
      local plain = of_text(PLAIN)
      assert.equal(plain, of_text("-- nightly\n--[==[ long\n ]==] " .. PLAIN:gsub(" ", "  \n ") .. " -- end"))
      assert.equal(plain, of_text("return mapping.define { mapping.email 'Mail' : lower() : to [[EmailAddress]],\n"
        .. "mapping.string 'Id' : as 'id' : to 'Attributes.id', on_invalid = 'reject', unique_key = 'Id' }"))
      assert.equal(plain, of_text("local key = 'id'\n" .. PLAIN:gsub('= "id",', "= key,")))
    end
    assert.equal(of(PLAIN), of_file(PLAIN))
  end)

  it("is another when what is done is another", function()
    local plain, seen = of(PLAIN), {}
    for _, change in ipairs { { "lower", "upper" }, { '"EmailAddress"', '"BusinessEmailAddress"' }, { "email", "string" },
                              { '"Mail"', '"E-Mail"' }, { '"Mail"', '{ "Mail", "More" }' },
                              { "lower%(%)", "lower() : required()" },
                              { '= "id",', '= "id", on_invalid = "blank",' }, { "lower%(%)", 'lookup { a = "b" }' },
                              { "lower%(%)", 'lookup { a = "c" }' }, { "lower%(%)", 'lookup "a.csv"' },
                              { "lower%(%)", 'split("@", 1)' },
                              { "lower%(%)", 'split("@", 2)' }, { "lower%(%)", 'replace("a+", "b")' },
                              { "lower%(%)", 'replace("a+", "c")' },
                              { "lower%(%)", 'replace("a+", { a = "b" })' }, { "lower%(%)", 'default "x"' },
                              { "lower%(%)", "lower() : trim()" },
                              { "lower%(%)", "trim() : lower()" } } do
      local other = of((PLAIN:gsub(change[1], (change[2]:gsub("%%", "%%%%")))))
      assert.is_not.equal(plain, other)
      assert.is_nil(seen[other], change[2])
      seen[other] = true
    end
  end)

  it("has the code of its functions, and of a file also that of what they use, but no comment of it", function()
    local with = 'local allowed = { US = true }\n'
      .. PLAIN:gsub("lower%(%)", "via(function(value) return allowed[value] and value end)")
    for _, of_text in ipairs { of, of_file } do
      local first = of_text(with)
      assert.is_not.equal(of_text(PLAIN), first)
      assert.equal(first, of_text("-- of the US\n" .. with:gsub("return allowed", "-- known\n  return  allowed")))
      assert.is_not.equal(first, of_text((with:gsub("and value end", "or value end"))))
    end
    assert.is_not.equal(of_file(with), of_file((with:gsub("US = true", "US = true, CA = true"))))
    local filter = PLAIN:gsub("unique_key", "mapping.rows(function(row) return row.A == 'x' end), unique_key")
    assert.is_not.equal(of(PLAIN), of(filter))
    assert.is_not.equal(of(filter), of((filter:gsub("'x'", "'y'"))))
    assert.is_not.equal(of((PLAIN:gsub("lower%(%)", "when(function() return true end)"))),
      of((PLAIN:gsub("lower%(%)", "via(function() return true end)"))))
  end)

  it("tells Lua's own functions from one another", function()
    local upper, lower = PLAIN:gsub("lower%(%)", "via(string.upper)"), PLAIN:gsub("lower%(%)", "via(string.lower)")
    for _, of_text in ipairs { of, of_file } do
      assert.equal(of_text(upper), of_text(upper))
      assert.is_not.equal(of_text(upper), of_text(lower))
    end
  end)

  it("is not mistaken about strings by a first line that Lua passes over", function()
    local function of_line(line, text)
      local path = os.tmpname()
      local file = assert(io.open(path, "w"))
      file:write(line, '\nlocal mapping = require "upjob.mapping"\n',
        (PLAIN:gsub("lower%(%)", ("via(function() return '%s' end)"):format(text))))
      file:close()
      local found = fingerprint.of_mapping(assert(mapping.load(path)))
      os.remove(path)
      return found
    end
    assert.is_not.equal(of_line("# it's ours", "a--b"), of_line("# it's ours", "a--c"))
    assert.equal(of_line("# it's ours", "a--b"), of_line("#!/usr/bin/env upjob", "a--b"))
  end)

  it("is found of a table that holds itself", function()
    local all = "local all = {}; all.all = all\n" .. PLAIN:gsub("lower%(%)", 'replace("a+", all)')
    assert.equal(of(all), of(all))
  end)

  it("knows comments from strings, and tokens from one another", function()
    assert.equal('x = "-- no \\" comment" y = [==[ ]] -- nor this ]==] z', meaning.code(
      'x="-- no \\" comment" -- one\ny = [==[ ]] -- nor this ]==] --[[ two\n ]] z'))
    assert.is_not.equal(meaning.code("return not x"), meaning.code("returnnot x"))
    assert.equal(meaning.code("a - b"), meaning.code("a-b"))
    assert.equal(meaning.code("a .. b"), meaning.code("a..b"))
    assert.is_not.equal(meaning.code("return 1 .. .2"), meaning.code("return 1. .. 2"))
    assert.equal("1.5e-3 - 0x1p+2 - 0xe - 1", meaning.code("1.5e-3-0x1p+2-0xe -1"))
    assert.equal("", meaning.code("-- only a comment"))
    assert.equal("'open", meaning.code("'open"))
  end)
end)
