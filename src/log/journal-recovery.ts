import { join } from "node:path";
import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import type { Disk } from "./disk.ts";
import { findSegment } from "./journal.ts";
import type { OnLogEvent } from "./log-event.ts";
import { checkKnownLines, damagedJournal, takeNewLines } from "./segment-check.ts";
import { parseSegmentName, segmentName } from "./segment-name.ts";

export interface JournalRecoveryOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** What the side file knows; completed from the journal. */
  readonly catalog: Catalog;
  /** Whether the last process closed the log. */
  readonly wasClean: boolean;
  /** The index's copy of a line, unchecked; undefined when it has none. */
  readonly copyOf: (seq: number) => string | undefined;
  readonly onEvent: OnLogEvent;
}

/**
 * Makes the journal safe to append to and completes the catalog from it: compares the size of every segment, reads from
 * the first segment that the catalog does not know whole (always the last one) and verifies its chain, cuts an
 * unterminated last line, and replaces a damaged line by its copy when the catalog knows the line's hash.
 *
 * Running it again after dying at any point in it gives the same result: segments change by renaming a finished file.
 *
 * @returns first sequence numbers of the segments, ascending; none when there is no journal
 * @throws Refusal `inconsistent` when the journal is damaged beyond repair or shorter than the catalog
 */
export async function recoverJournal(options: JournalRecoveryOptions): Promise<number[]> {
  const { disk, directory, catalog } = options;
  const firsts = await listSegments(disk, directory);
  if (firsts.length > 0 && firsts[0] !== 1) throw damagedJournal();
  const readFrom = Math.min(firsts.at(-1) ?? 1, findSegment(firsts, catalog.count + 1));
  for (const [index, first] of firsts.entries()) {
    const next = firsts[index + 1];
    const isWhole = first < readFrom && next !== undefined && (await hasExpectedSize(options, first, next - 1));
    if (!isWhole) await recoverSegment(options, first, next);
  }
  return firsts;
}

/** First sequence numbers of the segments in a directory, ascending. Other files are none of the journal's. */
export async function listSegments(disk: Disk, directory: string): Promise<number[]> {
  const names = (await disk.names(directory)) ?? [];
  return names.map(parseSegmentName).filter((first) => first !== undefined);
}

async function hasExpectedSize(options: JournalRecoveryOptions, first: number, last: number): Promise<boolean> {
  const { disk, directory, catalog } = options;
  if (last > catalog.count) return false;
  const { offset, length } = catalog.positionAt(last);
  return (await disk.size(join(directory, segmentName(first)))) === offset + length;
}

async function recoverSegment(options: JournalRecoveryOptions, first: number, next: number | undefined): Promise<void> {
  const { catalog, wasClean, onEvent } = options;
  const isTail = next === undefined;
  const bytes = await readSegment(options, first);
  const lastKnown = isTail ? catalog.count : Math.min(catalog.count, next - 1);
  const known = checkKnownLines(options, { bytes, first, lastKnown, isTail });
  // A segment that the catalog ends before is completed from its own lines; one that it reaches beyond has none.
  const end = lastKnown === catalog.count ? takeNewLines(catalog, bytes, known.end) : known.end;
  if (!isTail && (catalog.count < next - 1 || end < bytes.length)) throw damagedJournal();
  if (end < bytes.length) {
    // Bytes after the last LF: a write that did not finish, so nobody was told of its record.
    onEvent({ control: "STORE-CHAIN", message: "An unfinished last line of the journal was cut off." });
  }
  // After an unclean stop the page cache may show bytes that no disk has: a failed write-back leaves its pages marked
  // clean, and nothing tells them from written ones. So what was read here is written once more, to a fresh file.
  if (known.isRepaired || end < bytes.length || (isTail && !wasClean)) {
    await replaceSegment(options, first, [...known.parts, bytes.subarray(known.end, end)]);
  }
}

async function readSegment({ disk, directory }: JournalRecoveryOptions, first: number): Promise<Buffer> {
  const path = join(directory, segmentName(first));
  const file = await disk.openRead(path);
  try {
    return await file.readAt(0, (await disk.size(path)) ?? 0);
  } finally {
    await file.close();
  }
}

/** Dying before the rename leaves the old segment and a copy that nobody reads; after it, the finished new one. */
async function replaceSegment(options: JournalRecoveryOptions, first: number, parts: Buffer[]): Promise<void> {
  const { disk, directory } = options;
  const path = join(directory, segmentName(first));
  await disk.writeWhole(`${path}.copy`, parts);
  await disk.rename(`${path}.copy`, path);
  await disk.syncDirectory(directory);
}

/** Refuses a journal that is not there at all. */
export function checkHasSegments(firsts: readonly number[], isIndexPresent: boolean): void {
  if (firsts.length > 0) return;
  if (isIndexPresent) {
    throw new Refusal(
      "STORE-HEAD",
      "inconsistent",
      "The journal is gone, but the index that belongs to it is not. Restore the journal, or continue in a new log: airlockd --continue-log",
    );
  }
  throw new Refusal("STORE-HEAD", "needs-person", "There is no log in these directories. Make one in a key ceremony.");
}
