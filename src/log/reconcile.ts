import { z } from "zod";
import type { LedgerState } from "../hsm/messages.ts";
import { LogHeadSchema } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import type { Log } from "./log.ts";
import type { UnissuedBody } from "./record.ts";

/** The way out of every refusal that no restored copy can heal. */
export const CONTINUE = "have custodians continue in a new log: airlockd --continue-log";

/** Ledger lines that are read first. */
const WINDOW_LINES = 2_000;

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** What matters here of a line of the signer's ledger. */
const LedgerLineSchema = z.object({
  n: z.int().positive(),
  prev: sha256Hex,
  key: z.string().optional(),
  profile: z.string(),
  tbs: sha256Hex.optional(),
  certificates: z.int().nonnegative(),
  head: LogHeadSchema,
});
export type LedgerLine = z.infer<typeof LedgerLineSchema>;

export interface Reconciliation {
  readonly log: Pick<Log, "summary" | "hashAt" | "ledgerNumbers">;
  readonly ledger: LedgerState;
  /** The ledger's lines numbered above `after`, without LF, in order. */
  readonly lines: (after: number) => Iterable<string> | AsyncIterable<string>;
  /** Signatures that may have been under way when the last process ended. */
  readonly maxInFlight: number;
}

/**
 * STORE-HEAD: holds the log against the signer's ledger, which lives apart and is not rolled back with it. A ledger that
 * has seen records which the log lacks proves the log's stores to be older copies; a few signatures without a record
 * are what a crash leaves. Call it while nothing is being signed.
 * @returns the signatures without a record, to be recorded before anything is signed
 * @throws Refusal `inconsistent`
 */
export async function reconcileLedger(reconciliation: Reconciliation): Promise<{ unissued: UnissuedBody[] }> {
  const { log, ledger } = reconciliation;
  const summary = log.summary();
  const { baseline } = summary;
  if (baseline !== undefined && ledger.number === baseline.number && ledger.hash === baseline.hash) throw notBegun();
  if (ledger.number < summary.ledger) throw shortLedger();
  checkHead(log, ledger.head);
  // What a crash leaves is among the last lines. Only when the sums do not agree is the whole ledger read, or as much
  // of it as is this log's own.
  const start = baseline?.number ?? 0;
  for (const after of new Set([Math.max(start, summary.ledger - WINDOW_LINES), start])) {
    const unissued = await findUnrecorded(reconciliation, after);
    if (summary.certificates + unissued.length === ledger.certificates) return { unissued };
  }
  throw otherSum();
}

/** Signatures with device-ca above `after` that no record names; checks every line on the way. */
async function findUnrecorded(reconciliation: Reconciliation, after: number): Promise<UnissuedBody[]> {
  const { log, ledger, lines, maxInFlight } = reconciliation;
  const recorded = log.ledgerNumbers(after);
  const unissued: UnissuedBody[] = [];
  let number = after;
  const { baseline } = log.summary();
  let hash = after === 0 ? ZERO_HASH : after === baseline?.number ? baseline.hash : undefined;
  for await (const text of lines(after)) {
    const line = parseLedgerLine(text);
    if (line.n !== ++number || (hash !== undefined && line.prev !== hash)) throw brokenLedger();
    hash = lineHash(Buffer.from(`${text}\n`));
    checkHead(log, line.head);
    if (isDeviceCertificate(line) && !recorded.has(line.n)) {
      unissued.push({ ledger: line.n, tbsSha256: line.tbs ?? "" });
      if (unissued.length > maxInFlight) throw tooManyUnrecorded();
    }
    if (number === ledger.number) break;
  }
  if (number !== ledger.number || (number > after && hash !== ledger.hash)) throw brokenLedger();
  return unissued;
}

/** @throws Refusal STORE-HEAD `inconsistent` */
export function parseLedgerLine(text: string): LedgerLine {
  try {
    return LedgerLineSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw brokenLedger(cause);
  }
}

/** Whether a line is of a certificate under the device CA: one that a record accounts for. */
export function isDeviceCertificate({ key, profile }: LedgerLine): boolean {
  return key === "device-ca" && (profile === "device" || profile === "bundle");
}

/** The head that a ledger line names was durable when the line was written. */
function checkHead(log: Reconciliation["log"], head: { readonly seq: number; readonly hash: string }): void {
  if (head.seq === 0 || log.hashAt(head.seq) === head.hash) return;
  const { seq } = log.summary().head;
  throw new Refusal(
    "STORE-HEAD",
    "inconsistent",
    `The signer's ledger has seen records that this log lacks, such as record ${head.seq}; this log ends at record ` +
      `${seq}. Journal and index are older copies. Restore the newest ones, or ${CONTINUE}`,
  );
}

function notBegun(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "The signer's ledger does not know yet that this log continues another one. Start airlock-signer --ceremony and " +
      "run airlockd --continue-log again.",
  );
}

function shortLedger(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    `The signer's ledger is missing or older than the log. Restore the newest ledger, or ${CONTINUE}`,
  );
}

function brokenLedger(cause?: unknown): Refusal {
  const sentence = "The signer's ledger does not read as one unbroken chain. Stop the signer and inspect its ledger.";
  return new Refusal("STORE-HEAD", "inconsistent", sentence, { cause });
}

function tooManyUnrecorded(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "The signer's ledger shows more signatures without a record than a crash can leave: the log is an older copy, or " +
      `somebody else used the signer. Restore the newest log, or ${CONTINUE}`,
  );
}

function otherSum(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "Log and ledger account for different numbers of certificates. Find out who used the signer before going on.",
  );
}
