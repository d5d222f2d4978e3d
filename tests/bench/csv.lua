-- One way to read a CSV file: prints the records and a sum over them, or what the reader has not got.
-- upjob run csv.lua WAY FILE [COLUMN COLUMN]       FILE: - for standard input
local way, file, first, second = ...
local reader <close> = assert(csv.open(file))
local ways = {}

function ways.count() return assert(reader:count()), 0 end

-- The same, and the most memory that the process has had by then, in KiB.
function ways.memory()
  local records = assert(reader:count())
  for line in io.lines "/proc/self/status" do
    local peak = line:match "^VmHWM:%s*(%d+)"
    if peak then return records, peak end
  end
end

function ways.names()
  local records, bytes = 0, 0
  for row in reader:rows() do records, bytes = records + 1, bytes + #row[first] + #row[second] end
  return records, bytes
end

function ways.columns()
  local there, columns = pcall(function() return reader.columns end)
  if not there or not columns then return "no columns" end
  local records, bytes = 0, 0
  for a, b in columns(reader, { first, second }) do records, bytes = records + 1, bytes + #a + #b end
  return records, bytes
end

function ways.lists()
  local records, cells = 0, 0
  for list in reader:rows { as = "list" } do
    if type(list) ~= "table" then return "no lists" end
    records, cells = records + 1, cells + #list
  end
  return records, cells
end

function ways.cells()
  local records, cells = 0, 0
  for row in reader:rows() do
    local list = {}
    for i = 1, #row do list[i] = row[i] end
    records, cells = records + 1, cells + #list
  end
  return records, cells
end

function ways.copies()
  local records, cells = 0, 0
  for row in reader:rows() do records, cells = records + 1, cells + #csv.copy(row) end
  return records, cells
end

print(ways[way]())
