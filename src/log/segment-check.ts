import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import { prepareEntry } from "./catalog-entry.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import { type IndexedValues, indexedValues } from "./indexed-values.ts";
import type { OnLogEvent } from "./log-event.ts";
import type { LogRecord } from "./record.ts";
import { parseRecord } from "./record-codec.ts";

export interface KnownSegment {
  readonly bytes: Buffer;
  readonly first: number;
  /** Last record of the segment that the catalog knows. */
  readonly lastKnown: number;
  readonly isTail: boolean;
}

export interface CheckedSegment {
  /** The segment's bytes up to `end`, in pieces, damaged lines replaced. */
  readonly parts: Buffer[];
  readonly end: number;
  readonly isRepaired: boolean;
}

export interface LineSources {
  readonly catalog: Catalog;
  readonly copyOf: (seq: number) => string | undefined;
  readonly onEvent: OnLogEvent;
}

/**
 * Compares the lines that the catalog knows with their hashes and replaces the damaged ones.
 * @throws Refusal `inconsistent`
 */
export function checkKnownLines(sources: LineSources, segment: KnownSegment): CheckedSegment {
  const { catalog, onEvent } = sources;
  const { bytes, first, lastKnown, isTail } = segment;
  const parts: Buffer[] = [];
  let end = 0;
  let copied = 0;
  for (let seq = first; seq <= lastKnown; seq++) {
    const { offset, length } = catalog.positionAt(seq);
    if (offset !== end) throw damagedJournal();
    end = offset + length;
    // In the last segment a missing end is a rollback, which no copy may paper over.
    if (isTail && end > bytes.length) throw shortJournal();
    if (lineHash(bytes.subarray(offset, end)) === catalog.hashAt(seq)) continue;
    // Nothing after it vouches for the very last line: another hash there may as well be another history.
    if (isTail && end === bytes.length) throw otherHistory();
    parts.push(bytes.subarray(copied, offset), Buffer.from(copyOrRefuse(sources, seq), "latin1"));
    copied = end;
    onEvent({ control: "STORE-CHAIN", seq, message: "A damaged line of the journal was replaced by its copy." });
  }
  return { parts: [...parts, bytes.subarray(copied, end)], end, isRepaired: copied > 0 };
}

function copyOrRefuse({ catalog, copyOf }: LineSources, seq: number): string {
  const copy = copyOf(seq);
  if (copy === undefined || lineHash(copy) !== catalog.hashAt(seq)) throw damagedJournal();
  return copy;
}

/**
 * Takes over lines that the catalog does not know, after checking form, density and chain of each.
 * @returns the end of the last terminated line
 * @throws Refusal `inconsistent`
 */
export function takeNewLines(catalog: Catalog, bytes: Buffer, start: number): number {
  let offset = start;
  for (let lf = bytes.indexOf(0x0a, offset); lf >= 0; lf = bytes.indexOf(0x0a, offset)) {
    const line = bytes.toString("latin1", offset, lf + 1);
    const { record, values } = parseLine(line);
    const before = catalog.hashAt(catalog.count) ?? ZERO_HASH;
    if (record.seq !== catalog.count + 1 || record.prev !== before) throw damagedJournal();
    catalog.append(prepareEntry(record, values, lineHash(line), line.length), offset);
    offset = lf + 1;
  }
  return offset;
}

function parseLine(line: string): { record: LogRecord; values: IndexedValues } {
  try {
    const record = parseRecord(line);
    return { record, values: indexedValues(record) };
  } catch (cause) {
    throw damagedJournal(cause);
  }
}

export function damagedJournal(cause?: unknown): Refusal {
  const sentence =
    "The journal is damaged and its copy does not help. Restore the journal from a copy that is not older.";
  return new Refusal("STORE-CHAIN", "inconsistent", sentence, { cause });
}

function shortJournal(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "The journal ends before records that were committed to it. Restore the newest copy, or continue in a new log: airlockd --continue-log",
  );
}

function otherHistory(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "The journal's last record is not the one that was committed. Restore the newest copy, or continue in a new log: airlockd --continue-log",
  );
}
