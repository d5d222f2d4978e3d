-- What an import of what has changed does but for the sending: reads the set of the last one for damage, finds out what has
-- changed, and goes over the rows that are to be sent; where there are none the new set takes the place of the other. Prints the keys that are new, changed and the same, and the rows that the second pass looked at and passed over.
-- upjob run check_changes.lua FILE MAPPING STAGED [BEFORE]
local checking = require "upjob.checking"
local native = require "upjob.native.changes"
local file, map, staged, before = ...
os.remove(staged)
map = assert(mapping.load(map))
if before then assert(native.check(before)) end
local result = assert(checking.run { file = file, mapping = map, reject = true,
                                     changes = assert(native.compare { before = before, staged = staged }) })
local changes = result.changes
local looked_at, passed_over = 0, 0
if before and changes.rows > 0 then
  local sent = assert(checking.run { file = file, mapping = map, reject = true, select = changes.lines[1] })
  looked_at, passed_over = sent.rows, sent.passed_over
  checking.close(sent)
end
changes.lines[1]:close()
if before and changes.rows == 0 then assert(native.promote(staged, before)) end
print(changes.new, changes.changed, changes.same, looked_at, passed_over)
