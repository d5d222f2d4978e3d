-- The pass over a file before its import, with the mapping that is made of its header. Prints the rows.
-- upjob run check.lua FILE KEY-COLUMN
local checking = require "upjob.checking"
local file, key = ...
local opened = assert(checking.open { file = file })
local map = assert(mapping.from_header(opened.header, key, { file = file, line = opened.line }))
local result = assert(checking.run { opened = opened, mapping = map })
print(result.rows)
