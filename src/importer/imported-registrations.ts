import type { LogRecord, RegistrationRecord } from "../log/record.ts";
import { type ImporterState, sortedBundles } from "./importer-state.ts";
import { readKeptRecords } from "./kept-bundles.ts";

/**
 * Every registration that ever arrived, in sequence order, one kept bundle in memory at a time.
 * @throws StateError when a kept copy was changed
 */
export async function* readImported(
  logDirectory: string,
  log: string,
  state: ImporterState,
): AsyncGenerator<RegistrationRecord> {
  for (const bundle of sortedBundles(state)) {
    if (bundle.registrations === 0) continue;
    for (const record of await readKeptRecords(logDirectory, log, bundle)) {
      if (record.kind === "registration") yield record;
    }
  }
}

/**
 * Every record of any kind that ever arrived, in sequence order, one kept bundle in memory at a time.
 * @throws StateError when a kept copy was changed
 */
export async function* readImportedRecords(
  logDirectory: string,
  log: string,
  state: ImporterState,
): AsyncGenerator<LogRecord> {
  for (const bundle of sortedBundles(state)) yield* await readKeptRecords(logDirectory, log, bundle);
}
