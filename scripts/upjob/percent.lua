--- Texts of any bytes as ones that JSON takes: other than ASCII, NUL and "%" as %XX.
local percent = {}

function percent.encode(text)
  return (text:gsub("[%%\0\x80-\xFF]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

function percent.decode(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

return percent
