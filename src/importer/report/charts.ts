import type { Count } from "./report-data.ts";

/** Text that cannot become markup, in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** 41873 → "41,873". */
export function formatNumber(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * Columns over time. Positions are percentages, so that the drawing is as wide as its place while the labels, which
 * stand outside it as text, keep their size on a telephone and on paper.
 */
export function columnChart(title: string, days: readonly Count[]): string {
  const columns = bucketDays(days);
  const most = Math.max(1, ...columns.map(({ count }) => count));
  const step = 100 / Math.max(7, columns.length);
  const bars = columns.map(({ label, count }, i) => {
    const height = (100 * count) / most;
    const place = `x="${round(i * step + step * 0.1)}%" y="${round(100 - height)}%" width="${round(step * 0.8)}%" height="${round(height)}%"`;
    return `<rect ${place}><title>${escapeHtml(label)}: ${formatNumber(count)}</title></rect>`;
  });
  const ticks = [columns[0], columns[Math.floor(columns.length / 2)], columns.at(-1)].map(
    (column) => column?.label ?? "",
  );
  const shown = columns.length < 3 ? columns.map(({ label }) => label) : ticks;
  return (
    `<figure class="columns"><figcaption>${escapeHtml(title)}</figcaption><p class="most">${formatNumber(most)}</p>` +
    `<svg role="img" aria-label="${escapeHtml(title)}" width="100%" height="160">${bars.join("")}</svg>` +
    `<p class="ticks">${shown.map((tick) => `<span>${escapeHtml(tick)}</span>`).join("")}</p></figure>`
  );
}

const MAX_COLUMNS = 92;

/** Days while they can be told apart, else weeks or longer, each named by its first day. */
function bucketDays(days: readonly Count[]): readonly Count[] {
  const size = days.length <= MAX_COLUMNS ? 1 : Math.max(7, Math.ceil(days.length / MAX_COLUMNS));
  const buckets: { label: string; count: number }[] = [];
  for (const [i, { label, count }] of days.entries()) {
    const bucket = i % size === 0 ? undefined : buckets.at(-1);
    if (bucket === undefined) buckets.push({ label: size === 1 ? label : `from ${label}`, count });
    else bucket.count += count;
  }
  return buckets;
}

const MAX_BARS = 12;

/** One bar a label, longest first; the rest in one. */
export function barChart(title: string, counts: readonly Count[]): string {
  const shown = counts.slice(0, MAX_BARS);
  const rest = counts.slice(MAX_BARS);
  if (rest.length > 0) {
    shown.push({ label: `${rest.length} others`, count: rest.reduce((sum, { count }) => sum + count, 0) });
  }
  const most = Math.max(1, ...shown.map(({ count }) => count));
  const rows = shown.map(
    ({ label, count }) =>
      `<div class="bar"><span>${escapeHtml(label)}</span><b>${formatNumber(count)}</b>` +
      `<svg aria-hidden="true" width="100%" height="10"><rect width="${round((100 * count) / most)}%" height="10" rx="2"/></svg></div>`,
  );
  return `<figure class="bars"><figcaption>${escapeHtml(title)}</figcaption>${rows.join("")}</figure>`;
}

/** One whole in parts, with a legend that says the numbers. */
export function shareBar(title: string, parts: readonly (Count & { readonly style: string })[]): string {
  const total = Math.max(
    1,
    parts.reduce((sum, { count }) => sum + count, 0),
  );
  let start = 0;
  const segments = parts.map(({ count, style }) => {
    const width = (100 * count) / total;
    const segment = `<rect class="${style}" x="${round(start)}%" width="${round(width)}%" height="22"/>`;
    start += width;
    return segment;
  });
  const legend = parts.map(
    ({ label, count, style }) =>
      `<li><svg aria-hidden="true" width="12" height="12"><rect class="${style}" width="12" height="12" rx="2"/></svg> ` +
      `${escapeHtml(label)} <b>${formatNumber(count)}</b></li>`,
  );
  return (
    `<figure class="share"><figcaption>${escapeHtml(title)}</figcaption>` +
    `<svg role="img" aria-label="${escapeHtml(title)}" width="100%" height="22">${segments.join("")}</svg>` +
    `<ul>${legend.join("")}</ul></figure>`
  );
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
