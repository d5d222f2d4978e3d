--- The request that makes the job of an import.
return function(run, display_name)
  return { DomainName = run.domain, DisplayName = display_name, Fields = run.mapping:api_fields(),
           UniqueKey = run.mapping.unique_key, DataExpiry = run.expires }
end
