--- upjob.http: requests, and Signature Version 4 for scripts that reach further.
local native = require "upjob.native.http"
local errors = require "upjob.errors"
local json = require "upjob.json"

local defaults = require "upjob.defaults"

local http = {}

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

-- ---- signing ----

local SIGN_OPTIONS = { service = "string", region = "string", credentials = "table", profile = "string", time = "number",
                       expires = "number" }
local sources = {} -- of keys, by profile: each fetches them anew in time
local regions = {} -- by profile

-- What native.credentials[make] gives for a profile; made once.
local function of_profile(made, make, profile)
  local name = profile or defaults.profile
  local one = made[name or ""]
  if one then return one end
  local err
  one, err = require("upjob.native.credentials")[make] { profile = name }
  made[name or ""] = one
  return one, err
end

-- The options with what was left out: keys and region of the profile, as the AWS CLI finds them. nil, err.
local function complete(what, options, level)
  errors.check_options(what, options, SIGN_OPTIONS, level + 1)
  if options.credentials and options.profile then
    error(("%s: \"credentials\" or \"profile\", not both"):format(what), level + 1)
  end
  local full = {}
  for k, v in pairs(options) do full[k] = v end
  full.profile = nil
  full.region = full.region or defaults.region
  local source, err
  if not full.region then
    full.region, err = of_profile(regions, "region", options.profile)
    if not full.region then return nil, err end
  end
  if not full.credentials then
    source, err = of_profile(sources, "open", options.profile)
    if not source then return nil, err end
    full.credentials, err = require("upjob.native.credentials").keys(source)
    if not full.credentials then return nil, err end
  end
  return full
end

--- http.sign({ method=, url=, headers=, body= }, { service=, region=, credentials={access_key_id=, secret_access_key=,
-- session_token=}, time= }) → { headers, canonical_request, string_to_sign, signature } | nil, err: the headers to add. Without
-- credentials= they are those of `profile` (or of the default one), as the AWS CLI finds them; its region likewise.
function http.sign(request, options)
  local full, err = complete("http.sign", options, 2)
  if not full then return nil, err end
  local signed
  signed, err = errors.at_caller(native.sign, request, full)
  return signed, err
end

--- http.presign(request, { service=, region=, expires=900, … as for sign }) → url, { canonical_request, string_to_sign,
-- signature } | nil, err: a URL that anybody who has it can use for `expires` seconds.
function http.presign(request, options)
  local full, err = complete("http.presign", options, 2)
  if not full then return nil, err end
  local url, stages = errors.at_caller(native.presign, request, full)
  return url, stages
end

-- The request with the headers of its signature; a list, where the script's own keep their order.
local function signed(options, level)
  local request, headers = {}, {}
  for k, v in pairs(options) do request[k] = v end
  request.sign = nil
  if request.follow_redirects then
    error("http.request: a signed request follows no redirects: its signature is for one address", level + 1)
  end
  request.method = request.method or request.body and "POST" or "GET"
  local full, err = complete("http.request: sign", options.sign, level + 1)
  if not full then return nil, err end
  local signature
  signature, err = errors.at_level(level + 1, native.sign,
    { method = request.method, url = request.url, headers = request.headers, body = request.body }, full)
  if not signature then return nil, err end
  local given = request.headers or {}
  for i, pair in ipairs(given) do headers[i] = pair end
  for name, value in pairs(#given == 0 and given or {}) do headers[#headers + 1] = { name, value } end
  for name, value in pairs(signature.headers) do headers[#headers + 1] = { name, value } end
  request.headers = headers
  return request
end

-- ---- requests ----

local function send(options, level)
  if type(options) == "table" and options.sign ~= nil then
    local err
    options, err = signed(options, level + 1)
    if not options then return nil, err end
  end
  return finish(errors.at_level(level + 1, native.request, options))
end

--- http.request{ url=, method=, headers=, body=, timeout=, connect_timeout=, read_timeout=, max_response=,
-- follow_redirects=, secrets=, sign= } → { status, headers, body, seconds, :json() } | nil, err. Header names come in lower case.
-- A status of 400 or more is a reply, not an error. secrets is a list of texts in the URL or the headers that -v must not show.
-- sign = { service="s3", region= } signs it for any AWS service, with keys as for http.sign.
function http.request(options)
  local reply, err = send(options, 2)
  return reply, err
end

-- The first argument of get and post. Level of the error: their caller.
local function need_url(what, url)
  if type(url) ~= "string" then error(("%s: a URL is needed, not a %s"):format(what, type(url)), 3) end
end

function http.get(url, options)
  need_url("http.get", url)
  local request = { url = url, method = "GET" }
  for k, v in pairs(options or {}) do request[k] = v end
  local reply, err = send(request, 2)
  return reply, err
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
  local reply, err = send(request, 2)
  return reply, err
end

return http
