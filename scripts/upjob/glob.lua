--- Patterns of ids: * stands for any characters, also for a "/", and ? for one.
local glob = {}

--- Whether the whole text matches.
function glob.matches(pattern, text)
  if not pattern:find("[*?]") then return pattern == text end
  local lua = pattern:gsub("[%^%$%(%)%%%.%[%]%+%-]", "%%%0"):gsub("[*?]", { ["*"] = ".*", ["?"] = utf8.charpattern })
  return text:find("^" .. lua .. "$") ~= nil
end

return glob
