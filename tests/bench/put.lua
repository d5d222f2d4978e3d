-- One PUT, without the digest pass; the URL and the data key come on standard input, which no process list shows.
-- upjob run put.lua FILE
local url, key = io.read("l", "l")
assert(upload.put { url = url, key = key, file = (...), content_md5 = false })
