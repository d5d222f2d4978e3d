--- What the command line says of the service, for clients that are told nothing else: embedded, profile, region, endpoint_url;
-- and state, the directory of upjob's own state. no_journal: what is done here is not recorded. parent_run: the run of an
-- automation that this process is, { id=, fence=, attempt= }.
-- A module of its own, so that the command line can say it without loading the client.
return {}
