-- A directory of automations, loaded by a child.
local loader = require "upjob.loader"
local system = require "upjob.native.system"

local directory

local function write(name, text)
  local file = assert(io.open(directory .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local function ids(loaded)
  local list = {}
  for i, definition in ipairs(loaded.definitions) do list[i] = definition.id end
  return table.concat(list, " ")
end

-- The messages of the errors by the file's name.
local function messages(loaded)
  local found = {}
  for _, err in ipairs(loaded.errors) do found[err.file:match("[^/]+$")] = err.message end
  return found
end

local GOOD = "schedule.every('1m', { run = print })"

before_each(function() directory = assert(system.temporary_directory("upjob-loader-")) end)
after_each(function() system.remove_tree(directory) end)

describe("a directory of automations", function()
  it("is loaded in the order of its names, without what is no file of automations", function()
    write("b.lua", GOOD)
    write("a.lua", "schedule.every('1m', { name = 'y', run = print })\nschedule.every('1m', { name = 'x', run = print })")
    write("notes.txt", "error()")
    write(".hidden.lua", "error()")
    write("c.lua~", "error()")
    system.make_directory(directory .. "/more.lua")
    local loaded = assert(loader.load(directory))
    assert.equals("a/y a/x b", ids(loaded))
    assert.same({}, loaded.errors)
    assert.equals(GOOD, loader.text_of(loaded.definitions[3]))
    assert.same({}, assert(loader.load(directory .. "/more.lua")).definitions)
  end)

  it("cannot be loaded when it is not there", function()
    local loaded, err = loader.load(directory .. "/none")
    assert.is_nil(loaded)
    assert.matches("none: cannot read the directory: No such file", tostring(err))
  end)

  it("has the definitions of files that have not changed without looking into them, and not those of removed ones", function()
    write("a.lua", GOOD)
    write("b.lua", GOOD)
    local first = assert(loader.load(directory))
    first.files["a.lua"].definitions[1].mark = "from before"
    write("b.lua", "schedule.every('2m', { run = print })")
    local second = assert(loader.load(directory, first))
    assert.equals("from before", second.definitions[1].mark)
    assert.equals("2m", second.definitions[2].expression)
    os.remove(directory .. "/a.lua")
    assert.equals("b", ids(assert(loader.load(directory, second))))
  end)

  it("keeps the last good version of a file that has an error, and says so until it is mended", function()
    write("a.lua", GOOD)
    local loaded = assert(loader.load(directory))
    for _ = 1, 2 do
      write("a.lua", "\nschedule.every('x', { run = print })")
      loaded = assert(loader.load(directory, loaded))
      assert.equals("1m", loaded.definitions[1].expression)
      assert.equals(GOOD, loader.text_of(loaded.definitions[1]))
      assert.equals(2, loaded.errors[1].line)
      assert.is_true(loaded.errors[1].kept)
      assert.matches("its last good version stays in use", loaded.errors[1].message)
      loaded = assert(loader.load(directory, loaded))
      assert.equals(1, #loaded.errors)
    end
    write("a.lua", "schedule.every('3m', { run = print })")
    loaded = assert(loader.load(directory, loaded))
    assert.same({}, loaded.errors)
    assert.equals("3m", loaded.definitions[1].expression)
  end)

  it("is loaded but for the files that end, crash or exit, which are named", function()
    write("a.lua", GOOD)
    write("b.lua", "require('upjob.native.system').exit(3)")
    write("c.lua", "os.execute('kill -KILL $PPID')")
    write("d.lua", "os.exit(1)")
    write("e.lua", "")
    write("z.lua", GOOD)
    local loaded = assert(loader.load(directory))
    assert.equals("a z", ids(loaded))
    local told = messages(loaded)
    assert.equals(4, #loaded.errors)
    assert.matches("ended the process that loaded it with status 3", told["b.lua"])
    assert.matches("by signal 9 %(SIGKILL%)", told["c.lua"])
    assert.matches("^os.exit: ", told["d.lua"])
    assert.matches("^declares nothing", told["e.lua"])
  end)

  it("is loaded but for a file that never ends, which is named", function()
    write("a.lua", GOOD)
    write("b.lua", "while true do pcall(string.rep, 'x', 10) end")
    write("z.lua", GOOD)
    local loaded = assert(loader.load(directory))
    assert.equals("a z", ids(loaded))
    assert.matches("has used 5 s of processor time and was not loaded: it never ends", messages(loaded)["b.lua"])
  end)

  it("is loaded but for a file that waits, which is named", function()
    local before = loader.limits.wait
    finally(function() loader.limits.wait = before end)
    loader.limits.wait = 1
    write("a.lua", "os.execute('sleep 600')")
    local loaded = assert(loader.load(directory))
    assert.matches("was not loaded within 1 s: it waits for something", messages(loaded)["a.lua"])
  end)

  it("is loaded with a file that a busy machine gives no time for longer than it may take by itself", function()
    local before = loader.limits.cpu
    finally(function() loader.limits.cpu = before end)
    loader.limits.cpu = 1
    write("a.lua", "os.execute('sleep 3')\n" .. GOOD)
    assert.equals("a", ids(assert(loader.load(directory))))
  end)

  it("is loaded but for a file that takes all memory, which is named", function()
    write("a.lua", GOOD)
    write("b.lua", "local t = {}\nwhile true do t[#t + 1] = ('x'):rep(50000000) .. #t end")
    write("z.lua", GOOD)
    local loaded = assert(loader.load(directory))
    assert.equals("a z", ids(loaded))
    assert.matches("memory", messages(loaded)["b.lua"])
  end)

  it("does no work while it is loaded: a script that is there by mistake sends nothing", function()
    write("a.lua", "http.get('http://127.0.0.1:1/')")
    write("b.lua", "\ntask.spawn(print)")
    write("c.lua", "task.sleep(0)")
    write("d.lua", "job.import { client = profiles.client { endpoint_url = 'http://127.0.0.1:1', region = 'eu-west-1', "
      .. "credentials = { access_key_id = 'a', secret_access_key = 'b' } }, domain = 'acme', file = 'a.csv', key = 'a' }")
    local loaded = assert(loader.load(directory))
    assert.same({}, loaded.definitions)
    for name, message in pairs(messages(loaded)) do
      assert.matches("nothing is sent or waited for", message, name)
    end
    assert.equals(4, #loaded.errors)
    assert.equals(2, loaded.errors[2].line)
  end)

  it("gives each file the program as the first one finds it, whatever another has changed or printed", function()
    write("a.lua", "print('a'); io.write('b'); io.stdout:write('c'); os.execute('echo d; printf e')\n"
      .. "string.trim = error; table.concat = nil; left = 1; rawset(getmetatable(_G).__index, 'right', 2)\n" .. GOOD)
    write("b.lua", "assert(not string.trim and table.concat and not left and not right)\n" .. GOOD)
    local loaded = assert(loader.load(directory))
    assert.same({}, loaded.errors)
    assert.equals("a b", ids(loaded))
  end)

  it("may have files with any bytes, and tells of names and options that are not UTF-8", function()
    local text = "-- caf\xE9 100%25 \0\n" .. GOOD
    write("a.lua", text)
    write("b.lua", "schedule.on_file('caf\xE9/x', { run = print })")
    write("c\xE9.lua", GOOD)
    write("d.lua", "error('caf\xE9')")
    local loaded = assert(loader.load(directory))
    assert.equals("a", ids(loaded))
    assert.equals(text, loader.text_of(loaded.definitions[1]))
    local told = messages(loaded)
    assert.matches('the text of "expression" is not UTF%-8', told["b.lua"])
    assert.matches("the name of a file is the id", told["c\xE9.lua"])
    assert.matches("caf\\xE9", told["d.lua"])
    local found, err = loader.load(directory .. "/\xE9")
    assert.is_nil(found)
    assert.matches("the path of the directory is not UTF%-8", tostring(err))
  end)

  it("tells of a script that an automation names and that is no Lua", function()
    system.make_directory(directory .. "/scripts")
    write("scripts/import.lua", "x = = 1")
    write("a.lua", "\nschedule.every('1m', { script = 'scripts/import.lua' })")
    local loaded = assert(loader.load(directory))
    assert.equals(2, loaded.errors[1].line)
    assert.matches('option "script": .*scripts/import.lua:1: unexpected symbol', loaded.errors[1].message)
  end)
end)
