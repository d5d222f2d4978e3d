--- A mapping suggested by what a file holds: by its headers in several languages, and by all of its values.
local header_mapping = require "upjob.mapping_header"
local mapping_field = require "upjob.mapping_field"
local rejects = require "upjob.rejects"
local suggest_key = require "upjob.suggest_key"
local suggest_phone = require "upjob.suggest_phone"
local suggest_values = require "upjob.suggest_values"
local synonyms = require "upjob.synonyms"
local targets = require "upjob.targets"

local suggest = {}

suggest.MANY_FIELDS = 25 -- that the service's console maps at most: its documentation

-- The share of values that must be of a kind: where the header says it too, and where nothing else does.
local LIKELY, SURE = 0.5, 0.9
local COLUMN_MAX = 1000 - #"_source."

local function add(list, ...)
  for _, value in ipairs { ... } do list[#list + 1] = value end
end

local function share(column, kind)
  if column.filled == 0 then return 0 end
  local count = column.kinds[kind]
  if kind == "phone" then count = count + column.traits.digits end
  return math.min(count / column.filled, 1)
end

-- ---- columns that cannot be fields, or need not be ----

local function why_unusable(item, seen)
  local name = item.column.name
  if name == "" then return "has no name" end
  if seen[name] then return "has the name of an earlier column, which alone can be mapped" end
  if (utf8.len(name) or #name) > COLUMN_MAX then return "has a longer name than the service takes" end
end

local function why_skipped(item, survey)
  if item.column.name == rejects.REASON_COLUMN then return "why the row was rejected earlier" end
  if item.column.filled == 0 then return survey.rows > 0 and "empty in every row" or nil end
end

local function make_items(survey)
  local items, seen = {}, {}
  for i, column in ipairs(survey.columns) do
    local item = { index = i, column = column, notes = {}, alternatives = {}, steps = {} }
    item.unusable = why_unusable(item, seen)
    item.skipped = not item.unusable and why_skipped(item, survey) or nil
    seen[column.name] = true
    items[i] = item
  end
  return items
end

-- ---- targets ----

local KIND = { EMAIL_ADDRESS = "email", PHONE_NUMBER = "phone", NAME = "name", STRING = "string" }

-- How well the values bear the target out that the header names: 0 to 1; nil when they speak against it.
local function borne_out(column, target)
  local kind = target == "BirthDate" and "date" or KIND[targets.kind[target]]
  if column.filled == 0 then return 0 end
  if kind == "email" or kind == "phone" or kind == "date" then
    local part = share(column, kind)
    return part >= LIKELY and part or nil
  end
  if kind == "name" and share(column, "number") >= LIKELY then return nil end
  return 1
end

local NOUN = { email = "an e-mail address", phone = "a phone number", date = "a date", name = "a name" }

local function propose_by_header(item)
  local target = synonyms.target(item.column.name)
  if not target then return end
  item.weight = borne_out(item.column, target)
  if item.weight then
    item.target = target
  else
    local kind = target == "BirthDate" and "date" or KIND[targets.kind[target]]
    item.disputed = ("the header looks like %s, the values do not"):format(NOUN[kind])
  end
end

local function holds_several_words(column)
  return column.filled > 0 and column.traits.words / column.filled >= LIKELY
end

-- "Name" beside a first name is the last name; "Nombre" with several words and no last name beside it is a whole name.
local function place_plain_name(items)
  local first, last, plain
  for _, item in ipairs(items) do
    if item.target == "FirstName" then first = item end
    if item.target == "LastName" then last = item end
    if not item.target and synonyms.is_full_name(item.column.name) then plain = plain or item end
  end
  local alone = not plain and (first or last)
  if alone and not (first and last) and holds_several_words(alone.column) then
    alone.target, alone.whole_name = nil, true
  end
  if not plain then return end
  if first and not last and synonyms.plain(plain.column.name) == "name" and borne_out(plain.column, "LastName") then
    plain.target, plain.weight = "LastName", 1
    add(plain.notes, "beside a first name: taken for the last name")
  elseif not first and not last then
    plain.whole_name = true
  end
end

-- Of several columns for one place the one whose values bear it out best and in most rows has it.
local function settle(items)
  local holder = {}
  for _, item in ipairs(items) do
    local other = item.target and holder[item.target]
    if other and item.weight * item.column.filled > other.weight * other.column.filled then
      holder[item.target], item, other = item, other, item
    end
    if other then
      add(item.notes, ('for %s the column "%s" is better'):format(item.target, holder[item.target].column.name))
      item.target = nil
    elseif item.target then
      holder[item.target] = item
    end
  end
  return holder
end

-- The number of a house that stands in a column of its own goes to its street; before it where the header is English or French.
local function join_house_number(items, holder)
  local street = holder["Address.Address1"]
  for _, item in ipairs(items) do
    if street and not item.target and not item.skipped and not item.unusable
      and synonyms.is_house_number(item.column.name) then
      street.house, item.joined = item.column, true
      local name = synonyms.plain(item.column.name)
      street.house_first = name:find("^house") or name:find("^building") or name:find("^numerode[rv]")
      add(street.notes, ('joined with "%s"'):format(item.column.name))
      return
    end
  end
end

-- What no header has told, by the values alone.
local function propose_by_values(items, holder)
  for _, item in ipairs(items) do
    local column = item.column
    local target = share(column, "email") >= SURE and "EmailAddress"
      or column.filled > 0 and column.kinds.phone / column.filled >= SURE and "PhoneNumber"
    if target and not item.target and not holder[target] and not item.skipped and not item.unusable
      and not synonyms.is_id(column.name) and not synonyms.is_fax(column.name) then
      item.target, item.unsure = target, true
      holder[target] = item
    end
  end
end

-- ---- keys and names of attributes ----

-- A name that nothing in `taken` has yet.
local function free_name(base, taken)
  local name, n = base, 1
  while taken[name] do
    n = n + 1
    name = base:sub(1, mapping_field.KEY_MAX - 4) .. "_" .. n
  end
  taken[name] = true
  return name
end

local function slug_of(item)
  return header_mapping.slug(synonyms.fold(item.column.name)) or "column_" .. item.index
end

local function is_field(item) return not item.skipped and not item.unusable and not item.joined end

local function name_fields(items)
  local attributes, keys = {}, {}
  for _, item in ipairs(items) do
    if is_field(item) then
      local name = item.column.name
      if not item.target then item.attribute = free_name(slug_of(item), attributes) end
      local fits = name:find(mapping_field.KEY_PATTERN) and #name <= mapping_field.KEY_MAX and not keys[name]
      if fits and not item.house then keys[name] = true else item.key = free_name(slug_of(item), keys) end
    end
  end
end

-- ---- fields ----

local function field(item, properties)
  local steps = properties.steps or item.steps
  if item.column.traits.spaces > 0 then steps = table.move(steps, 1, #steps, 2, { { kind = "trim" } }) end
  local target = properties.target or item.target or "Attributes." .. item.attribute
  local columns = { item.column.name }
  if item.house and target == item.target then table.insert(columns, item.house_first and 1 or 2, item.house.name) end
  return mapping_field.new { columns = columns, separator = #columns > 1 and " " or nil, target = target, steps = steps,
                             key = properties.key or item.key,
                             content_type = mapping_field.kinds[properties.kind or item.kind] }
end

local function offer(item, properties)
  add(item.alternatives, field(item, properties))
end

local decide = {}

function decide.email(item, context)
  add(item.steps, { kind = "lower" })
  add(item.notes, suggest_values.evidence(item.column, "email", context.show_values))
end

function decide.phone(item, context)
  add(item.notes, suggest_values.evidence(item.column, "phone", context.show_values))
  local read = suggest_phone.read(item.column, context.items)
  add(item.steps, table.unpack(read.steps))
  add(item.notes, table.unpack(read.notes))
  if read.alternative then offer(item, { steps = read.alternative }) end
end

local function decide_date(item, context)
  add(item.notes, suggest_values.evidence(item.column, "date", context.show_values))
  local read = suggest_values.dates(item.column, context.month_first)
  add(item.steps, table.unpack(read.steps))
  add(item.notes, table.unpack(read.notes))
  if read.alternative then offer(item, { steps = read.alternative }) end
end

local function decide_gender(item)
  local genders = suggest_values.genders(item.column)
  if genders == true then
    item.target = "Gender"
  elseif genders then
    offer(item, { target = "Gender", steps = { { kind = "lookup", pairs = genders, missing = "reject" } } })
  end
end

-- Attributes are texts unless the values are amounts beyond doubt.
local function decide_attribute(item, context)
  local column = item.column
  local numbers = column.filled > 0 and column.kinds.number == column.filled and column.traits.leading_zero == 0
    and not synonyms.is_id(column.name)
  if share(column, "email") == 1 then
    item.kind = "email"
    return decide.email(item, context)
  end
  if numbers and (synonyms.is_quantity(column.name) or column.traits.decimal > 0) then
    item.kind = "number"
    add(item.notes, suggest_values.evidence(column, "number", context.show_values))
  elseif numbers and not suggest_key.is_unique(context.survey, column) then
    add(item.notes, "whole numbers: an amount, or a code?")
    offer(item, { kind = "number" })
  elseif column.traits.decimal_comma > 0
    and column.traits.decimal_comma + column.kinds.number == column.filled and column.traits.leading_zero == 0 then
    add(item.notes, "decimal commas")
    offer(item, { kind = "number", steps = { { kind = "replace", text = ".", with = "" },
                                             { kind = "replace", text = ",", with = "." } } })
  elseif share(column, "date") >= SURE and not synonyms.is_id(column.name)
    and (synonyms.is_moment(column.name) or column.traits.integer == 0) then
    local read = suggest_values.dates(column, context.month_first)
    add(item.notes, suggest_values.evidence(column, "date", context.show_values))
    add(item.notes, table.unpack(read.notes))
    if #read.steps > 0 and read.unread == 0 and not read.alternative then
      add(item.steps, table.unpack(read.steps))
    elseif #read.steps > 0 then
      offer(item, { steps = read.steps })
      if read.alternative then offer(item, { steps = read.alternative }) end
    end
  end
end

local function offer_parts_of_name(item)
  add(item.notes, "a whole name: there is no place for it but an attribute, or its parts")
  offer(item, { kind = "name", target = "FirstName", key = "first_name",
                steps = { { kind = "split", text = " ", number = 1 } } })
  offer(item, { kind = "name", target = "LastName", key = "last_name",
                steps = { { kind = "split", text = " ", number = -1 } } })
end

local function decide_item(item, context)
  item.kind = item.target and KIND[targets.kind[item.target]] or "string"
  if item.disputed then add(item.notes, item.disputed) end
  if item.unsure then add(item.notes, "by the values alone: the header does not say it") end
  if item.target == "BirthDate" then
    decide_date(item, context)
  elseif item.target == "GenderString" then
    decide_gender(item)
  elseif decide[item.kind] then
    decide[item.kind](item, context)
  elseif not item.target then
    decide_attribute(item, context)
  end
  if item.whole_name then offer_parts_of_name(item) end
  if item.unsure then
    item.attribute = slug_of(item)
    offer(item, { kind = "string", target = "Attributes." .. item.attribute, steps = {} })
  end
  add(item.notes, table.unpack(suggest_values.remarks(item.column, context.survey.rows,
    targets.max_length(item.target or ""))))
  item.constant = item.column.distinct == 1 and item.column.filled == context.survey.rows
    and context.survey.rows > 1
  item.field = field(item, {})
end

-- A date like 3/4/2026 is of the USA's way to write it where phones or states are.
local function writes_month_first(items)
  for _, item in ipairs(items) do
    if item.column.filled > 0 and item.column.traits.north_american / item.column.filled >= SURE then return true end
  end
  return false
end

local function apply_key(suggestion, key)
  suggestion.key_notes = key.notes
  local items = key.items or {}
  if #items == 1 then
    local item = items[1]
    item.field.is_required = true
    suggestion.unique_key = item.field.key or item.column.name
    if not item.target and synonyms.is_customer_id(item.column.name) then
      local other = field(item, { target = "AccountNumber" })
      other.is_required = true
      if not suggestion.holder.AccountNumber then add(item.alternatives, other) end
    end
  elseif #items == 2 then
    local taken = {}
    for _, item in ipairs(suggestion.items) do
      if item.field then taken[item.key or item.column.name] = true; taken[item.attribute or ""] = true end
    end
    local slug = free_name((slug_of(items[1]) .. "_" .. slug_of(items[2])):sub(1, mapping_field.KEY_MAX), taken)
    suggestion.key_field = mapping_field.new { columns = { items[1].column.name, items[2].column.name }, separator = "|",
      target = "Attributes." .. slug, key = slug, is_required = true, content_type = "STRING" }
    suggestion.unique_key = slug
  end
end

--- What a survey (upjob.native.survey) comes to: { unique_key, key_field, key_notes, items }. An item is a column with
-- its `field` and `alternatives` (fields), or why it is `skipped` or `unusable`, and `notes`. Without a key unique_key is nil.
-- options.show_values: the notes may have values of cells, which are personal data.
function suggest.of(survey, options)
  local items = make_items(survey)
  for _, item in ipairs(items) do
    if not item.unusable and not item.skipped then propose_by_header(item) end
  end
  place_plain_name(items)
  local holder = settle(items)
  join_house_number(items, holder)
  propose_by_values(items, holder)
  name_fields(items)
  local context = { survey = survey, items = items, show_values = options and options.show_values,
                    month_first = writes_month_first(items) }
  for _, item in ipairs(items) do
    if is_field(item) then decide_item(item, context) end
  end
  local suggestion = { items = items, holder = holder, survey = survey }
  local usable = {}
  for _, item in ipairs(items) do
    if item.field then usable[#usable + 1] = item end
  end
  apply_key(suggestion, suggest_key.choose(survey, usable))
  return suggestion
end

return suggest
