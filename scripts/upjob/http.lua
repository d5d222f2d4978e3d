--- upjob.http: requests, and Signature Version 4 for scripts that reach further.
local native = require "upjob.native.http"
local errors = require "upjob.errors"
local json = require "upjob.json"

local http = { sign = native.sign, presign = native.presign }

local response = {}
response.__index = response

--- The body as a Lua value | nil, err.
function response:json()
  return json.decode(self.body)
end

local function finish(reply, err)
  if not reply then return nil, err end
  return setmetatable(reply, response)
end

--- http.request{ url=, method=, headers=, body=, timeout=, connect_timeout=, read_timeout=, max_response=,
-- follow_redirects= } → { status, headers, body, seconds, :json() } | nil, err. Header names come in lower case. A status
-- of 400 or more is a reply, not an error.
function http.request(options)
  return finish(errors.at_caller(native.request, options))
end

-- The first argument of get and post. Level of the error: their caller.
local function need_url(what, url)
  if type(url) ~= "string" then error(("%s: a URL is needed, not a %s"):format(what, type(url)), 3) end
end

function http.get(url, options)
  need_url("http.get", url)
  local request = { url = url, method = "GET" }
  for k, v in pairs(options or {}) do request[k] = v end
  return finish(errors.at_caller(native.request, request))
end

--- A table goes as JSON, a string as it is.
function http.post(url, body, options)
  need_url("http.post", url)
  local request = { url = url, method = "POST", headers = {} }
  for k, v in pairs(options or {}) do request[k] = v end
  if type(body) == "table" then
    local headers = { ["Content-Type"] = "application/json" }
    for k, v in pairs(request.headers) do headers[k] = v end
    request.headers, request.body = headers, json.encode(body)
  else
    request.body = body or ""
  end
  return finish(errors.at_caller(native.request, request))
end

return http
