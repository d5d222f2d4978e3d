--- Where rejected rows may go: nothing is overwritten that upjob did not write, and what an earlier run left is kept aside.
local errors = require "upjob.errors"
local system = require "upjob.native.system"

local rejects = {}

--- The column that a rejects file has beside the input's.
rejects.REASON_COLUMN = "upjob_reason"

-- The files that an import writes: what goes there, the option that names another, and the header of those that upjob wrote.
local REJECTS = { what = "rejected rows", option = "--rejects",
                  is_ours = function(header) return header[#header] == rejects.REASON_COLUMN end }
local PROBLEMS = { what = "problems", option = "--problems",
                   is_ours = function(header)
                     return table.concat(header, ",") == "line,column,name,value,class,severity,reason,hint"
                   end }

local function refuse(kind, path, what)
  return nil, errors.new { code = "UsageError", message = ("%s cannot go to %s: %s"):format(kind.what, path, what) }
end

-- True for a file that an earlier run wrote, and for one with nothing in it.
local function is_ours(kind, path, info)
  if info.size == 0 then return true end
  local reader = require("upjob.csv").open(path)
  local header = reader and reader:header()
  if reader then reader:close() end
  return header ~= nil and kind.is_ours(header)
end

-- true | nil, err; `others` are the files that this import reads.
local function check_place(kind, path, others)
  local info = system.stat(path)
  if not info then return true end
  if info.type == "directory" then return refuse(kind, path, "it is a directory: name a file in it") end
  if info.type ~= "file" then return refuse(kind, path, "it is not a regular file") end
  for _, other in ipairs(others) do
    local read = system.stat(other)
    if read and read.device == info.device and read.inode == info.inode then
      return refuse(kind, path, ("it is %s, which this import reads: name another file"):format(
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
  local directory = path:match("^(.*)/[^/]*$")
  local info = system.stat(directory == nil and "." or directory == "" and "/" or directory)
  if not info or info.type ~= "directory" or path:sub(-1) == "/" then
    return refuse(kind, path, info and "name a file in it" or "its directory does not exist")
  end
  return check_place(kind, path, others)
end

--- Whether rejected rows can go to `path`: true | nil, err. An earlier rejects file there will be kept as `path`~.
function rejects.check(path, others)
  local ok, err = check(REJECTS, path, others)
  if not ok then return nil, err end
  if not system.stat(path) then return true end
  return check_place(REJECTS, path .. "~", others)
end

--- Whether all problems can be written to `path`: true | nil, err. Those of an earlier run give way.
function rejects.check_problems(path, others)
  return check(PROBLEMS, path, others)
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
