import type { RegistrationRecord } from "../log/record.ts";
import type { ImporterState } from "./importer-state.ts";
import { readKeptRecords } from "./kept-bundles.ts";
import { findOpenBundles, type PlanOptions } from "./plan.ts";
import type { VerifiedBundle } from "./verify-bundle.ts";

/**
 * Every registration in bundles that are not finished, in sequence order, read from the kept copies.
 * @param fresh verified bundles that `state` counts already and that are not kept yet
 * @throws StateError when a kept copy was changed
 */
export async function readOpenRegistrations(
  logDirectory: string,
  log: string,
  state: ImporterState,
  options: PlanOptions,
  fresh: readonly VerifiedBundle[] = [],
): Promise<readonly RegistrationRecord[]> {
  const inHand = new Map(fresh.map((bundle) => [bundle.manifest.bundle, bundle]));
  const registrations: RegistrationRecord[] = [];
  for (const bundle of findOpenBundles(state, options)) {
    const fromMedium = await inHand.get(bundle.bundle)?.contents();
    const records = fromMedium?.registrations ?? (await readKeptRecords(logDirectory, log, bundle));
    for (const record of records) if (record.kind === "registration") registrations.push(record);
  }
  return registrations;
}

/** Sequence numbers without any outcome, ascending. */
export function findUndecided(state: ImporterState, registrations: readonly RegistrationRecord[]): number[] {
  return registrations.map(({ seq }) => seq).filter((seq) => !state.outcomes.has(seq));
}
