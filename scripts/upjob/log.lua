--- upjob.log: lines on standard error. log.info("%d rows", n); levels error warn info debug trace.
local native = require "upjob.native.log"

local log = { level = native.level }

for _, name in ipairs { "error", "warn", "info", "debug", "trace" } do
  log[name] = function(format, ...)
    local text = tostring(format)
    if select("#", ...) > 0 then
      local ok
      ok, text = pcall(string.format, text, ...)
      if not ok then error(("log.%s: %s"):format(name, text:gsub(" to '[%w.]+'", "")), 2) end
    end
    native.write(name, text)
  end
end

return log
