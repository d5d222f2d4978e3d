--- Where the files of an import may go, rejected rows, problems, keys that are gone, the report: nothing is overwritten that
--- upjob did not write, and what an earlier run left is kept aside.
local errors = require "upjob.errors"
local system = require "upjob.native.system"

local rejects = {}

--- The column that a rejects file has beside the input's.
rejects.REASON_COLUMN = "upjob_reason"

--- How a report of upjob begins.
rejects.REPORT_START = '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
  .. '<meta name="generator" content="upjob import report '

-- A rejects file has its cells separated as the file is that its rows are of.
local SEPARATORS = { ",", ";", "\t", "|" }

local function has_header(is_ours)
  return function(path)
    for _, separator in ipairs(SEPARATORS) do
      local reader = require("upjob.csv").open(path, { delimiter = separator })
      local header = reader and reader:header()
      if reader then reader:close() end
      if header and is_ours(header) then return true end
    end
    return false
  end
end

local function is_report(path)
  local file <close> = io.open(path, "rb")
  return file ~= nil and file:read(#rejects.REPORT_START) == rejects.REPORT_START
end

-- The files that an import writes: what goes there, the option that names another, and which of them upjob wrote.
local REJECTS = { what = "rejected rows", option = "--rejects",
                  is_ours = has_header(function(header) return header[#header] == rejects.REASON_COLUMN end) }
local PROBLEMS = { what = "problems", option = "--problems",
                   is_ours = has_header(function(header)
                     return table.concat(header, ",") == "line,column,name,value,class,severity,reason,hint"
                   end) }
local REPORT = { what = "the report", option = "--report", is_ours = is_report }

local function refuse(kind, path, what)
  return nil, errors.new { code = "UsageError", message = ("%s cannot go to %s: %s"):format(kind.what, path, what) }
end

-- True for a file that an earlier run wrote, and for one with nothing in it.
local function is_ours(kind, path, info)
  return info.size == 0 or kind.is_ours(path)
end

-- true | nil, err; `others` are the names of the other files of this import, perhaps with holes.
local function check_place(kind, path, others)
  local info = system.stat(path)
  if not info then return true end
  if info.type == "directory" then return refuse(kind, path, "it is a directory: name a file in it") end
  if info.type ~= "file" then return refuse(kind, path, "it is not a regular file") end
  for _, other in pairs(others) do
    local read = system.stat(other)
    if read and read.device == info.device and read.inode == info.inode then
      return refuse(kind, path, ("it is %s, which this import uses: name another file"):format(
        path == other and "the file" or "the same file as " .. other))
    end
  end
  if not is_ours(kind, path, info) then
    return refuse(kind, path, ("it exists, and upjob did not write it: name another file (%s FILE), or move it away"):format(
      kind.option))
  end
  return true
end

local function check(kind, path, others)
  if path == "" then return refuse(kind, "\"\"", "the name of a file is needed") end
  for _, other in pairs(others) do
    if path == other and not system.stat(path) then
      return refuse(kind, path, "this import puts something else there: name another file")
    end
  end
  local directory = path:match("^(.*)/[^/]*$")
  local info = system.stat(directory == nil and "." or directory == "" and "/" or directory)
  if not info or info.type ~= "directory" or path:sub(-1) == "/" then
    return refuse(kind, path, info and "name a file in it" or "its directory does not exist")
  end
  return check_place(kind, path, others)
end

-- As check; also whether an earlier file there can be kept as `path`~.
local function check_kept(kind, path, others)
  local ok, err = check(kind, path, others)
  if not ok then return nil, err end
  if not system.stat(path) then return true end
  return check_place(kind, path .. "~", others)
end

--- Whether rejected rows can go to `path`: true | nil, err. An earlier rejects file there will be kept as `path`~.
function rejects.check(path, others)
  return check_kept(REJECTS, path, others)
end

--- Whether the report can go to `path`: true | nil, err. An earlier report there will be kept as `path`~.
function rejects.check_report(path, others)
  return check_kept(REPORT, path, others)
end

--- Whether all problems can be written to `path`: true | nil, err. Those of an earlier run give way.
function rejects.check_problems(path, others)
  return check(PROBLEMS, path, others)
end

--- Whether the keys that are gone can be written to `path`: true | nil, err. An earlier list there, with a column `key` alone,
--- will be kept as `path`~.
function rejects.check_gone(path, others, key)
  local kind = { what = "keys that are gone", option = "--gone",
                 is_ours = has_header(function(header) return #header == 1 and header[1] == key end) }
  return check_kept(kind, path, others)
end

--- Whether an earlier run left something there.
function rejects.is_there(path)
  local info = system.stat(path)
  return info ~= nil and info.size > 0
end

--- Moves what an earlier run left out of the way, so that it cannot be taken for this run's: its new name, or nil when there
-- is none | false, err
function rejects.keep_earlier(path)
  local info = system.stat(path)
  if not info or info.size == 0 then return nil end
  local ok, message = os.rename(path, path .. "~")
  if not ok then return false, errors.new { code = "FileError", message = message } end
  return path .. "~"
end

return rejects
