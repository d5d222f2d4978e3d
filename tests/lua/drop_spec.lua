-- Folders that files are dropped into: real files, written as programs write them.
local drop = require "upjob.drop"
local now = require("upjob.native.task").now
local system = require "upjob.native.system"
local task = require "upjob.task"

local SETTLE = 0.2

local folder, watches

local function write(name, text, mode)
  local file = assert(io.open(folder .. "/" .. name, mode or "wb"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

local function run(command, ...)
  assert(os.execute(command:format(...)))
end

local function exists(path) return system.stat(path) ~= nil end

local function text_of(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read("a")
end

-- Waits until it is so; an error with what it waited for when that takes too long.
local function until_so(what, condition)
  local by = now() + 100
  while not condition() do
    if now() > by then error("waited in vain: " .. what, 2) end
    task.sleep(0.05)
  end
end

-- A watch whose files and messages are kept: seen.files, seen.told.
local function watch(options)
  local seen = { files = {}, told = {} }
  options.pattern = options.pattern or folder .. "/*.csv"
  options.settle = options.settle or SETTLE
  options.poll = options.poll or 0.2
  options.on = options.on or function(file) table.insert(seen.files, file) end
  options.tell = function(message) table.insert(seen.told, message) end
  seen.watch = assert(drop.watch(options))
  table.insert(watches, seen.watch)
  return seen
end

local function names(seen)
  local list = {}
  for i, file in ipairs(seen.files) do list[i] = file.path:match("[^/]*$") end
  return list
end

-- Until that many were told, and then for as long again as another one would need.
local function until_taken(seen, count)
  until_so(count .. " files", function() return #seen.files >= count end)
  task.sleep(3 * SETTLE)
  return names(seen)
end

-- Takes a file right away.
local function take_one(name, text)
  write(name, text)
  local seen = watch { pattern = folder .. "/" .. name }
  until_so(name, function() return #seen.files == 1 end)
  seen.watch:close()
  return seen.files[1]
end

local function set_up()
  folder = assert(system.temporary_directory())
  watches = {}
end

local function tear_down()
  for _, one in ipairs(watches) do one:close() end
  system.remove_tree(folder)
end

describe("a folder that is watched", function()
  before_each(set_up)
  after_each(tear_down)

  it("tells each file once, the oldest first, with its identity", function()
    for name, minute in pairs { ["b.csv"] = 1, ["c.csv"] = 0, ["a.csv"] = 1 } do
      run("touch -d '2026-01-01 00:0%d' '%s'", minute, write(name, "k,v\n"))
    end
    local seen = watch {}
    assert.same({ "c.csv", "a.csv", "b.csv" }, until_taken(seen, 3))
    local file, info = seen.files[2], system.stat(folder .. "/a.csv")
    assert.equals(folder .. "/a.csv", file.path)
    assert.equals(4, file.size)
    assert.equals(("%s|%d|%d|4|%d"):format(file.path, info.device, info.inode, math.floor(info.mtime) * 1000000000), file.key)
  end)

  it("does not tell a file while it grows", function()
    local seen = watch { settle = 1 }
    for i = 1, 20 do
      write("slow.csv", ("row %02d\n"):format(i), "ab")
      task.sleep(0.1)
      assert.same({}, seen.files)
    end
    assert.same({ "slow.csv" }, until_taken(seen, 1))
    assert.equals(20 * 7, seen.files[1].size)
  end)

  it("does not tell a file whose time changes while its size does not", function()
    local seen = watch { settle = 1 }
    write("fixed.csv", "0000")
    for i = 1, 20 do
      task.sleep(0.1)
      write("fixed.csv", ("%04d"):format(i), "r+b")
      assert.same({}, seen.files)
    end
    assert.same({ "fixed.csv" }, until_taken(seen, 1))
  end)

  it("does not take a file for finished because the machine stood still", function()
    local seen = watch { settle = 4 }
    write("slow.csv", "1\n")
    until_so("it being seen", function() return next(seen.watch.pending) end)
    os.execute("sleep 4.5") -- nothing here goes on
    task.sleep(0.5)
    assert.same({}, seen.files)
    write("slow.csv", "2\n", "ab")
    assert.same({ "slow.csv" }, until_taken(seen, 1))
    assert.equals(4, seen.files[1].size)
  end)

  it("tells a file that is renamed into place by its last name only", function()
    local seen = watch {}
    run("mv '%s' '%s/in.csv'", write(".in.csv.Xy12", "k\n1\n"), folder)
    assert.same({ "in.csv" }, until_taken(seen, 1))
    run("mv '%s' '%s/late.csv'", write("late.csv.filepart", "k\n1\n"), folder)
    assert.same({ "in.csv", "late.csv" }, until_taken(seen, 2))
  end)

  it("asks whether a file was taken by an earlier process", function()
    write("old.csv", "k\n")
    write("new.csv", "k\n")
    local asked = {}
    local seen = watch { taken = function(file)
      table.insert(asked, file.key)
      task.sleep(0.01)
      return file.key:find("/old.csv|", 1, true) ~= nil
    end }
    assert.same({ "new.csv" }, until_taken(seen, 1))
    assert.equals(2, #asked)
  end)

  it("tells a file again that changes after it was taken, but not for its permissions", function()
    local seen = watch {}
    write("again.csv", "k\n1\n")
    until_taken(seen, 1)
    run("chmod 640 '%s/again.csv'", folder)
    task.sleep(3 * SETTLE)
    assert.equals(1, #seen.files)
    write("again.csv", "2\n", "ab")
    assert.same({ "again.csv", "again.csv" }, until_taken(seen, 2))
    assert.are_not.equals(seen.files[1].key, seen.files[2].key)
  end)

  it("offers a file again when it could not be taken, and goes on with others", function()
    local tries, others = 0, 0
    local seen = watch { on = function(file)
      if file.path:find("other.csv", 1, true) then others = others + 1 return end
      tries = tries + 1
      if tries == 1 then error("the disk is full") end
      if tries == 2 then return nil, "the journal is locked" end
      return tries > 3
    end }
    write("try.csv", "k\n")
    write("other.csv", "k\n")
    until_so("four tries", function() return tries == 4 end)
    task.sleep(3 * SETTLE)
    assert.same({ 4, 1 }, { tries, others })
    assert.matches("could not be taken, and is offered again: .*the disk is full", seen.told[1])
    assert.matches("could not be taken, and is offered again: the journal is locked", seen.told[2])
  end)

  it("goes on after an error while files are looked for, tells it once, and misses none", function()
    local native, log = require "upjob.native.folder", require "upjob.log"
    local examine, log_error, calls, told = native.examine, log.error, 0, 0
    log.error = function() told = told + 1 end
    native.examine = function(paths)
      calls = calls + 1
      if calls <= 2 then error("no luck") end
      return examine(paths)
    end
    local seen = watch {}
    write("a.csv", "k\n1\n")
    until_so("two errors", function() return calls >= 2 end)
    write("b.csv", "k\n1\n")
    local taken = until_taken(seen, 2)
    native.examine, log.error = examine, log_error
    assert.same({ "a.csv", "b.csv" }, taken)
    assert.equals(1, told)
  end)

  it("passes over what is not finished, hidden, a directory, or was written by upjob", function()
    for _, name in ipairs { ".hidden.csv", "a.csv~", "a.csv.tmp", "a.csv.part", "a.csv.PARTIAL", "a.csv.crdownload",
                            "a.csv.filepart", "a.rejects.csv", "a.rejects.csv~" } do write(name, "k\n1\n") end
    run("mkdir '%s/done.csv'", folder)
    write("z.csv", "k\n1\n")
    local seen = watch { pattern = folder .. "/*" }
    assert.same({ "z.csv" }, until_taken(seen, 1))
    assert.same({}, seen.told)
  end)

  it("passes over what upjob wrote under another name, and says so once", function()
    write("kept.csv", 'Id,"Na\nme",upjob_reason\n1,x,"an empty key"\n')
    write("semicolons.csv", "Id;Name;upjob_reason\n1;x;\"an empty key\"\n")
    write("problems.csv", "line,column,name,value,class,severity,reason,hint\n2,1,Id,,empty,error,no,\n")
    write("report.html", require("upjob.rejects").REPORT_START .. '0.1.0">\n')
    write("mine.csv", "Id,upjob_reason,Name\n1,2,3\n")
    write("long.csv", ("x"):rep(100000) .. "\n")
    local seen = watch { pattern = folder .. "/*" }
    local taken = until_taken(seen, 2)
    table.sort(taken)
    assert.same({ "long.csv", "mine.csv" }, taken)
    assert.equals(4, #seen.told)
    table.sort(seen.told)
    assert.matches("kept.csv: not taken: it is rejected rows of an import", seen.told[1], 1, true)
  end)

  it("does not follow links, nor waits for a named pipe", function()
    local secret = write("secret.txt", "k\n1\n")
    run("ln -s '%s' '%s/link.csv' && mkfifo '%s/pipe.csv'", secret, folder, folder)
    write("a.csv", "k\n")
    local seen = watch {}
    assert.same({ "a.csv" }, until_taken(seen, 1))
    table.sort(seen.told)
    assert.equals(2, #seen.told)
    assert.matches("link.csv: is a symbolic link: links are not followed", seen.told[1], 1, true)
    assert.matches("pipe.csv: is not a regular file", seen.told[2], 1, true)
  end)

  it("tells of a name that is not UTF-8, which could not be recorded, in a way that a terminal takes", function()
    write("\xFF.csv", "k\n")
    write("\xC3\xA4.csv", "k\n")
    local seen = watch {}
    assert.same({ "\xC3\xA4.csv" }, until_taken(seen, 1))
    assert.equals(1, #seen.told)
    assert.matches("its name is not UTF-8", seen.told[1], 1, true)
    assert.is_not_nil(utf8.len(seen.told[1]))
  end)

  it("tells once of an empty file, and takes it when it has grown", function()
    local seen = watch {}
    write("empty.csv", "")
    until_so("a message", function() return #seen.told > 0 end)
    task.sleep(3 * SETTLE)
    assert.equals(1, #seen.told)
    assert.matches("empty.csv: is empty", seen.told[1], 1, true)
    write("empty.csv", "k\n1\n")
    assert.same({ "empty.csv" }, until_taken(seen, 1))
  end)

  it("sees what comes after the folder was removed and made again", function()
    local root = folder
    folder = root .. "/in"
    local seen = watch {}
    until_so("a message", function() return #seen.told > 0 end)
    run("mkdir '%s'", folder)
    write("first.csv", "k\n")
    assert.same({ "first.csv" }, until_taken(seen, 1))
    run("rm -r '%s'", folder)
    until_so("another message", function() return #seen.told > 1 end)
    run("mkdir '%s'", folder)
    write("second.csv", "k\n")
    assert.same({ "first.csv", "second.csv" }, until_taken(seen, 2))
    assert.equals(2, #seen.told)
    assert.matches("the directory cannot be read: No such file or directory", seen.told[2], 1, true)
    -- Another one in its place, which the system's watch of the first does not see.
    run("mv '%s' '%s.old' && mkdir '%s'", folder, folder, folder)
    write("third.csv", "k\n")
    assert.same({ "first.csv", "second.csv", "third.csv" }, until_taken(seen, 3))
    folder = root
  end)

  it("tells 5,000 files that come at once, each once, while other tasks go on", function()
    local seen, turns = watch {}, 0
    local beside = task.spawn(function() while true do task.sleep(0.001) turns = turns + 1 end end)
    run("cd '%s' && seq -f '%%05.0f' 5000 | while read -r n; do echo \"k$n\" >f$n.csv; done", folder)
    until_so("5,000 files", function() return #seen.files >= 5000 end)
    local before = turns
    task.sleep(3 * SETTLE)
    beside:cancel()
    assert.is_true(before > 0)
    local once = {}
    for _, file in ipairs(seen.files) do
      assert.is_nil(once[file.path])
      once[file.path] = true
    end
    assert.equals(5000, #seen.files)
  end)

  it("tells nothing after it was closed, from within too", function()
    write("a.csv", "k\n")
    write("b.csv", "k\n")
    local count, one = 0, nil
    one = watch { on = function()
      count = count + 1
      one.watch:close()
    end }
    until_so("a file", function() return count > 0 end)
    write("c.csv", "k\n")
    task.sleep(3 * SETTLE)
    assert.equals(1, count)
  end)

  it("takes a pattern as shells have it, in the name only", function()
    for _, name in ipairs { "a1.csv", "a2.csv", "b1.csv", "ä1.csv", "a*.csv", "a10.csv" } do write(name, "k\n") end
    local function of(pattern, count)
      local seen = watch { pattern = folder .. "/" .. pattern }
      local list = until_taken(seen, count)
      table.sort(list)
      return list
    end
    assert.same({ "a1.csv", "a2.csv" }, of("a[0-9].csv", 2))
    assert.same({ "a*.csv" }, of("a\\*.csv", 1))
    assert.same({ "b1.csv", "ä1.csv" }, of("[!a]1.csv", 2))
    assert.same({ "a1.csv", "b1.csv", "ä1.csv" }, of("?1.csv", 3))
    for pattern, message in pairs { ["/srv/*/x.csv"] = "wildcard in a directory", ["/srv/"] = "no name of a file",
                                    ["/srv/[a.csv"] = "not closed", ["/srv/**"] = "one directory" } do
      local none, err = drop.watch { pattern = pattern, on = print }
      assert.is_nil(none)
      assert.matches(message, err.message, 1, true)
    end
  end)

  it("knows a file by one path, however the pattern is written", function()
    write("a.csv", "k\n")
    local plain, odd = watch {}, watch { pattern = folder .. "/.//./*.csv" }
    until_taken(plain, 1)
    until_taken(odd, 1)
    assert.equals(plain.files[1].key, odd.files[1].key)
  end)
end)

describe("drop.finish", function()
  before_each(set_up)
  after_each(tear_down)

  it("moves a file beside, into a directory with the mode of the folder", function()
    run("chmod 750 '%s'", folder)
    local file = take_one("a.csv", "k\n1\n")
    assert.equals(folder .. "/done/a.csv", assert(drop.finish(file, "done")))
    assert.is_false(exists(file.path))
    assert.equals("k\n1\n", text_of(folder .. "/done/a.csv"))
    run("test \"$(stat -c %%a '%s/done')\" = 750", folder)
    assert.equals(folder .. "/done/a.csv", assert(drop.finish(file, "done"))) -- as after a kill
  end)

  it("goes where the definition says, or leaves the file", function()
    local file = take_one("a.csv", "k\n1\n")
    assert.equals(file.path, drop.finish(file, "failed", { move = false }))
    assert.is_true(exists(file.path))
    assert.equals(folder .. "/old/bad/a.csv", assert(drop.finish(file, "failed", { failed = "old/bad/" })))
    file = take_one("b.csv", "k\n1\n")
    assert.equals(folder .. "/abs/b.csv", assert(drop.finish(file, "done", { done = folder .. "/abs" })))
  end)

  it("overwrites nothing: a name that is taken gets the time", function()
    for i = 1, 3 do assert(drop.finish(take_one("a.csv.gz", "number " .. i), "done")) end
    local found, pipe = {}, assert(io.popen(("cat '%s'/done/a*.csv.gz"):format(folder)))
    for number in pipe:read("a"):gmatch("number (%d)") do table.insert(found, number) end
    pipe:close()
    table.sort(found)
    assert.same({ "1", "2", "3" }, found)
  end)

  it("leaves a file that has changed since it was taken, and one that is not there", function()
    local file = take_one("a.csv", "k\n1\n")
    write("a.csv", "2\n", "ab")
    local path, err = drop.finish(file, "done")
    assert.is_nil(path)
    assert.equals("FileChanged", err.code)
    assert.equals("k\n1\n2\n", text_of(file.path))
    os.remove(file.path)
    path, err = drop.finish(file, "done")
    assert.is_nil(path)
    assert.matches("is not there any more", tostring(err), 1, true)
    assert.equals("FileGone", err.code)
  end)

  it("does not put a file back where it would be taken again", function()
    local file = take_one("a.csv", "k\n1\n")
    local path, err = drop.finish(file, "done", { done = "." })
    assert.is_nil(path)
    assert.matches("would be taken again", tostring(err), 1, true)
    assert.is_true(exists(file.path))
  end)

  it("copies to another file system, with mode and time, and only then removes", function()
    local other = "/dev/shm"
    local there, here = system.stat(other), system.stat(folder)
    if not there or not here or there.device == here.device then return pending("there is no other file system") end
    local away = ("%s/upjob-drop-%d"):format(other, system.pid())
    local file = take_one("big.csv", ("0123456789abcde\n"):rep(400000))
    run("chmod 604 '%s'", file.path)
    local path = assert(drop.finish(file, "done", { done = away .. "/in" }))
    local again = drop.finish(file, "done", { done = away .. "/in" })
    local size, mode = #text_of(path), io.popen("stat -c %a '" .. path .. "'"):read("l")
    local left = io.popen("ls -A '" .. away .. "/in' | wc -l"):read("n")
    system.remove_tree(away)
    assert.same({ 6400000, "604", 1, path }, { size, mode, left, again })
    assert.is_false(exists(file.path))
  end)
end)
