import { type ImporterState, type KnownBundle, type KnownOutcome, sortedBundles } from "./importer-state.ts";
import type { OutcomeEntry } from "./journal-entry.ts";
import type { OpenRegistration } from "./open-registrations.ts";

/** A registration that the Factory shall get. */
export interface Delivery {
  readonly seq: number;
  readonly uuid: string;
  /** The record's name, or the newest resubmission's. */
  readonly name: string;
  readonly group?: string;
  /** Number of the kept bundle that has its certificate. */
  readonly bundle: number;
  /** An earlier run began to create it and never learned what came of it. */
  readonly isBegun: boolean;
}

/** A registration whose outcome needs no call. */
export type Settlement = Pick<OutcomeEntry, "seq" | "outcome">;

export interface Plan {
  readonly deliveries: readonly Delivery[];
  readonly settlements: readonly Settlement[];
}

export interface PlanOptions {
  /** Try rejected registrations again although nothing inside has changed. */
  readonly isRetryingRejected: boolean;
}

/**
 * What is to be done about these registrations: those that were rejected and renamed, never decided, scrapped or
 * replaced meanwhile. Only the newest registration of a device is delivered. Without effect.
 */
export function prepareDeliveries(
  state: ImporterState,
  registrations: readonly OpenRegistration[],
  options: PlanOptions,
): Plan {
  const deliveries: Delivery[] = [];
  const settlements: Settlement[] = [];
  for (const record of registrations) {
    const { seq } = record;
    if (!isOpen(state, seq, options)) continue;
    if (state.voided.has(seq)) settlements.push({ seq, outcome: "voided" });
    else if (state.replacedBy.has(seq)) settlements.push({ seq, outcome: "superseded" });
    else deliveries.push(describeDelivery(state, record));
  }
  return { deliveries, settlements };
}

/** Whether something is left to do: no outcome yet, or a rejection that later records have answered. */
export function isOpen(state: ImporterState, seq: number, { isRetryingRejected }: PlanOptions): boolean {
  const known = state.outcomes.get(seq);
  if (known === undefined) return true;
  if (known.outcome !== "rejected") return false;
  return isRetryingRejected || state.voided.has(seq) || state.replacedBy.has(seq) || isRenamedSince(state, seq, known);
}

function isRenamedSince(state: ImporterState, seq: number, known: KnownOutcome): boolean {
  return (state.renamed.get(seq)?.position ?? -1) > known.position;
}

function describeDelivery(state: ImporterState, { seq, bundle, uuid, name, group }: OpenRegistration): Delivery {
  return {
    seq,
    bundle,
    uuid,
    name: state.renamed.get(seq)?.name ?? name,
    ...(group === undefined ? {} : { group }),
    isBegun: state.called.has(seq),
  };
}

/** Bundles that hold open registrations; the others need not be read at all. */
export function findOpenBundles(state: ImporterState, options: PlanOptions): KnownBundle[] {
  const bundles = sortedBundles(state);
  const closed = new Map<number, number>();
  for (const seq of state.outcomes.keys()) {
    if (isOpen(state, seq, options)) continue;
    const bundle = bundleOf(bundles, seq)?.bundle;
    if (bundle !== undefined) closed.set(bundle, (closed.get(bundle) ?? 0) + 1);
  }
  return bundles.filter(({ bundle, registrations }) => registrations > (closed.get(bundle) ?? 0));
}

/** The bundle that carries a record; `bundles` in order. */
export function bundleOf(bundles: readonly KnownBundle[], seq: number): KnownBundle | undefined {
  let low = 0;
  let high = bundles.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((bundles[middle]?.last ?? 0) < seq) low = middle + 1;
    else high = middle;
  }
  const found = bundles[low];
  return found !== undefined && found.first <= seq ? found : undefined;
}
