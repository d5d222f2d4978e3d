--- Run keys: what ends a job's DisplayName, so that the run that made the job finds it again.
local run_key = {}

local LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
local NAME_MAX = 255 -- characters of a DisplayName

--- Characters of a key that is made.
run_key.LENGTH = 10

--- What stands in a rehearsal for a key that will be made.
run_key.SOME = "<run key>"

--- A key that no other run has.
function run_key.make()
  local source <close> = io.open("/dev/urandom", "rb")
  if source then source:setvbuf("no") end
  local letters = {}
  while #letters < run_key.LENGTH do
    local byte = source and source:read(1)
    local number = byte and byte:byte() or math.random(0, 255)
    if number < 252 then -- 7 × 36: each letter is as likely
      number = number % #LETTERS + 1
      letters[#letters + 1] = LETTERS:sub(number, number)
    end
  end
  return table.concat(letters)
end

--- A name, then the key, within 255 characters: the key is never cut.
function run_key.display_name(name, key)
  local ending = " " .. key
  local room = NAME_MAX - utf8.len(ending)
  local cut = utf8.len(name) > room and utf8.offset(name, room + 1)
  return (cut and name:sub(1, cut - 1) or name) .. ending
end

--- Whether a job of this DisplayName has the key.
function run_key.is_of(display_name, key)
  local ending = " " .. key
  return type(display_name) == "string" and display_name:sub(-#ending) == ending
end

return run_key
