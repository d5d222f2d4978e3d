--- The request that makes the job of an import; `map` is nil as long as there is none.
return function(run, map, display_name)
  return { DomainName = run.domain, DisplayName = display_name, Fields = map and map:api_fields(),
           UniqueKey = map and map.unique_key, DataExpiry = run.expires }
end
