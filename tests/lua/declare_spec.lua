-- Files of automations: what they declare, and what is told of those that are wrong.
local declaring = require "upjob.declaring"
local system = require "upjob.native.system"

local directory

local function write(name, text)
  local path = directory .. "/" .. name
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  return path
end

local function load_text(text, name)
  return declaring.load(write(name or "nightly.lua", text))
end

-- The error of a file, with the line and a pattern.
local function assert_refused(line, pattern, text)
  local found, err = load_text(text)
  assert.is_nil(found, text)
  assert.equals("InvalidAutomation", err.code)
  assert.equals(directory .. "/nightly.lua", err.file)
  assert.equals(line, err.line, tostring(err))
  assert.matches(pattern, err.message)
end

-- The only definition of a file with one schedule, with these options beside a function.
local function definition_of(call, ...)
  local found = assert(load_text(call:format(...)))
  assert.equals(1, #found.definitions)
  return found.definitions[1], found.functions.nightly
end

before_each(function() directory = assert(system.temporary_directory("upjob-declare-")) end)
after_each(function() system.remove_tree(directory) end)

describe("a file of automations", function()
  it("declares a schedule under its own name, with its function", function()
    local definition, functions = definition_of [[

      schedule.cron("0 6 * * MON-FRI", { tz = "Europe/Berlin", run = function(event) return event .. "!" end,
        on_failure = function() return "failed" end, timeout = "1h30m", limits = { memory = "512M", cpu = 90, files = 64 } })]]
    assert.same({
      id = "nightly", file = directory .. "/nightly.lua", line = 2, kind = "cron", expression = "0 6 * * MON-FRI",
      tz = "Europe/Berlin", overlap = "skip", misfire = "coalesce", timeout = 5400, retries = 0, backoff = 60,
      limits = { memory = 512 * 1024 * 1024, cpu = 90, files = 64 },
      has_run = true, has_on_failure = true, has_on_recovery = false,
    }, definition)
    assert.equals("now!", functions.run("now"))
    assert.equals("failed", functions.on_failure())
  end)

  it("names several schedules after the file and their own names", function()
    local found = assert(load_text [[
      schedule.every(90, { name = "a", run = print })
      schedule.at("2026-12-24T18:00", { name = "b", run = print })]])
    assert.equals("nightly/a", found.definitions[1].id)
    assert.equals("90s", found.definitions[1].expression)
    assert.equals("nightly/b", found.definitions[2].id)
    assert.is_function(found.functions["nightly/b"].run)
  end)

  it("finds scripts and files beside itself, and leaves whole paths as they are", function()
    write("load.lua", "")
    local definition = definition_of [[
      schedule.on_file("in/*.csv", { script = "load.lua", args = { "acme", 3 }, settle = "5s" })]]
    assert.equals(directory .. "/in/*.csv", definition.expression)
    assert.equals(directory .. "/load.lua", definition.script)
    assert.same({ "acme", "3" }, definition.args)
    assert.equals(5, definition.settle)
    assert.is_true(definition.move)
    definition = definition_of [[schedule.on_file("/srv/*.csv", { run = print, done = "/srv/old" })]]
    assert.equals("/srv/*.csv", definition.expression)
    assert.equals("/srv/old", definition.done)
  end)

  it("lets files and events wait where a schedule by the clock passes over a run", function()
    assert.equals("queue", (definition_of [[schedule.on_file("/srv/*.csv", { run = print })]]).overlap)
    assert.equals("queue", (definition_of [[schedule.on_event("other", { run = print })]]).overlap)
    assert.equals("succeeded", (definition_of [[schedule.on_event("other", { run = print })]]).on)
  end)

  it("takes what can be called for a function, such as a notifier", function()
    local definition, functions = definition_of [[
      local ops = notify.webhook { name = "ops", url = "https://hooks.example.com/x" }
      schedule.every("1h", { run = print, on_failure = ops, on_recovery = ops })]]
    assert.is_true(definition.has_on_failure and definition.has_on_recovery)
    assert.is_function(getmetatable(functions.on_failure).__call)
  end)

  it("keeps its globals to itself and has the modules", function()
    local first = assert(load_text [[counter = 1; _G.other = 2
      schedule.every("1m", { run = function() return counter, other, _G.counter, json.encode {} end })]])
    assert.same({ 1, 2, 1, "{}" }, { first.functions.nightly.run() })
    local second = assert(load_text([[schedule.every("1m", { run = function() return counter, other end })]], "second.lua"))
    assert.same({}, { second.functions.second.run() })
    assert.is_nil(rawget(_G, "counter"))
  end)

  it("may begin with a byte-order mark and a line for the shell", function()
    assert.equals(2, (definition_of "\xEF\xBB\xBF#!/usr/bin/env upjob\nschedule.every('1m', { run = print })").line)
  end)
end)

describe("a file of automations that is wrong", function()
  it("is told with the line, whatever is wrong", function()
    assert_refused(2, "unexpected symbol near '='", "local x = 1\nx = = 2")
    assert_refused(3, "attempt to index a nil value", "local x\n\nx.y = 1")
    assert_refused(2, "schedule.cron: the hour field .* has \"25\"", "\nschedule.cron('0 25 * * *', { run = print })")
    assert_refused(1, "never fires", "schedule.cron('0 0 30 2 *', { run = print })")
    assert_refused(1, 'no time zone .*did you mean "Europe/Berlin"',
      "schedule.cron('@daily', { tz = 'Europe/Berln', run = print })")
    assert_refused(1, "is no duration at position 1", "schedule.every('5x', { run = print })")
    assert_refused(1, "is no time at position 8", "schedule.at('2026-13-01', { run = print })")
    assert_refused(2, "os.exit", "schedule.every('1m', { run = print })\nos.exit(0)")
  end)

  it("is told with the line also where the declaration is returned, or made by a function", function()
    assert_refused(2, "never fires", "local x\nreturn schedule.cron('0 0 30 2 *', { run = print })")
    assert_refused(2, "never fires", "local function f(e)\n  schedule.cron(e, { run = print })\nend\nf '0 0 30 2 *'")
    assert_refused(1, "schedule.cron", "pcall(error)\tschedule.cron()")
  end)

  it("names the option, and the one that was meant", function()
    for pattern, options in pairs {
      ['unknown option "runn" %(did you mean "run"'] = "{ runn = print }",
      ['option "run" must be a function'] = "{ run = 'print' }",
      ["say what is run: run = function"] = "{ tz = 'UTC' }",
      ["a table of options is needed"] = "'load.lua'",
      ['there is no option "settle": it is one of schedule.on_file'] = "{ run = print, settle = 2 }",
      ['"run" and "script" do not go together'] = "{ run = print, script = 'x.lua' }",
      ['option "script": .*no.lua: cannot open'] = "{ script = 'no.lua' }",
      ['"args" goes with option "script"'] = "{ run = print, args = {} }",
      ['"overlap" is one of "skip", "queue", "allow", not "skp" %(did you mean "skip"'] = "{ run = print, overlap = 'skp' }",
      ['"misfire" is one of "coalesce"'] = "{ run = print, misfire = 'none' }",
      ['"jitter": "5" is no duration'] = "{ run = print, jitter = '5' }",
      ['"timeout" is a duration.*from 1, not 0'] = "{ run = print, timeout = 0 }",
      ['"retries" is a whole number'] = "{ run = print, retries = 1.5 }",
      ['"name" is of up to 64'] = "{ run = print, name = 'a/b' }",
      ['"heartbeat" is a URL'] = "{ run = print, heartbeat = 'example.com' }",
      ['"limits.memory" is a size.*not "512MB"'] = "{ run = print, limits = { memory = '512MB' } }",
      ['"limits.cpu": "1" is no duration'] = "{ run = print, limits = { cpu = '1' } }",
      ['unknown option "memry" %(did you mean "memory"'] = "{ run = print, limits = { memry = 1 } }",
      ['option "tz" is empty'] = "{ run = print, tz = '' }",
    } do
      assert_refused(1, pattern, "schedule.cron('@daily', " .. options .. ")")
    end
    assert_refused(1, 'there is no schedule.crn %(did you mean "cron"', "schedule.crn('@daily')")
    assert_refused(1, '"overlap" is one of "queue", "allow", not "skip"',
      "schedule.on_file('/srv/*', { run = print, overlap = 'skip' })")
    assert_refused(1, '"done" says where files are moved',
      "schedule.on_file('/srv/*', { run = print, move = false, done = 'old' })")
    for _, folder in ipairs { "/srv", "/srv/", ".", "./", "../srv", "done/.." } do
      assert_refused(1, '"done" is the folder that files are taken from',
        ("schedule.on_file('/srv/*', { run = print, done = '%s' })"):format(folder))
    end
    assert_refused(1, '"failed" is empty', "schedule.on_file('/srv/*', { run = print, failed = '' })")
    assert_refused(1, 'has a "%[" that is not closed', "schedule.on_file('/srv/[a.csv', { run = print })")
    assert_refused(1, '"on" is one of', "schedule.on_event('x', { run = print, on = 'done' })")
  end)

  it("must declare something, and give several schedules names of their own", function()
    assert_refused(nil, "declares nothing", "local x = 1")
    assert_refused(2, "names them all", [[schedule.every('1m', { name = 'a', run = print })
      schedule.every('1m', { run = print })]])
    assert_refused(3, 'two schedules are named "a": the other one is on line 1',
      "schedule.every('1m', { name = 'a', run = print })\n\nschedule.at('2030-01-01', { name = 'a', run = print })")
  end)

  it("is not run after itself", function()
    assert_refused(1, '"nightly/a" would be run after itself', "schedule.on_event('nightly/a', { name = 'a', run = print })")
  end)

  it("is not read when it is no file, and not when its name is no id", function()
    local found, err = declaring.load(directory .. "/none.lua")
    assert.is_nil(found)
    assert.equals("FileError", err.code)
    system.make_directory(directory .. "/sub.lua")
    found, err = declaring.load(directory .. "/sub.lua")
    assert.is_nil(found)
    assert.matches("is a directory", err.message)
    found, err = load_text("schedule.every('1m', { run = print })", "two words.lua")
    assert.is_nil(found)
    assert.matches("the name of a file is the id", err.message)
  end)

  it("leaves nothing behind: the next one is loaded, and declarations outside of a file are refused", function()
    local exit = os.exit
    assert_refused(1, "oops", "error('oops')")
    assert.equals(exit, os.exit)
    assert(load_text "schedule.every('1m', { run = print })")
    local ok, message = pcall(function() require("upjob.schedule").every("1m", { run = print }) end)
    assert.is_false(ok)
    assert.matches("declare_spec.lua:%d+: schedule.every: an automation is declared by a file.*upjob daemon DIR", message)
  end)
end)
