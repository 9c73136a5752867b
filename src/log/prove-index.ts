import type { Catalog } from "./catalog.ts";
import { lineHash } from "./chain.ts";
import { encodeSeq, indexKey, parseApplied } from "./index-store.ts";
import { type Indexed, indexedValue, indexedValues } from "./indexed-values.ts";
import type { ReadableIndex } from "./level-store.ts";
import { getQuietly } from "./open-index.ts";
import type { LogRecord } from "./record.ts";
import type { OnProgress, ReportWriter } from "./store-report.ts";

const FIELDS: readonly Indexed[] = ["uuid", "key", "name"];
/** Records between two reports of progress. */
const STEP_RECORDS = 500;

export interface IndexToProve {
  readonly index: ReadableIndex;
  /** Made from the journal just now. */
  readonly catalog: Catalog;
  readonly holes: ReadonlySet<number>;
  /** The journal's line, whose hash is the catalog's. */
  readonly lineAt: (seq: number) => Promise<string>;
  readonly wasClean: boolean;
  readonly report: ReportWriter;
  readonly onProgress: OnProgress;
}

/**
 * Holds every value of the index against the journal: each record's line and entries must be there and right, and
 * nothing else may be. Works through the journal first, then through the index.
 */
export async function proveIndex(proof: IndexToProve): Promise<void> {
  const applied = checkApplied(proof);
  if (applied === undefined) return;
  const walk = new IndexWalk(proof);
  for (let seq = 1; seq <= applied; seq++) {
    await walk.record(seq);
    if (seq % STEP_RECORDS === 0 || seq === applied) proof.onProgress("index", seq, applied);
  }
  await walk.surplus(applied);
}

/** How far the index goes; undefined when that makes everything else in it meaningless. */
function checkApplied({ index, catalog, holes, wasClean, report }: IndexToProve): number | undefined {
  const applied = parseApplied(getQuietly(index, indexKey.applied));
  if (applied === undefined) {
    report.damage("index", `The index cannot say how far it goes. ${REBUILT}`);
    return undefined;
  }
  if (applied.seq > catalog.count) {
    report.alarm("index", `The index goes to record ${applied.seq}, the journal only to ${catalog.count}. ${OLDER}`);
    return undefined;
  }
  if (catalog.hashAt(applied.seq) !== applied.hash && !holes.has(applied.seq)) {
    report.alarm("index", `Journal and index hold different records under number ${applied.seq}. ${OLDER}`);
    return undefined;
  }
  const behind = catalog.count - applied.seq;
  if (behind > 0 && wasClean) report.damage("index", `The index lacks the last ${behind} records. ${REPLAYED}`);
  else if (behind > 0) report.note(`The index is ${behind} records behind the journal; the next start replays them.`);
  return applied.seq;
}

class IndexWalk {
  readonly #proof: IndexToProve;
  /** Entries that are in the index, of those that the journal asks for. */
  readonly #present: Record<Indexed, number> = { uuid: 0, key: 0, name: 0 };

  constructor(proof: IndexToProve) {
    this.#proof = proof;
  }

  async record(seq: number): Promise<void> {
    const { index, catalog, holes, lineAt, report } = this.#proof;
    const copy = getQuietly(index, indexKey.line(seq));
    const isRight = copy !== undefined && lineHash(copy) === catalog.hashAt(seq);
    report.tally.indexLines++;
    if (holes.has(seq)) report.damage("journal", isRight ? hasCopy(seq) : hasNone(seq));
    else if (!isRight) report.damage("index", `Its copy of record ${seq} is ${found(copy)}. ${REPAIRED}`);
    if (!isRight && holes.has(seq)) return;
    await this.#entries(JSON.parse(isRight ? copy : await lineAt(seq)) as LogRecord);
  }

  async #entries(record: LogRecord): Promise<void> {
    const { index, holes, report } = this.#proof;
    const values = indexedValues(record);
    for (const field of FIELDS) {
      const value = values[field];
      // An entry names the newest record that carries its value; older ones have none of their own.
      if (value === undefined || !(await this.#isNewest(field, value, record.seq))) continue;
      const target = record.kind === "resubmit" ? record.registration : record.seq;
      const entry = getQuietly(index, indexKey[field](value));
      report.tally.indexEntries++;
      if (entry !== undefined) this.#present[field]++;
      if (entry === encodeSeq(target) || holes.has(Number(entry))) continue;
      report.damage("index", `Its entry of the ${field} of record ${record.seq} is ${found(entry)}. ${REPAIRED}`);
    }
  }

  async #isNewest(field: Indexed, value: string, seq: number): Promise<boolean> {
    for (const candidate of this.#proof.catalog.candidates(field, value)) {
      if (candidate <= seq) return true;
      const other = JSON.parse(await this.#proof.lineAt(candidate)) as LogRecord;
      if (indexedValue(other, field) === value) return false;
    }
    return true;
  }

  /** What the index holds beyond what the journal asks for. */
  async surplus(applied: number): Promise<void> {
    const { index, report, onProgress } = this.#proof;
    const counts: Record<Indexed, number> = { uuid: 0, key: 0, name: 0 };
    const { indexLines, indexEntries } = report.tally;
    const total = indexLines + indexEntries + 1;
    let others = 0;
    let done = 0;
    try {
      for await (const key of index.keys()) {
        const field = FIELDS.find((name) => key.startsWith(`${name}/`));
        if (field !== undefined) counts[field]++;
        else if (key !== indexKey.applied && !isLineKey(key, applied)) others++;
        if (++done % STEP_RECORDS === 0) onProgress("index entries", done, Math.max(done, total));
      }
    } catch {
      report.damage("index", `It cannot be read to its end. ${REPAIRED}`);
    }
    onProgress("index entries", done, done);
    const extra = FIELDS.reduce((sum, field) => sum + Math.max(0, counts[field] - this.#present[field]), others);
    if (extra > 0) report.damage("index", `It holds ${extra} entries that no record asks for. ${REPAIRED}`);
  }
}

function isLineKey(key: string, last: number): boolean {
  const seq = Number(/^line\/(\d{16})$/.exec(key)?.[1] ?? "0");
  return seq >= 1 && seq <= last;
}

function found(value: string | undefined): string {
  return value === undefined ? "missing" : "wrong";
}

const REPAIRED = "No record is lost: airlockd answers from the journal. airlockd --rebuild makes the index again.";
const REBUILT = "No record is lost: the next start sets it aside and makes it again from the journal.";
const REPLAYED = "No record is lost: the next start replays them from the journal.";
const OLDER =
  "One of the two is an older copy. Restore the newest journal, or continue in a new log: airlockd --continue-log";

function hasCopy(seq: number): string {
  return `The line of record ${seq} is damaged or missing; the index has it. Nothing is lost: start airlockd, which uses the copy, and replace the disk.`;
}

function hasNone(seq: number): string {
  return `The line of record ${seq} is damaged, and the index has no good copy of it. Restore the journal from a copy that is not older.`;
}
