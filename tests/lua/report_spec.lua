-- What a person reads.
local mapping = require "upjob.mapping"
local report = require "upjob.report"

describe("a table", function()
  local columns = { { title = "JobId", whole = true }, { title = "Status" }, { title = "DisplayName" } }
  local function rows()
    return { { ("0"):rep(32), "SUCCEEDED", ("a long name "):rep(4) }, { ("1"):rep(32), "FAILED", "日本語の名前" } }
  end

  it("fits the terminal, and leaves whole what is to be copied", function()
    for room = 53, 120 do
      for i, line in ipairs(report.table(columns, rows(), room)) do
        local _, wide_ones = line:gsub("[\227-\233]", "")
        local wide = utf8.len(line) + wide_ones
        assert.is_true(wide <= room, ("line %d has %d columns of %d"):format(i, wide, room))
      end
      assert.matches(("0"):rep(32), report.table(columns, rows(), room)[3], 1, true)
    end
  end)

  it("keeps the end of what ends with something to look for, where there is room for it", function()
    local named = { { title = "JobId", whole = true }, { title = "DisplayName", ends = 11 } }
    local function cell(room, name)
      return report.table(named, { { ("0"):rep(32), name } }, room)[3]:sub(35)
    end
    assert.equal("customers-2026.csv 9c7hqt7al5", cell(80, "customers-2026.csv 9c7hqt7al5"))
    assert.equal("customers… 9c7hqt7al5", cell(34 + 21, "customers-2026.csv 9c7hqt7al5"))
    assert.equal("日本語の… 9c7hqt7al5", cell(34 + 21, "日本語の名前日本語の名前 9c7hqt7al5"))
    assert.equal("customers-2026…", cell(34 + 15, "customers-2026.csv 9c7hqt7al5"))
  end)

  it("is as wide as it must be where there is no terminal", function()
    assert.matches(("a long name "):rep(4):sub(1, -2), report.table(columns, rows(), math.huge)[3], 1, true)
  end)
end)

describe("a text that is wrapped", function()
  it("breaks between words, and indents what follows", function()
    assert.same({ "  one two", "    three", "    four" }, report.wrap("  one two three four", 10, "    "))
  end)

  it("keeps what fits as it is, blanks too, and a word that is too long whole", function()
    assert.same({ "a  b" }, report.wrap("a  b", 4, "  "))
    assert.same({ "an", " unbreakable" }, report.wrap("an unbreakable", 5, " "))
    assert.same({ "no terminal: no limit" }, report.wrap("no terminal: no limit", math.huge, ""))
  end)

  it("counts columns, not bytes", function()
    assert.same({ "日本 日本" }, report.wrap("日本 日本", 9, ""))
    assert.same({ "日本", "日本" }, report.wrap("日本 日本", 8, ""))
  end)
end)

describe("the mapping of a header", function()
  it("hints at columns that look like places in a profile, and maps none of them so", function()
    local header = { "id", "E-mail", "Phone", "Zip", "Mobile", "Colour", "FirstName", "Given name" }
    local map = assert(mapping.from_header(header, "id"))
    local hints = table.concat(map:hints(), "\n")
    for _, line in ipairs { 'mapping.email  "E-mail" : to "EmailAddress"', 'mapping.phone  "Phone"  : to "PhoneNumber"',
      'mapping.string "Zip"    : to "Address.PostalCode"', 'mapping.phone  "Mobile" : to "MobilePhoneNumber"' } do
      assert.matches(line, hints, 1, true)
    end
    assert.is_nil(hints:find("Colour") or hints:find("Given"))
    for _, f in ipairs(map.fields) do
      if f.column ~= "FirstName" then assert.matches("^Attributes%.", f.target) end
    end
  end)

  it("has no hints where another column goes there already", function()
    local map = assert(mapping.from_header({ "id", "EmailAddress", "Email" }, "id"))
    assert.same({}, map:hints())
  end)
end)
