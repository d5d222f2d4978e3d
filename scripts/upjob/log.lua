--- upjob.log: lines on standard error. log.info("%d rows", n); levels error warn info debug trace.
local native = require "upjob.native.log"

local log = { level = native.level }

for _, name in ipairs { "error", "warn", "info", "debug", "trace" } do
  log[name] = function(format, ...)
    native.write(name, select("#", ...) > 0 and tostring(format):format(...) or tostring(format))
  end
end

return log
