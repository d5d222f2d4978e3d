--- The domain of an import in the embedded service, where it is made when it is missing; elsewhere that is for the service to
--- say.
local rehearsal = require "upjob.rehearsal"
local report = require "upjob.report"

local own_domain = {}

--- Raises what the service says.
function own_domain.ensure(run)
  if not run.client.embedded then return end
  local domain, err = run.client:get_domain { DomainName = run.domain }
  if domain then return end
  if err.status ~= 404 then error(err, 0) end
  local made
  made, err = run.client:create_domain(rehearsal.domain_request(run))
  -- Another import may have made it meanwhile.
  if not made and err.status == 400 then made, err = run.client:get_domain { DomainName = run.domain } end
  if not made then error(err, 0) end
  if require("upjob.log").level() ~= "error" then
    report.say(("domain %s did not exist in the embedded service: created"):format(run.domain))
  end
end

return own_domain
