--- Which automations on files would take one and the same file: their patterns have a name in common, and one moves it away.
local shared_files = {}

local ANY, ONE = {}, {}

-- A pattern of a name as characters, ONE and ANY; nil where a class of characters is in it.
local function parts_of(pattern)
  local parts, escaped = {}, false
  for char in pattern:gmatch(utf8.charpattern) do
    if escaped then
      parts[#parts + 1], escaped = char, false
    elseif char == "[" then
      return nil
    elseif char == "\\" then
      escaped = true
    else
      parts[#parts + 1] = char == "*" and ANY or char == "?" and ONE or char
    end
  end
  return parts
end

-- Whether there is a name that matches what is left of both. seen: what was looked at in vain.
local function meet(a, i, b, j, seen)
  local at = i * 1024 + j
  if seen[at] then return false end
  seen[at] = true
  if i > #a and j > #b then return true end
  if a[i] == ANY then return meet(a, i + 1, b, j, seen) or (j <= #b and meet(a, i, b, j + 1, seen)) end
  if b[j] == ANY then return meet(a, i, b, j + 1, seen) or (i <= #a and meet(a, i + 1, b, j, seen)) end
  if i > #a or j > #b then return false end
  return (a[i] == b[j] or a[i] == ONE or b[j] == ONE) and meet(a, i + 1, b, j + 1, seen)
end

--- Whether two patterns in one folder have a name in common. Of different ones with classes of characters it is not known: false.
function shared_files.meet(first, second)
  if first == second then return true end
  local a, b = parts_of(first), parts_of(second)
  return a ~= nil and b ~= nil and meet(a, 1, b, 1, {})
end

local function split(path)
  return path:match("^(.*)/([^/]*)$")
end

local function share(one, other)
  if one.move == false and other.move == false then return false end
  local directory, name = split(one.expression)
  local other_directory, other_name = split(other.expression)
  return directory == other_directory and name ~= nil and shared_files.meet(name, other_name)
end

--- The pairs of kind "on_file" that take the same files: { { first, second } … }
function shared_files.find(definitions)
  local files, found = {}, {}
  for _, one in ipairs(definitions) do
    if one.kind == "on_file" then
      for _, other in ipairs(files) do
        if share(other, one) then found[#found + 1] = { other, one } end
      end
      files[#files + 1] = one
    end
  end
  return found
end

return shared_files
