--- notify.webhook: an event as JSON to a URL, signed as https://www.standardwebhooks.com has it.
local json = require "upjob.json"
local native = require "upjob.native.notify"
local notify_http = require "upjob.notify_http"
local secret = require "upjob.native.secret"

local webhook = { options = { url = "any", headers = "table", secret = "any" }, required = { "url" } }

-- What is wrong with the headers, or nil.
local function fault_of_headers(headers)
  for name, value in pairs(headers) do
    if type(name) ~= "string" or not name:find("^[%w!#$%%&'*+.^_`|~-]+$") then return "\"headers\" has a name that is none" end
    local text = notify_http.reveal(value)
    if type(text) ~= "string" or text:find("[%c]") then
      return ("\"headers\": the value of %s must be a string on one line"):format(name)
    end
  end
end

--- The channel | nil, what is wrong.
function webhook.open(options)
  local target, problem = notify_http.target(notify_http.reveal(options.url))
  if not target then return nil, "\"url\" " .. problem end
  local headers = options.headers or {}
  problem = fault_of_headers(headers)
  if problem then return nil, problem end
  local key = options.secret
  if key ~= nil and not secret.is(key) then
    if type(key) ~= "string" then return nil, "\"secret\" must be a string or a secret" end
    key = secret.new(key)
  end
  if key then
    local ok, err = native.signature(key, "id", 0, "")
    if not ok then return nil, "\"secret\": " .. err.message end
  end
  local url = options.url

  -- The id stays the same when it is sent again: whoever gets it twice knows.
  local function deliver(message, timeout)
    local body = json.encode { type = message.name, timestamp = os.date("!%Y-%m-%dT%H:%M:%SZ", message.at),
                               subject = message.subject, data = message.event }
    local at = os.time()
    local sent = { ["webhook-id"] = message.id, ["webhook-timestamp"] = ("%d"):format(at) }
    if key then sent["webhook-signature"] = native.signature(key, message.id, at, body) end
    for name, value in pairs(headers) do sent[name] = value end
    return notify_http.post(url, sent, body, timeout)
  end
  return { target = target, deliver = deliver }
end

return webhook
