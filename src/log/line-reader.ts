import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import type { Journal } from "./journal.ts";
import type { OnLogEvent } from "./log-event.ts";
import type { StoredRecord } from "./record.ts";
import { readHeader } from "./record-codec.ts";

/** Bytes that one read of the journal may take: the memory that a stream of records needs. */
const WINDOW_BYTES = 256 * 1024;
/** Unwanted bytes between two wanted lines that are still cheaper to read than to skip. */
const GAP_BYTES = 16 * 1024;

export interface LineReaderParts {
  readonly journal: Journal;
  readonly catalog: Catalog;
  /** The index's copy of a line, unchecked. */
  readonly copyOf: (seq: number) => Promise<string | undefined>;
  readonly onEvent: OnLogEvent;
}

/**
 * Reads lines and lets none pass whose hash is not the one in the catalog (STORE-CHAIN). There are two copies, in the
 * journal and in the index; one damaged copy is reported and the other one served, two are refused.
 */
export class LineReader {
  readonly #parts: LineReaderParts;

  constructor(parts: LineReaderParts) {
    this.#parts = parts;
  }

  /**
   * One line from the journal, its copy failing that.
   * @throws Refusal `inconsistent` when neither has the line
   */
  async line(seq: number): Promise<string> {
    const { journal, catalog } = this.#parts;
    const bytes = await readQuietly(journal.read(seq, catalog.positionAt(seq)));
    return lineHash(bytes) === lineHashAt(catalog, seq) ? bytes.toString("latin1") : this.#copy(seq);
  }

  /**
   * The records of the ascending numbers `seqs`, with bounded memory. Besides its hash, each must name the hash of the
   * record before it.
   */
  async *records(seqs: Iterable<number>): AsyncGenerator<StoredRecord> {
    let window: number[] = [];
    for (const seq of seqs) {
      if (window.length > 0 && !this.#fits(window, seq)) {
        for (const record of await this.#readWindow(window)) yield record;
        window = [];
      }
      window.push(seq);
    }
    for (const record of await this.#readWindow(window)) yield record;
  }

  /** Records first..last. */
  span(first: number, last: number): AsyncGenerator<StoredRecord> {
    return this.records(numbers(first, last));
  }

  #fits(window: readonly number[], seq: number): boolean {
    const { journal, catalog } = this.#parts;
    const first = window[0] ?? seq;
    const before = window.at(-1) ?? seq;
    if (journal.segmentOf(first) !== journal.segmentOf(seq)) return false;
    const position = catalog.positionAt(seq);
    const { offset, length } = catalog.positionAt(before);
    if (position.offset - offset - length > GAP_BYTES) return false;
    return position.offset + position.length - catalog.positionAt(first).offset <= WINDOW_BYTES;
  }

  async #readWindow(window: readonly number[]): Promise<StoredRecord[]> {
    const first = window[0];
    const last = window.at(-1);
    if (first === undefined || last === undefined) return [];
    const { journal, catalog } = this.#parts;
    const start = catalog.positionAt(first).offset;
    const end = catalog.positionAt(last);
    const length = end.offset + end.length - start;
    const bytes = await readQuietly(journal.read(first, { offset: start, length }));
    const records: StoredRecord[] = [];
    for (const seq of window) {
      const { offset, length: lineLength } = catalog.positionAt(seq);
      const part = bytes.subarray(offset - start, offset - start + lineLength);
      const hash = lineHashAt(catalog, seq);
      const line = lineHash(part) === hash ? part.toString("latin1") : await this.#copy(seq);
      records.push({ seq, line: this.#checkLink(seq, line), hash });
    }
    return records;
  }

  /** The other copy of a line that the journal does not give. */
  async #copy(seq: number): Promise<string> {
    const { catalog, copyOf, onEvent } = this.#parts;
    const copy = await copyOf(seq);
    if (copy === undefined || lineHash(copy) !== catalog.hashAt(seq)) throw damaged();
    onEvent({ control: "STORE-CHAIN", seq, message: "A line of the journal is damaged; its copy was used." });
    return copy;
  }

  #checkLink(seq: number, line: string): string {
    const header = readHeader(line);
    const before = seq === 1 ? ZERO_HASH : this.#parts.catalog.hashAt(seq - 1);
    if (header?.seq !== seq || header.prev !== before) throw damaged();
    return line;
  }
}

function* numbers(first: number, last: number): Generator<number> {
  for (let seq = first; seq <= last; seq++) yield seq;
}

function lineHashAt(catalog: Catalog, seq: number): string {
  const hash = catalog.hashAt(seq);
  if (hash === undefined) throw new RangeError("no such record");
  return hash;
}

/** A read that fails counts as damage, which the other copy may heal. */
async function readQuietly(reading: Promise<Buffer>): Promise<Buffer> {
  try {
    return await reading;
  } catch {
    return Buffer.alloc(0);
  }
}

function damaged(): Refusal {
  return new Refusal(
    "STORE-CHAIN",
    "inconsistent",
    "A record of the log is damaged in both of its copies. Restore the journal from a copy that is not older.",
  );
}
