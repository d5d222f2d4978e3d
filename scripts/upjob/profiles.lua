--- upjob.profiles: the API client of Amazon Connect Customer Profiles. Operation and field names are the API's own:
-- client:create_upload_job{…} calls CreateUploadJob. A reply is a table; what fails returns nil, err.
-- err.outcome is "unknown" when CreateUploadJob was sent and not answered: the job may exist, which pages("list_upload_jobs")
-- shows; sent again it would make a second one.
local errors = require "upjob.errors"
local defaults = require "upjob.defaults"
local native = require "upjob.native.profiles"

local profiles = {}

local methods = {}
local client_meta = {}

-- The options, and the defaults where they say nothing. A rehearsal (--local) reaches no other service than a script names by
-- its URL.
local function with_defaults(options)
  local settings = {}
  for k, v in pairs(options) do settings[k] = v end
  if settings.embedded == nil and settings.endpoint_url == nil then settings.embedded = defaults.embedded end
  if settings.embedded then
    settings.profile, settings.credentials = nil, nil
    settings.region = settings.region or defaults.region
    return settings
  end
  for _, name in ipairs { "profile", "region", "endpoint_url" } do
    if settings[name] == nil then settings[name] = defaults[name] end
  end
  return settings
end

-- What the journal keeps of a client, so that another process makes such a one again: no keys. What the environment said is in
-- it, as that process may have another.
local function origin_of(settings, is_embedded, about)
  if is_embedded then
    local directory = require("upjob.embedded").kept_directory()
    return { embedded = true, data = directory and require("upjob.native.system").absolute(directory) }
  end
  local usual, profile = native.endpoint { region = about.region }, settings.profile
  if not profile and not settings.credentials and not os.getenv("AWS_ACCESS_KEY_ID") then profile = os.getenv("AWS_PROFILE") end
  return { region = about.region, endpoint_url = about.endpoint ~= usual and about.endpoint or nil,
           profile = profile ~= "" and profile or nil, credentials = settings.credentials ~= nil or nil }
end

-- The options of the command line that make such a client again; false when none do: its service ends with this program.
local function command_options(options)
  if options.embedded then
    local directory = require("upjob.embedded").kept_directory()
    return directory ~= nil and { "--local", "--data", directory }
  end
  local words = {}
  for _, name in ipairs { "profile", "region", "endpoint_url" } do
    if options[name] then table.move({ "--" .. name:gsub("_", "-"), options[name] }, 1, 2, #words + 1, words) end
  end
  return words
end

--- profiles.client{ region=, profile=, endpoint_url=, credentials={access_key_id=, secret_access_key=, session_token=},
-- max_attempts=, connect_timeout=, read_timeout=, use_fips=, use_dual_stack=, rates=, mfa_token= } → client | nil, err. What is
-- not given comes from the environment and the shared files, as in the AWS CLI. Keys that must be fetched are asked for at the
-- first call. mfa_token is the code for a profile with mfa_serial (or UPJOB_MFA_TOKEN). embedded=true uses the service inside
-- this process.
-- rates = { create_upload_job = 2 } is in calls a second, by operation: a call beyond it waits for its turn. Creating, starting
-- and stopping upload jobs, creating and deleting segments, begins with 1, reading either with 5, any other operation (and a
-- server on this machine) without a limit; a service that throttles lowers the rate for a while. rates = false: no limit to
-- begin with.
function profiles.client(options)
  if options ~= nil and type(options) ~= "table" then
    error(("profiles.client: a table of options is needed, not a %s"):format(type(options)), 2)
  end
  local settings = with_defaults(options or {})
  if settings.embedded ~= nil and type(settings.embedded) ~= "boolean" then
    error("profiles.client: option \"embedded\" must be a boolean", 2)
  end
  local is_embedded = settings.embedded or false
  if is_embedded then
    local embedded = require "upjob.embedded"
    local url, err = embedded.start()
    if not url then return nil, err end
    settings.endpoint_url = url
    settings.region = settings.region or embedded.region
    settings.credentials = embedded.credentials
  end
  local words = command_options(settings)
  settings.embedded = nil
  local handle, err = errors.at_caller(native.client, settings, is_embedded)
  if not handle and err.code == "ConfigurationError" and not is_embedded then
    local region, none = native.metadata_region(settings)
    if none then return nil, none end
    if region then
      settings.region = region
      handle, err = errors.at_caller(native.client, settings, is_embedded)
    end
  end
  if not handle then return nil, err end
  return setmetatable({ handle = handle, embedded = is_embedded, command_options = words,
                        settings = { profile = settings.profile, use_fips = settings.use_fips,
                                     use_dual_stack = settings.use_dual_stack },
                        origin = origin_of(settings, is_embedded, native.about(handle)) }, client_meta)
end

--- The URL that profiles.client{} would call where it is not embedded: url | nil, err. Nothing is asked for it, the instance
-- metadata neither, and no credentials are needed.
function profiles.default_endpoint()
  local settings = with_defaults { embedded = false, credentials = { access_key_id = "none", secret_access_key = "none" } }
  settings.embedded = nil
  local handle, err = native.client(settings, false)
  if not handle then return nil, err end
  local url = native.about(handle).endpoint
  native.close(handle)
  return url
end

--- True for what profiles.client returned.
function profiles.is_client(value)
  return getmetatable(value) == client_meta
end

--- The URL for a region: profiles.endpoint{ region=, use_fips=, use_dual_stack=, endpoint_url= } → url | nil, err
function profiles.endpoint(options)
  local url, err = errors.at_caller(native.endpoint, options)
  return url, err
end

--- The Lua names of all operations.
profiles.operations = native.operations

local function call(client, name, params, options, level)
  if options ~= nil then errors.check_options(name, options, { timeout = "number", max_attempts = "number" }, level + 1) end
  local given = options or {}
  local ok, reply, err = pcall(native.call, client.handle, name, params, given.timeout, given.max_attempts)
  if not ok then
    if type(reply) ~= "string" then error(reply, 0) end
    error(reply:gsub("^[^\n]-:%d+: ", "", 1), level + 1)
  end
  -- Misuse of the model (an unknown or missing field, a wrong type) is the caller's mistake, told at its line.
  if reply == nil and err.code == "UsageError" then
    error(("%s: %s"):format(name, err.message), level + 1)
  end
  return reply, err
end

client_meta.__index = function(_, name)
  if methods[name] then return methods[name] end
  local operation, near = native.operation(name)
  if not operation or operation.lua_name ~= name then
    error(("there is no operation \"%s\"%s"):format(tostring(name),
      near and (" (did you mean \"%s\"?)"):format(near) or ""), 2)
  end
  local function method(client, params, options)
    if not profiles.is_client(client) then
      error(("%s: call it with a colon: client:%s{…}"):format(name, name), 2)
    end
    local reply, err = call(client, name, params, options, 2) -- no tail call: the error names our caller's line
    if reply == nil then return nil, err end
    return reply
  end
  methods[name] = method
  return method
end

client_meta.__tostring = function(client)
  local about = native.about(client.handle)
  return ("upjob client: %s, region %s"):format(about.endpoint, about.region)
end

--- Ends the client: it takes no more calls; those under way end as they would have.
function methods:close()
  native.close(self.handle)
end

client_meta.__close = methods.close

--- region, endpoint, credentials_source, credentials_expire (an epoch; known after the first call, nil when they last) and
-- clock_offset (seconds that the service's clock is ahead of this machine's, once a call was refused for it): never a secret.
function methods:about()
  return native.about(self.handle)
end

-- What is wrong with a page that followed on `token`, nil when nothing is. A list that gives one token again has no end.
local function fault_of_page(page, items_name, token)
  local items, next_token = page[items_name], page.NextToken
  if items ~= nil and type(items) ~= "table" then return ("its %s are no list"):format(items_name) end
  if next_token == nil then return nil end
  if type(next_token) ~= "string" then return "its NextToken is no string" end
  return next_token == token and "its NextToken is the one that was sent" or nil
end

-- The operation with that name, which has pages, or misuse at the line of the caller's caller.
local function paged(name)
  local operation, near = native.operation(name)
  if not operation then
    error(("pages: there is no operation \"%s\"%s"):format(tostring(name),
      near and (" (did you mean \"%s\"?)"):format(near) or ""), 3)
  end
  if not operation.items then error(("pages: %s has no pages"):format(operation.lua_name), 3) end
  return operation
end

-- A function that gives the items of one page after another, and nil behind the last; a failing call raises its error object.
local function page_source(client, operation, params)
  local request, finished = {}, false
  for k, v in pairs(params or {}) do request[k] = v end
  return function(level)
    if finished then return nil end
    local page, err = call(client, operation.lua_name, request, nil, level + 1)
    local fault = page and fault_of_page(page, operation.items, request.NextToken)
    if fault then
      err = errors.new { code = "InvalidResponse", operation = operation.name, message = "the reply cannot be used: " .. fault }
    end
    if err then error(err, 0) end
    request.NextToken = page.NextToken
    finished = page.NextToken == nil
    return page[operation.items] or {}
  end
end

--- An iterator over the items of all pages: for item in client:pages("list_upload_jobs", { DomainName = "acme" }) do … end
-- It asks for the next page when the last item of this one was taken. A failing call raises its error object.
function methods:pages(name, params)
  local next_page = page_source(self, paged(name), params)
  local items, at = {}, 0
  return function()
    at = at + 1
    while at > #items do
      items, at = next_page(2), 1
      if not items then
        items = {}
        return nil
      end
    end
    return items[at]
  end
end

--- The same, page by page: for items in client:whole_pages(…) do … end. Whoever leaves the loop asks for no further page.
function methods:whole_pages(name, params)
  local next_page = page_source(self, paged(name), params)
  return function() return (next_page(2)) end
end

--- Waits until something on the service is as it is called: see upjob.waiter.
function methods:wait_until(name, params, options)
  local reply, err = require("upjob.waiter").wait_until(self, name, params, options)
  return reply, err
end

--- What the embedded service knows of failed records, page by page: the real service has no such call.
function methods:local_failures(params)
  local about = { DomainName = params.DomainName, JobId = params.JobId }
  local ok, invalid = native.validate("GetUploadJob", about) -- which the path below relies on
  if not ok then return nil, invalid end
  local query = ("max-results=%d"):format(params.MaxResults or 100)
  if params.NextToken then
    query = query .. "&next-token=" .. params.NextToken:gsub("[^%w._~-]", function(c)
      return ("%%%02X"):format(c:byte())
    end)
  end
  local path = ("/_local/domains/%s/upload-jobs/%s/failures"):format(params.DomainName, params.JobId)
  local page, err = native.get(self.handle, path, query)
  if not page then err.operation = "ListFailedRecords" end -- no operation of the API: what it would be called
  return page, err
end

return profiles
