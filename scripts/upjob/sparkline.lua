--- Numbers as a line of bars, one character each.
local sparkline = {}

local BARS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }
local ASCII_BARS = { "_", ".", "-", "~", "=", "+", "*", "#" }

--- Whether what the terminal shows is UTF-8, as the locale says: LC_ALL, else LC_CTYPE, else LANG.
function sparkline.is_utf8()
  for _, name in ipairs { "LC_ALL", "LC_CTYPE", "LANG" } do
    local value = os.getenv(name)
    if value and value ~= "" then return value:upper():find("UTF%-?8") ~= nil end
  end
  return false
end

--- A line for these numbers, 0 or more: the largest is a whole bar. With `ascii`, in characters that every terminal has.
function sparkline.of(numbers, ascii)
  local bars, line, most = ascii and ASCII_BARS or BARS, {}, 0
  for _, number in ipairs(numbers) do most = math.max(most, number) end
  for i, number in ipairs(numbers) do
    line[i] = bars[most > 0 and math.max(1, math.ceil(number / most * #bars)) or 1]
  end
  return table.concat(line)
end

return sparkline
