import type { IndexedValues } from "./indexed-values.ts";
import { type Fingerprint, fingerprintOf } from "./presence-filter.ts";
import type { LogRecord, RecordKind } from "./record.ts";
import { RECORD_KINDS } from "./record.ts";

/** What the catalog keeps of every record. */
export interface CatalogEntry {
  readonly kind: RecordKind;
  readonly hash: string;
  /** Bytes of the line with its LF. */
  readonly length: number;
  readonly atMs: number;
  /** Ledger number that the record names; 0 for none. */
  readonly ledger: number;
  /** Whether the log's state depends on the record's content, beyond this entry. */
  readonly isStateful: boolean;
  readonly uuid: Fingerprint;
  readonly key: Fingerprint;
  readonly name: Fingerprint;
}

const NONE: Fingerprint = { high: 0, low: 0 };

/** An entry as it lies in memory and in the side file: 22 little-endian 32-bit words. */
export const ENTRY_WORDS = 22;
export const ENTRY_BYTES = ENTRY_WORDS * 4;
export const WORD = { uuid: 8, key: 10, name: 12, at: 14, ledger: 16, offset: 18, shape: 19, checksum: 20 } as const;

/** Kinds whose content never changes a state: their entry says all that there is. */
const STATELESS: ReadonlySet<RecordKind> = new Set(["registration", "unissued", "refusals", "delivery"]);

/** The entry of a record. Pure; the same for a record that is about to be written and for one read back. */
export function prepareEntry(record: LogRecord, values: IndexedValues, hash: string, length: number): CatalogEntry {
  return {
    kind: record.kind,
    hash,
    length,
    atMs: Date.parse(record.at),
    ledger: namedLedger(record),
    isStateful: !STATELESS.has(record.kind) || isCounted(record),
    uuid: values.uuid === undefined ? NONE : fingerprintOf(values.uuid),
    key: values.key === undefined ? NONE : fingerprintOf(values.key),
    name: values.name === undefined ? NONE : fingerprintOf(values.name),
  };
}

/** Registrations that another one's state, or what is left of a work order, depends on. */
function isCounted(record: LogRecord): boolean {
  return record.kind === "registration" && (record.replaces !== undefined || record.order !== undefined);
}

function namedLedger(record: LogRecord): number {
  // A carried registration's number is of the ledger before the baseline, which accounts for it.
  if (record.kind === "registration") return record.former === undefined ? record.ledger : 0;
  if (record.kind === "unissued" || record.kind === "seal") return record.ledger;
  if (record.kind === "act") return record.act === "install-device-ca" ? (record.ledger ?? 0) : 0;
  return record.kind === "genesis" ? (record.continues?.ledger.number ?? record.bundleCertLedger) : 0;
}

/** Kind, length and statefulness in one word: 15 bits of length, 8 of kind, 1 flag. */
export function encodeShape(entry: CatalogEntry): number {
  return entry.length | (RECORD_KINDS.indexOf(entry.kind) << 16) | (entry.isStateful ? 1 << 24 : 0);
}

/**
 * Checksum of an entry chained to the one before it, as two 32-bit words: finds damage and gaps in the side file. Not
 * cryptographic, because it proves nothing: the hashes in the entries are what records are compared with.
 */
export function chainChecksum(words: Uint32Array, start: number, before: Fingerprint): Fingerprint {
  let { high, low } = before;
  for (let i = start; i < start + WORD.checksum; i++) {
    const word = words[i] ?? 0;
    high = Math.imul(high ^ word ^ (high >>> 15), 0x9e3779b1);
    low = Math.imul((low + word) ^ (low >>> 13), 0x85ebca6b) ^ high;
  }
  return { high: high >>> 0, low: low >>> 0 };
}
