--- Where the rows of an import or a check come from: a file as it is, or an object of S3, which is fetched into a temporary file
--- first. Reading it again is reading that file again.
local defaults = require "upjob.defaults"
local events = require "upjob.events"
local fingerprint = require "upjob.fingerprint"
local system = require "upjob.native.system"

local source = {}

local NAME_MAX = 200 -- bytes: what is put behind it must fit into a file's name too

local methods = {}
local meta = { __index = methods }

--- Whether it is an address of S3: "s3://bucket/key".
function source.is_remote(file)
  return type(file) == "string" and file:sub(1, 5):lower() == "s3://"
end

--- What a file of it would be called: the last part of a key.
function source.name(file)
  local name = file:match("[^/]+$") or file
  if #name <= NAME_MAX then return name end
  return (name:sub(1, NAME_MAX):gsub("[\xC0-\xFF][\x80-\xBF]*$", ""))
end

-- Whose keys are used, and for which region: those of the client, but the embedded service has none that S3 knows.
local function access(client)
  if client and not client.embedded then
    local about, settings = client:about(), client.settings or {}
    return { client = client.handle, profile = settings.profile, region = about.region, use_fips = settings.use_fips,
             use_dual_stack = settings.use_dual_stack }
  end
  return { profile = defaults.profile, region = defaults.region }
end

-- S3's answer to what `given` asks for: table | nil, err
local function ask(file, options, given)
  local what = access(options.client)
  what.url, what.stall_timeout = file, options.stall_timeout
  for name, value in pairs(given) do what[name] = value end
  local answer, err = require("upjob.native.s3").fetch(what)
  if not answer and err.code == "CredentialsError" then
    err.message = err.message:gsub("; %-%-local needs none$", "") -- this does
    if defaults.embedded or options.client and options.client.embedded then
      err.message = "objects of S3 are read with credentials of AWS, also where the service is the embedded one: " .. err.message
    end
  end
  return answer, err
end

--- source.of(file, { client=, tmp=, stall_timeout=, progress= }) → source | nil, err. An object of S3 is fetched into a nameless
--- file in the directory `tmp` (or where there is room), with the keys of `client`, or those of the command line's profile;
--- progress is called with bytes and total. The source, to be closed:
---   file   the name that was given, for messages
---   fd     the open file to be read in its place, always from its beginning; nil: the file is opened by its name
---   look   what a look at it told, as fingerprint.look gives it; of an object "s3 ETAG SIZE"; nil: it cannot be read twice
---   bytes  of an object
function source.of(file, options)
  if not source.is_remote(file) then return setmetatable({ file = file, look = fingerprint.look(file) }, meta) end
  local object, err = ask(file, options, { directory = options.tmp, progress = options.progress })
  if not object then return nil, err end
  return setmetatable({ file = file, fd = object.fd, look = object.look, bytes = object.bytes }, meta)
end

--- Closes what it holds open.
function methods:close()
  local fd = self.fd
  self.fd = nil
  if fd then require("upjob.native.check").close_fd(fd) end
end

meta.__close, meta.__gc = methods.close, methods.close

-- ---- for a run, whose `fetched` has what was fetched, by name ----

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- The source of a file of a run; an object is fetched the first time and kept until the run's end. Raises when it cannot be had.
function source.of_run(run, file)
  if run.fetched[file] then return run.fetched[file] end
  local made = must(source.of(file, {
    client = run.client, tmp = run.tmp, stall_timeout = run.stall_timeout,
    progress = function(done, total)
      if not run.ended then events.emit(run, "progress", { step = "fetch", done = done, total = total, file = file }) end
    end }))
  if made.fd then run.fetched[file] = made end
  return made
end

--- The looks at all files of a run, before it reads them; nil when one cannot be read twice.
function source.look_all(run)
  local looks = {}
  for i, file in ipairs(run.files) do
    looks[i] = source.of_run(run, file).look
    if not looks[i] then return nil end
  end
  return table.concat(looks, ", ")
end

--- What a look at a file tells now: nil when it cannot be read again. Of an object that was not fetched only ETag and size are
--- asked for, which may raise.
function source.now(run, file)
  if not source.is_remote(file) then return fingerprint.look(file) end
  if run.fetched[file] then return run.fetched[file].look end
  local object, err = ask(file, run, { look = true })
  if not object and (err.code == "NoSuchKey" or err.code == "NoSuchBucket") then return nil end
  return must(object, err).look
end

function source.has_remote(files)
  for _, file in ipairs(files) do
    if source.is_remote(file) then return true end
  end
  return false
end

--- Whether the files of a run are other ones than those that the look in the journal is of; where that is none, an object was not
--- fetched yet.
function source.has_changed(run, look)
  if not look and source.has_remote(run.files) then return false end
  local looks = {}
  for i, file in ipairs(run.files) do looks[i] = source.now(run, file) or "none" end
  return look ~= table.concat(looks, ", ")
end

--- Bytes of a file of a run; 0 when that is not known.
function source.size(run, file)
  local info = not source.is_remote(file) and system.stat(file)
  return info and info.size or run.fetched[file] and run.fetched[file].bytes or 0
end

--- Closes what was fetched for a run.
function source.close_all(run)
  for _, one in pairs(run.fetched) do one:close() end
  run.fetched = {}
end

-- ---- for commands ----

--- For a command: the source of its file, with what the command line says of the service, and `progress` (upjob.progress) that
--- shows how far it is: source | nil, err. A directory of temporary files that cannot take any is refused first.
function source.of_command(options, progress)
  local ok, err = require("upjob.checking").check_tmp(options.tmp)
  if not ok then return nil, err end
  for _, name in ipairs { "profile", "region", "embedded" } do defaults[name] = options[name] end
  local made
  made, err = source.of(options.file, { tmp = options.tmp, progress = progress and function(done, total)
    progress:show("fetching", done, total)
  end })
  if progress then progress:clear() end
  return made, err
end

return source
