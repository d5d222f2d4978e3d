--- The least policy of IAM with which upjob's commands work on one domain. Resources: "Actions, resources, and condition keys for
-- Amazon Connect Customer Profiles", Service Authorization Reference; that upload jobs and segments are resources of their
-- domain is inferred.
local json = require "upjob.json"
local native = require "upjob.native.profiles"

local iam = {}

-- Of import, its watch and stop, and of a look at what came of it.
local ON_DOMAIN = { "CreateUploadJob", "GetDomain", "GetUploadJob", "GetUploadJobPath", "ListUploadJobs", "SearchProfiles",
                    "StartUploadJob", "StopUploadJob" }
-- Of import --segment.
local ON_SEGMENTS = { "CreateSegmentDefinition", "CreateSegmentEstimate", "DeleteSegmentDefinition", "GetSegmentDefinition",
                      "GetSegmentEstimate" }
local ON_ACCOUNT = { "ListDomains" } -- of `upjob domain list` and doctor

local function actions(operations)
  local names = {}
  for i, name in ipairs(operations) do names[i] = "profile:" .. name end
  return json.array(names)
end

--- The policy as a table for json.encode. region nil: in every region of the standard partition.
function iam.policy(domain, region)
  local arn = ("arn:%s:profile:%s:*:domains/%s"):format(native.partition(region or "us-east-1"), region or "*", domain)
  return {
    Version = "2012-10-17",
    Statement = json.array {
      { Sid = "UpjobDomain", Effect = "Allow", Action = actions(ON_DOMAIN), Resource = json.array { arn, arn .. "/*" } },
      { Sid = "UpjobSegments", Effect = "Allow", Action = actions(ON_SEGMENTS), Resource = json.array { arn, arn .. "/*" } },
      { Sid = "UpjobAccount", Effect = "Allow", Action = actions(ON_ACCOUNT), Resource = "*" },
    },
  }
end

return iam
