import type { Evidence, RefusedBundle } from "../../importer/evidence.ts";
import type { Missing } from "../../importer/join-bundles.ts";
import type { Scan } from "../../importer/scan-medium.ts";
import { checkWords } from "../../transfer/check-words.ts";
import { formatCount } from "../text.ts";
import type { Output } from "./output.ts";

/** A bundle's number and what was checked about it. */
export interface BundleEvidence {
  readonly bundle: number;
  readonly evidence: readonly Evidence[];
}

/** One line for each control: which bundles passed it, and what was seen where they share it or there is but one. */
export function showEvidence(bundles: readonly BundleEvidence[], output: Output): void {
  const controls = new Set(bundles.flatMap(({ evidence }) => evidence.map(({ control }) => control)));
  for (const control of controls) {
    const passed = bundles.flatMap(({ bundle, evidence }) =>
      evidence.filter((one) => one.control === control).map((one) => ({ bundle, ...one })),
    );
    for (const { bundle, status, text } of passed) output.emit({ event: "check", control, bundle, status, text });
    showControl(control, passed, output);
  }
}

function showControl(control: string, passed: readonly (Evidence & { bundle: number })[], output: Output): void {
  const groups = new Map<string, number[]>();
  const isOkAlike = passed.every(({ status }) => status === "ok");
  for (const { bundle, status, text } of passed) {
    const key = `${status}|${isOkAlike && !isShared(passed) ? "" : text}`;
    groups.set(key, [...(groups.get(key) ?? []), bundle]);
  }
  for (const [key, numbers] of groups) {
    const [status = "", text = ""] = key.split("|");
    output.say(`  ${control.padEnd(15)} ${status.padEnd(5)} ${numbers.join(" ").padEnd(9)} ${text}`.trimEnd());
  }
}

/** Few bundles, or the same words for all: then the words are worth a line. */
function isShared(passed: readonly Evidence[]): boolean {
  return passed.length <= 4 || new Set(passed.map(({ text }) => text)).size === 1;
}

export function showRefused(refused: readonly RefusedBundle[], output: Output): void {
  for (const { directory, refusal } of refused) {
    output.emit({ event: "refused", directory, control: refusal.control, message: refusal.message });
    output.say(`  REFUSED ${directory}: ${refusal.message} [${refusal.control}] Nothing of it was delivered.`);
  }
}

/** Names beside the bundles: reported, never read. */
export function showOthers({ parts, foreign }: Scan, output: Output): void {
  if (parts.length > 0) output.say(`  Unfinished copies, left alone: ${parts.join(", ")}`);
  if (foreign.length > 0) output.say(`  Other files, not read: ${foreign.map(printable).join(", ")}`);
}

export function showGap({ gaps, bundles }: Missing, output: Output): void {
  const [first] = gaps;
  output.emit({ event: "gap", bundles, gaps });
  if (first === undefined) {
    output.say("  BUNDLE-GAP      ok              none");
    return;
  }
  const records = gaps.map((gap) => `${formatCount(gap.first)} to ${formatCount(gap.last)}`).join(", ");
  output.say(`  BUNDLE-GAP      warn            bundle ${bundles.join(", ")} (records ${records}) has not arrived`);
  output.say("  What came is delivered anyway; the receipt asks for the rest. Most likely it is on another stick.");
}

function printable(name: string): string {
  return name.replace(/[^ -~]/g, "?").slice(0, 64);
}

/** The words that the other side reads on its screen or on the packing slip. */
export function showCheckWords(
  bundles: readonly { readonly bundle: number; readonly id: string }[],
  output: Output,
): void {
  for (const { bundle, id } of bundles) output.emit({ event: "words", bundle, id, words: checkWords(id) });
  for (const { bundle, id } of bundles.slice(0, MAX_WORD_LINES)) {
    output.say(`  Bundle ${bundle}   id ${id.slice(0, 8)} ${id.slice(8, 16)}   check words  ${checkWords(id)}`);
  }
  if (bundles.length > MAX_WORD_LINES) output.say(`  and ${formatCount(bundles.length - MAX_WORD_LINES)} more bundles`);
}

const MAX_WORD_LINES = 8;
