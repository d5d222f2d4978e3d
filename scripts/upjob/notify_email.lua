--- notify.email: a mail of plain text through a mail server.
local native = require "upjob.native.notify"
local secret = require "upjob.native.secret"

local email = { options = { server = "string", from = "string", to = "any", username = "string", password = "any",
                            starttls = "boolean" }, required = { "server", "from", "to" }, timeout = 60 }

--- The channel | nil, what is wrong.
function email.open(options)
  local to = type(options.to) == "string" and { options.to } or options.to
  if type(to) ~= "table" or #to == 0 then return nil, "\"to\" must be an address or a list of them" end
  local password = options.password
  if password ~= nil and not secret.is(password) then
    if type(password) ~= "string" then return nil, "\"password\" must be a string or a secret" end
    password = secret.new(password)
  end
  if password and not options.username then return nil, "\"password\" goes with \"username\"" end
  local mail = { server = options.server, from = options.from, to = table.move(to, 1, #to, 1, {}), username = options.username,
                 password = password, starttls = options.starttls }
  local ok, err = native.check_mail(mail)
  if not ok then return nil, err.message end

  local function deliver(message, timeout)
    local one = { subject = message.subject, text = message.text, id = message.id, timeout = timeout }
    for k, v in pairs(mail) do one[k] = v end
    return native.mail(one)
  end
  return { target = ("%s to %s"):format(options.server:gsub("/+$", ""), table.concat(mail.to, ", ")), deliver = deliver }
end

return email
