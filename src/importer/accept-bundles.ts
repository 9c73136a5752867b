import { isoUtc } from "../clock.ts";
import type { Evidence } from "./evidence.ts";
import { applyEntry, copyState, type ImporterState } from "./importer-state.ts";
import { checkJoin, type JoinableBundle } from "./join-bundles.ts";
import type { Journal } from "./journal.ts";
import type { BundleEntry } from "./journal-entry.ts";
import { keepBundle } from "./kept-bundles.ts";
import type { VerifiedBundle } from "./verify-bundle.ts";

export interface JoinedBundle {
  readonly bundle: VerifiedBundle;
  readonly isReplay: boolean;
  /** The bundle's own evidence and that of joining it. */
  readonly evidence: readonly Evidence[];
}

/**
 * Joins verified bundles of one log to what is known, all of them before any is accepted. Without effect.
 * @returns each bundle with its evidence, and the state as it would be
 * @throws Refusal BUNDLE-JOIN, the fork alarm, or BUNDLE-LEDGER
 */
export function joinBundles(
  state: ImporterState,
  verified: readonly VerifiedBundle[],
  nowMs: number,
): { joined: readonly JoinedBundle[]; state: ImporterState } {
  const after = copyState(state);
  const joined = verified.map((bundle) => {
    const entry = describeEntry(bundle, nowMs);
    const { isReplay, evidence } = checkJoin(after, entry);
    if (!isReplay) applyEntry(after, entry);
    return { bundle, isReplay, evidence: [...bundle.evidence, ...evidence] };
  });
  return { joined, state: after };
}

/**
 * Keeps the bundles and enters them in the journal. When it resolves, both are durable: from here on the medium is
 * not needed any more. A crash in between leaves a copy that the next run finds equal and enters then.
 */
export async function acceptBundles(
  journal: Journal,
  logDirectory: string,
  joined: readonly JoinedBundle[],
  nowMs: number,
): Promise<void> {
  for (const { bundle, isReplay } of joined) {
    await keepBundle(logDirectory, bundle);
    if (!isReplay) await journal.append(describeEntry(bundle, nowMs));
  }
}

function describeFormer({ log, seq, hash, ledger }: VerifiedBundle["totals"]["continues"] & object) {
  return { log, seq, hash, certificates: ledger.certificates };
}

function describeEntry({ manifest, id, ledger, totals }: VerifiedBundle, nowMs: number): BundleEntry {
  const { bundle, records, chain, previous, head, sealedAt, receipt } = manifest;
  const { registrations, certificates, continues, voids, renames, replaces, seals } = totals;
  const joinable: JoinableBundle = {
    bundle,
    id,
    first: records.first,
    last: records.last,
    before: chain.before,
    after: chain.after,
    previous,
    registrations,
    certificates,
    ...(continues === undefined ? {} : { continues: describeFormer(continues) }),
    ledgerCount: ledger.count,
    headSeq: head.seq,
    sealedAt,
    receipt,
    voids: [...voids],
    renames: [...renames],
    replaces: [...replaces],
    seals: [...seals],
  };
  return { t: "bundle", at: isoUtc(nowMs), ...joinable };
}
