--- The embedded service inside this process: one, started when first asked for, stopped and removed at the end.
local exit = require "upjob.exit"
local report = require "upjob.report"
local system = require "upjob.native.system"

local embedded = { region = "us-east-1" }
local running

-- Where this machine reaches what listens at an address: that of every interface is none to connect to.
local function url_of(host, port)
  return ("http://%s:%d"):format(host == "0.0.0.0" and "127.0.0.1" or host, port)
end

--- Starts it (once) and returns its URL | nil, err. Without `data_dir` it works in a fresh directory of mode 0700 that is
-- deleted at exit, as is what earlier runs could not delete because they were killed.
function embedded.start(options)
  if running then return running.url end
  options = options or {}
  local native = require "upjob.native.local"
  local directory, err = options.data_dir
  if not directory then
    system.sweep_temporary()
    directory, err = system.temporary_directory()
    if not directory then return nil, err end
  end
  local service
  service, err = native.start {
    data_dir = directory, ephemeral = not options.data_dir, port = options.port, host = options.host,
    domains = options.domains, faults = options.faults, throttle = options.throttle,
    facts = options.facts,
  }
  if not service then
    if not options.data_dir then system.remove_tree(directory) end
    return nil, err
  end
  if options.faults then options.faults_seed = service:fault_seed() end
  running = { service = service, url = url_of(options.host or "127.0.0.1", service:port()), directory = directory,
              temporary = not options.data_dir }
  exit.add(embedded.stop)
  return running.url
end

function embedded.stop()
  if not running then return end
  local was = running
  running = nil
  was.service:stop()
  if was.temporary then
    local ok, err = system.remove_tree(was.directory)
    if not ok then report.fail(err) end
  end
end

--- The directory of the service's data.
function embedded.directory()
  return running and running.directory
end

--- The directory that keeps the service's data when this program has ended; nil when it is deleted.
function embedded.kept_directory()
  return running and not running.temporary and running.directory or nil
end

embedded.credentials = { access_key_id = "local", secret_access_key = "local" }

return embedded
