import { join } from "node:path";
import { Catalog } from "./catalog.ts";
import { CatalogFile } from "./catalog-file.ts";
import { realDisk } from "./disk.ts";
import { catchUp, FollowedIndex } from "./followed-index.ts";
import { type IndexHome, indexKey } from "./index-store.ts";
import { DEFAULT_SEGMENT_BYTES, Journal } from "./journal.ts";
import { checkHasSegments, listSegments, recoverJournal } from "./journal-recovery.ts";
import { holdDirectory, levelHome } from "./level-store.ts";
import { LineReader } from "./line-reader.ts";
import type { Log } from "./log.ts";
import type { LogOptions, OpenReport } from "./log-options.ts";
import { readState } from "./log-state.ts";
import { Lookup } from "./lookup.ts";
import { getQuietly, openIndex } from "./open-index.ts";
import type { LogRecord } from "./record.ts";
import { RunMarker } from "./run-marker.ts";
import { SpaceGuard } from "./space.ts";
import { StoredLog } from "./stored-log.ts";
import { Writer } from "./writer.ts";

/** Things to close, the newest first. */
type Closers = (() => Promise<void>)[];

/** Both stores, open, verified and level with each other. */
interface Stores {
  readonly catalog: Catalog;
  readonly file: CatalogFile;
  readonly journal: Journal;
  readonly index: FollowedIndex;
  readonly report: OpenReport;
}

/**
 * Opens the log that a ceremony made. Verifies the journal's tail, brings the index up to it, and refuses by name
 * whatever does not fit together (STORE-HEAD, STORE-CHAIN). One process at a time.
 * @throws Refusal `inconsistent`; `needs-person` when there is no log; `away` when another process has it
 */
export async function openLog(options: LogOptions): Promise<{ log: Log; report: OpenReport }> {
  const { journalDir, databaseDir, disk = realDisk, home = levelHome(join(databaseDir, "index")) } = options;
  // Nothing is made implicitly, not even the directory of the lock.
  if ((await disk.names(journalDir)) === undefined) checkHasSegments([], (await home.state()) === "present");
  const lock = await holdDirectory(join(journalDir, "lock"));
  const marker = new RunMarker(disk, journalDir);
  const closers: Closers = [];
  try {
    const stores = await openStores(options, home, marker, closers);
    const log = await wireLog(options, stores, async (isFinished) => {
      try {
        await closeAll(closers);
        // Only now is everything on disk and closed. Dying before this makes the next start take more care, no more.
        if (!isFinished) await marker.clear();
      } finally {
        await lock.close();
      }
    });
    return { log, report: stores.report };
  } catch (error) {
    await closeAll(closers).catch(() => undefined);
    // A start that is refused changes nothing, or refusals would count as crashes and set the index aside.
    await marker.restore().catch(() => undefined);
    await lock.close();
    throw error;
  }
}

async function closeAll(closers: Closers): Promise<void> {
  const closing = closers.splice(0).reverse();
  for (const [index, close] of closing.entries()) {
    await close().catch(async (error: unknown) => {
      // One that cannot be closed must not keep the others open.
      await closeAll(closing.slice(index + 1).reverse());
      throw error;
    });
  }
}

async function openStores(options: LogOptions, home: IndexHome, marker: RunMarker, closers: Closers): Promise<Stores> {
  const { journalDir, disk = realDisk, onEvent = () => undefined } = options;
  checkHasSegments(await listSegments(disk, journalDir), (await home.state()) === "present");
  const { wasClean, isLooping } = await marker.begin(options.clock.nowMs());
  const catalog = new Catalog();
  const file = await CatalogFile.open(join(journalDir, "catalog"), catalog, onEvent);
  closers.push(() => file.close());
  const known = catalog.count;
  const { store, how } = await openIndex(home, isLooping, onEvent);
  const opened = closers.push(() => store.close());
  const copyOf = (seq: number) => getQuietly(store, indexKey.line(seq));
  const firsts = await recoverJournal({ disk, directory: journalDir, catalog, wasClean, copyOf, onEvent });
  file.extend(catalog);

  const { segmentBytes = DEFAULT_SEGMENT_BYTES } = options;
  const journal = await Journal.open({ disk, directory: journalDir, segmentBytes }, firsts);
  closers.push(() => journal.close());
  // A replay has no copies to fall back on: what it replays is what the index lacks.
  const reader = new LineReader({ journal, catalog, copyOf: async () => undefined, onEvent });
  const source = { catalog, records: (first: number, last: number) => reader.span(first, last) };
  const replayed = await catchUp(source, store);
  const index = new FollowedIndex({ ...source, home, onEvent }, store);
  closers[opened - 1] = () => index.close();
  return {
    catalog,
    file,
    journal,
    index,
    report: { wasClean, index: how, replayed, reread: catalog.count - known },
  };
}

async function wireLog(
  options: LogOptions,
  stores: Stores,
  close: (isFinished: boolean) => Promise<void>,
): Promise<Log> {
  const { journalDir, databaseDir, clock, maxWaiting = 4096, onFatal, onEvent = () => undefined } = options;
  const { catalog, file, journal, index } = stores;
  const copyOf = async (seq: number) => {
    await index.ready();
    return index.get(indexKey.line(seq));
  };
  const reader = new LineReader({ journal, catalog, copyOf, onEvent });
  const state = await readState(catalog, reader);
  const space = new SpaceGuard({
    directories: [journalDir, databaseDir, ...(options.spaceDirs ?? [])],
    reserveBytes: options.reserveBytes ?? 64 * 1024 * 1024,
    ...(options.freeBytes === undefined ? {} : { freeBytes: options.freeBytes }),
  });
  const { head, log } = state.summary();
  const onCommitted = (group: readonly LogRecord[]) => {
    for (const record of group) state.advance(record);
    file.extend(catalog);
  };
  const writer = new Writer({ log, clock, journal, catalog, index, maxWaiting, space, onCommitted, onFatal }, head);
  const lookup = new Lookup({ catalog, index, reader, state, onEvent });
  return new StoredLog({ catalog, state, reader, lookup, writer, space, close });
}
