--- The report of an import as one HTML page that needs nothing else: a function of a plain table.
local bar = require "upjob.html_bar"
local html = require "upjob.html"
local rejects = require "upjob.rejects"
local report = require "upjob.report"
local style = require "upjob.html_style"
local timeline = require "upjob.timeline"

local page = {}

-- Characters of a cell's value, more than a check keeps of it, and of other texts from elsewhere.
local VALUE_MOST, TEXT_MOST = 1300, 2000

local element, text, value = html.element, html.text, html.value

local MARKS = { good = "✓", warning = "!", bad = "✕", open = "…" }

local function outcome(facts)
  local said = facts.outcome
  local detail = said.detail and element("p", nil, value(said.detail, TEXT_MOST)) or ""
  return element("div", { class = "outcome " .. said.kind },
    element("p", { class = "words" }, MARKS[said.kind], " ", text(said.words)), detail) .. "\n"
end

-- Names with what belongs to them: { { name, text }, … }.
local function pairs_list(list)
  local items = {}
  for i, item in ipairs(list) do
    items[i] = element("dt", nil, text(item[1])) .. element("dd", nil, html.name(item[2], TEXT_MOST))
  end
  return element("dl", { class = "facts" }, table.concat(items, "\n")) .. "\n"
end

local function counts(facts)
  local items = {}
  for i, count in ipairs(facts.counts) do
    items[i] = element("li", nil, element("b", nil, count.count and report.count(count.count) or "–"),
      element("span", nil, text(count.label)))
  end
  return element("ul", { class = #facts.counts > 5 and "counts many" or "counts" }, table.concat(items, "\n")) .. "\n"
end

local function section(title, ...)
  return element("section", nil, element("h2", nil, text(title)), "\n", ...) .. "\n"
end

-- The jobs that an import in parts was sent as.
local function jobs(facts)
  if not facts.part_table then return "" end
  local columns, cells = facts.part_table[1], facts.part_table[2]
  local heads, rows = {}, {}
  for i, column in ipairs(columns) do heads[i] = { title = column.title, class = column.right and "number" or nil } end
  for i, row in ipairs(cells) do
    rows[i] = {}
    for k, cell in ipairs(row) do rows[i][k] = value(cell, VALUE_MOST) end
  end
  return section("Parts", html.table(("%s, each a job of its own"):format(report.plural(#rows, "part")), heads, rows, "small"))
end

-- ---- problems ----

local function classes(facts)
  local rows = {}
  for i, class in ipairs(facts.classes) do
    rows[i] = { text(class.class), text(class.severity), report.count(class.count) }
  end
  return html.table("By class", { { title = "Problem" }, { title = "Severity" }, { title = "How many", class = "number" } },
    rows, "small")
end

local function column_of(problem)
  if problem.column == 0 then return "" end
  local number = ("%d"):format(problem.column)
  return problem.column_name == "" and number or value(problem.column_name, VALUE_MOST) .. " (" .. number .. ")"
end

local function samples(facts)
  if #facts.problems == 0 then return "" end -- of a check that another process made, or that did not end, numbers are there alone
  local rows = {}
  for i, problem in ipairs(facts.problems) do
    local hint = problem.hint ~= "" and element("span", { class = "hint" }, text(problem.hint, TEXT_MOST)) or ""
    rows[i] = { problem.line > 0 and report.count(problem.line) or "", column_of(problem),
                problem.value ~= "" and element("bdi", { class = "cell" }, text(problem.value, VALUE_MOST)) or "",
                value(problem.reason, TEXT_MOST) .. hint, text(problem.class) }
  end
  local all = #rows == facts.problem_count
  local caption = all and "All of them" or ("The first %s of %s"):format(report.count(#rows), report.count(facts.problem_count))
  return html.table(caption, { { title = "Line", class = "number" }, { title = "Column", class = "name" }, { title = "Value" },
                               { title = "What is wrong", class = "wide" }, { title = "Problem", class = "name" } }, rows)
end

local function problems(facts)
  if facts.problem_count == 0 then
    return facts.checked and section("Problems", element("p", nil, "The check found none.")) or ""
  end
  local files = {}
  for i, file in ipairs(facts.problem_files) do
    files[i] = element("p", nil, text(file[1]), " ", element("code", nil, html.name(file[2], TEXT_MOST)), text(file[3] or ""))
  end
  return section("Problems", classes(facts), samples(facts), table.concat(files))
end

-- ---- the rest ----

local function mapping(facts)
  if not facts.fields then return "" end
  local rows = {}
  for i, field in ipairs(facts.fields) do
    rows[i] = { value(field.from, VALUE_MOST), value(field.target, VALUE_MOST) .. (field.is_key and " <b>unique key</b>" or ""),
                text(field.kind), value(field.steps, VALUE_MOST) }
  end
  return section("Mapping", html.table(facts.mapping, { { title = "Column", class = "name" }, { title = "Goes to" },
    { title = "Type", class = "short" }, { title = "What is done to it" } }, rows))
end

local function happened(facts)
  local rows = {}
  for i, entry in ipairs(facts.timeline) do
    rows[i] = { os.date("%H:%M:%S", math.floor(entry.time)), "+" .. timeline.seconds(math.max(entry.time - facts.began, 0)),
                value(entry.text, TEXT_MOST) }
  end
  return section("Timeline", html.table(("From %s (%s)"):format(report.time(facts.began), os.date("UTC%z",
    math.floor(facts.began))), { { title = "Time", class = "time" }, { title = "After", class = "number" },
    { title = "What happened" } }, rows, "small"))
end

local function commands(facts)
  if #facts.commands == 0 then return "" end
  local parts = {}
  for i, command in ipairs(facts.commands) do
    parts[i] = element("p", nil, text(command[1])) .. element("pre", nil, text(command[2]))
  end
  return section("Commands", table.concat(parts, "\n"))
end

--- The page. facts: {
---   title, domain, about = { { name, text }, … } (of the job and of the file)
---   outcome = { kind = "good" | "warning" | "bad" | "open", words=, detail= or nil }
---   counts = { { label=, count= or nil }, … }, parts = those of the bar (html_bar), notes = { text, … } below it
---   checked = whether the check came to its end; classes, problems as a check returns them; problem_count = of all
---   part_table = { columns, rows } as parts_result.cells gives them, or nil
---   problem_files = { { text before, name of a file, text after }, … }
---   mapping = about the whole, fields = { { from=, target=, kind=, steps=, is_key= }, … } or nil
---   began = epoch, timeline = { { time = epoch, text= }, … }
---   commands = { { what for, command line }, … }
---   version, written = epoch }
function page.text(facts)
  local notes = {}
  for i, note in ipairs(facts.notes) do notes[i] = element("p", nil, value(note, TEXT_MOST)) end
  return table.concat {
    rejects.REPORT_START, text(facts.version), '">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    '<meta name="robots" content="noindex">\n',
    element("title", nil, text(("Import of %s"):format(facts.title), VALUE_MOST)), "\n<style>\n",
    style, "</style>\n</head>\n<body>\n<main>\n",
    element("p", { class = "kicker" }, "Import into domain ", value(facts.domain, VALUE_MOST)), "\n",
    element("h1", nil, html.name(facts.title, VALUE_MOST)), "\n", outcome(facts), counts(facts), bar.draw(facts.parts),
    table.concat(notes, "\n"), pairs_list(facts.about), jobs(facts), problems(facts), happened(facts), mapping(facts),
    commands(facts),
    element("footer", nil, ("Written by upjob %s on %s. "):format(text(facts.version), text(report.time(facts.written))),
      "It holds values of the file: personal data."),
    "\n</main>\n</body>\n</html>\n",
  }
end

return page
