--- Sizes as people write them.
local size = {}

local UNITS = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30 }

--- The bytes of "512M" (of K, M and G), or of a number; nil when it is none.
function size.read(value)
  local digits, unit = tostring(value):match("^(%d+)([KMG]?)$")
  return digits and math.tointeger(tonumber(digits) * UNITS[unit])
end

return size
