import type { ReceiptException, ReceiptOutcome, RejectCode } from "../transfer/receipt.ts";

/** A registration in sequence order, with what the receipt shall say about it. */
export interface Told {
  readonly seq: number;
  readonly outcome: ReceiptOutcome;
  readonly code?: RejectCode | undefined;
  /** The appliance does not know this yet. A range is written only when it holds news. */
  readonly isNews: boolean;
}

/**
 * Neighbouring registrations with the same outcome become one range, which may run over those that the appliance
 * knows of already: saying it again changes nothing, and a receipt stays short enough for paper.
 */
export function toRanges(told: readonly Told[]): ReceiptException[] {
  const ranges: {
    first: number;
    last: number;
    outcome: ReceiptOutcome;
    code?: RejectCode | undefined;
    isNews: boolean;
  }[] = [];
  for (const { seq, outcome, code, isNews } of told) {
    const open = ranges.at(-1);
    if (open?.outcome === outcome && open.code === code)
      Object.assign(open, { last: seq, isNews: open.isNews || isNews });
    else ranges.push({ first: seq, last: seq, outcome, code, isNews });
  }
  return ranges
    .filter(({ isNews }) => isNews)
    .map(({ first, last, outcome, code }) => ({ first, last, outcome, ...(code === undefined ? {} : { code }) }));
}
