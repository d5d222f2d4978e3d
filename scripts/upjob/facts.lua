--- upjob.facts: what is inferred of the real service, a sentence each, by the names that `upjob probe` and
-- `upjob local --fact` share, in the order of the probe's report. Values and limits are in runtime/local/facts.inc.
local list = {
  { "timestamps", "Timestamps are epoch seconds with fractions." },
  { "display-name", "Two jobs may have one DisplayName." },
  { "many-fields", "A job takes more fields than the 25 that the console maps." },
  { "max-expiry", "DataExpiry is at most 1098 days." },
  { "list-page", "ListUploadJobs gives 100 jobs a page when MaxResults is not given." },
  { "wrong-state", "A call in the wrong state of a job is a BadRequestException (400)." },
  { "write-rate", "One create, one start and one stop a second are taken, and no more." },
  { "read-rate", "Five reads a second are taken, and no more." },
  { "path-lifetime", "An upload URL is good for 900 seconds." },
  { "new-url", "GetUploadJobPath gives another URL each time." },
  { "new-key", "GetUploadJobPath gives another key each time." },
  { "which-put", "Of several files put for a job, the last counts." },
  { "client-token", "ClientToken is base64 of 32 bytes and goes into the header as it is." },
  { "content-md5", "A PUT may carry Content-MD5 that the URL has not signed." },
  { "max-file-bytes", "A file of 1,000,000,000 bytes fails; one of a byte less does not." },
  { "after-start", "A job is IN_PROGRESS from its start on, until it has ended." },
  { "second-start", "StartUploadJob is refused unless the job is CREATED." },
  { "late-path", "GetUploadJobPath is refused once the job has ended." },
  { "stop-created", "StopUploadJob is taken while the job is CREATED, and makes it STOPPED." },
  { "stop-running", "StopUploadJob is taken while the job is IN_PROGRESS, and makes it STOPPED." },
  { "stop-ended", "StopUploadJob is refused once the job has ended." },
  { "missing-file", "A job without a file fails with VALIDATION_FAILURE." },
  { "empty-file", "A job whose file has no byte fails with VALIDATION_FAILURE." },
  { "not-utf8", "A job whose file is not UTF-8 fails with VALIDATION_FAILURE." },
  { "missing-column", "A job whose file lacks a mapped column fails with VALIDATION_FAILURE." },
  { "missing-key-column", "A job whose file lacks the column of the key fails with VALIDATION_FAILURE." },
  { "no-records", "A job whose file has a header and no record fails with VALIDATION_FAILURE." },
  { "all-failed", "A job all of whose records failed is FAILED with VALIDATION_FAILURE." },
  { "some-failed", "A job some of whose records failed is PARTIALLY_SUCCEEDED." },
  { "source-macro", "A Source may be {{_source.a}} {{_source.b}}." },
  { "attribute-target", "A Target may be _profile.Attributes.name." },
  { "attribute-search", "SearchProfiles finds a custom attribute by its own name." },
  { "unique-key", "UniqueKey names a key of Fields, not a column." },
  { "max-value", "A value of more than 255 characters fails its record." },
  { "max-information", "AdditionalInformation of more than 1000 characters fails its record." },
  { "no-key", "A record without the unique key is a failed one." },
  { "extra-cells", "A record with more cells than the header fails." },
  { "missing-cells", "A record with fewer cells than the header has empty ones at its end." },
  { "nul-byte", "A NUL byte in a cell fails its record." },
  { "number", "A NUMBER that is none fails its record." },
  { "phone-number", "A PHONE_NUMBER without a digit fails its record." },
  { "email-address", "An EMAIL_ADDRESS without '@' fails its record." },
  { "enum", "A Gender that is none of the model's values fails its record." },
  { "same-key", "Records of a file with one key are one profile, and the later ones update it." },
  { "same-key-later", "A record updates the profile that an earlier job made under its key." },
  { "empty-cell", "An empty cell leaves the stored value as it is." },
  { "segment", "A segment can select on a custom attribute that an import has set." },
  { "segment-taken", "Creating a segment definition whose name is taken is a BadRequestException (400)." },
  { "segment-case", "Values of a segment's conditions are compared as they are written, case and all." },
  { "segment-exclusive", "EXCLUSIVE holds for a profile that has no value at all." },
  { "segment-attributes", "Several attributes in one dimension of a segment must all hold." },
}

local facts = { list = {}, sentence = {} }

for i, row in ipairs(list) do
  facts.list[i], facts.sentence[row[1]] = row[1], row[2]
end
-- For rehearsals only: no two runs of the real service agree on it.
facts.sentence["queue-seconds"] = "A started job waits that long before its first record is looked at."

--- What the embedded service can be told with --fact, a line each: "name=inferred|other  sentence".
function facts.choices()
  local lines = {}
  for i, fact in ipairs(require("upjob.native.local").facts()) do
    local values = fact.other and fact.inferred .. "|" .. fact.other
      or ("%.10g (%.10g to %.10g)"):format(fact.inferred, fact.least, fact.most)
    lines[i] = ("%-52s %s"):format(fact.name .. "=" .. values, facts.sentence[fact.name])
  end
  return lines
end

return facts
