-- Mending alone: the parts of a file are made and thrown away. split.lua FILE MAPPING PART_BYTES; prints how many there were.
local checking = require "upjob.checking"

local found = assert(checking.run { file = arg[1], mapping = assert(mapping.load(arg[2])), reject = true,
                                    split = { salt = "bench", part_bytes = tonumber(arg[3]), slots = 64 } })
for _, part in ipairs(found.split.parts) do assert(part.fd, "a part was not made in the first pass") end
print(#found.split.parts)
checking.close(found)
