--- The files that an import reads: what patterns stand for, that none is there twice, and where what is rejected of each goes.
local errors = require "upjob.errors"
local input = require "upjob.source"
local log = require "upjob.log"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local system = require "upjob.native.system"

local sources = {}

-- What an import writes beside its file, which a pattern of other files does not stand for.
local OURS = { ".rejects.csv", ".problems.csv" }

local function usage(format, ...)
  return nil, errors.new { code = "UsageError", message = format:format(...) }
end

local function is_ours(file, pattern)
  for _, ending in ipairs(OURS) do
    if file:sub(-#ending) == ending and pattern:sub(-#ending) ~= ending then return true end
  end
  return false
end

-- Adds what a name stands for: true | nil, err. A file of that very name goes before a pattern.
local function add(list, name)
  if name == "-" or input.is_remote(name) or not name:find("[*?%[]") or system.stat(name) then
    list[#list + 1] = name
    return true
  end
  local found, err = system.glob(name)
  if not found then return nil, err end
  local before, left_out, special = #list, nil, nil
  for _, file in ipairs(found) do
    local info = system.stat(file)
    if not info or info.type == "file" then -- a link to nowhere is not left out in silence
      if is_ours(file, name) then left_out = file else list[#list + 1] = file end
    elseif info.type ~= "directory" then
      special = file
      log.warn("%s, which \"%s\" stands for, is no regular file and is passed over: name it to import it", report.safe(file),
        report.safe(name))
    end
  end
  if #list > before then return true end
  if left_out then
    return usage("\"%s\" stands for nothing but what upjob wrote itself, such as %s: name that to import it", name, left_out)
  end
  if special then
    return usage("\"%s\" stands for no regular file, but for %s: name that to import it", name, special)
  end
  return nil, errors.new { code = "FileError", file = name, message = "there is no file that the pattern stands for" }
end

local function check_twice(files)
  local seen = {}
  for _, file in ipairs(files) do
    local info = file ~= "-" and system.stat(file)
    local id = input.is_remote(file) and file or info and ("%d %d"):format(info.device, info.inode)
    if id and seen[id] then
      return usage("%s is to be imported twice%s", seen[id], seen[id] ~= file and ": " .. file .. " is the same file" or "")
    end
    if id then seen[id] = file end
  end
  return true
end

--- What a file is called: in a DisplayName, in messages.
function sources.name_of(file)
  return file == "-" and "standard input" or file:match("[^/]+$") or file
end

--- The files that are meant by a list of names and patterns (* ? [ ]), each pattern's in the order of their bytes: a list | nil,
--- err. What a pattern finds of directories, of pipes and devices, and of the files that an import writes beside its
--- own, is passed over.
function sources.expand(names)
  local files = {}
  for _, name in ipairs(names) do
    local ok, err = add(files, name)
    if not ok then return nil, err end
  end
  for _, file in ipairs(files) do
    if file == "-" and #files > 1 then return usage("standard input is imported alone, not beside other files") end
  end
  local ok, err = check_twice(files)
  return ok and files, err
end

-- ---- what is written beside them ----

-- Whether the file can be opened again by its name, and another can stand beside it.
local function has_place(file)
  if file == "-" then return false end
  local info = system.stat(file)
  return not info or info.type == "file" or info.type == "directory"
end

-- What the name of what is found in a file begins with; an object's goes into the current directory.
local function stem_of(file, number, directory)
  if input.is_remote(file) then return input.name(file) end
  if has_place(file) then return directory and file:match("[^/]+$") or file end
  return number and ("upjob.%d"):format(number) or "upjob"
end

-- Where what is found in each file goes: beside it, or in `directory`.
local function paths_beside(files, directory, ending)
  local paths, taken = {}, {}
  for i, file in ipairs(files) do
    local stem = stem_of(file, #files > 1 and i, directory)
    local path = (directory and directory:gsub("/*$", "/", 1) or "") .. stem .. ending
    if taken[path] then
      return usage("what is found in %s and in %s would go to one file, %s: import them one after the other", taken[path], file,
        path)
    end
    paths[i], taken[path] = path, file
  end
  return paths
end

local function is_directory(path)
  local info = system.stat(path)
  return info and info.type == "directory" or false
end

-- Where one kind of it goes, as an option says: for a single file the name of a file, for several that of a directory.
local function paths_of(files, given, option, ending)
  if #files == 1 then return given and { given } or paths_beside(files, nil, ending) end
  if given and not is_directory(given) then
    return usage("with several files, %s names a directory that is there, for a file of each: \"%s\" is none", option, given)
  end
  return paths_beside(files, given, ending)
end

--- Where the rejected rows of each file go, and its problems, if they are wanted: { { file=, index=, rejects=, problems= }, … } |
--- nil, err. For several files, what is given names a directory.
function sources.of(files, given)
  local rejected, problems, err
  rejected, err = paths_of(files, given.rejects, "--rejects", ".rejects.csv")
  if not rejected then return nil, err end
  if given.problems then
    problems, err = paths_of(files, given.problems, "--problems", ".problems.csv")
    if not problems then return nil, err end
  end
  local list = {}
  for i, file in ipairs(files) do
    list[i] = { file = file, index = i, rejects = rejected[i], problems = problems and problems[i] }
  end
  return list
end

--- That nothing is overwritten which the import uses or which upjob did not write: true | nil, err. `others`: further files of
--- the import, perhaps with holes.
function sources.check_places(list, others)
  local used = {}
  for _, other in pairs(others) do used[#used + 1] = other end
  for _, source in ipairs(list) do used[#used + 1] = source.file end
  local count = #used
  for _, source in ipairs(list) do
    local ok, err = rejects.check(source.rejects, used)
    if not ok then return nil, err end
    if source.problems then
      used[count + 1] = source.rejects
      ok, err = rejects.check_problems(source.problems, used)
      used[count + 1] = nil
      if not ok then return nil, err end
    end
  end
  return true
end

return sources
