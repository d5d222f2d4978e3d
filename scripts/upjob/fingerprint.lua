--- Whether a file and a mapping are what they were: as texts that the journal keeps.
local system = require "upjob.native.system"

local fingerprint = {}

--- A path as the text that it need not be, and back: the journal holds text.
function fingerprint.path_text(path)
  if not path or utf8.len(path) and path:sub(1, 4) ~= "hex:" then return path end
  return "hex:" .. path:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
end

function fingerprint.path_of(text)
  if not text or text:sub(1, 4) ~= "hex:" then return text end
  return (text:sub(5):gsub("%x%x", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- What a look at a file tells of it: { stat = "size mtime device inode" }; nil when it cannot be read twice.
function fingerprint.look(file)
  local info = file ~= "-" and system.stat(file)
  if not info or info.type ~= "file" then return nil end
  return ("%d %.9f %d %d"):format(info.size, info.mtime, info.device, info.inode)
end

--- The same of several files; nil when one of them cannot be read twice.
function fingerprint.look_all(files)
  local looks = {}
  for i, file in ipairs(files) do
    looks[i] = fingerprint.look(file)
    if not looks[i] then return nil end
  end
  return table.concat(looks, ", ")
end

--- The fingerprint of a file: what a look told, and the digest of what is sent of it, once a check has made that.
function fingerprint.of_file(look, digest)
  return look and digest and look .. " md5:" .. digest or look
end

--- The digest in a fingerprint, nil when there was no check; and the look.
function fingerprint.parts(text)
  if not text then return nil, nil end
  local look, digest = text:match("^(.-) md5:(%S+)$")
  return digest, look or text
end

local function digest(map, text)
  return require("upjob.native.upload").digest(text .. (map.segment and "\n-- segment: " .. map.segment or ""))
end

--- The fingerprint of what a mapping means (mapping_meaning); what its lookups read shows in what is sent.
function fingerprint.of_mapping(map)
  return "map:" .. digest(map, require("upjob.mapping_meaning").text(map.base or map))
end

-- A mapping file's own bytes.
local function text_of(map)
  local file <close> = map.file and io.open(map.file, "rb") or nil
  return file and file:read("a") or map:to_lua()
end

--- The fingerprint that earlier versions gave it: of how it is written down.
function fingerprint.of_mapping_before(map)
  return "md5:" .. digest(map, text_of(map.base or map))
end

--- Whether a fingerprint in the journal is that of the mapping.
function fingerprint.is_of_mapping(text, map)
  return text ~= nil and (text == fingerprint.of_mapping(map) or text == fingerprint.of_mapping_before(map))
end

--- Whether the text of a mapping (map:to_lua()) is all of it: nothing in it is a function of a script, or a file beside one.
function fingerprint.is_plain(map)
  if #map.filters > 0 or next(map.skipped or {}) then return false end
  for _, field in ipairs(map.fields) do
    for _, step in ipairs(field.steps) do
      if step.kind == "call" or step.file then return false end
    end
  end
  return true
end

return fingerprint
