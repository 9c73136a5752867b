import type { Figure, Outcome, Quantity } from "./outcome.ts";

const HEADS = ["what", "measured", "beside it", "ratio", "target", "met"] as const;

/** The table as text: columns, then the notes of each figure. */
export function formatTable(outcomes: readonly Outcome[]): string {
  const rows = [[...HEADS], ...outcomes.map(cells)];
  const widths = HEADS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const [head = "", ...body] = lines;
  return [head, "-".repeat(Math.max(...lines.map((line) => line.length))), ...body, ...notes(outcomes), ""].join("\n");
}

function cells(outcome: Outcome): string[] {
  switch (outcome.kind) {
    case "figure":
      return figureCells(outcome);
    case "not-measured":
      return [outcome.what, `not measured: ${outcome.reason}`, "", "", outcome.target, ""];
    case "failed":
      return [outcome.what, "NO FIGURE, the run failed", "", "", "", ""];
  }
}

function figureCells({ what, measured, beside, ratio, target, isMet }: Figure): string[] {
  const met = isMet === undefined ? "" : isMet ? "yes" : "NO";
  const limit = beside === undefined ? "" : `${formatQuantity(beside.quantity)}  ${beside.what}`;
  return [what, formatQuantity(measured), limit, ratio === undefined ? "" : ratio.toFixed(2), target, met];
}

function notes(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap((outcome) => {
    if (outcome.kind === "failed") return ["", `${outcome.what}: ${outcome.reason}`];
    if (outcome.kind === "not-measured" || outcome.notes.length === 0) return [];
    return ["", `${outcome.what}:`, ...outcome.notes.map((note) => `  ${note}`)];
  });
}

export function formatQuantity({ value, unit }: Quantity): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: digits })} ${unit}`;
}
