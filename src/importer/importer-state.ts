import type { Receipt } from "../transfer/receipt.ts";
import { parseReceipt } from "../transfer/receipt-cms.ts";
import type { BundleEntry, JournalEntry, OutcomeEntry } from "./journal-entry.ts";

/** A registration's outcome and where in the journal it stands. */
export interface KnownOutcome extends Pick<OutcomeEntry, "outcome" | "code" | "note"> {
  readonly position: number;
}

export interface IssuedReceipt {
  readonly receipt: Receipt;
  readonly sha256: string;
  readonly der: Buffer;
  /** Where in the journal it stands: outcomes after it are news to the appliance. */
  readonly position: number;
}

export interface KnownBundle extends BundleEntry {
  readonly position: number;
}

/** Everything that the journal adds up to. Changed only by `applyEntry`. */
export interface ImporterState {
  /** Number of entries. */
  position: number;
  /** By bundle number. */
  readonly bundles: Map<number, KnownBundle>;
  /** By the registration's sequence number. */
  readonly outcomes: Map<number, KnownOutcome>;
  /** Registrations whose creation was begun: the Factory may have them already. */
  readonly called: Set<number>;
  /** In order of their numbers. */
  readonly receipts: IssuedReceipt[];
  /** Registrations whose boards were scrapped. */
  readonly voided: Set<number>;
  /** New names, and where in the journal they came. */
  readonly renamed: Map<number, { readonly name: string; readonly position: number }>;
  /** The newer registration of the same device. */
  readonly replacedBy: Map<number, number>;
}

export function emptyState(): ImporterState {
  return {
    position: 0,
    bundles: new Map(),
    outcomes: new Map(),
    called: new Set(),
    receipts: [],
    voided: new Set(),
    renamed: new Map(),
    replacedBy: new Map(),
  };
}

/** A state that can be changed without the other noticing: for a plan that is only shown. */
export function copyState(state: ImporterState): ImporterState {
  return {
    position: state.position,
    bundles: new Map(state.bundles),
    outcomes: new Map(state.outcomes),
    called: new Set(state.called),
    receipts: [...state.receipts],
    voided: new Set(state.voided),
    renamed: new Map(state.renamed),
    replacedBy: new Map(state.replacedBy),
  };
}

/** The live path and the replay at the start are this one function. */
export function applyEntry(state: ImporterState, entry: JournalEntry): void {
  const position = state.position++;
  switch (entry.t) {
    case "bundle":
      applyBundle(state, { ...entry, position });
      break;
    case "call":
      state.called.add(entry.seq);
      break;
    case "outcome": {
      const { outcome, code, note } = entry;
      const details = { ...(code === undefined ? {} : { code }), ...(note === undefined ? {} : { note }) };
      state.outcomes.set(entry.seq, { outcome, ...details, position });
      break;
    }
    case "receipt": {
      const der = Buffer.from(entry.der, "base64");
      state.receipts.push({ receipt: parseReceipt(der).receipt, sha256: entry.sha256, der, position });
      break;
    }
    case "clear-denied":
      break;
  }
}

function applyBundle(state: ImporterState, bundle: KnownBundle): void {
  state.bundles.set(bundle.bundle, bundle);
  for (const seq of bundle.voids) state.voided.add(seq);
  for (const { seq, name } of bundle.renames) state.renamed.set(seq, { name, position: bundle.position });
  for (const { seq, by } of bundle.replaces) {
    // Bundles may arrive in any order: the newest replacement counts.
    if ((state.replacedBy.get(seq) ?? 0) < by) state.replacedBy.set(seq, by);
  }
}

/** Bundles in order of their numbers, which is the order of their records. */
export function sortedBundles(state: ImporterState): KnownBundle[] {
  return [...state.bundles.values()].sort((a, b) => a.bundle - b.bundle);
}
