import { join } from "node:path";
import type { AppendFile, Disk, ReadFile } from "./disk.ts";
import { segmentName } from "./segment-name.ts";

/** A segment takes no more than this, except where a single group is larger; in bytes. */
export const DEFAULT_SEGMENT_BYTES = 64 * 1024 * 1024;

export interface JournalOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly segmentBytes: number;
}

/** Where a line stands. The segment follows from the sequence number. */
export interface LinePosition {
  /** Bytes before the line in its segment. */
  readonly offset: number;
  /** Bytes of the line with its LF. */
  readonly length: number;
}

/**
 * The journal: segments of lines, only ever appended to. Recovery (journal-recovery.ts) has run before one is made.
 *
 * Durability: when `append` resolves, the bytes and the file's name are on disk: the commit point of the log. When it
 * rejects, the journal is finished and the process must end without answering.
 * Concurrency: one append at a time; reads at any time, of bytes that an append has committed.
 */
export class Journal {
  readonly #options: JournalOptions;
  /** First sequence numbers of the segments, ascending. */
  readonly #firsts: number[];
  readonly #readers = new Map<number, Promise<ReadFile>>();
  #tail: AppendFile;

  private constructor(options: JournalOptions, firsts: number[], tail: AppendFile) {
    this.#options = options;
    this.#firsts = firsts;
    this.#tail = tail;
  }

  /** Opens after recovery; `firsts` are the segments, the last of them is appended to. */
  static async open(options: JournalOptions, firsts: readonly number[]): Promise<Journal> {
    const last = firsts.at(-1) ?? 1;
    const tail = await options.disk.openAppend(join(options.directory, segmentName(last)), false);
    return new Journal(options, [...firsts], tail);
  }

  /**
   * Appends the lines of records `firstSeq` onwards in one write.
   * @returns bytes before them in their segment
   */
  async append(bytes: Buffer, firstSeq: number): Promise<number> {
    const { segmentBytes } = this.#options;
    if (this.#tail.size > 0 && this.#tail.size + bytes.length > segmentBytes) await this.#rotate(firstSeq);
    const offset = this.#tail.size;
    await this.#tail.append(bytes);
    return offset;
  }

  /** Bytes of the segment that holds record `seq`; fewer than `length` only where the file was cut. */
  async read(seq: number, position: LinePosition): Promise<Buffer> {
    const reader = await this.#reader(this.segmentOf(seq));
    return reader.readAt(position.offset, position.length);
  }

  /** First sequence number of the segment that holds `seq`. */
  segmentOf(seq: number): number {
    return findSegment(this.#firsts, seq);
  }

  async close(): Promise<void> {
    await this.#tail.close();
    for (const reader of this.#readers.values()) await (await reader).close();
    this.#readers.clear();
  }

  async #rotate(firstSeq: number): Promise<void> {
    const { disk, directory } = this.#options;
    // Every line of the old segment is on disk already. Dying here leaves it as the last one, complete.
    await this.#tail.close();
    this.#tail = await disk.openAppend(join(directory, segmentName(firstSeq)), true);
    // Without this the next commit could be durable in a file that has no durable name.
    // Dying before or after it leaves at most an empty segment, which recovery takes as it is.
    await disk.syncDirectory(directory);
    this.#firsts.push(firstSeq);
  }

  #reader(first: number): Promise<ReadFile> {
    let reader = this.#readers.get(first);
    if (reader === undefined) {
      reader = this.#options.disk.openRead(join(this.#options.directory, segmentName(first)));
      this.#readers.set(first, reader);
    }
    return reader;
  }
}

/** The last of the ascending `firsts` that is not above `seq`. */
export function findSegment(firsts: readonly number[], seq: number): number {
  let low = 0;
  let high = firsts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((firsts[middle] ?? 0) <= seq) low = middle;
    else high = middle - 1;
  }
  return firsts[low] ?? 1;
}
