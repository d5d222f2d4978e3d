--- An import of several files, or of one that has more bytes than the service takes at once: its parts, each a job of its own.
local errors = require "upjob.errors"
local size = require "upjob.size"

local parts = {}

--- Bytes: a part has fewer. More the service does not take (core/check.h).
parts.MOST_BYTES = 1000000000
parts.LEAST_BYTES = 1024
--- Parts that are in work at once.
parts.PARALLEL, parts.MOST_PARALLEL = 4, 64

--- The bytes of a part as an option has them; nil when it is not one.
function parts.read_bytes(value)
  local bytes = size.read(value)
  return bytes and bytes >= parts.LEAST_BYTES and bytes <= parts.MOST_BYTES and bytes or nil
end

parts.takes_bytes = ("a size from %d to %d bytes, such as 500M"):format(parts.LEAST_BYTES, parts.MOST_BYTES)

--- The step of an import that has parts, in place of those of one job.
function parts.send(run)
  if not run.parts then return nil end
  error(errors.new { code = "InternalError", message = "parts are not sent yet" }, 0)
end

return parts
