import { findWrongLayout } from "./keyboard-layout.ts";
import { joinReceiptCodes, parseReceiptCode, type ReceiptCode } from "./receipt-codes.ts";

/** What became of one line that a scanner typed. */
export type Scan =
  | { readonly result: "complete"; readonly der: Buffer; readonly number: number; readonly parts: number }
  /** A new part; these are still missing. */
  | { readonly result: "part"; readonly code: ReceiptCode; readonly missing: readonly number[] }
  | { readonly result: "repeat"; readonly code: ReceiptCode; readonly missing: readonly number[] }
  /** A part of another receipt than the one begun; nothing of that one is lost. */
  | { readonly result: "other-receipt"; readonly code: ReceiptCode; readonly begun: number }
  | { readonly result: "damaged"; readonly length: number }
  | { readonly result: "layout"; readonly layout: string }
  | { readonly result: "foreign" | "empty" }
  /** Each part is whole and together they are not what they say: they have to be scanned again from the start. */
  | { readonly result: "contradiction" };

export interface ReceiptScan {
  take(line: string): Scan;
  /** Parts not scanned yet; empty before the first. */
  missing(): readonly number[];
}

/** Puts a receipt together from scanned codes, in any order and as often as people scan them. */
export function createReceiptScan(): ReceiptScan {
  let codes = new Map<number, ReceiptCode>();
  const first = () => codes.values().next().value;
  const missing = () => Array.from({ length: first()?.parts ?? 0 }, (_, i) => i + 1).filter((part) => !codes.has(part));

  function takeCode(code: ReceiptCode): Scan {
    const begun = first();
    if (begun !== undefined && (begun.id !== code.id || begun.parts !== code.parts)) {
      return { result: "other-receipt", code, begun: begun.number };
    }
    if (codes.has(code.part)) return { result: "repeat", code, missing: missing() };
    codes.set(code.part, code);
    if (missing().length > 0) return { result: "part", code, missing: missing() };
    const der = joinReceiptCodes([...codes.values()].sort((one, other) => one.part - other.part));
    codes = new Map();
    return der === undefined
      ? { result: "contradiction" }
      : { result: "complete", der, number: code.number, parts: code.parts };
  }

  return {
    missing,
    take(line) {
      const text = line.trim();
      if (text === "") return { result: "empty" };
      // Caps lock turns every letter; nothing in a code tells capitals apart.
      const reading = parseReceiptCode(text.toUpperCase());
      if (reading.result === "code") return takeCode(reading.code);
      if (reading.result === "damaged") return { result: "damaged", length: text.length };
      const layout = findWrongLayout(text);
      return layout === undefined ? { result: "foreign" } : { result: "layout", layout };
    },
  };
}
