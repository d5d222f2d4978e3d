--- Command lines: that of this program as it was called (program, words, and script, the name of the one that it runs), and those
--- that are printed for a person to run, with words quoted for the shell.
local shell = { program = "upjob", words = {} }

--- A word as a POSIX shell takes it back.
function shell.quote(word)
  if word:find("^[%w_@%%+=:,./-]+$") then return word end
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

--- The command line of this program with these words: a list, or several that follow one another.
function shell.command(...)
  local words = { shell.quote(shell.program) }
  for _, list in ipairs { ... } do
    for _, word in ipairs(list) do words[#words + 1] = shell.quote(word) end
  end
  return table.concat(words, " ")
end

return shell
