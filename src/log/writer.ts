import { type Clock, isoUtc } from "../clock.ts";
import type { LogHead } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import { type CatalogEntry, prepareEntry } from "./catalog-entry.ts";
import { lineHash } from "./chain.ts";
import type { FollowedIndex } from "./followed-index.ts";
import type { IndexChange } from "./index-store.ts";
import { indexedValues } from "./indexed-values.ts";
import type { Journal } from "./journal.ts";
import { projectRecord } from "./projection.ts";
import type { LogRecord, RecordDraft, StoredRecord } from "./record.ts";
import { prepareRecord } from "./record-codec.ts";
import { type SpaceGuard, stopsAtReserve } from "./space.ts";

/** Records that one journal write may take. */
const GROUP_RECORDS = 1024;

export interface WriterParts {
  readonly log: string;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly catalog: Catalog;
  readonly index: FollowedIndex;
  /** Appends that may wait; more are refused. */
  readonly maxWaiting: number;
  readonly space: SpaceGuard;
  /** Makes a group visible to readers; everything of it is durable in both stores. */
  readonly onCommitted: (group: readonly LogRecord[]) => void;
  /** The log is finished: nothing was answered, nothing more will be, and the process must end. */
  readonly onFatal: (refusal: Refusal) => void;
}

interface Waiting {
  readonly draft: RecordDraft;
  readonly resolve: (stored: StoredRecord) => void;
  readonly reject: (error: unknown) => void;
}

/** A record that has its number and its line, and is nowhere yet. */
interface Prepared {
  readonly waiting: Waiting;
  readonly record: LogRecord;
  readonly stored: StoredRecord;
  readonly entry: CatalogEntry;
  readonly changes: IndexChange[];
}

/**
 * The only one who appends. Whatever waits becomes one group: one write to the journal, one batch to the index.
 */
export class Writer {
  readonly #parts: WriterParts;
  #head: LogHead;
  #waiting: Waiting[] = [];
  #draining: Promise<void> | undefined;
  #fatal: Refusal | undefined;
  #isClosed = false;

  constructor(parts: WriterParts, head: LogHead) {
    this.#parts = parts;
    this.#head = head;
  }

  append(draft: RecordDraft): Promise<StoredRecord> {
    if (this.#fatal !== undefined) return Promise.reject(this.#fatal);
    if (this.#isClosed) return Promise.reject(closed());
    if (this.#waiting.length >= this.#parts.maxWaiting) return Promise.reject(tooMany());
    return new Promise((resolve, reject) => {
      this.#waiting.push({ draft, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** What ended the log, if anything did. */
  get fatal(): Refusal | undefined {
    return this.#fatal;
  }

  /** Resolves when nothing waits any more; later appends are refused. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#draining;
  }

  async #drain(): Promise<void> {
    // One turn of the microtask queue lets appends of the same tick join the first group.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const group = this.#prepare(this.#waiting.splice(0, GROUP_RECORDS));
      try {
        if (group.length > 0) await this.#commit(group);
      } catch (error) {
        this.#finish(error, group);
      }
    }
    this.#draining = undefined;
  }

  /** Numbers, links and encodes. A draft that cannot become a record is refused alone; nothing is written yet. */
  #prepare(group: readonly Waiting[]): Prepared[] {
    const at = isoUtc(this.#parts.clock.nowMs());
    let { seq, hash: prev } = this.#head;
    const shortage = this.#parts.space.shortage();
    const prepared: Prepared[] = [];
    for (const waiting of group) {
      try {
        if (shortage !== undefined && stopsAtReserve(waiting.draft.kind)) throw shortage;
        const one = prepareOne(waiting, { log: this.#parts.log, seq: seq + 1, prev, at });
        prepared.push(one);
        ({ seq, hash: prev } = one.stored);
      } catch (error) {
        waiting.reject(error);
      }
    }
    return prepared;
  }

  async #commit(group: readonly Prepared[]): Promise<void> {
    const { journal, catalog, index, onCommitted } = this.#parts;
    const first = group[0]?.stored.seq ?? 0;
    const head = group.at(-1)?.stored ?? this.#head;
    const bytes = Buffer.from(group.map(({ stored }) => stored.line).join(""), "latin1");
    // Durable now: the signer's ledger lines. Dying before this resolves loses records of which nobody was told; the
    // next start finds their ledger lines without a record and writes `unissued`. An unfinished line is cut then.
    let offset = await journal.append(bytes, first);
    // Durable now: the records. This is the commit point; whatever happens from here on, they exist, and dying here
    // leaves it to the next start to replay them into the index.
    for (const { stored, entry } of group) {
      catalog.append(entry, offset);
      offset += stored.line.length;
    }
    this.#head = { seq: head.seq, hash: head.hash };
    const changes = group.flatMap((prepared) => prepared.changes);
    await index.follow(changes, this.#head);
    // Durable now: records and index. Dying here loses only the answers: whoever asks again is given the same ones.
    onCommitted(group.map(({ record }) => record));
    for (const { waiting, stored } of group) waiting.resolve(stored);
  }

  /** The log ends: the group and all that wait are told that nothing is known of their records. */
  #finish(cause: unknown, group: readonly Prepared[]): void {
    this.#fatal ??= stopped(cause);
    for (const { waiting } of group) waiting.reject(this.#fatal);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#fatal);
    this.#parts.onFatal(this.#fatal);
  }
}

function prepareOne(waiting: Waiting, header: Parameters<typeof prepareRecord>[0]): Prepared {
  const { record, line } = prepareRecord(header, waiting.draft);
  const stored = { seq: header.seq, line, hash: lineHash(line) };
  const values = indexedValues(record);
  const entry = prepareEntry(record, values, stored.hash, line.length);
  return { waiting, record, stored, entry, changes: projectRecord(record, values, line) };
}

function tooMany(): Refusal {
  return new Refusal("SERVICE-STATE", "exhausted", "Too many requests at once. Try again in a moment.");
}

function closed(): Refusal {
  return new Refusal("SERVICE-STATE", "away", "The service is stopping. Try again when it is back.");
}

function stopped(cause: unknown): Refusal {
  if (cause instanceof Refusal && cause.code === "inconsistent") return cause;
  const sentence = "The log could not be written and the service stops. Check the disk, then start it again.";
  return new Refusal("ISSUE-DURABLE", "inconsistent", sentence, { cause });
}
