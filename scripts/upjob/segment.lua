--- The segment of the profiles of an import: a constant attribute on its rows, and the definition that selects them.
local segment = {}

--- Before the check: whether there is a definition of that name, and whether it is the one that is wanted.
function segment.look(run)
  if not run.segment then return nil end
end

--- After the check, before the first job: the definition is there.
function segment.define(run)
  if not run.segment then return nil end
end

--- After the end: how many profiles the segment has.
function segment.measure(run)
  if not run.segment then return nil end
end

return segment
