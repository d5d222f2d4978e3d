-- A mapping suggested by what a file holds.
local mapping = require "upjob.mapping"
local suggest = require "upjob.suggest"
local suggest_text = require "upjob.suggest_text"
local survey = require "upjob.native.survey"
local synonyms = require "upjob.synonyms"

local paths = {}

local function temporary(text)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  paths[#paths + 1] = path
  return path
end

-- The suggestion for a file, its text, and the mapping that the text is (nil without a key).
local function of_file(path, options)
  local suggestion = suggest.of(assert(survey.run { file = path }), options)
  local text = suggest_text.file(suggestion, "x.csv")
  return suggestion, text, mapping.load(temporary(text))
end

local function of_text(text, options)
  return of_file(temporary(text), options)
end

-- A header and `count` rows of what row(i) returns.
local function csv(header, count, row)
  local lines = { header }
  for i = 1, count do lines[#lines + 1] = row(i) end
  return table.concat(lines, "\n") .. "\n"
end

local function targets_of(map)
  local targets = {}
  for _, field in ipairs(map.fields) do targets[table.concat(field.columns, "+")] = field.target end
  return targets
end

local function field_of(map, column)
  for _, field in ipairs(map.fields) do
    if field.column == column then return field end
  end
end

local function step_kinds(field)
  local kinds = {}
  for i, step in ipairs(field.steps) do kinds[i] = step.kind end
  return kinds
end

local function has(text, part)
  assert.truthy(text:find(part, 1, true), ("no %q in:\n%s"):format(part, text))
end

local function has_not(text, part)
  assert.falsy(text:find(part, 1, true), ("%q in:\n%s"):format(part, text))
end

describe("a suggestion", function()
  after_each(function()
    for _, path in ipairs(paths) do os.remove(path) end
    paths = {}
  end)

  it("is right for the customers' sample", function()
    local _, text, map = of_file "tests/data/chinook-customers.csv"
    assert.equals("CustomerId", map.unique_key)
    has(text, "unique in all 59 rows")
    assert.same({
      CustomerId = "Attributes.customer_id", FirstName = "FirstName", LastName = "LastName", Company = "BusinessName",
      Address = "Address.Address1", City = "Address.City", State = "Address.State", Country = "Address.Country",
      PostalCode = "Address.PostalCode", Phone = "PhoneNumber", Fax = "Attributes.fax", Email = "EmailAddress",
      SupportRepId = "Attributes.support_rep_id" }, targets_of(map))
    assert.same({ "lower" }, step_kinds(field_of(map, "Email")))
    assert.same({ "trim" }, step_kinds(field_of(map, "City")))
    for _, column in ipairs { "CustomerId", "PostalCode", "SupportRepId", "Fax" } do
      assert.equals("STRING", field_of(map, column).content_type)
    end
    assert.is_true(field_of(map, "CustomerId").is_required)
  end)

  it("is right for the legislators' sample", function()
    local _, text, map = of_file "tests/data/legislators-current.csv"
    assert.equals("bioguide_id", map.unique_key)
    local targets = targets_of(map)
    for column, target in pairs {
      last_name = "LastName", first_name = "FirstName", middle_name = "MiddleName", birthday = "BirthDate",
      gender = "GenderString", state = "Address.State", address = "Address.Address1", phone = "PhoneNumber",
      full_name = "Attributes.full_name", bioguide_id = "Attributes.bioguide_id", thomas_id = "Attributes.thomas_id" } do
      assert.equals(target, targets[column], column)
    end
    for _, field in ipairs(map.fields) do assert.not_equals("NUMBER", field.content_type, field.column) end
    assert.same({}, field_of(map, "birthday").steps)
    assert.is_true(map.skipped.washington_post_id)
    has(text, "35 fields")
  end)

  it("is right for the offices' sample", function()
    local _, _, map = of_file "tests/data/legislators-district-offices.csv"
    assert.equals("id", map.unique_key)
    assert.same({
      bioguide = "Attributes.bioguide", thomas = "Attributes.thomas", govtrack = "Attributes.govtrack", id = "Attributes.id",
      address = "Address.Address1", building = "Address.Address3", city = "Address.City", fax = "Attributes.fax",
      hours = "Attributes.hours", phone = "PhoneNumber", state = "Address.State", suite = "Address.Address2",
      zip = "Address.PostalCode", latitude = "Attributes.latitude", longitude = "Attributes.longitude" }, targets_of(map))
    for _, field in ipairs(map.fields) do
      local number = field.column == "latitude" or field.column == "longitude"
      assert.equals(number, field.content_type == "NUMBER", field.column)
    end
  end)

  local LANGUAGES = {
    English = { header = "Customer No.,Given Name,Surname,Street Address,Zip Code,Town,Country,Date of Birth,E-mail,Cell Phone" },
    German = { header = "Kundennummer,Vorname,Nachname,Straße,PLZ,Ort,Land,Geburtsdatum,E-Mail-Adresse,Handynummer" },
    German_without_umlauts = { header = "Kunden-Nr,VORNAME,Familienname,Strasse,Postleitzahl,Wohnort,Land,Geb. Datum,Mail,"
                                 .. "Mobil" },
    French = { header = "N° client,Prénom,Nom de famille,Adresse,Code postal,Ville,Pays,Date de naissance,Courriel,Portable" },
    Spanish = { header = "Código de cliente,Nombre,Apellidos,Dirección,Código postal,Ciudad,País,Fecha de nacimiento,"
                  .. "Correo electrónico,Teléfono móvil" },
    Portuguese = { header = "Número do cliente,Nome,Sobrenome,Morada,Código Postal,Localidade,País,Data de nascimento,"
                     .. "Correio eletrónico,Telemóvel" },
  }
  for language, file in pairs(LANGUAGES) do
    it("knows headers in " .. language, function()
      local _, text, map = of_text(csv(file.header, 40, function(i)
        return ("K%03d,Zoé,Peña,Weg %d,%05d,Nice,France,%02d.03.1970,z%d@example.fr,+33 6 12 34 56 %02d")
          :format(i, i, 6000 + i, i % 28 + 1, i, i)
      end))
      local targets = {}
      for i, field in ipairs(map.fields) do targets[i] = field.target:gsub("^Attributes%..*", "Attributes") end
      assert.same({ "Attributes", "FirstName", "LastName", "Address.Address1", "Address.PostalCode", "Address.City",
                    "Address.Country", "BirthDate", "EmailAddress", "MobilePhoneNumber" }, targets, text)
      assert.equals(map.fields[1].key, map.unique_key)
      assert.same({ "D.M.YYYY" }, map.fields[8].steps[1].list)
      assert.equals("STRING", map.fields[5].content_type)
    end)
  end

  it("does not take a column for what its values are not", function()
    local _, text, map = of_text(csv("id,email,mobile", 20, function(i) return ("A%d,yes,no"):format(i) end))
    assert.equals("Attributes.email", targets_of(map).email)
    assert.equals("Attributes.mobile", targets_of(map).mobile)
    has(text, "the header looks like an e-mail address, the values do not")
  end)

  it("finds e-mail addresses by the values alone, and says so", function()
    local _, text, map = of_text(csv("id,kanal", 20, function(i) return ("A%d,a%d@example.com"):format(i, i) end))
    assert.equals("EmailAddress", targets_of(map).kanal)
    has(text, "by the values alone")
    has(text, '-- or: mapping.string "kanal" : to "Attributes.kanal"')
  end)

  it("has values of cells in its evidence only when they may be shown", function()
    local rows = csv("id,E-mail", 60, function(i) return ("A%d,%s"):format(i, i == 16 and "n/a" or "a@example.com") end)
    local _, text = of_text(rows)
    has(text, "98.3 % e-mail addresses; line 17 is none")
    has_not(text, "n/a")
    _, text = of_text(rows, { show_values = true })
    has(text, '98.3 % e-mail addresses; line 17: "n/a" is none')
  end)

  it("a value that looks like the end of a comment stays in it", function()
    local _, text, map = of_text(csv("id,E-mail", 20, function(i) return ("A%d,%s"):format(i, i == 3 and '"x\n]] error()"'
      or "a@example.com") end), { show_values = true })
    has(text, "error()")
    assert.equals("id", map.unique_key)
  end)

  it("gives a place to the column that bears it out in more rows", function()
    local _, text, map = of_text(csv("id,Phone,Telephone", 20, function(i)
      return ("A%d,%s,+44 20 7183 87%02d"):format(i, i < 4 and "+44 20 7183 8750" or "", i)
    end))
    assert.equals("PhoneNumber", targets_of(map).Telephone)
    assert.equals("Attributes.phone", targets_of(map).Phone)
    has(text, 'for PhoneNumber the column "Telephone" is better')
  end)

  it("tells the region of phone numbers by the country column", function()
    local _, text, map = of_text(csv("id,phone,country", 20, function(i)
      return ("A%d,0221 98765%02d,Deutschland"):format(i, i)
    end))
    if text:find("where libphonenumber is installed", 1, true) then return pending("libphonenumber is not installed") end
    assert.same({ "DE" }, { field_of(map, "phone").steps[1].text })
  end)

  it("does not guess a region where several countries are", function()
    local _, text, map = of_text(csv("id,phone,country", 20, function(i)
      return ("A%d,0221 98765%02d,%s"):format(i, i, i % 2 == 0 and "France" or "Germany")
    end))
    assert.same({}, field_of(map, "phone").steps)
    has(text, "e164 ")
  end)

  it("offers both ways to read dates whose day and month cannot be told apart", function()
    local _, text, map = of_text(csv("id,birthday", 20, function(i) return ("A%d,%02d/%02d/1970"):format(i, i % 12 + 1, 5) end))
    assert.same({ "D/M/YYYY" }, field_of(map, "birthday").steps[1].list)
    has(text, "cannot be told apart")
    has(text, '-- or: mapping.string "birthday" : to "BirthDate" : date { from = "M/D/YYYY" }')
  end)

  it("reads dates by the one way that all values allow", function()
    local _, text, map = of_text(csv("id,birthday", 28, function(i) return ("A%d,%d/%d/1970"):format(i, 5, i) end))
    assert.same({ "M/D/YYYY" }, field_of(map, "birthday").steps[1].list)
    has_not(text, "cannot be told apart")
  end)

  it("never makes a number of leading zeros, decimal commas or codes", function()
    local _, text, map = of_text(csv("id,amount,betrag;preis,price code,balance", 20, function(i)
      return ('A%d,00%d,"%d,50",%d,%d.50'):format(i, i, i, i, i)
    end))
    assert.equals("STRING", field_of(map, "amount").content_type)
    assert.equals("STRING", field_of(map, "betrag;preis").content_type)
    assert.equals("STRING", field_of(map, "price code").content_type)
    assert.equals("NUMBER", field_of(map, "balance").content_type)
    has(text, 'replace(",", ".")')
  end)

  it("slugs headers that cannot be field keys, each another", function()
    local _, _, map = of_text(csv("id,Größe (cm),Große cm,電話", 5, function(i) return ("A%d,x,y,z"):format(i) end))
    assert.equals("grosse_cm", field_of(map, "Größe (cm)").key)
    assert.equals("grosse_cm_2", field_of(map, "Große cm").key)
    assert.equals("column_4", field_of(map, "電話").key)
  end)

  it("leaves out what is empty, and says what cannot be named", function()
    local _, text, map = of_text("id,leer,,id\n1,,x,1\n2,,y,2\n")
    assert.is_true(map.skipped.leer)
    has(text, 'mapping.skip "leer", -- empty in every row')
    has(text, "column 3 has no name")
    has(text, 'column 4 "id" has the name of an earlier column')
  end)

  it("says nothing of the empty columns and rows that a spreadsheet leaves", function()
    local _, text, map = of_text(csv("id,city,,", 5, function(i) return ("A%d,Ulm,,"):format(i) end) .. ",,,\n,,,\n")
    assert.equals("id", map.unique_key)
    has(text, "unique in all 5 rows")
    has(text, "2 more rows without any value")
    has_not(text, "column 3")
  end)

  it("does not take a whole name for a first name", function()
    local _, text, map = of_text(csv("id,Nombre", 5, function(i) return ("A%d,Ana Peña"):format(i) end))
    assert.equals("Attributes.nombre", targets_of(map).Nombre)
    has(text, '-- or: mapping.name "Nombre" : to "FirstName" : split(" ", 1)')
    _, _, map = of_text(csv("id,Nombre", 5, function(i) return ("A%d,Ana"):format(i) end))
    assert.equals("FirstName", targets_of(map).Nombre)
  end)

  it("leaves out the reasons of a rejects file", function()
    local _, _, map = of_text("id,city,upjob_reason\n1,Ulm,x\n2,Ulm,y\n")
    assert.is_true(map.skipped.upjob_reason)
  end)

  it("joins the number of a house that stands in a column of its own to the street", function()
    local _, text, map = of_text(csv("id,Straße,Hausnummer,PLZ", 5, function(i) return ("A%d,Weg,%d,0100%d"):format(i, i, i) end))
    has(text, 'mapping.string { "Straße", "Hausnummer" } : to "Address.Address1" : join " "')
    assert.same({ "Straße", "Hausnummer" }, map.fields[2].columns)
    assert.equals(3, #map.fields)
    _, text = of_text(csv("id,Street,House No.", 5, function(i) return ("A%d,High St,%d"):format(i, i) end))
    has(text, '{ "House No.", "Street" } : to "Address.Address1"')
  end)

  it("takes a code that hardly ever repeats for the key, and says which line repeats which", function()
    local _, text, map = of_text(csv("customer_id,note", 200, function(i)
      return ("C%d,text %d"):format(i == 150 and 9 or i, i)
    end))
    assert.equals("customer_id", map.unique_key)
    has(text, "1 of 200 rows repeat an earlier one: line 151 repeats line 10")
  end)

  it("joins two columns where only both together are unique", function()
    local _, text, map = of_text(csv("store,receipt", 100, function(i) return ("%d,%d"):format(i // 10, i % 10) end))
    assert.equals("store_receipt", map.unique_key)
    assert.same({ "store", "receipt" }, map.key_field.columns)
    has(text, "no column is unique; these two together are, in all 100 rows")
  end)

  it("leaves the key open where nothing is unique", function()
    local suggestion, text, map, err = of_text(csv("a,b", 50, function(i) return ("%d,%d"):format(i % 3, i % 2) end))
    assert.is_nil(suggestion.unique_key)
    has(text, '-- unique_key = "…",')
    assert.is_nil(map)
    has(err.message, "unique_key is required")
  end)

  it("is made of the header alone where there are no rows, and says that nothing was measured", function()
    local _, text, map = of_text("Customer Id,E-mail\n")
    assert.equals("customer_id", map.unique_key)
    has(text, "the file has no rows")
  end)

  it("reads other encodings and delimiters", function()
    local _, text, map = of_text(csv("Kundennr;Stra\xDFe;PLZ", 30, function(i)
      return ("K%d;M\xFChlstra\xDFe %d;01%03d"):format(i, i, i)
    end))
    assert.equals("Address.Address1", targets_of(map)["Straße"])
    has(text, "separated by semicolons")
  end)
end)

describe("a header", function()
  it("is known without case, accents and punctuation, in both spellings of umlauts", function()
    for header, target in pairs {
      ["E-MAIL"] = "EmailAddress", ["STRASSE"] = "Address.Address1", ["straße"] = "Address.Address1",
      ["Telefon (geschäftlich)"] = "BusinessPhoneNumber", ["telefon_geschaeftlich"] = "BusinessPhoneNumber",
      ["Pre\u{301}nom"] = "FirstName", ["PRÉNOM"] = "FirstName", ["Tel."] = "PhoneNumber",
      ["BillingCity"] = "BillingAddress.City", ["Ship To Zip"] = "ShippingAddress.PostalCode",
      ["Ciudad de envío"] = "ShippingAddress.City", ["Liefer-PLZ"] = "ShippingAddress.PostalCode",
      ["customer_email"] = "EmailAddress", ["AccountNumber"] = "AccountNumber",
      ["Mailing State/Province"] = "MailingAddress.State", ["Mailing Zip/Postal Code"] = "MailingAddress.PostalCode",
      ["Date of birth (dd/mm/yyyy)"] = "BirthDate", ["Sobrenome/Apelido"] = "LastName", ["Telefon1"] = "PhoneNumber",
      ["Nº telemóvel"] = "MobilePhoneNumber", ["billing_email"] = "EmailAddress", ["Home Street"] = "Address.Address1",
      ["Surname(s)"] = "LastName", ["Customer: Email"] = "EmailAddress",
    } do
      assert.equals(target, synonyms.target(header), header)
    end
    for _, header in ipairs { "favourite colour", "PLZ/Ort", "Phone 2", "E-mail consent", "", "/", "()", "1" } do
      assert.is_nil(synonyms.target(header), header)
    end
  end)

  it("is an id by its words, not by its letters", function()
    for _, header in ipairs { "id", "Customer Id", "CustomerID", "userId", "Kundennummer", "N° client", "Matrícula" } do
      assert.is_true(synonyms.is_id(header), header)
    end
    for _, header in ipairs { "paid", "Madrid", "notes", "candid", "Nombre" } do
      assert.is_false(synonyms.is_id(header), header)
    end
  end)
end)
