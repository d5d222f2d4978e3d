--- notify.slack: a message to an incoming webhook of Slack, or of what speaks like it (Mattermost, Rocket.Chat).
local json = require "upjob.json"
local notify_http = require "upjob.notify_http"

local slack = { options = { url = "any" }, required = { "url" } }

local ESCAPED = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }
local MOST = 3000 -- characters: longer ones are cut by Slack

local function escape(text)
  return (text:gsub("[&<>]", ESCAPED))
end

local function shorten(text)
  if utf8.len(text) <= MOST then return text end
  return text:sub(1, utf8.offset(text, MOST) - 1) .. "…"
end

-- Slack says why in one word ("no_service"); anything else may hold what was sent.
local function say(reply)
  return #reply.body < 60 and reply.body:match("^[a-z_]+$") or nil
end

--- The channel | nil, what is wrong.
function slack.open(options)
  local target, problem = notify_http.target(notify_http.reveal(options.url))
  if not target then return nil, "\"url\" " .. problem end
  local url = options.url

  local function deliver(message, timeout)
    local details = message.text:gsub("^[^\n]*\n*", "")
    local text = ("*%s*\n```\n%s```"):format(escape(message.subject), escape(shorten(details)))
    return notify_http.post(url, {}, json.encode { text = text }, timeout, say)
  end
  return { target = target, deliver = deliver }
end

return slack
