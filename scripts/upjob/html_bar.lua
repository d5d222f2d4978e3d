--- The bar of what became of the rows, as SVG. Its parts differ by pattern, not by colour alone: lines are drawn, and a part cuts
--- off what goes over its edge, so that nothing is referred to.
local html = require "upjob.html"
local report = require "upjob.report"

local bar = {}

local HEIGHT = 44     -- of the bar, in CSS pixels
local LEAST = 0.6     -- percent of the bar that a part of a single row has
local FARTHEST = 4000 -- CSS pixels that a pattern reaches to the right: more than the page is wide

-- A line as thick as the bar is high, in dashes, is stripes; askew, they are diagonal.
local function stripes(every, transform)
  local middle = ("%d"):format(HEIGHT // 2)
  return html.element("line", { class = "lines", x1 = ("%d"):format(-HEIGHT), y1 = middle, x2 = ("%d"):format(FARTHEST),
    y2 = middle, ["stroke-width"] = ("%d"):format(HEIGHT), ["stroke-dasharray"] = ("1.5 %.1f"):format(every - 1.5),
    transform = transform })
end

-- By part: what is drawn over its ground. What was created is plain.
local PATTERN = {
  updated = stripes(9, "skewX(-45)"),
  failed = stripes(9, "skewX(-45)") .. stripes(9, "skewX(45)"),
  rejected = stripes(6),
}

local function ground(name)
  return html.element("rect", { class = "ground", width = "100%", height = "100%" }) .. (PATTERN[name] or "")
    .. html.element("rect", { class = "edge", width = "100%", height = "100%" })
end

local function piece(name, x, width, height)
  return html.element("svg", { class = "part " .. name, x = x, y = "0", width = width, height = height }, ground(name))
end

-- How wide each part is, in percent: none that has a row is too narrow to be seen.
local function widths(parts, total)
  local wide, sum = {}, 0
  for i, part in ipairs(parts) do
    wide[i] = math.max(100 * part.count / total, LEAST)
    sum = sum + wide[i]
  end
  for i in ipairs(wide) do wide[i] = wide[i] * 100 / sum end
  return wide
end

--- 59 of 61 → "96.7 %": never 0 nor 100 when it is not.
function bar.share(count, total)
  local share = 100 * count / total
  if count > 0 and share < 0.1 then return "< 0.1 %" end
  if count < total and share > 99.9 then return "> 99.9 %" end
  return (count == total and "%.0f %%" or "%.1f %%"):format(share)
end

local function legend(parts, total)
  local items = {}
  for i, part in ipairs(parts) do
    items[i] = html.element("li", nil,
      html.element("svg", { class = "swatch", width = "28", height = "18", ["aria-hidden"] = "true" },
        piece(part.name, "0", "28", "18")),
      " ", html.element("b", nil, report.count(part.count)), " ", html.text(part.label), " ",
      html.element("span", { class = "dim" }, html.text(bar.share(part.count, total))))
  end
  return html.element("ul", { class = "legend" }, table.concat(items, "\n"))
end

--- parts: { { name = "created" | "updated" | "failed" | "rejected" | "open", label=, count= }, … }. Markup, "" without rows.
function bar.draw(parts)
  local present, total, said = {}, 0, {}
  for _, part in ipairs(parts) do
    if part.count > 0 then
      present[#present + 1] = part
      said[#said + 1] = ("%s %s"):format(report.count(part.count), part.label)
      total = total + part.count
    end
  end
  if total == 0 then return "" end
  local pieces, x = {}, 0
  for i, width in ipairs(widths(present, total)) do
    pieces[i] = piece(present[i].name, ("%.3f%%"):format(x), ("%.3f%%"):format(width), "100%")
    x = x + width
  end
  return html.element("figure", nil,
    html.element("svg", { class = "bar", width = "100%", height = ("%d"):format(HEIGHT), role = "img",
                          ["aria-label"] = table.concat(said, ", ") }, table.concat(pieces)), "\n",
    legend(present, total)) .. "\n"
end

return bar
