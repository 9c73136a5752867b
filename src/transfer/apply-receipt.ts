import type { ControlId } from "../controls.ts";
import { ZERO_HASH } from "../log/chain.ts";
import type { Log, SealedBundle } from "../log/log.ts";
import type { By, ReceiptBody, StoredRecord } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { Receipt, ReceiptException } from "./receipt.ts";
import { parseReceipt, type UnverifiedReceipt, verifyReceipt } from "./receipt-cms.ts";
import { isRegistrationLine } from "./record-range.ts";
import { createSerialQueue } from "./serial-queue.ts";

export interface RejectedRegistration {
  readonly seq: number;
  readonly name: string;
  readonly code: string;
}

/** What a receipt changed, or had changed when it was first applied. */
export interface AppliedReceipt {
  readonly receipt: Receipt;
  readonly isAlreadyApplied: boolean;
  /** Registrations delivered by this receipt, those that were there already included. */
  readonly delivered: number;
  readonly duplicates: number;
  readonly rejected: readonly RejectedRegistration[];
  /** One line for each check that passed, `RECEIPT-SIG ok importer EU1`. */
  readonly evidence: readonly string[];
}

export interface ReceiptApplier {
  /**
   * Checks a receipt (PEM or DER) and records it. When it resolves, the record is durable; the same receipt again
   * changes nothing. Calls run one after another.
   * @throws Refusal RECEIPT-SIG, -LOG, -SEQNO, -RANGE, -BUNDLE, -THRU; then nothing was recorded
   */
  apply(bytes: Buffer, by: By): Promise<AppliedReceipt>;
}

export function createReceiptApplier(log: Log): ReceiptApplier {
  const inOrder = createSerialQueue();
  return { apply: (bytes, by) => inOrder(() => applyReceipt(log, bytes, by)) };
}

async function applyReceipt(log: Log, bytes: Buffer, by: By): Promise<AppliedReceipt> {
  const unverified = parseReceipt(bytes);
  const { receipt } = unverified;
  const evidence = [checkSignature(log, unverified), checkLog(log, receipt)];
  const { isAlreadyApplied, ...place } = await checkNumber(log, unverified);
  evidence.push(place.evidence);
  if (!isAlreadyApplied) {
    evidence.push(checkBundles(log, receipt), checkRanges(log, receipt), await checkThru(log, receipt));
    // The commit point. Before it, the receipt has no effect; after it, applying it again finds this record.
    await log.append({ kind: "receipt", body: recordBody(unverified, by) });
  }
  return { receipt, isAlreadyApplied, ...(await describeEffect(log, receipt)), evidence };
}

function recordBody({ receipt, sha256 }: UnverifiedReceipt, by: By): ReceiptBody {
  const { importer, number, bundles, thru, exceptions, missing, at } = receipt;
  return {
    importer,
    number,
    sha256,
    bundles: bundles.map(({ bundle }) => bundle),
    thru: thru.seq,
    exceptions: exceptions.map(recordException),
    missing,
    issuedAt: at,
    by,
  };
}

function recordException({ first, last, outcome, code }: ReceiptException): ReceiptBody["exceptions"][number] {
  return {
    seq: first,
    ...(last === first ? {} : { through: last }),
    outcome,
    ...(code === undefined ? {} : { code }),
  };
}

function checkSignature(log: Log, unverified: UnverifiedReceipt): string {
  const { importer } = unverified.receipt;
  const trusted = log.importer(importer);
  if (trusted === undefined) {
    const sentence =
      "No custodians have trusted this importer. Check who sent the receipt; see: airlock-custody importer.";
    throw new Refusal("RECEIPT-SIG", "forbidden", sentence, { field: "receipt" });
  }
  verifyReceipt(unverified, trusted.pem);
  return `RECEIPT-SIG ok importer ${importer}`;
}

function checkLog(log: Log, receipt: Receipt): string {
  const { log: id } = log.summary();
  if (receipt.log !== id) throw refuse("RECEIPT-LOG", "The receipt is for another appliance's log. Take it there.");
  return `RECEIPT-LOG ok ${id}`;
}

/** Receipts of one importer are numbered and chained; a lost one is superseded by the next. */
async function checkNumber(
  log: Log,
  { receipt, sha256 }: UnverifiedReceipt,
): Promise<{ isAlreadyApplied: boolean; evidence: string }> {
  let last: ReceiptBody | undefined;
  for await (const record of log.readKind("receipt")) {
    if (record.importer !== receipt.importer) continue;
    if (record.sha256 === sha256) {
      return { isAlreadyApplied: true, evidence: `RECEIPT-SEQNO ok ${receipt.number} was applied before` };
    }
    last = record;
  }
  const after = last?.number ?? 0;
  if (receipt.number <= after) {
    throw refuse("RECEIPT-SEQNO", "The receipt is older than the last one applied. Nothing to do: use the newest one.");
  }
  if (receipt.number === after + 1 && receipt.prev !== (last?.sha256 ?? ZERO_HASH)) {
    throw refuse(
      "RECEIPT-SEQNO",
      "The receipt continues another series than the one applied here. Do not apply it; call security.",
    );
  }
  return { isAlreadyApplied: false, evidence: `RECEIPT-SEQNO ok ${describePlace(receipt.number, after)}` };
}

function describePlace(number: number, after: number): string {
  if (after === 0 && number === 1) return "1, the first";
  if (number === after + 1) return `${number} after ${after}`;
  const skipped = number - 1 === after + 1 ? `${number - 1}` : `${after + 1} to ${number - 1}`;
  return `${number} after ${after} (${skipped} superseded)`;
}

/** Everything that the receipt speaks of has been sealed: it cannot know of more. */
function checkRanges(log: Log, receipt: Receipt): string {
  const { sealedThrough } = log.summary();
  const ranges = [...receipt.exceptions, ...receipt.gaps];
  if (ranges.some(({ last }) => last > sealedThrough) || receipt.thru.seq > sealedThrough) {
    throw refuse(
      "RECEIPT-RANGE",
      "The receipt speaks of records that were never sealed here. Do not apply it; call security.",
    );
  }
  const covered = coveredBundles(log, receipt);
  const isCovered = (seq: number) => covered.some(({ first, last }) => first <= seq && seq <= last);
  if (!receipt.exceptions.every(({ first, last }) => isCovered(first) && isCovered(last))) {
    throw refuse(
      "RECEIPT-RANGE",
      "The receipt has results for bundles that it does not confirm. Do not apply it; ask for a new one.",
    );
  }
  return `RECEIPT-RANGE ok ${ranges.length === 0 ? "no exceptions" : `${receipt.exceptions.length} exceptions within sealed records`}`;
}

function coveredBundles(log: Log, receipt: Receipt): SealedBundle[] {
  const named = new Set(receipt.bundles.map(({ bundle }) => bundle));
  return log.bundles().filter(({ bundle, isAcknowledged }) => isAcknowledged || named.has(bundle));
}

function checkBundles(log: Log, receipt: Receipt): string {
  const ids = new Map(log.bundles().map(({ bundle, id }) => [bundle, id]));
  if (receipt.bundles.some(({ bundle, id }) => ids.get(bundle) !== id)) {
    throw refuse(
      "RECEIPT-BUNDLE",
      "The receipt confirms a bundle that this appliance never sealed. Do not apply it; call security.",
    );
  }
  if (receipt.missing.some((bundle) => !ids.has(bundle))) {
    throw refuse(
      "RECEIPT-BUNDLE",
      "The receipt asks for a bundle that this appliance never sealed. Do not apply it; call security.",
    );
  }
  const names = receipt.bundles.map(({ bundle }) => bundle).join(",");
  return `RECEIPT-BUNDLE ok ${names === "" ? "none new" : names}`;
}

/** The far side's watermark names a line of this very log: both sides hold the same history. */
async function checkThru(log: Log, { thru, importer }: Receipt): Promise<string> {
  const hash = thru.seq === 0 ? ZERO_HASH : log.hashAt(thru.seq);
  if (hash !== thru.hash) {
    throw refuse(
      "RECEIPT-THRU",
      "The far side holds another history than this appliance. Do not apply it; call security.",
    );
  }
  for await (const record of log.readKind("receipt")) {
    if (record.importer === importer && record.thru > thru.seq) {
      throw refuse(
        "RECEIPT-THRU",
        "The far side has forgotten records that it had confirmed. Do not apply it; call security.",
      );
    }
  }
  return `RECEIPT-THRU ok ${thru.seq}`;
}

/** What the receipt says about each registration that it covers; applying it again tells the same. */
async function describeEffect(
  log: Log,
  receipt: Receipt,
): Promise<Pick<AppliedReceipt, "delivered" | "duplicates" | "rejected">> {
  const named = new Set(receipt.bundles.map(({ bundle }) => bundle));
  const ranges = log.bundles().filter(({ bundle }) => named.has(bundle));
  const outcomes = { delivered: 0, duplicate: 0 };
  const rejected: RejectedRegistration[] = [];
  for await (const { seq, line } of readRanges(log, [...ranges, ...receipt.exceptions])) {
    if (!isRegistrationLine(line)) continue;
    const { outcome, code = "" } = findException(receipt, seq) ?? { outcome: "delivered" };
    if (outcome === "delivered" || outcome === "duplicate") outcomes[outcome]++;
    if (outcome === "rejected") rejected.push({ seq, name: (await log.findRegistration(seq))?.name ?? "", code });
  }
  return { delivered: outcomes.delivered + outcomes.duplicate, duplicates: outcomes.duplicate, rejected };
}

function findException({ exceptions }: Receipt, seq: number): ReceiptException | undefined {
  return exceptions.find(({ first, last }) => first <= seq && seq <= last);
}

/** Each record once, although the ranges may overlap. */
async function* readRanges(log: Log, ranges: readonly { first: number; last: number }[]): AsyncGenerator<StoredRecord> {
  let done = 0;
  for (const { first, last } of [...ranges].sort((a, b) => a.first - b.first)) {
    const from = Math.max(first, done + 1);
    if (from <= last) yield* log.read(from, last);
    done = Math.max(done, last);
  }
}

function refuse(control: ControlId, sentence: string): Refusal {
  return new Refusal(control, "conflict", sentence, { field: "receipt" });
}
