-- The pass over a file before its import, with the mapping that is made of its header. Prints the rows.
-- upjob run check.lua FILE KEY-COLUMN
local check = require "upjob.native.check"
local file, key = ...
local header = assert(check.header { file = file, keys = { key } })
local map = assert(mapping.from_header(header, key, { file = file, line = 1 }))
local result = assert(check.run { file = file, fields = map:check_fields(), keys = { map.key_field.column } })
print(result.rows)
