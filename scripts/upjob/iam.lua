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

-- What it takes to read an object of S3, or, where the address ends with an asterisk, all that begin so.
local function add_source(statements, partition, bucket, key)
  local arn = ("arn:%s:s3:::%s"):format(partition, bucket)
  statements[#statements + 1] = { Sid = "UpjobSource", Effect = "Allow", Action = json.array { "s3:GetObject" },
                                  Resource = json.array { arn .. "/" .. key } }
  statements[#statements + 1] = { Sid = "UpjobSourceIsThere", Effect = "Allow", Action = json.array { "s3:ListBucket" },
                                  Resource = json.array { arn } }
end

--- The policy as a table for json.encode. region nil: in every region of the standard partition. source: s3://bucket/key that
--- is read too, or nil; a key may end with "*".
function iam.policy(domain, region, source)
  local partition = native.partition(region or "us-east-1")
  local arn = ("arn:%s:profile:%s:*:domains/%s"):format(partition, region or "*", domain)
  local policy = {
    Version = "2012-10-17",
    Statement = json.array {
      { Sid = "UpjobDomain", Effect = "Allow", Action = actions(ON_DOMAIN), Resource = json.array { arn, arn .. "/*" } },
      { Sid = "UpjobSegments", Effect = "Allow", Action = actions(ON_SEGMENTS), Resource = json.array { arn, arn .. "/*" } },
      { Sid = "UpjobAccount", Effect = "Allow", Action = actions(ON_ACCOUNT), Resource = "*" },
    },
  }
  if source then add_source(policy.Statement, partition, source:match("^[sS]3://([^/]+)/(.+)$")) end
  return policy
end

return iam
