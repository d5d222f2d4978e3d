--- upjob local: the embedded service for other programs.
local cli = require "upjob.cli"
local report = require "upjob.report"
local native = require "upjob.native.task"

local command = { summary = "run the embedded service for other programs" }

local function default_data()
  local base = os.getenv("XDG_DATA_HOME")
  if base and base ~= "" then return base .. "/upjob/local" end
  local home = os.getenv("HOME")
  return home and home ~= "" and home .. "/.local/share/upjob/local" or nil
end

function command.parser()
  local p = cli.parser("local", "Runs the embedded service until it is interrupted. Prints \"ready URL\" when it listens.")
  cli.number_option(p, "--port", "Port to listen on; 0 picks a free one.", "N", "a port, from 0 to 65535",
    { integer = true, most = 65535 }):default("0")
  p:option("--host", "Address to listen on."):argname("ADDRESS"):default("127.0.0.1")
  p:option("--domain", "Create this domain if it does not exist; may be repeated."):argname("NAME"):count("*")
  p:option("--fault", "Rehearse bad days: shares of requests that are struck (throttle, error, expire-url, drop-upload, "
    .. "stall-upload, deny), slow=BYTES a second, seed=N to repeat a run."):argname("NAME=VALUE,…")
  p:option("--fact", "Rehearse that something inferred of the real service is otherwise, as 'upjob probe' has seen it; "
    .. "'list' prints what there is."):argname("NAME=VALUE,…")
  p:flag("--throttle", "Answer no more calls than the real service's rates allow.")
  return p
end

function command.main(arguments)
  local options, status = cli.parse(command.parser(), arguments)
  if not options then return status end
  local facts = require "upjob.facts"
  if options.fact == "list" then
    print(table.concat(facts.choices(), "\n"))
    return cli.OK
  end
  local data = options.data or default_data()
  if not data then return cli.usage("local", "HOME is not set: say with --data DIR where data is kept") end
  local embedded = require "upjob.embedded"
  local start = { data_dir = data, port = options.port, host = options.host, faults = options.fault,
                  throttle = options.throttle, facts = options.fact,
                  domains = type(options.domain) == "table" and options.domain or { options.domain } }
  local url, err = embedded.start(start)
  if not url then
    status = cli.fail(err)
    if err.code == "UsageError" and err.message:find("^there is no fact") then
      report.lines("\n" .. table.concat(facts.choices(), "\n"))
    end
    return status
  end
  if not options.quiet then
    report.block("data in " .. data, "environment", ("To point an AWS SDK or CLI at it:\n"
      .. "  export AWS_ENDPOINT_URL_CUSTOMER_PROFILES=%s\n"
      .. "  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=us-east-1"):format(url))
  end
  if start.faults_seed and not options.quiet then
    report.say(("faults are rehearsed; seed=%d repeats them"):format(start.faults_seed), { seed = start.faults_seed })
  end
  -- Whoever waits for this line would wait for ever without it. That it could not be written is told at the end.
  if not (io.stdout:write("ready ", url, "\n") and io.stdout:flush()) then return cli.FAILED end
  while true do native.sleep(86400) end -- until interrupted
end

return command
