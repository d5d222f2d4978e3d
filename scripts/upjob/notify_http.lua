--- What the channels that post something share: a URL that nobody is shown, and what a reply means.
local errors = require "upjob.errors"
local http = require "upjob.http"
local secret = require "upjob.native.secret"

local notify_http = {}

local AGAIN = { [408] = true, [425] = true, [429] = true } -- and 500 and above
local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9, Oct = 10, Nov = 11, Dec = 12 }

--- A secret or a string as a string.
function notify_http.reveal(value)
  return secret.is(value) and value:reveal() or value
end

--- What is told of a URL, whose path and query may be secrets: scheme, host and a fingerprint | nil, what is wrong.
function notify_http.target(url)
  if type(url) ~= "string" then return nil, "must be a string or a secret" end
  local scheme, authority = url:match("^(%a+)://([^/?#%s]+)")
  scheme = scheme and scheme:lower()
  if scheme ~= "https" and scheme ~= "http" then return nil, "must begin with https:// or http:// and a host" end
  if authority:find("@", 1, true) then return nil, "must have no user in it: give an Authorization header with headers=" end
  return ("%s://%s #%s"):format(scheme, authority, require("upjob.native.notify").fingerprint(url))
end

-- Seconds that a Retry-After header asks for: a number, or an HTTP date.
local function retry_after(value)
  if not value then return nil end
  if value:find("^%d+$") then return tonumber(value) end
  local day, month, year, hour, min, sec = value:match("^%a+, (%d+) (%a+) (%d+) (%d+):(%d+):(%d+) GMT$")
  if not MONTHS[month] then return nil end
  local due = os.time { year = tonumber(year), month = MONTHS[month], day = tonumber(day), hour = tonumber(hour),
                        min = tonumber(min), sec = tonumber(sec), isdst = false }
  local now = os.date("!*t")
  now.isdst = false
  return math.max(due - os.time(now), 0)
end

--- The path and its parts, and the values of the headers, which a trace must not show: a server may send one of them back.
function notify_http.secrets_of(url, headers)
  local path = url:gsub("^%a+://[^/?#]+", "")
  local list = { path }
  for part in path:gmatch("[^/?&=#]+") do list[#list + 1] = part end
  for _, value in pairs(headers) do list[#list + 1] = tostring(value) end
  return list
end

--- Posts a body: true | nil, err with retry_after in seconds. `say(reply)` gives what may be told of a refusal, or nil.
function notify_http.post(url, headers, body, timeout, say)
  url = notify_http.reveal(url)
  local sent, hidden = { ["Content-Type"] = "application/json" }, {}
  for name, value in pairs(headers) do
    sent[name] = notify_http.reveal(value)
    hidden[name] = sent[name]
  end
  local reply, err = http.request { method = "POST", url = url, headers = sent, body = body, timeout = timeout,
                                    max_response = 65536, secrets = notify_http.secrets_of(url, hidden) }
  if not reply then return nil, err end
  if reply.status >= 200 and reply.status < 300 then return true end
  local why = say and say(reply)
  return nil, errors.new { code = "NotificationRefused", status = reply.status,
    retryable = AGAIN[reply.status] or reply.status >= 500, retry_after = retry_after(reply.headers["retry-after"]),
    message = ("%s answered %d%s%s"):format(url:match("^%a+://([^/?#]+)"), reply.status, why and ": " .. why or "",
      reply.status >= 300 and reply.status < 400 and ": redirects are not followed, give the address that it names" or "") }
end

return notify_http
