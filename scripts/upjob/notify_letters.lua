--- Dead letters: notifications that could not be delivered, in the journal.
--
-- A letter has the event and where it was to go, without what is secret of that: a path, a query, a password. So it is sent again
-- by a notifier of the same kind and with the same name=, or, where one of them has none, to the same target: by the next that
-- delivers something, or by `upjob notify retry`, which makes the notifiers of a file.
local errors = require "upjob.errors"
local journal = require "upjob.journal"
local log = require "upjob.log"
local system = require "upjob.native.system"

local letters = {}

local MOST_FAILURES = 3 -- letters that are refused one after another before the others are left

--- Whether there is a journal with anything in it: none is made to look.
local function open_existing()
  local directory = journal.directory()
  if not directory or not system.stat(directory .. "/journal.db") then return nil end
  return journal.open()
end

--- Keeps a message that was not delivered: the letter's id | nil, err
function letters.add(notifier, message, err)
  local store, problem = journal.open()
  if not store then return nil, problem end
  return store:add_dead_letter { kind = notifier.kind, target = notifier.target, attempts = message.attempts,
    error = errors.is(err) and err or errors.new { code = "InternalError", message = tostring(err) },
    payload = { name = notifier.name, id = message.id, at = message.at, event = message.event, subject = message.subject } }
end

--- Whether a notifier is the one that a letter was for.
function letters.is_for(letter, notifier)
  if letter.kind ~= notifier.kind then return false end
  local name = letter.payload.name
  if name and notifier.name then return name == notifier.name end
  return letter.target == notifier.target
end

local function notifier_for(letter, notifiers)
  for _, one in ipairs(notifiers) do
    if letters.is_for(letter, one) then return one end
  end
end

--- Sends the letters that one of the notifiers is for, unless it fails in a way that others would too. options: store= (that of
-- this process), ids= (a set; all), told = function(letter, "sent" | "failed" | "skipped", err). Returns how many were delivered,
-- and how many of those that were meant were not | nil, err
function letters.send(notifiers, options)
  local store, err = options.store, nil
  if not store then store, err = open_existing() end
  if not store and err then return nil, err end
  if not store then return 0, 0 end
  local list, problem = store:dead_letters {}
  if not list then return nil, problem end
  local told, sent, left = options.told or function() end, 0, 0
  local failures = {} -- of a notifier, one after another
  for _, letter in ipairs(list) do
    -- A heartbeat says that something is alive now: it is not sent again.
    local is_meant = options.ids and options.ids[letter.id] or not options.ids and letter.kind ~= "heartbeat"
    local one = is_meant and notifier_for(letter, notifiers)
    if one and (failures[one] or 0) < MOST_FAILURES then
      local ok, why = one:send_again(letter.payload)
      if ok then
        local dropped, trouble = store:drop_dead_letter { id = letter.id }
        if not dropped and not errors.has_code(trouble, "NotFound") then return nil, trouble end
        log.info("dead letter %d was delivered to %s", letter.id, one.target)
      end
      failures[one] = not ok and (why.retryable and MOST_FAILURES or (failures[one] or 0) + 1) or 0
      sent, left = sent + (ok and 1 or 0), left + (ok and 0 or 1)
      told(letter, ok and "sent" or "failed", why)
    elseif is_meant then
      left = left + 1
      told(letter, "skipped")
    end
  end
  return sent, left
end

return letters
