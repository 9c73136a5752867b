import type { RegistrationRecord } from "../log/record.ts";
import type { ImporterState } from "./importer-state.ts";
import { readKeptRecords } from "./kept-bundles.ts";
import { findOpenBundles, type PlanOptions } from "./plan.ts";

/**
 * Every registration in bundles that are not finished, in sequence order, read from the kept copies.
 * @throws StateError when a kept copy was changed
 */
export async function readOpenRegistrations(
  logDirectory: string,
  log: string,
  state: ImporterState,
  options: PlanOptions,
): Promise<readonly RegistrationRecord[]> {
  const registrations: RegistrationRecord[] = [];
  for (const bundle of findOpenBundles(state, options)) {
    const records = await readKeptRecords(logDirectory, log, bundle);
    registrations.push(...records.filter((record) => record.kind === "registration"));
  }
  return registrations;
}

/** Sequence numbers without any outcome, ascending. */
export function findUndecided(state: ImporterState, registrations: readonly RegistrationRecord[]): number[] {
  return registrations.map(({ seq }) => seq).filter((seq) => !state.outcomes.has(seq));
}
