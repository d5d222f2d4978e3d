--- How many rows of an import may be rejected or fail: a number of them, or a share such as "2%".
local max_failed = {}

--- What it takes, for errors.
max_failed.takes = "a number of rows, or a share from 0% to 100% such as 2%"

--- A limit of what was given, a number or a text: { count= or percent=, text= }; nil when it is none.
function max_failed.read(given)
  local text = tostring(given)
  local percent = type(given) == "string" and tonumber(given:match("^(%d+%.?%d*)%%$"))
  if percent then return percent <= 100 and { percent = percent, text = text } or nil end
  local count = type(given) == "number" and given or type(given) == "string" and tonumber(given:match("^%d+$"))
  count = count and math.tointeger(count)
  return count and count >= 0 and { count = count, text = ("%d"):format(count) } or nil
end

--- How many of that many rows.
function max_failed.of(limit, rows)
  return limit.count or math.floor(rows * limit.percent / 100)
end

return max_failed
