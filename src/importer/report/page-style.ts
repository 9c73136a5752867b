/** The page's only style sheet. No font, image or script comes from anywhere else. */
export const PAGE_STYLE = `
:root { --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --paper: #ffffff; --panel: #f6f8fa;
  --main: #2563a8; --good: #2b7d4f; --same: #7fb394; --gone: #9aa5b1; --bad: #b3372f; --open: #c98a1b; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header p, footer, .soft { color: var(--soft); }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2.25rem 0 .75rem; font-size: 1.15rem; }
p { margin: .25rem 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.figures div { padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.figures b { display: block; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.notice { margin: .75rem 0; padding: .75rem 1rem; border-left: .3rem solid var(--open); background: var(--panel); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.5rem; }
figure { margin: 0; }
figcaption { margin-bottom: .5rem; font-weight: 600; }
svg { display: block; fill: var(--main); }
.columns { position: relative; }
.columns > svg { border-bottom: 1px solid var(--line); }
.most { position: absolute; right: 0; top: 0; color: var(--soft); font-size: .85rem; }
.ticks { display: flex; justify-content: space-between; color: var(--soft); font-size: .85rem; }
.bar { display: grid; grid-template-columns: 1fr auto; gap: 0 .75rem; margin-bottom: .5rem; }
.bar span { overflow-wrap: anywhere; }
.bar b, td.n { font-variant-numeric: tabular-nums; }
.bar svg { grid-column: 1 / -1; }
.share ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .75rem 0 0; padding: 0; list-style: none; }
.share li svg { display: inline; }
.good { fill: var(--good); } .same { fill: var(--same); } .gone { fill: var(--gone); }
.bad { fill: var(--bad); } .open { fill: var(--open); }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td { overflow-wrap: anywhere; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
@media (max-width: 44rem) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  td { display: grid; grid-template-columns: 7.5rem 1fr; padding: .1rem 0; border: 0; }
  td::before { content: attr(data-label); color: var(--soft); }
}
@media print {
  body { max-width: none; padding: 0; font-size: 11pt; }
  svg, .figures div, .notice { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  figure, tr, .figures, .notice { break-inside: avoid; }
}
`;
