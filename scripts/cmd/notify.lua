--- upjob notify: notifications that could not be delivered: list, retry, drop.
local cli = require "upjob.cli"
local errors = require "upjob.errors"
local json = require "upjob.json"
local report = require "upjob.report"
local system = require "upjob.native.system"

local words, parsers = {}, {}

local command = { name = "notify", summary = "list, retry and drop notifications that could not be delivered",
                  order = { "list", "retry", "drop" }, words = words, parsers = parsers }

local function ids_argument(parser, how_many, description)
  cli.argument(parser, "ids", "ID", description):args(how_many):convert(function(text)
    local id = text:find("^%d+$") and math.tointeger(tonumber(text))
    if id then return id end
    return nil, ("argument 'ID' takes the number of a dead letter, as 'upjob notify list' shows it, not '%s'"):format(text)
  end)
end

-- Options and the journal of a word | nil, exit status
local function open(word, arguments)
  local options, status = cli.parse(parsers[word](), arguments)
  if not options then return nil, status end
  local store, err = require("upjob.journal").open { state = options.state }
  if not store then return nil, cli.fail(err) end
  return options, store
end

local function message_of(letter)
  local err = letter.error
  return type(err) == "table" and (err.message or err.code) or err
end

function parsers.list()
  return cli.parser("notify list", "Lists the dead letters: notifications that could not be delivered, oldest first.")
end

function words.list(arguments)
  local options, store = open("list", arguments)
  if not options then return store end
  local letters, err = store:dead_letters {}
  if not letters then return cli.fail(err) end
  if options.json then
    for _, letter in ipairs(letters) do print(json.encode(require("upjob.journal").readable(letter))) end
    return cli.OK
  end
  if #letters == 0 then
    if not options.quiet then report.say("there are no dead letters") end
    return cli.OK
  end
  local rows = {}
  for i, letter in ipairs(letters) do
    local payload = letter.payload
    rows[i] = { ("%d"):format(letter.id), report.time(letter.at), letter.kind, payload.name or letter.target, payload.subject,
                message_of(letter) }
  end
  for _, line in ipairs(report.table({ { title = "Id", right = true, whole = true }, { title = "At", whole = true },
                                       { title = "Channel" }, { title = "To" }, { title = "Subject" }, { title = "Error" } },
                                     rows)) do
    print(line)
  end
  return cli.OK
end

function parsers.retry()
  local p = cli.parser("notify retry", "Sends dead letters again, with the notifiers that FILE makes: a file of automations, or "
    .. "any Lua file that makes notifiers and does nothing else when it is loaded. A letter goes to the notifier with the same "
    .. "name, or to the same target: the journal has no URL or password.")
  cli.argument(p, "file", "FILE", "The file that makes the notifiers.")
  ids_argument(p, "*", "The letters; all of which a notifier is known, when none is given.")
  return p
end

-- The notifiers that a file makes when it is loaded | nil, err
local function notifiers_of(path)
  local notifiers, loaded, err = require("upjob.notify").made_by(function()
    return require("upjob.declaring").load(path)
  end)
  if #notifiers > 0 then return notifiers end
  if not loaded and not tostring(err):find("declares nothing", 1, true) then return nil, err end
  return nil, errors.new { code = "ConfigurationError", file = path, message =
    "makes no notifier when it is loaded: make them at its top, outside of functions" }
end

local function teller(options)
  return function(letter, what, err)
    if options.json then
      print(json.encode { id = letter.id, outcome = what, error = err and require("upjob.journal").error(err) })
    elseif what == "sent" and not options.quiet then
      print(report.safe(("delivered  %d  %s"):format(letter.id, letter.payload.subject)))
    elseif what == "failed" then
      report.say(("dead letter %d was not delivered: %s"):format(letter.id, tostring(err)))
    elseif what == "skipped" and letter.kind == "heartbeat" and not options.quiet then
      report.say(("dead letter %d is left: a heartbeat tells of its own time, and is not sent again"):format(letter.id))
    elseif what == "skipped" and not options.quiet then
      report.say(("dead letter %d is left: its notifier (%s, %s) is not in %s, or has just failed"):format(letter.id, letter.kind,
        letter.payload.name or letter.target, options.file))
    end
  end
end

local function set_of(ids)
  if #ids == 0 then return nil end
  local set = {}
  for _, id in ipairs(ids) do set[id] = true end
  return set
end

-- Whether there are letters with these ids: true | nil, err
local function check_ids(store, ids)
  local list, err = store:dead_letters {}
  if not list then return nil, err end
  local known = {}
  for _, letter in ipairs(list) do known[letter.id] = true end
  for _, id in ipairs(ids) do
    if not known[id] then
      return nil, errors.new { code = "NotFound", message = ("there is no dead letter %d: see upjob notify list"):format(id) }
    end
  end
  return true
end

function words.retry(arguments)
  local options, store = open("retry", arguments)
  if not options then return store end
  if options.file:find("^%d+$") and not system.stat(options.file) then
    return cli.usage("notify retry", "the file that makes the notifiers comes first, letters behind it: FILE " .. options.file)
  end
  local ok, err = check_ids(store, options.ids)
  if not ok then return cli.fail(err) end
  local notifiers
  notifiers, err = notifiers_of(options.file)
  if not notifiers then return cli.fail(err) end
  local sent, left = require("upjob.notify_letters").send(notifiers,
    { store = store, ids = set_of(options.ids), told = teller(options) })
  if not sent then return cli.fail(left) end
  if sent + left == 0 and not options.quiet then report.say("there is nothing to send") end
  return left == 0 and cli.OK or cli.FAILED
end

function parsers.drop()
  local p = cli.parser("notify drop", "Forgets dead letters.")
  ids_argument(p, "*", "The letters.")
  p:flag("--all", "All of them.")
  return p
end

function words.drop(arguments)
  local options, store = open("drop", arguments)
  if not options then return store end
  if (options.all or false) == (#options.ids > 0) then
    return cli.usage("notify drop", "which letters? give their ids, or --all")
  end
  local ids = options.ids
  if options.all then
    local letters, err = store:dead_letters {}
    if not letters then return cli.fail(err) end
    for i, letter in ipairs(letters) do ids[i] = letter.id end
  end
  for _, id in ipairs(ids) do
    local ok, err = store:drop_dead_letter { id = id }
    if not ok then return cli.fail(err) end
  end
  if not options.quiet then print(("dropped  %s"):format(report.plural(#ids, "dead letter"))) end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
