--- The unique key of a suggested mapping: which column tells the rows apart, by what was measured.
local report = require "upjob.report"
local synonyms = require "upjob.synonyms"

local suggest_key = {}

-- A key may be empty or repeated in one of so many rows: those are then rejected, or the last of them wins.
local NEARLY = 50

local function is_whole(survey, column) return column.filled == survey.rows end

--- True when the column has a value in every row, and never the same twice.
function suggest_key.is_unique(survey, column)
  return survey.rows > 0 and is_whole(survey, column) and column.unique.measured and column.unique.repeated == 0
end

-- How well a column would do as a key by what it is: its name and its values. nil: not at all.
local function fitness(item)
  local column = item.column
  local target = item.target or ""
  if item.unusable or column.traits.damage > 0 or column.max_characters > 255 then return nil end
  if target == "AccountNumber" or target == "" and synonyms.is_customer_id(column.name) then return 5 end
  if target == "" and synonyms.is_id(column.name) then return 4 end
  if target:find("EmailAddress$") then return 3 end
  if target:find("PhoneNumber$") then return 2 end
  if target ~= "" or synonyms.is_quantity(column.name) or synonyms.is_fax(column.name)
    or (column.traits.decimal + column.traits.decimal_comma + column.kinds.date + column.traits.url) * 2 > column.filled then
    return 0
  end
  return 1
end

-- The best of the items that pass; of equals the first.
local function best(items, least, passes)
  local found, found_fitness
  for _, item in ipairs(items) do
    local fit = fitness(item)
    if fit and fit >= least and (not found or fit > found_fitness) and passes(item.column) then
      found, found_fitness = item, fit
    end
  end
  return found
end

local function rows(survey) return report.plural(survey.rows, "row") end

-- "line 9 repeats line 4", or nothing.
local function place_of(unique)
  return unique.repeats_line and (": line %d repeats line %d"):format(unique.repeats_line, unique.first_line) or ""
end

local function unique_evidence(survey, items, found)
  local others = {}
  for _, item in ipairs(items) do
    if item ~= found and (fitness(item) or 0) >= 2 and suggest_key.is_unique(survey, item.column) then
      others[#others + 1] = '"' .. report.safe(item.column.name) .. '"'
    end
  end
  local notes = { ("unique in all %s"):format(rows(survey)) }
  if #others > 0 then notes[2] = "so are: " .. table.concat(others, ", ", 1, math.min(#others, 8)) end
  if (fitness(found) or 0) <= 1 then
    notes[#notes + 1] = "its name does not say that it is a key: is it one?"
  end
  return notes
end

local function nearly_evidence(survey, column)
  local notes = {}
  local empty, repeated = survey.rows - column.filled, column.unique.repeated
  if empty > 0 then
    notes[1] = ("empty in %s of %s, which would be rejected: line %d is the first"):format(report.count(empty), rows(survey),
      column.first_empty)
  end
  if repeated > 0 then
    notes[#notes + 1] = ("%s of %s repeat an earlier one%s; of rows with the same key the last wins"):format(
      report.count(repeated), rows(survey), place_of(column.unique))
  end
  return notes
end

local function nearly(survey)
  return function(column)
    local wrong = survey.rows - column.filled + column.unique.repeated
    return survey.rows > 0 and column.filled > 0 and column.unique.measured and wrong * NEARLY <= survey.rows
  end
end

-- Two columns whose values together are unique: their items.
local function best_pair(survey, by_index)
  local found, found_fitness
  for _, pair in ipairs(survey.pairs) do
    local first, second = by_index[pair.first], by_index[pair.second]
    local fit = first and second and (fitness(first) or -10) + (fitness(second) or -10) or -1
    if pair.unique.measured and pair.unique.repeated == 0 and fit >= 0 and (not found or fit > found_fitness) then
      found, found_fitness = { first, second }, fit
    end
  end
  return found
end

-- Three of the other pairs that are unique, for a sentence.
local function other_pairs(survey, by_index, chosen)
  local names = {}
  for _, pair in ipairs(survey.pairs) do
    local first, second = by_index[pair.first], by_index[pair.second]
    if pair.unique.measured and pair.unique.repeated == 0 and first and second and #names < 3
      and not (first == chosen[1] and second == chosen[2]) then
      names[#names + 1] = ('"%s" and "%s"'):format(report.safe(first.column.name), report.safe(second.column.name))
    end
  end
  return table.concat(names, "; ")
end

--- The key: { items = { item [, item] }, notes = { text, … } }, or { notes = … } without one. `items` have the column of the
--- survey, its index, and the target that it goes to, or none for an attribute; `unusable` ones are no key.
function suggest_key.choose(survey, items)
  local by_index = {}
  for _, item in ipairs(items) do by_index[item.index] = item end
  if survey.rows == 0 then
    local found = best(items, 3, function() return true end)
    return { items = found and { found }, notes = { "the file has no rows: whether it is unique was not measured" } }
  end
  local found = best(items, 1, function(column) return suggest_key.is_unique(survey, column) end)
  local named = best(items, 3, nearly(survey))
  -- A customer's number that repeats now and then is a better key than a text that happens to be unique.
  if named and (not found or fitness(named) > 3 and fitness(found) <= 1) and named ~= found then
    return { items = { named }, notes = nearly_evidence(survey, named.column) }
  end
  if found then return { items = { found }, notes = unique_evidence(survey, items, found) } end
  local pair = best_pair(survey, by_index)
  if pair then
    local others = other_pairs(survey, by_index, pair)
    return { items = pair, notes = { ("no column is unique; these two together are, in all %s"):format(rows(survey)),
                                     others ~= "" and "so are: " .. others or nil } }
  end
  return { notes = { "no column is unique, and no two columns together are: name the field that tells customers apart" } }
end

return suggest_key
