-- The journal as the Lua half sees it: what is written, what never is, and that its calls wait.
local errors = require "upjob.errors"
local journal = require "upjob.journal"
local json = require "upjob.json"
local system = require "upjob.native.system"
local task = require "upjob.task"

local home = system.temporary_directory()
local count = 0

local function new_store(lease)
  count = count + 1
  return assert(journal.open { state = ("%s/%d/upjob"):format(home, count), lease = lease })
end

local function bytes_of(directory)
  local parts = {}
  for _, name in ipairs { "journal.db", "journal.db-wal" } do
    local file = io.open(directory .. "/" .. name, "rb")
    if file then
      parts[#parts + 1] = file:read("a")
      file:close()
    end
  end
  return table.concat(parts)
end

describe("the journal", function()
  teardown(function() system.remove_tree(home) end)

  it("gives back what it was given", function()
    local store = new_store()
    local event = { due = 1.5, late = false, list = json.array {}, names = { "a", "b" }, deep = { { x = json.null } } }
    local run = assert(store:begin_run { kind = "automation", schedule = "nightly/clean", event = event,
                                          directory = "/srv/\xe9" })
    assert.equal("/srv/\xe9", run.directory)
    assert.equal(1.5, run.event.due)
    assert.is_false(run.event.late)
    assert.same({}, run.event.list)
    assert.same({ "a", "b" }, run.event.names)
    assert.equal("integer", math.type(run.id))
    store:close()
  end)

  it("can be told as JSON, whatever names and output were", function()
    local list = json.array {}
    local told = journal.readable { file = "/in/\xff.csv", ["\xfe"] = { 1, false, "é", "a\nb" }, list = list }
    assert.equal([[{"\\xFE":[1,false,"é","a\nb"],"file":"/in/\\xFF.csv","list":[]}]], json.encode(told))
  end)

  it("writes of a script's result what can be written, and fails for none", function()
    local store = new_store()
    local run = assert(store:begin_run { kind = "automation" })
    local circle = { name = "circle" }
    circle.self, circle.again = circle, circle
    for _, result in ipairs { { 1, 2, x = 3 }, { [3] = "hole" }, { f = print, nan = 0 / 0, inf = math.huge }, circle,
                              { ["\xff"] = "\0binary\xff" }, "text\0with", 7, true, { [1.5] = 1 } } do
      assert(store:step { id = run.id, fence = 1, step = "x", state = "done", detail = result })
    end
    local told = assert(store:run { id = run.id })
    assert.equal(9, #told.steps)
    assert.equal("textwith", told.steps[6].detail)
    assert.equal("binary\xff", select(2, next(told.steps[5].detail)))
    assert.equal(3, told.steps[1].detail.x)
    store:close()
  end)

  it("keeps of an error's text what a person reads, and whole characters", function()
    local store = new_store()
    local run = assert(store:begin_run { kind = "automation" })
    local text = "no luck: " .. ("\u{e4}"):rep(1000000)
    assert(store:end_run { id = run.id, fence = run.fence, state = "failed", error = { code = "ScriptError", message = text } })
    local message = store:run({ id = run.id }).error.message
    assert.is_truthy(utf8.len(message))
    assert.equal(text:sub(1, 8000), message:sub(1, 8000))
    assert.is_true(#message < 10000)
  end)

  it("never has a secret in its files", function()
    local store = new_store()
    local url = "https://bucket.s3.amazonaws.com/key?X-Amz-Signature=SECRET1&X-Amz-Credential=SECRET2"
    local err = errors.new { code = "FileError", message = "cannot PUT " .. url, file = "a.csv", line = 3, column = 2,
                             value = "SECRET-CELL" }
    local run = assert(store:begin_run { kind = "import", arguments = { "--endpoint-url", "https://me:SECRET3@host/x" },
      options = { proxy = "http://u:SECRET4@proxy:3128", url = url } })
    assert(store:step { id = run.id, fence = 1, step = "upload", state = "failed", detail = { url = url, error = err } })
    assert(store:step { id = run.id, fence = 1, step = "upload", state = "failed", detail = err, set = { error = err } })
    assert(store:add_dead_letter { kind = "webhook", target = "https://h/hook?token=SECRET5", payload = { err, url },
                                   error = err })
    assert(store:tick { { schedule = "a", key = "1", run = { event = { url = url } } } })
    local problems = { { line = 3, column = 2, value = "SECRET-CELL", text = "3: SECRET-CELL is wrong", masked = "3: wrong" } }
    assert(store:end_run { id = run.id, fence = 1, state = "failed", error = err, result = { problems = problems },
                           output = "PUT " .. url .. "\nX-Amz-Security-Token=SECRET6 next" })
    local told = assert(store:run { id = run.id })
    assert.equal("https://host/x", told.arguments[2])
    assert.equal("see <https://bucket.s3.amazonaws.com/key> and http://a/b, or c://", journal.plain("see <" .. url ..
      "> and http://u:SECRET7@p@a/b,?x=SECRET8 or c://"))
    assert.equal("cannot PUT https://bucket.s3.amazonaws.com/key", told.error.message)
    assert.equal(3, told.error.line)
    assert.equal("3: wrong", told.result.problems[1].text)
    local before = bytes_of(store.directory)
    store:close()
    for _, bytes in ipairs { before, bytes_of(store.directory) } do
      assert.is_true(#bytes > 10000)
      assert.is_nil(bytes:find("SECRET", 1, true))
    end
  end)

  it("looks through a long text", function() -- once, or it takes hours
    local text = ("x"):rep(1000000) .. ("x-amz-"):rep(100)
    assert.equal(text .. "://a", journal.plain(text .. "://a?b"))
    assert.equal(300000, #journal.plain(("://"):rep(100000)))
  end)

  it("tells what is the matter with a code", function()
    local store = new_store()
    local run, err = store:run { id = 5 }
    assert.is_nil(run)
    assert.is_true(errors.has_code(err, "NotFound"))
    run = assert(store:begin_run { kind = "import" })
    run, err = store:claim_run { id = run.id }
    assert.is_nil(run)
    assert.is_true(errors.has_code(err, "LeaseHeld"))
    assert.match("process %d+ on ", err.message)
    store:close()
    local ok, nothing = journal.open { state = "/dev/null/x" }
    assert.is_nil(ok)
    assert.is_true(errors.has_code(nothing, "ConfigurationError"))
  end)

  it("keeps false apart from nothing", function()
    local store = new_store()
    assert(store:sync_schedules { dir = "/d", list = { { id = "a", timing = "x", definition = { paused = false } } } })
    local list = assert(store:schedules())
    assert.is_false(list[1].paused)
    assert.is_false(list[1].definition.paused)
    assert(store:pause { schedule = "a", paused = true })
    assert.is_true(store:schedules()[1].paused)
    assert.is_truthy(store:tick({}, { schedule = "a", ok = false }))
    assert.equal(-1, store:schedules()[1].streak)
    assert.same({ true, false }, { store:tick { { schedule = "a", key = "1", skipped = "paused" } } ~= nil,
                                   store:ticked { { schedule = "a", key = "2" } }[1] })
    store:close()
  end)

  it("lets other tasks go on while it waits", function()
    local store = new_store()
    local turns, over = 0, false
    local other = task.spawn(function()
      while not over do
        turns = turns + 1
        task.sleep(0)
      end
    end)
    for _ = 1, 20 do assert(store:begin_run { kind = "import" }) end
    over = true
    other:wait()
    assert.is_true(turns > 1)
    store:close()
  end)

  it("takes calls of many tasks at once", function()
    local store = new_store()
    local tasks = {}
    for i = 1, 30 do
      tasks[i] = task.spawn(function()
        local run = assert(store:begin_run { kind = "import", run_key = "k" .. i })
        assert(store:step { id = run.id, fence = 1, step = "check", state = "begin" })
        assert(store:end_run { id = run.id, fence = 1, state = "succeeded" })
      end)
    end
    for _, each in ipairs(tasks) do each:wait() end
    assert.equal(30, #store:runs { state = "succeeded" })
    store:close()
  end)

  it("is one for a directory", function()
    local store = new_store()
    assert.equal(store, journal.open { state = store.directory .. "/" })
    store:close()
    assert.has_error(function() store:now() end, "the journal was closed")
    local again = assert(journal.open { state = store.directory })
    assert.are_not.equal(store, again)
    assert.is_true(math.abs(again:now() - os.time()) < 100)
    again:close()
  end)

  it("counts how often it was begun anew under a program that uses it", function()
    local store = new_store()
    assert(store:begin_run { kind = "import" })
    assert.equal(0, store.losses)
    assert(system.remove_tree(store.directory) ~= false)
    local log = require "upjob.log"
    local warn, told = log.warn, {}
    log.warn = function(...) told[#told + 1] = string.format(...) end
    local run, err = store:begin_run { kind = "import" }
    log.warn = warn
    assert.is_nil(run)
    assert.is_true(errors.has_code(err, "DatabaseDamaged"))
    assert.match("removed", told[1])
    assert.equal(1, store.losses)
    assert.is_true(assert(store:begin_run { kind = "import" }).id > 1)
    assert.equal(1, store.losses)
    store:close()
  end)

  it("removes the logs of the runs that it forgets", function()
    local store = new_store()
    assert(system.make_directory(store.directory .. "/runs", tonumber("700", 8)))
    for i = 1, 3 do
      assert(store:begin_run { kind = "automation" })
      assert(io.open(store:log_file(i), "w")):close()
    end
    for i = 1, 2 do assert(store:end_run { id = i, fence = 1, state = "succeeded" }) end
    assert.equal(2, store:prune { before = store:now() + 1 })
    assert.is_nil(io.open(store:log_file(1)))
    assert.is_nil(io.open(store:log_file(2)))
    assert(io.open(store:log_file(3))):close()
    store:close()
  end)
end)
