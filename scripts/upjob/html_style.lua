--- How a report looks: on a screen, light or dark, wide or narrow, and on paper. It refers to nothing outside itself.
return [[
:root { color-scheme: light dark; --paper: #fff; --page: #f4f5f7; --ink: #1a1d21; --dim: #5a636e; --rule: #d9dde2;
  --good: #12693c; --good-ground: #e6f4ec; --warning: #7a4d00; --warning-ground: #fdf3dd; --bad: #a3201a; --bad-ground: #fdeae8;
  --open: #274a86; --open-ground: #e8effb; --code: #f0f2f5;
  --created: #2a6fb5; --updated: #a9cbee; --failed: #f2b49b; --rejected: #ffe3a3; --none: #fff; --lines: #1a1d21; }
@media screen and (prefers-color-scheme: dark) {
  :root { --paper: #1b1f24; --page: #121519; --ink: #e8eaed; --dim: #a2abb6; --rule: #373e47;
    --good: #7fd6a4; --good-ground: #17301f; --warning: #f1c76b; --warning-ground: #33290f; --bad: #ff9f95;
    --bad-ground: #3a1b19; --open: #a4c3ff; --open-ground: #1a2740; --code: #262c33;
    --created: #4c94dd; --updated: #2f5580; --failed: #8f4127; --rejected: #7a5c12; --none: #1b1f24; --lines: #f4f5f7; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", sans-serif; }
main { max-width: 60rem; margin: 2rem auto; padding: 2rem 2.5rem; background: var(--paper); border: 1px solid var(--rule);
  border-radius: 10px; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; }
p { margin: .5rem 0; white-space: pre-line; }
.dim { color: var(--dim); }
.kicker { color: var(--dim); font-size: .9rem; margin: 0 0 .25rem; }
.outcome { padding: .9rem 1.1rem; border: 1px solid currentColor; border-left-width: 6px; border-radius: 6px; margin: 0 0 1rem; }
.outcome p { color: var(--ink); margin: .3rem 0 0; }
.outcome .words { font-size: 1.15rem; font-weight: 600; margin: 0; color: inherit; }
.good { color: var(--good); background: var(--good-ground); }
.warning { color: var(--warning); background: var(--warning-ground); }
.bad { color: var(--bad); background: var(--bad-ground); }
.open { color: var(--open); background: var(--open-ground); }
.facts { display: grid; grid-template-columns: fit-content(10rem) 1fr; gap: .15rem 1.25rem; margin: 1.5rem 0 0; }
.facts dt { color: var(--dim); }
.facts dd { margin: 0; }
.counts { display: grid; grid-template-columns: repeat(5, 1fr); gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.counts.many { grid-template-columns: repeat(3, 1fr); }
.counts li { border: 1px solid var(--rule); border-radius: 8px; padding: .6rem .9rem; }
.counts b { display: block; font-size: 1.45rem; line-height: 1.3; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.counts span { color: var(--dim); font-size: .9rem; }
figure { margin: 1rem 0; }
.bar { display: block; }
.part .ground { fill: var(--none); }
.part.created .ground { fill: var(--created); }
.part.updated .ground { fill: var(--updated); }
.part.failed .ground { fill: var(--failed); }
.part.rejected .ground { fill: var(--rejected); }
.part .lines { stroke: var(--lines); }
.part .edge { fill: none; stroke: var(--lines); stroke-width: 2; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .35rem 1.5rem; margin: .6rem 0 0; padding: 0; }
.legend li { white-space: nowrap; }
.swatch { vertical-align: -3px; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-size: .925rem; }
caption { text-align: left; color: var(--dim); padding: 0 0 .4rem; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .4rem .9rem .4rem 0; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
th { border-bottom: 2px solid var(--dim); font-size: .85rem; white-space: nowrap; }
.number, .time, .short { width: 1%; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.short { white-space: nowrap; }
.name { min-width: 7.5em; }
.wide { min-width: 15em; }
.hint { color: var(--dim); display: block; }
code, .cell, pre { font-family: ui-monospace, "DejaVu Sans Mono", "Liberation Mono", monospace; font-size: .875em; }
.cell { background: var(--code); border-radius: 3px; padding: .1em .35em; white-space: pre-wrap; }
pre { background: var(--code); border: 1px solid var(--rule); border-radius: 6px; padding: .7rem .9rem; margin: .35rem 0 1rem;
  white-space: pre-wrap; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--rule); padding-top: .75rem; color: var(--dim); font-size: .85rem; }
@media screen and (max-width: 56rem) {
  .counts { grid-template-columns: repeat(3, 1fr); }
}
@media screen and (max-width: 40rem) {
  main { margin: 0; padding: 1.1rem; border: 0; border-radius: 0; }
  .facts { column-gap: .75rem; grid-template-columns: fit-content(6rem) 1fr; }
  .counts, .counts.many { grid-template-columns: 1fr 1fr; }
  table:not(.small) thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table:not(.small), table:not(.small) :is(caption, tbody, tr, td) { display: block; width: auto; }
  table:not(.small) tr { border-bottom: 1px solid var(--rule); padding: .5rem 0; }
  table:not(.small) td { border: 0; padding: .1rem 0; text-align: left; white-space: normal; }
  table:not(.small) td:empty { display: none; }
  table:not(.small) td::before { content: attr(data-title) ": "; color: var(--dim); }
  .small th, .small td { padding-right: .6rem; }
}
@page { size: A4; margin: 15mm 14mm; }
@media print {
  :root { color-scheme: light; }
  html { font-size: 10pt; }
  body { background: none; }
  main { max-width: none; margin: 0; padding: 0; border: 0; }
  h2, caption { break-after: avoid; }
  footer { break-before: avoid; margin-top: 1rem; }
  thead { display: table-header-group; }
  tr, figure, .outcome, .counts li, .facts, pre { break-inside: avoid; }
  .outcome, .cell, pre { background: none; }
  .cell { padding: 0; }
}
]]
