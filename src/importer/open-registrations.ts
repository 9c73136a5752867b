import type { LogRecord } from "../log/record.ts";
import type { ImporterState } from "./importer-state.ts";
import { readKeptRecords } from "./kept-bundles.ts";
import { findOpenBundles, type PlanOptions } from "./plan.ts";
import type { VerifiedBundle } from "./verify-bundle.ts";

/** What later steps need of a registration; its certificate stays on the disk (KeptCertificates). */
export interface OpenRegistration {
  readonly seq: number;
  /** Number of the bundle that carries it. */
  readonly bundle: number;
  readonly at: string;
  readonly uuid: string;
  readonly name: string;
  readonly group?: string;
  readonly station: string;
}

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
): Promise<readonly OpenRegistration[]> {
  const inHand = new Map(fresh.map((bundle) => [bundle.manifest.bundle, bundle]));
  const registrations: OpenRegistration[] = [];
  for (const bundle of findOpenBundles(state, options)) {
    const fromMedium = await inHand.get(bundle.bundle)?.contents();
    const records = fromMedium?.registrations ?? (await readKeptRecords(logDirectory, log, bundle));
    registrations.push(...describe(records, bundle.bundle));
  }
  return registrations;
}

function describe(records: readonly LogRecord[], bundle: number): OpenRegistration[] {
  const open: OpenRegistration[] = [];
  for (const record of records) {
    if (record.kind !== "registration") continue;
    const { seq, at, by } = record;
    const { uuid, name, group } = record.device;
    open.push({ seq, bundle, at, uuid, name, ...(group === undefined ? {} : { group }), station: by.client });
  }
  return open;
}

/** Sequence numbers without any outcome, ascending. */
export function findUndecided(state: ImporterState, registrations: readonly OpenRegistration[]): number[] {
  return registrations.map(({ seq }) => seq).filter((seq) => !state.outcomes.has(seq));
}
