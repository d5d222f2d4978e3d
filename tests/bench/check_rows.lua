-- The check of a file under a mapping, as `upjob map check` runs it. Prints the rows, the problems in rows, and the keys that
-- stand in several rows.
-- upjob run check_rows.lua FILE MAPPING
local checking = require "upjob.checking"
local file, map = ...
local result = assert(checking.run { file = file, mapping = assert(mapping.load(map)), digest = false })
local errors, repeated = 0, 0
for _, class in ipairs(result.classes) do
  if class.severity == "error" then errors = errors + class.count end
  if class.class == "duplicate key" then repeated = class.count end
end
print(result.rows, errors, repeated)
