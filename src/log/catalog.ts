import { type CatalogEntry, chainChecksum, ENTRY_BYTES, ENTRY_WORDS, encodeShape, WORD } from "./catalog-entry.ts";
import type { Indexed } from "./indexed-values.ts";
import type { LinePosition } from "./journal.ts";
import { type Fingerprint, fingerprintOf, PresenceFilter } from "./presence-filter.ts";
import { RECORD_KINDS, type RecordKind } from "./record.ts";

const CHUNK_ENTRIES = 4096;

interface Chunk {
  readonly bytes: Buffer;
  readonly words: Uint32Array;
  readonly doubles: Float64Array;
}

/**
 * An entry for every record of the log, in memory: where its line stands in the journal, the line's hash, and
 * fingerprints of what it can be found by. It is the second witness of whatever LevelDB answers: a line counts only
 * when it has the hash that stands here, a miss only when no fingerprint speaks against it (STORE-CHAIN). 88 bytes a
 * record, and up to 70 for the filters.
 *
 * Derived from the journal alone. The side file (catalog-file.ts) saves reading all of the journal at every start.
 */
export class Catalog {
  readonly #chunks: Chunk[] = [];
  readonly #filters: Readonly<Record<Indexed, PresenceFilter>> = {
    uuid: this.#filter(WORD.uuid),
    key: this.#filter(WORD.key),
    name: this.#filter(WORD.name),
  };
  #count = 0;
  #checksum: Fingerprint = { high: 0, low: 0 };

  /** Sequence number of the newest entry. */
  get count(): number {
    return this.#count;
  }

  /** Makes room for so many entries in all. */
  reserve(count: number): void {
    for (const filter of Object.values(this.#filters)) filter.reserve(count);
  }

  /** @param offset bytes before the line in its segment */
  append(entry: CatalogEntry, offset: number): void {
    const seq = this.#count + 1;
    const { bytes, words, doubles } = this.#chunkFor(seq);
    const start = wordOf(seq);
    bytes.write(entry.hash, start * 4, "hex");
    for (const field of ["uuid", "key", "name"] as const) {
      words[start + WORD[field]] = entry[field].low;
      words[start + WORD[field] + 1] = entry[field].high;
    }
    doubles[(start + WORD.at) / 2] = entry.atMs;
    doubles[(start + WORD.ledger) / 2] = entry.ledger;
    words[start + WORD.offset] = offset;
    words[start + WORD.shape] = encodeShape(entry);
    this.#accept(seq, chainChecksum(words, start, this.#checksum));
  }

  /**
   * Takes over entries as they were written before, up to the first that does not carry the checksum it must.
   * @returns how many were taken
   */
  adopt(bytes: Buffer): number {
    const before = this.#count;
    for (let offset = 0; offset + ENTRY_BYTES <= bytes.length; offset += ENTRY_BYTES) {
      const seq = this.#count + 1;
      const chunk = this.#chunkFor(seq);
      const start = wordOf(seq);
      bytes.copy(chunk.bytes, start * 4, offset, offset + ENTRY_BYTES);
      const { words } = chunk;
      const checksum = chainChecksum(words, start, this.#checksum);
      if (words[start + WORD.checksum] !== checksum.low || words[start + WORD.checksum + 1] !== checksum.high) break;
      this.#accept(seq, checksum);
    }
    return this.#count - before;
  }

  /** Entries first..last as the side file keeps them. */
  bytes(first: number, last: number): Buffer {
    const parts: Buffer[] = [];
    for (let seq = first; seq <= last; ) {
      const end = Math.min(last, seq + CHUNK_ENTRIES - 1 - ((seq - 1) % CHUNK_ENTRIES));
      const start = wordOf(seq) * 4;
      parts.push(this.#chunkOf(seq).bytes.subarray(start, start + (end - seq + 1) * ENTRY_BYTES));
      seq = end + 1;
    }
    return Buffer.concat(parts);
  }

  /** SHA-256 of a record's line; undefined when there is no such record. */
  hashAt(seq: number): string | undefined {
    if (!this.has(seq)) return undefined;
    const start = wordOf(seq) * 4;
    return this.#chunkOf(seq).bytes.toString("hex", start, start + 32);
  }

  has(seq: number): boolean {
    return Number.isInteger(seq) && seq >= 1 && seq <= this.#count;
  }

  kindAt(seq: number): RecordKind | undefined {
    return this.has(seq) ? RECORD_KINDS[(this.#word(seq, WORD.shape) >>> 16) & 0xff] : undefined;
  }

  /** Registrations among records first..last. */
  registrationsIn(first: number, last: number): number {
    let count = 0;
    for (let seq = Math.max(first, 1); seq <= Math.min(last, this.#count); seq++) {
      if (this.kindAt(seq) === "registration") count++;
    }
    return count;
  }

  isStateful(seq: number): boolean {
    return this.has(seq) && (this.#word(seq, WORD.shape) & (1 << 24)) !== 0;
  }

  positionAt(seq: number): LinePosition {
    return { offset: this.#word(seq, WORD.offset), length: this.#word(seq, WORD.shape) & 0xffff };
  }

  atMs(seq: number): number {
    return this.#chunkOf(seq).doubles[(wordOf(seq) + WORD.at) / 2] ?? 0;
  }

  /** Ledger number that a record names; 0 for none. */
  ledgerAt(seq: number): number {
    return this.#chunkOf(seq).doubles[(wordOf(seq) + WORD.ledger) / 2] ?? 0;
  }

  /** Records that may carry the value, newest first; certainly all that do. */
  candidates(field: Indexed, value: string): number[] {
    return this.#filters[field].find(fingerprintOf(value));
  }

  #accept(seq: number, checksum: Fingerprint): void {
    const { words } = this.#chunkOf(seq);
    const start = wordOf(seq);
    words[start + WORD.checksum] = checksum.low;
    words[start + WORD.checksum + 1] = checksum.high;
    this.#checksum = checksum;
    this.#count = seq;
    for (const field of ["uuid", "key", "name"] as const) {
      if (words[start + WORD[field] + 1] !== 0) this.#filters[field].add(words[start + WORD[field]] ?? 0, seq);
    }
  }

  #filter(word: number): PresenceFilter {
    return new PresenceFilter((seq) => this.#word(seq, word + 1));
  }

  #word(seq: number, word: number): number {
    return this.#chunkOf(seq).words[wordOf(seq) + word] ?? 0;
  }

  #chunkOf(seq: number): Chunk {
    const chunk = this.#chunks[Math.floor((seq - 1) / CHUNK_ENTRIES)];
    if (chunk === undefined) throw new RangeError("no such entry");
    return chunk;
  }

  #chunkFor(seq: number): Chunk {
    const index = Math.floor((seq - 1) / CHUNK_ENTRIES);
    const chunk = this.#chunks[index] ?? newChunk();
    this.#chunks[index] = chunk;
    return chunk;
  }
}

function wordOf(seq: number): number {
  return ((seq - 1) % CHUNK_ENTRIES) * ENTRY_WORDS;
}

function newChunk(): Chunk {
  const memory = new ArrayBuffer(CHUNK_ENTRIES * ENTRY_BYTES);
  return { bytes: Buffer.from(memory), words: new Uint32Array(memory), doubles: new Float64Array(memory) };
}
