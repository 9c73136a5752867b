import { join } from "node:path";
import { Catalog } from "./catalog.ts";
import { type CatalogEntry, prepareEntry } from "./catalog-entry.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import type { Disk } from "./disk.ts";
import { indexedValues } from "./indexed-values.ts";
import { listSegments } from "./journal-recovery.ts";
import type { LogRecord } from "./record.ts";
import { parseRecord } from "./record-codec.ts";
import { segmentName } from "./segment-name.ts";
import type { OnProgress, ReportWriter } from "./store-report.ts";

/** Damaged lines in a row beyond which the rest is not worth lining up again. */
const MAX_HOLES = 10_000;

export interface JournalProof {
  /** Made from the journal's lines alone; a damaged line has an entry with its hash, as others state it, and no values. */
  readonly catalog: Catalog;
  /** Numbers of the records whose lines are damaged or missing. */
  readonly holes: ReadonlySet<number>;
}

export interface JournalToProve {
  readonly disk: Disk;
  readonly directory: string;
  /** What the side file says, already checked by its own checksums. */
  readonly known: Catalog;
  readonly wasClean: boolean;
  readonly report: ReportWriter;
  readonly onProgress: OnProgress;
}

interface GoodLine {
  readonly line: string;
  readonly hash: string;
  readonly record: LogRecord;
  readonly entry: CatalogEntry;
}

/** Reads the whole journal: exact form, density, chain, and agreement with the side file's hashes. Changes nothing. */
export async function proveJournal(journal: JournalToProve): Promise<JournalProof> {
  const { disk, directory, report, onProgress } = journal;
  const firsts = await listSegments(disk, directory);
  const sizes = await Promise.all(firsts.map((first) => disk.size(join(directory, segmentName(first)))));
  const total = sizes.reduce<number>((sum, size = 0) => sum + size, 0);
  const walk = new JournalWalk(journal);
  let done = 0;
  for (const [index, first] of firsts.entries()) {
    const bytes = await readWhole(disk, join(directory, segmentName(first)), sizes[index] ?? 0);
    walk.segment(bytes, first, (offset) => onProgress("journal", done + offset, total));
    done += bytes.length;
  }
  walk.end();
  report.tally.segments = firsts.length;
  report.tally.records = walk.catalog.count - walk.holes.size;
  report.tally.journalBytes = done;
  return { catalog: walk.catalog, holes: walk.holes };
}

class JournalWalk {
  readonly catalog = new Catalog();
  readonly holes = new Set<number>();
  readonly #journal: JournalToProve;
  #held: { readonly good: GoodLine | undefined; readonly offset: number; readonly first: number } | undefined;
  /** Pieces since the last good line that are no records. */
  #pieces = 0;
  #unfinishedBytes = 0;
  /** Whether the newest piece is a record, only not the one that the side file has seen last. */
  #isOtherLast = false;

  constructor(journal: JournalToProve) {
    this.#journal = journal;
  }

  segment(bytes: Buffer, first: number, onOffset: (offset: number) => void): void {
    if (this.#unfinishedBytes > 0) this.#pieces++;
    let offset = 0;
    for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, offset)) {
      const good = readLine(bytes.toString("latin1", offset, lf + 1));
      this.#settle(good?.record.prev);
      this.#held = { good, offset, first };
      offset = lf + 1;
      onOffset(offset);
    }
    this.#unfinishedBytes = bytes.length - offset;
    if (this.#unfinishedBytes > 0) this.#settle(undefined);
  }

  end(): void {
    this.#settle(undefined);
    const { known, report, wasClean } = this.#journal;
    if (this.#isOtherLast && this.#pieces === 1) report.alarm("journal", OTHER_LAST);
    else if (this.#pieces > 0) {
      report.damage(
        "journal",
        "The journal's last lines are damaged. airlockd does not start like this: restore the newest copy of the journal.",
      );
    }
    if (this.#unfinishedBytes > 0 && wasClean) {
      report.damage("journal", "The journal ends in the middle of a line, although airlockd closed it properly.");
    } else if (this.#unfinishedBytes > 0) {
      report.note("The journal ends in an unfinished line, of which nobody was told; the next start cuts it off.");
    }
    if (this.#pieces === 0 && known.count > this.catalog.count) {
      report.alarm(
        "journal",
        `The journal ends at record ${this.catalog.count}; its side file has seen ${known.count}. The journal is an ` +
          "older or a shortened copy. Restore the newest one, or continue in a new log: airlockd --continue-log",
      );
    }
  }

  /** Judges the line that was held back, now that it is known what the line after it names. */
  #settle(nextPrev: string | undefined): void {
    if (this.#held === undefined) return;
    const { good, offset, first } = this.#held;
    this.#held = undefined;
    const expected = this.catalog.count + 1;
    if (good === undefined || !this.#fits(good, expected, nextPrev)) {
      this.#isOtherLast = good?.record.seq === this.#journal.known.count;
      this.#pieces++;
      return;
    }
    const { record } = good;
    if (this.#pieces === 0 && (offset === 0) !== (record.seq === first)) {
      this.#journal.report.damage("journal", misplaced(first));
    }
    this.#fillHoles(expected, record);
    this.#checkLink(record);
    this.catalog.append(good.entry, offset);
  }

  /** Whether a well-formed line can be the next one: the line after it or the side file says so, or neither speaks. */
  #fits({ record, hash }: GoodLine, expected: number, nextPrev: string | undefined): boolean {
    if (record.seq < expected || record.seq > expected + MAX_HOLES) return false;
    const known = this.#journal.known.hashAt(record.seq);
    return known === undefined || known === hash || nextPrev === hash;
  }

  /** Records expected..(the good line's own − 1) have no line. The good line states the hash of the last of them. */
  #fillHoles(expected: number, record: LogRecord): void {
    const { known, report } = this.#journal;
    if (this.#pieces > 0 && record.seq === expected) {
      report.damage("journal", `Before record ${record.seq} the journal has bytes that are no record.`);
    }
    for (let seq = expected; seq < record.seq; seq++) {
      const hash = seq === record.seq - 1 ? record.prev : known.hashAt(seq);
      this.holes.add(seq);
      this.catalog.append(unreadableEntry(hash), 0);
    }
    this.#pieces = 0;
  }

  #checkLink({ seq, prev }: LogRecord): void {
    const before = this.catalog.hashAt(seq - 1) ?? ZERO_HASH;
    if (prev === before) return;
    // Both lines are well formed and nothing else has a hash of either: which one was altered cannot be told here.
    this.#journal.report.damage(
      "journal",
      `The chain is broken between records ${seq - 1} and ${seq}: one of the two lines was altered. Restore the ` +
        "journal from a copy that is not older.",
    );
  }
}

/** The entry of a line that cannot be read; its hash as far as others state it. */
export function unreadableEntry(hash = ZERO_HASH): CatalogEntry {
  return { ...EMPTY, hash };
}

const EMPTY: Omit<CatalogEntry, "hash"> = {
  kind: "refusals",
  length: 0,
  atMs: 0,
  ledger: 0,
  isStateful: false,
  uuid: { high: 0, low: 0 },
  key: { high: 0, low: 0 },
  name: { high: 0, low: 0 },
};

const OTHER_LAST =
  "The journal's last record is not the one that was committed: another history, or an altered line. Restore the " +
  "newest copy, or continue in a new log: airlockd --continue-log";

function misplaced(first: number): string {
  return `The segment named for record ${first} does not start with it: a file was renamed, or lines were moved.`;
}

function readLine(line: string): GoodLine | undefined {
  try {
    const record = parseRecord(line);
    const hash = lineHash(line);
    return { line, hash, record, entry: prepareEntry(record, indexedValues(record), hash, line.length) };
  } catch {
    return undefined;
  }
}

async function readWhole(disk: Disk, path: string, size: number): Promise<Buffer> {
  const file = await disk.openRead(path);
  return await file.readAt(0, size).finally(() => file.close());
}
