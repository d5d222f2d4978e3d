--- What the values of a column say, as notes for a suggested mapping, and the steps that they need.
local report = require "upjob.report"

local suggest_values = {}

local NOUNS = { email = "e-mail addresses", phone = "phone numbers", number = "numbers", date = "dates", name = "names" }
local ISO = "YYYY-MM-DD"

--- A share in per cent that is 100 only for all: "98.7 %".
local function per_cent(part, whole)
  local share = part * 1000 // whole
  return ("%d.%d %%"):format(share // 10, share % 10)
end

-- 'line 17: "n/a" is none', or without the value, which is personal data.
local function misfit_text(misfits, show_values)
  local places = {}
  for i, misfit in ipairs(misfits) do
    places[i] = show_values and ('line %d: "%s"'):format(misfit.line, misfit.value) or ("line %d"):format(misfit.line)
  end
  if #places == 0 then return "" end
  return ("; %s %s none"):format(table.concat(places, ", "), #places == 1 and "is" or "are")
end

--- "all 59 are e-mail addresses", "98.7 % e-mail addresses; line 17 is none"
function suggest_values.evidence(column, kind, show_values)
  if column.filled == 0 then return "empty" end
  local count = column.kinds[kind]
  if kind == "phone" then count = math.min(column.filled, count + column.traits.digits) end
  if count == column.filled then
    return count == 1 and ("the one value is among %s"):format(NOUNS[kind])
      or ("all %s are %s"):format(report.count(count), NOUNS[kind])
  end
  local misfits = column.misfits[kind]
  if kind == "phone" and column.traits.digits > 0 then misfits = {} end
  return ("%s %s%s"):format(per_cent(count, column.filled), NOUNS[kind], misfit_text(misfits, show_values))
end

--- What is worth knowing of any column, and what may have to be mended.
function suggest_values.remarks(column, rows, max_length)
  local traits, lines, notes = column.traits, column.trait_lines, {}
  local function add(format, ...) notes[#notes + 1] = format:format(...) end
  if column.name:find(".", 1, true) then
    add("its name has a dot, which the service does not find: it is renamed in what is sent")
  end
  if column.distinct == 1 and column.filled == rows and rows > 1 then add("the same value in every row") end
  if traits.damage > 0 then
    add("%s left by a spreadsheet's damage (#N/A, 4.4E+11): line %d", report.plural(traits.damage, "value"), lines.damage)
  end
  if traits.leading_zero > column.kinds.phone + column.kinds.date then
    add("leading zeros (line %d): a text, no number", lines.leading_zero)
  end
  if column.max_characters > max_length then
    add("up to %s characters, the service takes %d: line %d is the first over 255", report.count(column.max_characters),
      max_length, lines.long)
  end
  if traits.not_utf8 > 0 then add("not UTF-8 in %s: line %d", report.plural(traits.not_utf8, "value"), lines.not_utf8) end
  return notes
end

-- ---- dates ----

-- The same format with day and month the other way round, or nil.
local function swapped(format)
  local twin = format:gsub("[DM]", { D = "M", M = "D" })
  return format:find("^[DM][^%a]+[DM][^%a]") and twin ~= format and twin or nil
end

-- Formats that read as many values as possible, the most frequent first; of twins that read the same, `month_first` decides.
local function choose_formats(column, month_first)
  local dates = table.move(column.dates, 1, #column.dates, 1, {})
  for i, date in ipairs(dates) do date.order = i end
  local function rank(date) return date.format:sub(1, 1) == (month_first and "M" or "D") and 1 or 0 end
  table.sort(dates, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    if rank(a) ~= rank(b) then return rank(a) > rank(b) end
    return a.order < b.order
  end)
  local formats, taken, left, unsure = {}, {}, column.filled, nil
  for _, date in ipairs(dates) do
    local twin = swapped(date.format)
    if taken[twin] then
      if taken[twin] == date.count then unsure = unsure or date.format end
    elseif date.count <= left then
      formats[#formats + 1] = date.format
      taken[date.format] = date.count
      left = left - date.count
    end
  end
  return formats, left, unsure
end

local function spoken(formats) return '"' .. table.concat(formats, '", "') .. '"' end

--- How a column of dates is read: { steps, notes, alternative, unread = how many by no format }.
function suggest_values.dates(column, month_first)
  local formats, unread, unsure = choose_formats(column, month_first)
  if #formats == 0 then return { steps = {}, notes = {}, unread = column.filled } end
  if #formats == 1 and formats[1] == ISO then return { steps = {}, notes = { "as " .. ISO }, unread = unread } end
  local result = { steps = { { kind = "date", list = formats } }, notes = {}, unread = unread }
  if unsure then
    result.notes[1] = ("day and month cannot be told apart: %s reads as many as %s"):format(spoken { unsure },
      spoken { formats[1] })
    result.alternative = { { kind = "date", list = { unsure } } }
  end
  for _, format in ipairs(formats) do
    if format:find("YY") and not format:find("YYYY") then
      result.notes[#result.notes + 1] = "years of two digits: 69 to 99 are of the 1900s, others of the 2000s"
    end
  end
  return result
end

-- ---- gender ----

local GENDERS = {
  MALE = "m male man männlich maennlich mann herr homme masculin h hombre masculino varón varon homem mr",
  FEMALE = "f female woman weiblich w frau femme féminin feminin mujer femenino mulher feminino ms mrs",
  UNSPECIFIED = "unspecified unknown other x d divers diverse autre otro outro u n/a",
}

--- Of a column of genders: true when its values are those of the service; else a table for lookup, or nil when one is not known.
function suggest_values.genders(column)
  if not column.values or column.filled == 0 then return nil end
  local meant = {}
  for gender, words in pairs(GENDERS) do
    for word in words:gmatch("%S+") do meant[word] = gender end
  end
  local pairs_of, same = {}, true
  for _, value in ipairs(column.values) do
    local gender = meant[value.value:lower()]
    if not gender then return nil end
    pairs_of[value.value] = gender
    same = same and value.value == gender
  end
  return same or pairs_of
end

return suggest_values
