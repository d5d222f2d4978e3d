-- Answers the oracle: each line of the file given is "expression TAB zone TAB from TAB count"; one line of epochs for each, or
-- "error" and the message.
for line in io.lines(arg[1]) do
  local expression, zone, from, count = line:match("^(.-)\t(.-)\t(.-)\t(.-)$")
  local times, err = schedule.next(expression, { tz = zone, from = tonumber(from), count = tonumber(count) })
  print(times and table.concat(times, " ") or "error " .. tostring(err))
end
