-- Stream a CSV file, keep the rows of one country, and import those.
-- upjob run import_one_country.lua FILE DOMAIN COUNTRY
local file, domain, country = ...
if not country then return nil, "usage: import_one_country.lua FILE DOMAIN COUNTRY" end

-- Customer data: it goes however this script ends.
local path = os.tmpname()
local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })

local reader <close> = assert(csv.open(file))
local writer = assert(csv.writer(path))
assert(writer:write(reader:header()))
local kept = 0
for row in reader:rows() do
  if csv.equals(row, "Country", country) then
    assert(writer:write(row))
    kept = kept + 1
  end
end
assert(writer:close())
if kept == 0 then return nil, ("%s: no row has %s in its column Country"):format(file, country) end

local map = mapping.define {
  unique_key = "customer_id",
  mapping.string "CustomerId" : to "Attributes.customer_id" : as "customer_id" : required(),
  mapping.name   "FirstName"  : to "FirstName",
  mapping.name   "LastName"   : to "LastName",
  mapping.string "Country"    : to "Address.Country",
  mapping.email  "Email"      : to "EmailAddress",
}

local client = assert(profiles.client {})
local run = assert(job.import { client = client, domain = domain, file = path, name = country, mapping = map,
                                rejects = country .. ".rejects.csv" })
local result = assert(run:wait())
print(("%d of the rows are of %s: %s, %d created"):format(kept, country, result.Status, result.ResultsSummary.CreatedRecords))
