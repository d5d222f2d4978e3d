-- Sends the cases of a file through upjob's client, one after the other, and prints each reply as a line of JSON.
--     upjob run send.lua URL CASES
local url, path = ...
local file = assert(io.open(path))
local cases = assert(json.decode(file:read "a"))
file:close()

local client = assert(profiles.client { region = "us-east-1", endpoint_url = url, max_attempts = 1,
  credentials = { access_key_id = "AKIDEXAMPLE", secret_access_key = "secret", session_token = "token/with+odd=characters" } })

for _, case in ipairs(cases) do
  local name = case.operation:gsub("(%u)", "_%1"):lower():sub(2)
  local taken, reply, err = pcall(client[name], client, case.params)
  if not taken then reply, err = nil, { message = tostring(reply) } end
  if reply and case.operation == "GetUploadJobPath" and reply.ClientToken then
    reply.ClientToken = reply.ClientToken:reveal()
  end
  if not reply then
    reply = { error = { code = err.code, message = err.message, status = err.status, request_id = err.request_id } }
  end
  print(json.encode(reply))
end
