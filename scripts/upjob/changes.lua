--- Imports of only what has changed since the last one that succeeded.
local changes = {}

--- The end of an import: what it sent is what the next one compares with.
function changes.promote(run)
  if not run.only_changed then return nil end
end

return changes
