-- upjob.notify: what an event is to a person, and what notifiers take.
local errors = require "upjob.errors"
local json = require "upjob.json"
local letters = require "upjob.notify_letters"
local notify = require "upjob.notify"
local notify_text = require "upjob.notify_text"
local secret = require "upjob.native.secret"

local function subject(event)
  return (notify_text.of(notify_text.plain(event)))
end

describe("the subject of an event", function()
  for expected, event in pairs {
    ['job "spring" in acme: FAILED (VALIDATION_FAILURE)'] =
      { name = "failed", JobId = "a", DomainName = "acme", DisplayName = "spring", from = "IN_PROGRESS", to = "FAILED",
        StatusReason = "VALIDATION_FAILURE" },
    ['job "spring" in acme was created'] = { name = "created", JobId = "a", DomainName = "acme", DisplayName = "spring",
                                             to = "CREATED" },
    ["job a in acme has been CREATED for 7 h 00 min"] = { name = "stale", JobId = "a", DomainName = "acme", from = "CREATED",
                                                          to = "CREATED", seconds = 25200 },
    ["import of c.csv to acme: PARTIALLY_SUCCEEDED, 1,234 created, 0 updated, 2 failed, 3 rejected"] =
      { JobId = "a", DomainName = "acme", file = "/srv/drop/c.csv", Status = "PARTIALLY_SUCCEEDED", rejected = 3,
        ResultsSummary = { CreatedRecords = 1234, UpdatedRecords = 0, FailedRecords = 2 } },
    ["automation nightly failed: no such file"] = { schedule = "nightly", error = errors.new { code = "FileError",
                                                                                              message = "no such file" } },
    ["automation orders failed for o.csv: boo"] = { schedule = "orders", hook = "failure", kind = "on_file", path = "/srv/o.csv",
                                                    error = { code = "X", message = "boo" } },
    ["automation nightly succeeds again"] = { schedule = "nightly", hook = "recovery", kind = "cron", run = 7 },
    ["automation nightly: succeeded"] = { schedule = "after", kind = "on_event", of = "nightly", state = "succeeded" },
    ["automation nightly: it is due"] = { schedule = "nightly", kind = "cron" },
    ["disk is full"] = { message = "disk is full", used = 0.99 },
    ["event"] = {},
  } do
    it("says: " .. expected, function() assert.equals("upjob: " .. expected, subject(event)) end)
  end

  it("comes with a name for programs", function()
    assert.equals("failed", notify_text.name { name = "failed", to = "FAILED" })
    assert.equals("recovery", notify_text.name { schedule = "nightly", hook = "recovery" })
    assert.equals("done", notify_text.name { Status = "SUCCEEDED" })
    assert.equals("error", notify_text.name(notify_text.plain(errors.new { code = "X", message = "m" })))
    assert.equals("event", notify_text.name {})
  end)

  it("tells an error that is the event", function()
    assert.equals("upjob: c.csv: no such file",
      subject(errors.new { code = "FileError", message = "no such file", file = "c.csv" }))
    assert.equals("upjob: boo", subject { error = "boo" })
    assert.equals("upjob: hello", subject "hello")
  end)

  it("is one line, whatever is in it, and not long", function()
    local line = subject { message = "a\r\nBcc: x\27[31m" .. ("ü"):rep(500) }
    assert.is_nil(line:find("%c"))
    assert.is_true(utf8.len(line) <= 200)
  end)
end)

describe("an event", function()
  it("is told without values of cells, secrets and functions, and can be JSON whatever it holds", function()
    local event = { JobId = "a", to = "FAILED", value = "PRIVATE", handler = print, key = secret.new "hunter2", rate = 0 / 0,
                    most = math.huge, bytes = "\xff", [1] = "x", list = { 1, 2, [7] = 3 },
                    error = errors.new { code = "X", message = "m", value = "PRIVATE",
                                         problems = { { value = "PRIVATE" } } } }
    event.itself = event
    local plain = notify_text.plain(event)
    local text = json.encode(plain.error) .. json.encode(plain.list) .. select(2, notify_text.of(plain))
    assert.is_nil(text:find("PRIVATE"))
    assert.is_nil(plain.handler or plain.key or plain.value)
    assert.same({ code = "X", message = "m", retryable = false }, plain.error)
    json.encode(plain)
  end)

  it("has no text of any length", function()
    local plain = notify_text.plain { message = ("ü"):rep(1e6) }
    assert.is_true(#plain.message < 10000 and utf8.len(plain.message) ~= nil)
  end)

  it("has its times, counts and durations as a person reads them in its text", function()
    local _, text = notify_text.of { JobId = "a", to = "SUCCEEDED", from = "CREATED", seconds = 75, at = 1795910400,
                                     rows = 1234567 }
    assert.matches("\nseconds       1 min 15 s\n", text, 1, true)
    assert.matches("\nrows          1,234,567\n", text, 1, true)
    assert.matches("\nat            2026%-11%-2[89] ", text)
  end)
end)

describe("a notifier", function()
  it("shows its host and nothing secret", function()
    local shown = tostring(notify.slack { url = "https://hooks.example.com/services/T0/B0/hunter2" })
    assert.matches("^notifier: slack, https://hooks.example.com #%x%x%x%x%x%x%x%x$", shown)
    local one = notify.webhook { url = secret.new "https://example.com/hunter2", secret = "hunter2",
                                 headers = { Authorization = secret.new "hunter2" } }
    for _, value in pairs(one) do assert.is_nil(tostring(value):find("hunter2")) end
    assert.matches("^notifier: exec, page #", tostring(notify.exec { command = { "/usr/bin/page", "hunter2" } }))
    assert.equals("notifier: email, smtps://mail.example.com to a@example.com", tostring(notify.email {
      server = "smtps://mail.example.com/", from = "b@example.com", to = "a@example.com", username = "u", password = "hunter2" }))
  end)

  local function refused(kind, options, expected)
    local ok, message = pcall(function()
      notify[kind](options)
    end)
    assert.is_false(ok)
    assert.matches("notify_spec.lua:%d+: notify." .. kind .. ": ", message)
    assert.matches(expected, message, 1, true)
    assert.is_nil(message:find("hunter2"))
  end

  it("raises misuse at the caller's line, without what is secret", function()
    refused("webhook", {}, 'option "url" is required')
    refused("webhook", { url = "ftp://example.com/hunter2" }, 'option "url" must begin with https:// or http://')
    refused("webhook", { url = "https://me:hunter2@example.com/" }, "must have no user in it")
    refused("webhook", { url = 7 }, 'option "url" must be a string or a secret')
    refused("webhook", { url = "https://example.com/", secrte = "hunter2" }, 'unknown option "secrte" (did you mean "secret"?)')
    refused("webhook", { url = "https://example.com/", secret = "whsec_hunter2 is no base64" }, 'option "secret": ')
    refused("webhook", { url = "https://example.com/", headers = { A = "x\r\nhunter2: y" } }, "must be a string on one line")
    refused("webhook", { url = "https://example.com/", headers = { ["A: b\r\nC"] = "x" } }, "a name that is none")
    refused("slack", { url = "https://example.com/", retry_for = "soon" }, 'option "retry_for": ')
    refused("slack", { url = "https://example.com/", timeout = 0 }, 'option "timeout": ')
    refused("exec", { command = {} }, 'option "command" must be a list of words')
    refused("exec", { command = { "a", 1 } }, 'option "command" must be a list of strings')
    local mail = { server = "smtps://mail.example.com", from = "a@example.com", to = "b@example.com" }
    local function with(changes)
      local options = {}
      for k, v in pairs(mail) do options[k] = v end
      for k, v in pairs(changes) do options[k] = v end
      return options
    end
    refused("email", with { server = "mail.example.com" }, "a mail server is smtps://HOST")
    refused("email", with { from = "a@example.com\r\nBcc: x@example.com" }, "is no mail address")
    refused("email", with { to = { "b@example.com", "x@example.com>\r\nRCPT TO:<y@example.com" } }, "is no mail address")
    refused("email", with { to = {} }, 'option "to" must be an address')
    refused("email", with { password = "hunter2" }, '"password" goes with "username"')
    refused("email", with { server = "smtp://mail.example.com", username = "u", password = "hunter2", starttls = false },
      "over TLS only")
  end)

  it("is for a letter with its name, else for one with its target", function()
    local function letter(name, target, kind)
      return { kind = kind or "webhook", target = target, payload = { name = name } }
    end
    local named = { kind = "webhook", name = "ops", target = "https://a #1" }
    local nameless = { kind = "webhook", target = "https://a #1" }
    assert.is_true(letters.is_for(letter("ops", "https://b #2"), named))
    assert.is_false(letters.is_for(letter("dev", "https://a #1"), named))
    assert.is_true(letters.is_for(letter(nil, "https://a #1"), named))
    assert.is_true(letters.is_for(letter("dev", "https://a #1"), nameless))
    assert.is_false(letters.is_for(letter(nil, "https://b #2"), nameless))
    assert.is_false(letters.is_for(letter("ops", "https://a #1", "slack"), named))
  end)
end)

describe("what is being sent when a script calls os.exit", function()
  for what, before in pairs { ["has begun"] = "task.sleep(0.05)", ["was just asked for"] = "" } do
    it("is sent, where it " .. what, function()
      local path = os.tmpname()
      local code = ([[local n = notify.exec { command = { "sh", "-c", "sleep 0.5; echo sent >%s" } }
                      require("upjob.native.task").handler(n.send, n, { message = "m" }) %s os.exit(3)]]):format(path, before)
      local script = os.tmpname()
      local file = assert(io.open(script, "w"))
      file:write(code)
      file:close()
      local _, _, status = os.execute(("'%s' run '%s'"):format(os.getenv("UPJOB") or "build/upjob", script))
      local result <close> = assert(io.open(path))
      assert.equals("sent", result:read("l"))
      assert.equals(3, status)
      os.remove(path)
      os.remove(script)
    end)
  end
end)

describe("a notifier as a handler", function()
  local function called_with(...)
    local got
    local one = setmetatable({ send = function(_, event) got = event return true end },
      { __call = getmetatable(notify.exec { command = { "true" } }).__call })
    one(...)
    return got
  end

  it("takes an event, a name and an event, and an event with the error of on_failure", function()
    assert.same({ JobId = "a" }, called_with { JobId = "a" })
    assert.same({ name = "failed", JobId = "a" }, called_with("failed", { JobId = "a" }))
    assert.same({ schedule = "nightly", error = { code = "X" } }, called_with({ schedule = "nightly" }, { code = "X" }))
  end)
end)
