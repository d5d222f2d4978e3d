-- Signs the requests of standard input, a JSON object a line, and prints for each the Authorization header, or the presigned URL,
-- and the canonical request, as a JSON list.
for line in io.lines() do
  local case = assert(json.decode(line))
  local request = { method = case.method, url = case.url, headers = case.headers,
    body = case.body and case.body:gsub("..", function(hex) return string.char(tonumber(hex, 16)) end) }
  local options = { service = case.service, region = case.region, time = case.time, expires = case.expires,
    credentials = { access_key_id = case.key, secret_access_key = case.secret, session_token = case.token } }
  local text, stages
  if case.expires then
    text, stages = http.presign(request, options)
  else
    stages = http.sign(request, options)
    text = stages and stages.headers.Authorization
  end
  print(json.encode { text or json.null, stages and stages.canonical_request or json.null })
end
