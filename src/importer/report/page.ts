import { barChart, columnChart, escapeHtml, formatNumber, shareBar } from "./charts.ts";
import type { OrderLine } from "./order-lines.ts";
import { PAGE_STYLE } from "./page-style.ts";
import type { BundleLine, Conflict, ReportData } from "./report-data.ts";

/** One self-contained page: no script, nothing fetched, readable on a telephone, a screen and paper. */
export function encodeReportPage(data: ReportData): string {
  const title = `Registrations of ${data.appliance}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<p>Factory ${escapeHtml(data.factory)}, log <code>${escapeHtml(data.log)}</code>. Made ${showTime(data.madeAt)}. All times are UTC.</p>
</header>
<main>
${[figures(data), notices(data), charts(data), conflicts(data), orders(data.orders), bundles(data.bundles), ledger(data)].filter((part) => part !== "").join("\n")}
</main>
<footer><p>${receiptLine(data)}</p></footer>
</body>
</html>
`;
}

function figures(data: ReportData): string {
  const count = (label: string) => data.outcomes.find((outcome) => outcome.label === label)?.count ?? 0;
  const cells: [string, number][] = [
    ["registered", data.registrations],
    ["in the Factory", count("delivered") + count("duplicate")],
    ["need a person", data.conflicts.length + data.moreConflicts],
    ["still open", count("pending")],
    ["production", data.production],
    ["bundles", data.bundles.length],
  ];
  return `<div class="figures">${cells.map(([label, value]) => `<div><b>${formatNumber(value)}</b>${label}</div>`).join("")}</div>`;
}

function notices({ missing, bundles: known }: ReportData): string {
  if (known.length === 0) return '<p class="notice">Nothing was imported yet.</p>';
  if (missing.bundles.length === 0) return "";
  const ranges = missing.gaps.map(({ first, last }) => `${formatNumber(first)} to ${formatNumber(last)}`).join(", ");
  return (
    `<p class="notice">Bundle ${missing.bundles.join(", ")} has not arrived: records ${ranges}. ` +
    "Later bundles were delivered anyway. Most likely it is on another medium; every export writes it again.</p>"
  );
}

const STYLE: Readonly<Record<string, string>> = {
  delivered: "good",
  duplicate: "same",
  superseded: "gone",
  voided: "gone",
  rejected: "bad",
  pending: "open",
};

const WORDS: Readonly<Record<string, string>> = {
  delivered: "delivered",
  duplicate: "was there already",
  superseded: "registered again since",
  voided: "scrapped",
  rejected: "rejected",
  pending: "still open",
};

function charts(data: ReportData): string {
  if (data.registrations === 0) return "";
  const outcomes = data.outcomes
    .filter(({ count }) => count > 0)
    .map(({ label, count }) => ({ label: WORDS[label] ?? label, count, style: STYLE[label] ?? "open" }));
  const hasOrders = data.byOrder.some(({ label }) => label !== "without an order");
  return [
    `<h2>Outcomes</h2>${shareBar("What became of every registration", outcomes)}`,
    `<h2>Production</h2>${columnChart("Registrations over time", data.byDay)}`,
    '<h2>Where from</h2><div class="charts">',
    barChart("By station", data.byStation),
    barChart("By hardware", data.byHardware),
    hasOrders ? barChart("By work order", data.byOrder) : "",
    "</div>",
  ].join("\n");
}

function conflicts({ conflicts: list, moreConflicts }: ReportData): string {
  if (list.length === 0) return "";
  const row = ({ seq, uuid, name, station, registeredAt, code, whatToDo, note }: Conflict) =>
    tableRow([
      ["Record", formatNumber(seq)],
      ["Device", `${name} (${uuid})`],
      ["Station", station],
      ["Registered", showTime(registeredAt)],
      ["Why", code],
      ["What to do", note === "" ? whatToDo : `${whatToDo} (${note})`],
    ]);
  const more =
    moreConflicts === 0
      ? ""
      : `<p class="soft">and ${formatNumber(moreConflicts)} more; all are in the rejects list</p>`;
  return `<h2>Needs a person</h2>${table(["Record", "Device", "Station", "Registered", "Why", "What to do"], list.map(row))}${more}`;
}

const ORDER_STATE: Readonly<Record<OrderLine["state"], string>> = {
  open: "open",
  closed: "closed",
  over: "its dates are over",
  exceeded: "MORE THAN ALLOWED: call security",
};

function orders(list: readonly OrderLine[]): string {
  if (list.length === 0) return "";
  const row = ({ id, state, ordered, made, left, replacements, replaced, voided }: OrderLine) =>
    tableRow([
      ["Order", id],
      ["State", ORDER_STATE[state]],
      ["Ordered", formatNumber(ordered)],
      ["Made", formatNumber(made)],
      ["Left", formatNumber(left)],
      ["Replaced", `${formatNumber(replaced)} of ${formatNumber(replacements)}`],
      ["Scrapped", formatNumber(voided)],
    ]);
  const heads = ["Order", "State", "Ordered", "Made", "Left", "Replaced", "Scrapped"];
  return `<h2>Work orders</h2>${table(heads, list.map(row))}`;
}

/** A taken-over appliance could sign without recording; its signer's ledger still counts. */
function ledger({ ledger: account, missing }: ReportData): string {
  if (account === undefined) return "";
  const { signatures, accounted, registrations } = account;
  const counts =
    `The signer's ledger counts ${formatNumber(signatures)} signatures by the device CA; the records account for ` +
    `${formatNumber(accounted)} of them, ${formatNumber(registrations)} as registrations.`;
  const verdict =
    signatures === accounted
      ? "They agree."
      : missing.bundles.length > 0
        ? "The rest should be in the bundle that has not arrived."
        : "The rest was under way when the newest bundle was sealed; the next bundle must account for it.";
  return `<h2>The signer's count</h2><p>${counts} ${verdict}</p>`;
}

function bundles(list: readonly BundleLine[]): string {
  if (list.length === 0) return "";
  const row = ({ bundle, first, last, registrations, sealedAt, importedAt }: BundleLine) =>
    tableRow([
      ["Bundle", String(bundle)],
      ["Records", `${formatNumber(first)} to ${formatNumber(last)}`],
      ["Devices", formatNumber(registrations)],
      ["Sealed", showTime(sealedAt)],
      ["Imported", showTime(importedAt)],
    ]);
  const newest = [...list].reverse();
  return `<h2>Bundles</h2>${table(["Bundle", "Records", "Devices", "Sealed", "Imported"], newest.map(row))}`;
}

function table(heads: readonly string[], rows: readonly string[]): string {
  const head = heads.map((label) => `<th scope="col">${label}</th>`).join("");
  return `<table><thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

function tableRow(cells: readonly (readonly [label: string, text: string])[]): string {
  return `<tr>${cells.map(([label, text]) => `<td data-label="${label}"><span>${escapeHtml(text)}</span></td>`).join("")}</tr>`;
}

function receiptLine({ receipt }: ReportData): string {
  if (receipt === undefined) return "No receipt was written yet.";
  return `Receipt ${receipt.number} of ${showTime(receipt.at)}: everything through record ${formatNumber(receipt.thru)} has arrived.`;
}

/** 2026-11-23T02:35:11.123Z → "2026-11-23 02:35". */
function showTime(iso: string): string {
  return escapeHtml(iso.slice(0, 16).replace("T", " "));
}
