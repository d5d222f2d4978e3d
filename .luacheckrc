std = "lua54"
max_line_length = 130
exclude_files = { "build" }
-- Modules are globals in scripts that upjob runs.
files["scripts/examples"] = {
  read_globals = { "profiles", "upload", "csv", "mapping", "job", "schedule", "notify", "task", "http", "json", "log" },
}
files["scripts/cmd/repl.lua"] = { globals = { "_G" } }
-- os.exit is replaced by one that cleans up.
files["scripts/upjob/cli.lua"] = { globals = { "os" } }
files["tests/conformance"] = { read_globals = { "profiles", "http", "json" } }
files["tests/schedule"] = { read_globals = { "schedule" } }
files["tests/lua"] = {
  std = "lua54+busted", globals = { "arg" },
  read_globals = { "profiles", "upload", "csv", "mapping", "job", "schedule", "notify", "task", "http", "json", "log" },
}
