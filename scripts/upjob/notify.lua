--- upjob.notify: tells people and programs what has happened: webhooks, Slack, mail, a program of one's own.
--
-- Each function makes a notifier: notifier:send(event) → true | nil, err. It can be called as a function, so that it can be what
-- handles an event: run:on("done", notify.slack{…}), watch:on("failed", notify.email{…}), on_failure = notify.webhook{…}. What
-- fails for a passing reason is sent again for a while (retry_for=, "5m" unless given); what cannot be delivered is told as an
-- error and kept in the journal as a dead letter: upjob notify list. A message may arrive twice, and then has the same id.
local duration = require "upjob.duration"
local errors = require "upjob.errors"
local exit = require "upjob.exit"
local letters = require "upjob.notify_letters"
local log = require "upjob.log"
local native = require "upjob.native.task"
local notify_text = require "upjob.notify_text"
local system = require "upjob.native.system"

local notify = {}

local FIRST_PAUSE, LAST_PAUSE = 1, 60 -- seconds between two attempts, with jitter
local TIMEOUT = 10                    -- seconds of one attempt, unless the channel has its own
local RETRY_FOR = "5m"

local notifier = {}
notifier.__index = notifier

local made -- those that are made while notify.made_by runs

-- ---- making one ----

local COMMON = { name = "string", timeout = "any", retry_for = "any" }

-- At the line of the caller of notify.KIND.
local function make(kind, options)
  local what, known = "notify." .. kind, {}
  local channel = require("upjob.notify_" .. kind)
  for _, set in ipairs { COMMON, channel.options } do
    for name, type_ in pairs(set) do known[name] = type_ end
  end
  errors.check_options(what, options, known, 3)
  for _, name in ipairs(channel.required) do
    if options[name] == nil then error(("%s: option \"%s\" is required"):format(what, name), 3) end
  end
  local opened, problem = channel.open(options)
  if not opened then error(("%s: %s%s"):format(what, problem:find("^\"") and "option " or "", problem), 3) end
  local timeout, retry_for = options.timeout or channel.timeout or TIMEOUT, options.retry_for or RETRY_FOR
  for name, value in pairs { timeout = timeout, retry_for = retry_for } do
    local seconds
    seconds, problem = duration.seconds(value)
    if not seconds then error(("%s: option \"%s\": %s"):format(what, name, problem), 3) end
    if name == "timeout" then timeout = seconds else retry_for = seconds end
  end
  local self = setmetatable({ kind = kind, name = options.name, target = opened.target, deliver = opened.deliver,
                              timeout = timeout, retry_for = retry_for, may_have_letters = true }, notifier)
  if made then made[#made + 1] = self end
  return self
end

--- notify.webhook{ url=, headers=, secret=, name=, timeout=, retry_for= } → notifier. Posts JSON: { type = the event's name,
-- timestamp=, subject=, data = the event }. With a secret ("whsec_" and base64, or any text) it is signed: webhook-id,
-- webhook-timestamp and webhook-signature, as https://www.standardwebhooks.com has it.
function notify.webhook(options)
  local self = make("webhook", options)
  return self
end

--- notify.slack{ url=, name=, timeout=, retry_for= } → notifier: a message through an incoming webhook.
function notify.slack(options)
  local self = make("slack", options)
  return self
end

--- notify.exec{ command = { program, argument, … }, name=, timeout="60s", retry_for= } → notifier. The program gets the event as
-- JSON on its standard input, and UPJOB_EVENT, UPJOB_SUBJECT, UPJOB_DOMAIN, UPJOB_JOB_ID and UPJOB_STATUS. Status 0 is a success,
-- 75 a failure that may pass.
function notify.exec(options)
  local self = make("exec", options)
  return self
end

--- notify.email{ server = "smtps://host" | "smtp://host:587", from=, to = address or list, username=, password=, starttls=true,
-- name=, timeout=, retry_for= } → notifier: a mail of plain text. On smtp:// the connection becomes TLS first, unless starttls is
-- false; a password goes to another machine over TLS only.
function notify.email(options)
  local self = make("email", options)
  return self
end

--- Runs fn() and returns the notifiers that were made meanwhile, as a list, and what fn returned.
function notify.made_by(fn)
  local outer, list = made, {}
  made = list
  local results = table.pack(pcall(fn))
  made = outer
  if not results[1] then error(results[2], 0) end
  return list, table.unpack(results, 2, results.n)
end

-- ---- sending ----

-- Waits for those that came before to be delivered or given up: messages arrive in order, and a server that asks for time is left
-- alone. Gives what must be closed when it is over.
local function take_turn(self)
  local before, mine = self.last, { over = native.signal() }
  self.last = mine
  local turn = setmetatable(mine, { __close = function()
    mine.is_over = true
    mine.over:set()
  end })
  local ok, err = pcall(function()
    while before and not before.is_over do before.over:wait() end
  end)
  if ok then return turn end
  local _ <close> = turn
  error(err, 0)
end

-- Once, within `seconds`: true | nil, err
local function attempt(self, message, seconds)
  local ok, err = self.deliver(message, math.max(math.min(self.timeout, seconds), 0.1))
  if ok then return true end
  return nil, err
end

-- Until it is delivered, is refused for good, or the time is up: true | nil, err. message.attempts counts.
local function persist(self, message)
  local by, pause = native.now() + self.retry_for, FIRST_PAUSE
  local _ <close> = take_turn(self)
  if native.now() > by then
    return nil, errors.new { code = "TimeoutError", retryable = true, message =
      ("those before it were not delivered within %g s"):format(self.retry_for) }
  end
  while true do
    message.attempts = message.attempts + 1
    local ok, err = attempt(self, message, by - native.now())
    if ok or not err.retryable then return ok, err end
    local delay = math.max(pause * (0.5 + 0.5 * math.random()), err.retry_after or 0)
    if native.now() + delay >= by then return nil, err end
    log.info("the notification \"%s\" is sent again in %.0f s: %s", message.subject, delay, tostring(err))
    native.sleep(delay)
    pause = math.min(pause * 2, LAST_PAUSE)
  end
end

local function new_message(event)
  local subject, text = notify_text.of(event)
  return { id = ("upjob-%016x%08x"):format(math.random(0), math.random(0) & 0xFFFFFFFF), at = math.floor(system.time()),
           event = event, name = notify_text.name(event), subject = subject, text = text, attempts = 0 }
end

-- It is not lost, and never in silence.
local function keep(self, message, err)
  local id, problem = letters.add(self, message, err)
  self.may_have_letters = id ~= nil or self.may_have_letters
  log.error("the notification \"%s\" was not delivered to %s: %s; %s", message.subject, self.target, tostring(err),
    id and ("it is kept as dead letter %d: upjob notify list"):format(id) or "nor can it be kept: " .. tostring(problem))
end

-- What could not be delivered earlier is sent when something was: the way is open again.
local function send_letters(self)
  if not self.may_have_letters then return end
  self.may_have_letters = false
  native.handler(function()
    local sent, err = letters.send({ self }, {})
    if not sent then log.warn("dead letters cannot be looked for: %s", tostring(err)) end
  end)
end

-- While it is left open, a script that calls os.exit does not end: as at any other end, what is under way is waited for.
local function until_over()
  local over, signal = false, native.signal()
  local forget = exit.add(function(reason)
    while reason == "done" and not over do signal:wait() end
  end)
  return setmetatable({}, { __close = function()
    over = true
    signal:set()
    forget()
  end })
end

--- Delivers an event: true | nil, err
function notifier:send(event)
  local message = new_message(notify_text.plain(event))
  local _ <close> = until_over()
  local called, ok, err = pcall(persist, self, message)
  if not called then ok, err = nil, ok end
  if ok then
    send_letters(self)
    return true
  end
  keep(self, message, err)
  if not called then error(err, 0) end
  return nil, err
end

--- Sends a message of an earlier time, once: for dead letters.
function notifier:send_again(payload)
  local message = new_message(payload.event)
  message.id, message.at = payload.id or message.id, payload.at or message.at
  local _ <close> = take_turn(self)
  return attempt(self, message, self.timeout)
end

-- As a handler: (event), (event, err) of on_failure, (name, event) of "*".
notifier.__call = function(self, first, second)
  local event = first
  if type(first) == "string" and type(second) == "table" then
    event = { name = first }
    for k, v in pairs(second) do event[k] = v end
  elseif second ~= nil then
    event = { error = second }
    for k, v in pairs(type(first) == "table" and first or { message = tostring(first) }) do event[k] = v end
  end
  return self:send(event)
end

notifier.__tostring = function(self)
  return ("notifier: %s, %s"):format(self.kind, self.target)
end

return notify
