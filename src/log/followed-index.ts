import type { LogHead } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { Catalog } from "./catalog.ts";
import {
  encodeApplied,
  type IndexChange,
  type IndexHome,
  type IndexStore,
  indexKey,
  parseApplied,
} from "./index-store.ts";
import { indexedValues } from "./indexed-values.ts";
import type { OnLogEvent } from "./log-event.ts";
import { projectRecord } from "./projection.ts";
import type { LogRecord, StoredRecord } from "./record.ts";

/** Records that a replay puts into one batch. */
const REPLAY_RECORDS = 256;

export interface FollowedIndexOptions {
  readonly home: IndexHome;
  readonly catalog: Catalog;
  /** Verified records of the journal. */
  readonly records: (first: number, last: number) => AsyncIterable<StoredRecord>;
  readonly onEvent: OnLogEvent;
}

/**
 * The index, kept level with the journal. After a failed write nothing that LevelDB shows can be relied on (its memory
 * may hold what its files do not): it is closed, opened again and brought up to date from the journal, once in the life
 * of a process. The second failure is final.
 */
export class FollowedIndex {
  readonly #options: FollowedIndexOptions;
  #store: IndexStore;
  /** Resolves when no write and no reopening is under way. */
  #turn: Promise<void> = Promise.resolve();
  #reopening: Promise<void> | undefined;
  #hasFailed = false;

  constructor(options: FollowedIndexOptions, store: IndexStore) {
    this.#options = options;
    this.#store = store;
  }

  /** Resolves when the index can be read: at once, unless it is being opened again. */
  async ready(): Promise<void> {
    if (this.#reopening !== undefined) await this.#reopening;
  }

  /** The value under a key, unchecked; undefined also for a key that cannot be read. Only after `ready`. */
  get(key: string): string | undefined {
    try {
      return this.#store.get(key);
    } catch (cause) {
      this.#options.onEvent({
        control: "STORE-CHAIN",
        message: "The index could not be read; using the journal.",
        cause,
      });
      return undefined;
    }
  }

  /**
   * Writes what records up to `head` change. When it resolves, the changes and how far they go are on disk.
   * The records must be in the journal already: that is where they come from if the write fails.
   */
  follow(changes: IndexChange[], head: LogHead): Promise<void> {
    return this.#write([...changes, { type: "put", key: indexKey.applied, value: encodeApplied(head) }]);
  }

  /** Puts right what was found wrong. */
  repair(changes: readonly IndexChange[]): Promise<void> {
    return this.#write(changes);
  }

  async close(): Promise<void> {
    await this.#turn.catch(() => undefined);
    await this.#store.close();
  }

  #write(changes: readonly IndexChange[]): Promise<void> {
    const writing = this.#turn.then(() => this.#writeNow(changes));
    this.#turn = writing.catch(() => undefined);
    return writing;
  }

  async #writeNow(changes: readonly IndexChange[]): Promise<void> {
    try {
      await this.#store.write(changes);
    } catch (cause) {
      if (this.#hasFailed) throw failed(cause);
      this.#hasFailed = true;
      this.#reopening = this.#reopen(cause);
      await this.#reopening;
      this.#reopening = undefined;
    }
  }

  async #reopen(cause: unknown): Promise<void> {
    const { home, onEvent } = this.#options;
    onEvent({ control: "STORE-CHAIN", message: "A write to the index failed; replaying the journal into it.", cause });
    try {
      await this.#store.close();
      this.#store = await home.open();
      await catchUp(this.#options, this.#store);
    } catch (second) {
      throw failed(second);
    }
  }
}

/**
 * Brings an open index up to the catalog's newest record with the live path's own function. Dying anywhere in it is
 * harmless: each batch says how far it goes, and the next start goes on from there.
 * @returns how many records were replayed
 * @throws Refusal `inconsistent` when the index is of another history, or ahead of the journal
 */
export async function catchUp(
  options: Pick<FollowedIndexOptions, "catalog" | "records">,
  store: IndexStore,
): Promise<number> {
  const { catalog, records } = options;
  const applied = parseApplied(store.get(indexKey.applied)) ?? { seq: 0, hash: "" };
  if (applied.seq > catalog.count) throw ahead();
  if (applied.seq > 0 && catalog.hashAt(applied.seq) !== applied.hash) throw otherHistory();
  let changes: IndexChange[] = [];
  let count = 0;
  for await (const { seq, line, hash } of records(applied.seq + 1, catalog.count)) {
    const record = JSON.parse(line) as LogRecord;
    changes.push(...projectRecord(record, indexedValues(record), line));
    count++;
    if (count % REPLAY_RECORDS !== 0 && seq !== catalog.count) continue;
    await store.write([...changes, { type: "put", key: indexKey.applied, value: encodeApplied({ seq, hash }) }]);
    changes = [];
  }
  return count;
}

function failed(cause: unknown): Refusal {
  return new Refusal("STORE-CHAIN", "inconsistent", "The index failed again after it was replayed.", { cause });
}

function ahead(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "The journal is older than the index. Restore the newest journal, or continue in a new log: airlockd --continue-log",
  );
}

function otherHistory(): Refusal {
  return new Refusal(
    "STORE-HEAD",
    "inconsistent",
    "Journal and index hold different records under one number. Restore the newest journal, or continue in a new log: airlockd --continue-log",
  );
}
