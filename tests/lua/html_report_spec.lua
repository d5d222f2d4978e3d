-- The report of an import as one HTML page.
local bar = require "upjob.html_bar"
local html = require "upjob.html"
local html_report = require "upjob.html_report"
local job = require "upjob.job"
local profiles = require "upjob.profiles"
local rejects = require "upjob.rejects"
local system = require "upjob.native.system"
local timeline = require "upjob.timeline"

local function facts(extra)
  local given = {
    title = "customers.csv", domain = "acme", outcome = { kind = "good", words = "Done: all 2 rows were imported." },
    about = { { "File", "customers.csv" } }, counts = { { label = "rows", count = 2 }, { label = "created", count = 2 } },
    parts = { { name = "created", label = "created", count = 2 } }, notes = { "Profiles vanish." }, checked = true, classes = {},
    problems = {}, problem_count = 0, problem_files = {}, mapping = "From m.lua.", fields = {
      { from = "Id", target = "Attributes.id", kind = "string", is_key = true, steps = "trim()" } },
    began = 1e9, timeline = { { time = 1e9, text = "check begun" } }, commands = { { "Again:", "upjob import x.csv" } },
    version = "1.2.3", written = 1e9,
  }
  for name, value in pairs(extra or {}) do given[name] = value end
  return given
end

local function problem(extra)
  local given = { class = "not an e-mail address", severity = "error", line = 7, column = 2, column_name = "E-mail",
                  value = "bob", reason = "is not an e-mail address: it has no @", hint = "add one" }
  for name, value in pairs(extra or {}) do given[name] = value end
  return given
end

local function with_problem(extra)
  return html_report.text(facts { problems = { problem(extra) }, problem_count = 1,
                                  classes = { { class = "not an e-mail address", severity = "error", count = 1 } } })
end

local function has(text, part)
  assert.is_truthy(text:find(part, 1, true), ("no %q in the page"):format(part))
end

local function has_not(text, part)
  assert.is_nil(text:find(part, 1, true), ("%q is in the page"):format(part))
end

-- Every element that is opened is closed, in order.
local function assert_well_formed(text)
  local empty, open = { meta = true }, {}
  for close, name in text:gsub("<style>.-</style>", ""):gsub("<!DOCTYPE html>", ""):gmatch("<(/?)([%w]+)[^>]*>") do
    if close == "/" then
      assert.equals(name, table.remove(open))
    elseif not empty[name] then
      open[#open + 1] = name
    end
  end
  assert.same({}, open)
end

describe("text from elsewhere", function()
  it("is no markup", function()
    assert.equals("&lt;script&gt;alert(&quot;1&quot;)&amp;&#39;", html.text("<script>alert(\"1\")&'"))
  end)

  it("shows what hides or turns text, and bytes that are none", function()
    local text = html.text("a\0b\27c\u{202E}d\xFFe")
    for _, hidden in ipairs { "\0", "\27", "\u{202E}", "\xFF" } do has_not(text, hidden) end
    assert.is_truthy(utf8.len(text))
  end)

  it("is cut between characters, and says how long it was", function()
    assert.equals("ééé … (10,000 characters)", html.text(("é"):rep(10000), 3))
    assert.equals("ééé", html.text("ééé", 3))
  end)
end)

describe("the page", function()
  it("needs nothing from outside, and runs nothing", function()
    local text = with_problem()
    for _, reference in ipairs { "http:", "https:", "url(", "@import", "<script", "<link", "<img", "src=", "href=", "onload" } do
      has_not(text, reference)
    end
  end)

  it("says its language and its character set first", function()
    local text = html_report.text(facts())
    assert.equals(1, text:find('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">', 1, true))
    assert.is_truthy(utf8.len(text))
  end)

  it("is well formed, whatever it has to tell", function()
    assert_well_formed(html_report.text(facts()))
    assert_well_formed(with_problem())
    assert_well_formed(html_report.text(facts { parts = {}, notes = {}, timeline = {}, commands = {}, about = {} }))
    local bare = facts()
    bare.fields = nil
    assert_well_formed(html_report.text(bare))
  end)

  it("has no markup of a value, wherever it stands", function()
    local bad = "<script>\"'&\u{202E}"
    local text = html_report.text(facts {
      title = bad, domain = bad, outcome = { kind = "bad", words = bad, detail = bad }, about = { { bad, bad } },
      counts = { { label = bad, count = 1 } }, parts = { { name = "created", label = bad, count = 1 } }, notes = { bad },
      classes = { { class = bad, severity = bad, count = 1 } }, problem_count = 1, problem_files = { { bad, bad, bad } },
      problems = { problem { class = bad, column_name = bad, value = bad, reason = bad, hint = bad } }, mapping = bad,
      fields = { { from = bad, target = bad, kind = bad, steps = bad } }, timeline = { { time = 1, text = bad } },
      commands = { { bad, bad } }, version = bad,
    })
    has_not(text, "<script")
    has_not(text, "\u{202E}")
    assert_well_formed(text)
  end)

  it("tells line, column, value, reason and hint of a problem", function()
    local text = with_problem { line = 4182 }
    for _, part in ipairs { "4,182", "E-mail", "(2)", ">bob<", "it has no @", "add one" } do has(text, part) end
  end)

  it("cuts a long value", function()
    local text = with_problem { value = ("x"):rep(10000) }
    has_not(text, ("x"):rep(1301))
    has(text, "(10,000 characters)")
  end)

  it("tells how many problems there are beside those that it shows", function()
    has(html_report.text(facts { problems = { problem() }, problem_count = 5000 }), "The first 1 of 5,000")
  end)

  it("is told as ours again", function()
    local path = os.tmpname()
    assert(system.write_private(path, html_report.text(facts())))
    local ok = rejects.check_report(path, {})
    os.remove(path)
    assert.is_true(ok)
  end)
end)

describe("the bar", function()
  it("is not there without rows", function()
    assert.equals("", bar.draw { { name = "created", label = "created", count = 0 } })
  end)

  it("shows one row of a million, and stays as wide as it is", function()
    local text = bar.draw { { name = "created", label = "created", count = 999999 },
                            { name = "failed", label = "failed", count = 1 } }
    local sum = 0
    for width in text:match("^.-</svg></svg>"):gmatch('class="part %w+" height="100%%" width="([%d.]+)%%"') do
      assert.is_true(tonumber(width) > 0.5)
      sum = sum + tonumber(width)
    end
    assert.is_true(math.abs(sum - 100) < 0.01)
    has(text, 'aria-label="999,999 created, 1 failed"')
  end)

  it("says no share of 0 or 100 that is none", function()
    assert.equals("> 99.9 %", bar.share(999999, 1000000))
    assert.equals("< 0.1 %", bar.share(1, 1000000))
    assert.equals("100 %", bar.share(3, 3))
    assert.equals("66.7 %", bar.share(2, 3))
  end)
end)

describe("a timeline", function()
  it("tells calls that were made again for one reason in one line", function()
    local list = timeline.new("check begun")
    for _ = 1, 1000 do timeline.note(list, "retrying", { step = "watch", delay = 1, error = "no answer" }) end
    timeline.note(list, "retrying", { step = "watch", delay = 1, error = "refused" })
    assert.equals(3, #list)
    has(timeline.lines(list)[2].text, "no answer; tried again 1000 times")
  end)

  it("of a watch of days keeps its beginning, and a bounded number of lines", function()
    local list = timeline.new("check begun")
    for i = 1, 2000 do timeline.note(list, "retrying", { step = "watch", delay = 1, error = ("error %d"):format(i) }) end
    assert.is_true(#list <= 500)
    local lines = timeline.lines(list)
    assert.equals("check begun", lines[1].text)
    has(lines[#lines].text, "error 2000")
  end)

  it("tells how fast a file was sent", function()
    local list = timeline.new("check begun")
    timeline.note(list, "uploaded", { bytes = 2000000, seconds = 2, attempts = 2 })
    assert.equals("uploaded: 2.0 MB in 2.0 s, 1.0 MB/s, at the 2. attempt", timeline.lines(list)[2].text)
    timeline.note(list, "uploaded", { bytes = 32, seconds = 0.05 })
    assert.equals("uploaded: 32 bytes in 0.050 s, 640 bytes/s", timeline.lines(list)[3].text)
    timeline.note(list, "uploaded", { bytes = 32, seconds = 0.07 })
    assert.equals("uploaded: 32 bytes in 0.070 s, 457 bytes/s", timeline.lines(list)[4].text)
  end)
end)

describe("the report of a run", function()
  local path = os.tmpname()
  local report_path = path .. ".html"
  local client = assert(profiles.client { embedded = true })
  require("upjob.exit").add(function()
    for _, name in ipairs { path, report_path, report_path .. "~", path .. ".rejects.csv" } do os.remove(name) end
  end)
  local file = io.open(path, "w")
  file:write("id,name\n1,Ann\n2\n")
  file:close()

  local function text_of_report()
    local written <close> = assert(io.open(report_path))
    return written:read("a")
  end

  local function import(extra)
    local options = { client = client, domain = "acme", file = path, key = "id" }
    for name, value in pairs(extra or {}) do options[name] = value end
    return assert(job.import(options))
  end

  it("is there when the end is told", function()
    local seen
    local run = import { report = report_path, command = "the command again" }
    run:on("done", function() seen = text_of_report() end)
    local result = assert(run:wait())
    task.sleep(0)
    assert.equals(report_path, result.report)
    has(seen, "Done, but not all: 1 of 2 rows was imported.")
    has(seen, "the command again")
    has(seen, result.JobId)
    has(seen, "→ SUCCEEDED")
  end)

  it("is written by a script at any time, and gives way to itself alone", function()
    os.remove(report_path)
    os.remove(report_path .. "~")
    local run = import()
    assert(run:report(report_path))
    has(text_of_report(), "Not finished yet")
    assert(run:wait())
    assert(run:report(report_path))
    has(text_of_report(), "Done, but not all")
    assert.is_nil(system.stat(report_path .. "~"))
    local other = import()
    assert(other:wait())
    assert(other:report(report_path))
    assert.is_truthy(system.stat(report_path .. "~"))
  end)

  it("of an import that was given up before it began says so", function()
    local run = import { report = report_path }
    run:interrupt()
    has(text_of_report(), "Interrupted before the import was started: nothing was imported.")
  end)

  it("tells what failed on the service apart from what was rejected", function()
    local long <close> = io.open(path, "w")
    long:write("id,name\n1,Ann\n2,", ("x"):rep(300), "\n")
    long:flush()
    assert(import { report = report_path, no_check = true }:wait())
    has(text_of_report(), "1 record failed on the service.")
    has(text_of_report(), "<b>1</b><span>failed on the service</span>")
    has(text_of_report(), "<b>0</b><span>rejected before sending</span>")
  end)

  it("of a file that is not there says that nothing was sent, and no number that is not known", function()
    local run, err = job.import { client = client, domain = "acme", file = path .. ".none", key = "id", report = report_path }
    assert.is_nil(run)
    has(text_of_report(), "Failed: nothing was sent.")
    has(text_of_report(), html.text(tostring(err)))
    has(text_of_report(), "<b>–</b><span>rows</span>")
  end)

  it("of a job that is only watched tells what the service tells", function()
    local first = assert(import():wait())
    local run = job.attach { client = client, domain = "acme", job_id = first.JobId }
    assert(run:wait())
    assert(run:report(report_path))
    has(text_of_report(), "job " .. first.JobId)
    has(text_of_report(), "watch begun")
    has(text_of_report(), "<b>–</b><span>rejected before sending</span>")
  end)

  it("of a job that cannot be watched does not say that nothing was imported", function()
    local run = job.attach { client = client, domain = "acme", job_id = ("0"):rep(32) }
    assert.is_nil(run:wait())
    assert(run:report(report_path))
    has(text_of_report(), "The outcome is not known.")
    has_not(text_of_report(), "nothing was imported")
  end)

  it("that cannot be written leaves the import as it is, and is told", function()
    local directory = assert(system.temporary_directory())
    local run = import { report = directory .. "/out.html" }
    assert(system.remove_tree(directory))
    assert.equals("SUCCEEDED", assert(run:wait()).Status)
    assert.is_truthy(run.report_error)
    assert.is_nil(run.result.report)
  end)

  it("does not go where the file or something else stands", function()
    for _, other in ipairs { path, "README.md" } do
      local run, err = job.import { client = client, domain = "acme", file = path, key = "id", report = other }
      assert.is_nil(run)
      assert.equals("UsageError", err.code)
    end
  end)
end)
