"""How a report looks: light, and on paper as on screen."""

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: #1f2328; font: .94rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1.25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 2px solid #1f2328;
  overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: 1rem; margin: 0; display: flex; flex-wrap: wrap; gap: .25rem 1rem; justify-content: space-between;
  overflow-wrap: anywhere; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
.eyebrow { color: #57606a; font-size: .8rem; letter-spacing: .06em; text-transform: uppercase; margin: 0 0 .25rem; }
.note, .about { color: #57606a; font-size: .87rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0 0 .75rem; }
dt { color: #57606a; }
dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9rem; }
th { text-align: left; font-weight: 600; color: #57606a; border-bottom: 1.5px solid #8c959f; }
th, td { padding: .35rem .9rem .35rem 0; vertical-align: top; overflow-wrap: anywhere; }
td { border-bottom: 1px solid #d8dee4; }
th:last-child, td:last-child { padding-right: 0; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
table.summary td:last-child { white-space: nowrap; }
.t { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { font: .85em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
a { color: inherit; text-decoration-color: #8c959f; text-underline-offset: .2em; }
.kept { color: #00694d; font-weight: 600; }
.kept::before { content: "✓ "; }
.missed { color: #a33f00; font-weight: 600; }
.missed::before { content: "✗ "; }
article { border: 1px solid #d8dee4; border-left: 4px solid #a33f00; border-radius: 4px; padding: .8rem 1rem .3rem;
  margin: .75rem 0; }
article ol { margin: .5rem 0; padding-left: 1.4rem; }
.late { color: #a33f00; font-weight: 600; }
footer { color: #57606a; font-size: .87rem; }
footer h2 { font-size: 1rem; color: #1f2328; border-top-width: 1px; }
@page { margin: 16mm 14mm; }
@media print {
  html { font-size: 8.5pt; }
  main { max-width: none; padding: 0; }
  h2, h3, h4, .about { break-after: avoid; }
  tr, dl, li { break-inside: avoid; }
  article { padding: .5rem .7rem .1rem; margin: .6rem 0; }
  thead { display: table-header-group; }
}
@media (max-width: 40rem) { main { padding: 1.25rem 1rem; } table { display: block; overflow-x: auto; } }
"""
