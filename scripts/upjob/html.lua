--- Pieces of HTML: text made safe, elements put together. What these functions return is markup; what they take as text is not.
local report = require "upjob.report"

local html = {}

local ENTITY = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- The text cut to `most` characters, with its whole length told.
local function shortened(text, most)
  local length = utf8.len(text)
  if not most or length <= most then return text end
  return ("%s … (%s characters)"):format(text:sub(1, utf8.offset(text, most + 1) - 1), report.count(length))
end

--- Text as it may stand in an element or in an attribute between double quotes. What hides other text or turns its direction is
--- shown by its code, as are bytes that are not UTF-8; line ends stay. Of more than `most` characters the rest is left out.
function html.text(text, most)
  return (shortened(report.safe(text, true), most):gsub("[&<>\"']", ENTITY))
end

--- Text from elsewhere in an element of its own, so that its direction of writing does not change what stands beside it.
function html.value(text, most)
  if text == "" then return "" end
  return "<bdi>" .. html.text(text, most) .. "</bdi>"
end

--- The name of a file, which has its ending at the right end in every script.
function html.name(text, most)
  return "<bdi dir=\"ltr\">" .. html.text(text, most) .. "</bdi>"
end

--- An element: html.element("p", { class = "note" }, "markup", …).
function html.element(name, attributes, ...)
  local names, parts = {}, { "<", name }
  for attribute in pairs(attributes or {}) do names[#names + 1] = attribute end
  table.sort(names)
  for _, attribute in ipairs(names) do
    parts[#parts + 1] = (' %s="%s"'):format(attribute, html.text(attributes[attribute]))
  end
  parts[#parts + 1] = ">"
  for _, markup in ipairs { ... } do parts[#parts + 1] = markup end
  parts[#parts + 1] = "</" .. name .. ">"
  return table.concat(parts)
end

--- A table. columns: { { title=, class= }, … }; rows: lists of markup. On a narrow page a row becomes a block of lines, each with
--- its column's title before it, unless the table's class is "small".
function html.table(caption, columns, rows, class)
  local head, body = {}, {}
  for i, column in ipairs(columns) do
    head[i] = html.element("th", { scope = "col", class = column.class }, html.text(column.title))
  end
  for i, row in ipairs(rows) do
    local cells = {}
    for k, column in ipairs(columns) do
      cells[k] = html.element("td", { class = column.class, ["data-title"] = column.title }, row[k])
    end
    body[i] = html.element("tr", nil, table.concat(cells))
  end
  return html.element("table", { class = class }, html.element("caption", nil, html.text(caption)),
    html.element("thead", nil, html.element("tr", nil, table.concat(head))), "\n",
    html.element("tbody", nil, table.concat(body, "\n"))) .. "\n"
end

return html
