-- Runs one busted file inside the host, so that what is tested is what users get: upjob run tests/lua/busted.lua FILE
package.path = "/usr/share/lua/5.4/?.lua;/usr/share/lua/5.4/?/init.lua;tests/lua/?.lua;" .. package.path
package.cpath = package.cpath .. ";/usr/lib/x86_64-linux-gnu/lua/5.4/?.so;/usr/lib/aarch64-linux-gnu/lua/5.4/?.so"
local file = arg[1]
arg = { [0] = "busted", "--output=TAP", "--no-auto-insulate", file }
require "busted.runner" { standalone = false }
