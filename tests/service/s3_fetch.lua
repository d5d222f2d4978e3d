--- Fetches an object as an import does, and prints what came of it as JSON: URL [DIRECTORY [STALL_TIMEOUT]].
local json = require "upjob.json"
local source = require "upjob.source"

local last, told = 0, 0
local fetched <close>, err = source.of(arg[1], { tmp = arg[2] ~= "" and arg[2] or nil, stall_timeout = tonumber(arg[3]),
  progress = function(done, total)
    assert(done >= last and done <= total, "what is told goes back")
    last, told = done, told + 1
  end })
local kept = 0
for line in io.lines("/proc/self/status") do kept = tonumber(line:match("^VmHWM:%s+(%d+)")) or kept end
if not fetched then
  print(json.encode { code = err.code, message = tostring(err), request_id = err.request_id })
else
  local link = io.popen(("readlink /proc/%d/fd/%d"):format(require("upjob.native.system").pid(), fetched.fd)):read("a")
  local text = fetched.bytes < 1e8 and io.open(("/proc/self/fd/%d"):format(fetched.fd), "rb"):read("a")
  print(json.encode { bytes = fetched.bytes, look = fetched.look, link = link, peak_kib = kept, told = told,
                      md5 = text and require("upjob.native.upload").digest(text) })
end
