--- upjob runs: list, show, resume, prune: what the journal has of imports and of automations.
local cli = require "upjob.cli"
local defaults = require "upjob.defaults"
local errors = require "upjob.errors"
local exit_status = require "upjob.exit_status"
local import = require "upjob.cmd.import"
local journal = require "upjob.journal"
local json = require "upjob.json"
local parts_earlier = require "upjob.parts_earlier"
local report = require "upjob.report"
local resumed = require "upjob.resumed"
local run_view = require "upjob.run_view"
local shell = require "upjob.shell"

local words, parsers = {}, {}

local command = { name = "runs", summary = "what was run before, and go on with what was cut short",
                  order = { "list", "show", "resume", "prune" }, words = words, parsers = parsers }

local STATES = { "queued", "running", "lost", "interrupted", "succeeded", "failed", "cancelled" }
local UNITS = { s = 1, m = 60, h = 3600, d = 86400, w = 7 * 86400 }
local PRUNE_AFTER = 90 * UNITS.d

local function id_argument(text)
  local id = math.tointeger(tonumber(text:match("^%d+$")))
  if id then return id end
  return nil, ("argument 'RUN' takes the number of a run, not '%s'"):format(text)
end

-- Options and the journal | nil, exit status
local function open(word, arguments)
  local options, status = cli.parse(parsers[word](), arguments)
  if not options then return nil, status end
  local store, err = journal.open {}
  if not store then return nil, cli.fail(err) end
  return options, store
end

local function state_options()
  return defaults.state and { "--state", defaults.state } or {}
end

-- ---- list ----

function parsers.list()
  local p = cli.parser("runs list", "Lists runs, newest first.")
  p:option("--state-is", "Only those in this state; several times for several."):argname("STATE"):count("*"):choices(STATES)
    :target("states")
  p:option("--kind", "Only imports, only automations, or the parts of imports, which are not listed otherwise.")
    :choices({ "import", "automation", "part" })
  p:option("--schedule", "Only those of this schedule."):argname("ID")
  cli.number_option(p, "--max", "At most that many (20).", "N", "a whole number, 1 or more", { integer = true, least = 1 })
  return p
end

function words.list(arguments)
  local options, store = open("list", arguments)
  if not options then return store end
  local rows, err = store:runs { state = #options.states > 0 and options.states or nil, kind = options.kind,
                                 schedule = options.schedule, limit = options.max or 20 }
  if not rows then return cli.fail(err) end
  if options.json then
    for _, row in ipairs(rows) do print(json.encode(run_view.plain(row))) end
  elseif #rows == 0 then
    local chosen = #options.states > 0 or options.kind or options.schedule
    report.say(("no %sruns in the journal of %s"):format(chosen and "such " or "", store.directory))
  else
    print(table.concat(run_view.table(rows, store:now(), report.painter("stdout", options.color)), "\n"))
  end
  return cli.OK
end

-- ---- show ----

function parsers.show()
  local p = cli.parser("runs show", "Shows a run: what it was asked for, all its steps, its end.")
  cli.argument(p, "id", "RUN", "The number of the run."):convert(id_argument)
  return p
end

function words.show(arguments)
  local options, store = open("show", arguments)
  if not options then return store end
  local row, err = store:run { id = options.id }
  if not row then return cli.fail(err) end
  local parts
  if row.kind == "import" then
    parts, err = parts_earlier.rows(store, row)
    if not parts then return cli.fail(err) end
  end
  if options.json then
    row.parts = parts
    print(json.encode(run_view.plain(row)))
    return cli.OK
  end
  local continue = resumed.can(row) and shell.command({ "runs", "resume", ("%d"):format(row.id) }, state_options()) or nil
  print(table.concat(run_view.lines(row, store:now(), continue, parts), "\n"))
  return cli.OK
end

-- ---- resume ----

function parsers.resume()
  local p = cli.parser("runs resume", "Goes on with imports whose process ended before they did: all of them, or those that are "
    .. "named. The job is found again, what was not sent is sent, and nothing is started twice. Region, endpoint and profile are "
    .. "those of then, unless they are given. The exit status is that of the "
    .. "first import that did not end well.")
  cli.argument(p, "ids", "RUN", "The number of a run."):args("*"):convert(id_argument)
  return p
end

-- The numbers of the runs that can be gone on with, oldest first: a list | nil, err
local function open_runs(store)
  local rows, err = store:runs { kind = "import", state = resumed.STATES }
  if not rows then return nil, err end
  local ids = {}
  for i, row in ipairs(rows) do ids[#rows + 1 - i] = row.id end
  return ids
end

local function resume_one(store, id, options)
  local run, err = resumed.open(store, id, { region = options.region, endpoint_url = options.endpoint_url,
                                             profile = options.profile })
  if not run then return cli.fail(err) end
  return import.see_to_end(run, options)
end

function words.resume(arguments)
  local options, store = open("resume", arguments)
  if not options then return store end
  local ids = options.ids
  if #ids == 0 then
    local found, err = open_runs(store)
    if not found then return cli.fail(err) end
    if #found == 0 and not options.quiet then report.say("there is no import to go on with") end
    ids = found
  end
  local worst = exit_status.OK
  for _, id in ipairs(ids) do
    local status = resume_one(store, id, options)
    worst = worst == exit_status.OK and status or worst
  end
  return worst
end

-- ---- prune ----

function parsers.prune()
  local p = cli.parser("runs prune", "Forgets ended runs, with their steps and logs, and notifications that could not be "
    .. "delivered; or gives up runs that are named.")
  cli.argument(p, "ids", "RUN", "The number of a run that is lost, interrupted or queued: nothing goes on with it any more, and "
    .. "its job is left as it is."):args("*"):convert(id_argument)
  p:option("--older-than", "Only what ended, or failed, so long ago: 12h, 90d, 8w (90d)."):argname("TIME"):convert(function(text)
    local number, unit = text:match("^(%d+%.?%d*)([smhdw])$")
    if number then return tonumber(number) * UNITS[unit] end
    return nil, ("option '--older-than' takes a time such as 12h, 90d or 8w, not '%s'"):format(text)
  end)
  cli.number_option(p, "--keep", "Keep the newest N runs in any case.", "N", "a whole number, 0 or more", { integer = true })
  return p
end

local function give_up_part(store, part, fence)
  local row = store:claim_run { id = part.id, to_end = true, parent_fence = fence }
  if row then
    store:end_run { id = row.id, fence = row.fence, state = "cancelled",
                    error = errors.new { code = "Cancelled", message = "given up with its import" } }
  end
end

-- Nothing goes on with the run any more, nor with its parts: true | nil, err
local function give_up(store, id)
  local row, err = store:run { id = id }
  if not row then return nil, err end
  if row.kind == "part" then
    return nil, errors.new { code = "UsageError", message = ("run %d is part %d of run %d: give up that"):format(id, row.ordinal,
      row.parent) }
  end
  row, err = store:claim_run { id = id, to_end = true }
  if not row then return nil, err end
  if row.kind == "import" then
    local parts
    parts, err = parts_earlier.rows(store, row)
    for _, part in ipairs(parts or {}) do
      if parts_earlier.is_open(part) then give_up_part(store, part, row.fence) end
    end
    if not parts then return nil, err end
  end
  local cancelled = errors.new { code = "Cancelled", message = "given up by upjob runs prune" }
  return store:end_run { id = id, fence = row.fence, state = "cancelled", error = cancelled,
                         exit_status = exit_status.of_error(cancelled) }
end

local function give_up_all(store, options)
  local worst = exit_status.OK
  for _, id in ipairs(options.ids) do
    local ok, err = give_up(store, id)
    if not ok then
      worst = cli.fail(err)
    elseif options.json then
      print(json.encode { given_up = id })
    elseif not options.quiet then
      print(("gave up run %d"):format(id))
    end
  end
  return worst
end

function words.prune(arguments)
  local options, store = open("prune", arguments)
  if not options then return store end
  if #options.ids > 0 then return give_up_all(store, options) end
  local now, err = store:now()
  if not now then return cli.fail(err) end
  local count, letters = store:prune { before = now - (options.older_than or PRUNE_AFTER), keep = options.keep }
  if not count then return cli.fail(letters) end
  if options.json then
    print(json.encode { pruned = count, dead_letters = letters })
  elseif not options.quiet then
    print(("forgot %s%s"):format(report.plural(count, "run"), letters > 0 and " and "
      .. report.plural(letters, "notification") .. " that could not be delivered" or ""))
  end
  return cli.OK
end

function command.main(arguments)
  return cli.words(command, arguments)
end

return command
