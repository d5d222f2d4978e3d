--- upjob.upload: sends a file to a pre-signed URL under a customer-provided key (SSE-C).
local native = require "upjob.native.upload"
local errors = require "upjob.errors"

local upload = {}

--- upload.put{ url=, key=, file=, progress=function(done, total) end, content_md5=true, timeout=, stall_timeout=60,
-- connect_timeout=10, allow_empty=false } → { bytes, seconds, attempts, etag, request_id, host_id } | nil, err. `key` is
-- GetUploadJobPath's ClientToken, as it came; `timeout` bounds the whole upload, `stall_timeout` the time without a byte
-- moving; an empty file is refused unless `allow_empty` says otherwise.
function upload.put(options)
  local sent, err = errors.at_caller(native.put, options) -- no tail call: errors name our caller's line
  return sent, err
end

return upload
