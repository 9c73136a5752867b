import { isoUtc } from "../clock.ts";
import { ZERO_HASH } from "../log/chain.ts";
import {
  MAX_RECEIPT_BUNDLES,
  MAX_RECEIPT_EXCEPTIONS,
  MAX_RECEIPT_GAPS,
  type Receipt,
  type ReceiptException,
} from "../transfer/receipt.ts";
import { type ImporterState, type IssuedReceipt, type KnownBundle, sortedBundles } from "./importer-state.ts";
import { countMissing } from "./join-bundles.ts";
import { bundleOf } from "./plan.ts";
import { type Told, toRanges } from "./receipt-exceptions.ts";

export interface ReceiptInput {
  readonly state: ImporterState;
  readonly log: string;
  readonly importer: string;
  /** Every registration in the bundles known that has no outcome yet, ascending. */
  readonly open: readonly number[];
  readonly nowMs: number;
}

/**
 * The next receipt: everything that the appliance cannot know from the receipts that it has applied, which the
 * newest manifest names. So a lost receipt costs nothing: the next one says it all again.
 * @returns the last receipt's content unchanged when there is nothing new to say; undefined before the first bundle
 */
export function composeReceipt(input: ReceiptInput): { receipt: Receipt; isNew: boolean } | undefined {
  const { state, log, importer, nowMs } = input;
  const bundles = sortedBundles(state);
  if (bundles.length === 0) return undefined;
  const applied = findApplied(state, importer);
  const said = new Set(applied.flatMap(({ receipt }) => receipt.bundles.map(({ bundle }) => bundle)));
  const { listed, exceptions } = fitIntoRecord(
    bundles.filter(({ bundle }) => !said.has(bundle)).slice(0, MAX_RECEIPT_BUNDLES),
    (fresh, withDuplicates) => describeOutcomes(input, bundles, fresh, applied, withDuplicates),
  );
  const missing = countMissing(bundles);
  const previous = state.receipts.at(-1);
  const receipt: Receipt = {
    log,
    importer,
    number: (previous?.receipt.number ?? 0) + 1,
    prev: previous?.sha256 ?? ZERO_HASH,
    bundles: listed.map(({ bundle, id }) => ({ bundle, id })),
    exceptions,
    gaps: missing.gaps.slice(0, MAX_RECEIPT_GAPS),
    missing: missing.bundles.slice(0, MAX_RECEIPT_GAPS),
    thru: findThru(bundles),
    at: isoUtc(nowMs),
  };
  const last = previous?.receipt;
  return last !== undefined && !hasNews(receipt, last) ? { receipt: last, isNew: false } : { receipt, isNew: true };
}

/** The receipts that the appliance had applied when it sealed the newest bundle that came; it applies them in order. */
function findApplied({ bundles, receipts }: ImporterState, importer: string): readonly IssuedReceipt[] {
  const numbers = [...bundles.values()].map(({ receipt }) => (receipt?.importer === importer ? receipt.number : 0));
  const newest = Math.max(0, ...numbers);
  return receipts.filter(({ receipt }) => receipt.number <= newest);
}

type Describe = (fresh: readonly KnownBundle[], withDuplicates: boolean) => ReceiptException[];

/**
 * A receipt's record must fit into a line of the appliance's log. First "duplicate" goes, which means delivered all
 * the same; then the last bundles go, for the next receipt; at the very last a bundle's rest is called pending.
 */
function fitIntoRecord(
  fresh: readonly KnownBundle[],
  describe: Describe,
): { listed: readonly KnownBundle[]; exceptions: readonly ReceiptException[] } {
  const whole = describe(fresh, true);
  if (whole.length <= MAX_RECEIPT_EXCEPTIONS) return { listed: fresh, exceptions: whole };
  for (let count = fresh.length; count > 1; count--) {
    const listed = fresh.slice(0, count);
    const exceptions = describe(listed, false);
    if (exceptions.length <= MAX_RECEIPT_EXCEPTIONS) return { listed, exceptions };
  }
  const listed = fresh.slice(0, 1);
  const exceptions = describe(listed, false);
  return { listed, exceptions: exceptions.length <= MAX_RECEIPT_EXCEPTIONS ? exceptions : cutShort(exceptions) };
}

function cutShort(exceptions: readonly ReceiptException[]): ReceiptException[] {
  const kept = exceptions.slice(0, MAX_RECEIPT_EXCEPTIONS - 1);
  const [first, last] = [exceptions[kept.length]?.first ?? 0, exceptions.at(-1)?.last ?? 0];
  return [...kept, { first, last, outcome: "pending" }];
}

/** Exceptions of the bundles that this receipt confirms, and corrections of what earlier receipts said. */
function describeOutcomes(
  { state, open }: ReceiptInput,
  bundles: readonly KnownBundle[],
  fresh: readonly KnownBundle[],
  applied: readonly IssuedReceipt[],
  withDuplicates: boolean,
): ReceiptException[] {
  const freshNumbers = new Set(fresh.map(({ bundle }) => bundle));
  const said = new Set(applied.flatMap(({ receipt }) => receipt.bundles.map(({ bundle }) => bundle)));
  const since = applied.at(-1)?.position ?? -1;
  const isDoubted = findDoubt(applied);
  const isNews = (seq: number, position: number) => position > since || isDoubted(seq);
  const numberOf = (seq: number) => bundleOf(bundles, seq)?.bundle ?? 0;
  // Bundles that earlier receipts settled for good, nearly all of them, are left out as a whole.
  const corrected = new Set<number>();
  for (const [seq, { position }] of state.outcomes) {
    if (isNews(seq, position) && said.has(numberOf(seq))) corrected.add(numberOf(seq));
  }
  const told: Told[] = [];
  for (const [seq, { outcome, code, position }] of state.outcomes) {
    const number = numberOf(seq);
    if (freshNumbers.has(number)) {
      const isUsual = outcome === "delivered" || (outcome === "duplicate" && !withDuplicates);
      told.push(isUsual ? { seq, outcome: "delivered", isNews: false } : { seq, outcome, code, isNews: true });
    } else if (corrected.has(number)) told.push({ seq, outcome, code, isNews: isNews(seq, position) });
  }
  for (const seq of open) {
    const number = numberOf(seq);
    if (freshNumbers.has(number)) told.push({ seq, outcome: "pending", isNews: true });
    else if (corrected.has(number)) told.push({ seq, outcome: "pending", isNews: false });
  }
  return toRanges(told.sort((a, b) => a.seq - b.seq));
}

/** A receipt that was cut short calls registrations pending that were decided: the next one says what they are. */
function findDoubt(applied: readonly IssuedReceipt[]): (seq: number) => boolean {
  const mentions = applied.flatMap(({ receipt }) => receipt.exceptions);
  const pending = mentions.filter(({ outcome }) => outcome === "pending");
  const contains = (seq: number) => (range: ReceiptException) => range.first <= seq && seq <= range.last;
  return (seq) => pending.some(contains(seq)) && mentions.findLast(contains(seq))?.outcome === "pending";
}

/** The watermark: the end of the last bundle below which nothing is missing. */
function findThru(bundles: readonly KnownBundle[]): Receipt["thru"] {
  let thru = { seq: 0, hash: ZERO_HASH };
  for (const { first, last, after } of bundles) {
    if (first !== thru.seq + 1) break;
    thru = { seq: last, hash: after };
  }
  return thru;
}

/** Whether the receipt says anything that the last one did not say; a last one that was applied need not be repeated. */
function hasNews(receipt: Receipt, last: Receipt): boolean {
  const where = ({ gaps, missing, thru }: Receipt) => JSON.stringify([gaps, missing, thru]);
  const what = ({ bundles, exceptions }: Receipt) => JSON.stringify([bundles, exceptions]);
  const isEmpty = receipt.bundles.length === 0 && receipt.exceptions.length === 0;
  return where(receipt) !== where(last) || (!isEmpty && what(receipt) !== what(last));
}
