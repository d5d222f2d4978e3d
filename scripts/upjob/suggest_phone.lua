--- How a suggested mapping reads phone numbers: with which region, if that can be told.
local countries = require "upjob.countries"
local native = require "upjob.native.survey"
local report = require "upjob.report"

local suggest_phone = {}

-- Of the sampled numbers, so many per cent must be valid before all are to be E.164; rows with others are rejected.
local ENOUGH = 99
local MOSTLY = 0.8

-- The country that nearly all rows have, or nil; and whether there is a column of countries.
local function country_of(items)
  for _, item in ipairs(items) do
    if item.target and item.target:find("Country$") and item.column.filled > 0 then
      local counts, total = {}, 0
      for _, value in ipairs(item.column.values or {}) do
        local code = countries.code(value.value)
        if code then counts[code] = (counts[code] or 0) + value.count end
        total = total + value.count
      end
      for code, count in pairs(counts) do
        if count == total then return code, item.column.name end
      end
      return nil, item.column.name
    end
  end
end

local function in_the_usa(items)
  for _, item in ipairs(items) do
    if item.target and item.target:find("%.State$") and item.column.values then
      local states, total = 0, 0
      for _, value in ipairs(item.column.values) do
        total = total + value.count
        if countries.is_us_state(value.value) then states = states + value.count end
      end
      if total > 0 and states / total >= MOSTLY then return item.column.name end
    end
  end
end

-- Regions to be tried, each with why; the first is none, for numbers with country codes.
local function candidates(column, items)
  local list = { { why = "written with their country codes" } }
  local code, name = country_of(items)
  if code then list[#list + 1] = { region = code, why = ('the column "%s" says %s'):format(report.safe(name), code) } end
  if name and not code then return list end -- several countries
  local state = in_the_usa(items)
  if state then
    list[#list + 1] = { region = "US", why = ('the column "%s" has states of the USA'):format(report.safe(state)) }
  elseif column.filled > 0 and column.traits.north_american / column.filled >= MOSTLY then
    list[#list + 1] = { region = "US", why = "written as in North America" }
  end
  return list
end

local function steps(region) return { { kind = "e164", text = region } } end

--- What is to be done to a column of phone numbers: { steps =, notes =, alternative = steps }, each perhaps empty.
function suggest_phone.read(column, items)
  local samples = column.phone_samples
  if #samples == 0 then return { steps = {}, notes = {} } end
  local best
  for _, candidate in ipairs(candidates(column, items)) do
    local valid = native.valid_phones(samples, candidate.region)
    if not valid then
      return { steps = {}, notes = { "e164 would write them all alike, where libphonenumber is installed" } }
    end
    if not best or valid > best.valid then best = candidate; best.valid = valid end
  end
  if best.valid * 2 < #samples then
    return { steps = {}, notes = { "in which country they are cannot be told: e164 { region = \"GB\" } with that country "
      .. "writes them all alike" } }
  end
  local told = ("%s of %s are valid%s, %s"):format(report.count(best.valid),
    column.filled > #samples and ("%s that were looked at"):format(report.count(#samples)) or report.count(#samples),
    best.region and " in region " .. best.region or "", best.why)
  if best.valid * 100 >= #samples * ENOUGH then return { steps = steps(best.region), notes = { told } } end
  return { steps = {}, notes = { told .. ": with e164 the rows with the others would be rejected" },
           alternative = steps(best.region) }
end

return suggest_phone
