--- What the command line says of the service, for clients that are told nothing else: embedded, profile, region, endpoint_url;
-- and state, the directory of upjob's own state.
-- A module of its own, so that the command line can say it without loading the client.
return {}
