-- Answers the oracle: each line of the file given is "expression TAB zone TAB from TAB count TAB end". One line for each: the
-- epochs before the end, or "error" and the message.
for line in io.lines(arg[1]) do
  local expression, zone, from, count, last = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.-)$")
  last = tonumber(last)
  local times, err = schedule.next(expression, { tz = zone, from = tonumber(from), count = tonumber(count) })
  while times and times[#times] and times[#times] >= last do times[#times] = nil end
  print(times and table.concat(times, " ") or "error " .. tostring(err))
end
