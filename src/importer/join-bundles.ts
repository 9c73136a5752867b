import { Refusal } from "../refusal.ts";
import { type Evidence, ok, warn } from "./evidence.ts";
import type { ImporterState } from "./importer-state.ts";
import { sortedBundles } from "./importer-state.ts";
import type { BundleEntry } from "./journal-entry.ts";

/** Records or bundles that have not arrived although later ones have. */
export interface Missing {
  readonly gaps: readonly { readonly first: number; readonly last: number }[];
  readonly bundles: readonly number[];
}

/** The known history with one more bundle, or the same when it was known. */
export interface Joined {
  readonly isReplay: boolean;
  readonly evidence: readonly Evidence[];
}

/** The part of a bundle that joining looks at. */
export type JoinableBundle = Omit<BundleEntry, "t" | "at">;

/**
 * BUNDLE-OVERLAP, BUNDLE-JOIN and BUNDLE-LEDGER: a bundle continues what is known, or is part of it. Two histories of
 * one log cannot both be true: a contradiction means a restored disk or a second appliance, and raises the fork alarm.
 * @throws Refusal BUNDLE-JOIN (the alarm) or BUNDLE-LEDGER
 */
export function checkJoin(state: ImporterState, bundle: JoinableBundle): Joined {
  const known = sortedBundles(state);
  const same = state.bundles.get(bundle.bundle);
  if (same !== undefined) {
    if (same.id !== bundle.id) throw alarm(bundle, "it has the number of another bundle that was imported already");
    return { isReplay: true, evidence: [ok("BUNDLE-OVERLAP", "already imported, nothing to do")] };
  }
  if (known.some(({ first, last }) => first <= bundle.last && bundle.first <= last)) {
    throw alarm(bundle, "its records were imported already in another bundle");
  }
  checkNeighbours(known, bundle);
  checkSeals(known, bundle);
  const ledger = checkLedger(known, bundle);
  return { isReplay: false, evidence: [ok("BUNDLE-OVERLAP", "new"), describeJoin(known, bundle), ledger] };
}

/** Chain, ranges and ids fit the bundles before and after, as far as they have arrived. */
function checkNeighbours(known: readonly JoinableBundle[], bundle: JoinableBundle): void {
  for (const other of known) {
    const [earlier, later] = other.bundle < bundle.bundle ? [other, bundle] : [bundle, other];
    if (earlier.last >= later.first) throw alarm(bundle, "its records come in another order than its number");
    if (later.bundle !== earlier.bundle + 1) continue;
    if (later.first !== earlier.last + 1) throw alarm(bundle, "records are missing between it and its neighbour");
    if (later.before !== earlier.after)
      throw alarm(bundle, "its records do not continue the history that was imported");
    if (later.previous !== earlier.id)
      throw alarm(bundle, "it names another bundle before it than the one that was imported");
  }
}

/** A bundle's records hold the seals of earlier bundles: the log's own memory of what it handed out. */
function checkSeals(known: readonly JoinableBundle[], bundle: JoinableBundle): void {
  const ids = new Map([...known, bundle].map(({ bundle: number, id }) => [number, id]));
  const isContradicted = [...known, bundle]
    .flatMap(({ seals }) => seals)
    .some((seal) => ids.has(seal.bundle) && ids.get(seal.bundle) !== seal.id);
  if (isContradicted) throw alarm(bundle, "the log remembers another bundle under a number that was imported");
}

/**
 * The signer's ledger never runs backwards and covers every certificate that the records name; where nothing is
 * missing and nothing was in flight, the two are equal. A bundle that fills a gap decides for the later ones too.
 */
function checkLedger(known: readonly JoinableBundle[], bundle: JoinableBundle): Evidence {
  const all = [...known, bundle].sort((a, b) => a.bundle - b.bundle);
  const [first] = all;
  // A log that continues another one starts with the certificates that were signed before it.
  let accounted = first?.continues?.certificates ?? 0;
  let before = { last: 0, ledgerCount: 0 };
  let isWhole = true;
  let evidence = ok("BUNDLE-LEDGER");
  for (const one of all) {
    if (one.ledgerCount < before.ledgerCount)
      throw alarm(bundle, "the signer's ledger counts fewer certificates than before");
    isWhole &&= one.first === before.last + 1;
    accounted += one.certificates;
    const text = `${one.ledgerCount} signatures, ${accounted} accounted for`;
    checkAccounts(one, accounted, isWhole, text);
    if (one === bundle) evidence = ok("BUNDLE-LEDGER", text);
    before = one;
  }
  return evidence;
}

function checkAccounts(
  { ledgerCount, last, headSeq }: JoinableBundle,
  accounted: number,
  isWhole: boolean,
  text: string,
): void {
  if (accounted > ledgerCount) {
    throw refuseLedger(`More certificates are in the records than the signer's ledger knows (${text}). Call security.`);
  }
  if (isWhole && last === headSeq && accounted < ledgerCount) {
    throw refuseLedger(
      `The signer made certificates that no record accounts for (${text}). Nothing of it is delivered. Call security.`,
    );
  }
}

function describeJoin(known: readonly JoinableBundle[], bundle: JoinableBundle): Evidence {
  const { continues } = bundle;
  if (continues !== undefined) {
    return ok("BUNDLE-JOIN", `the log's first bundle; it continues log ${continues.log} after record ${continues.seq}`);
  }
  if (bundle.first === 1) return ok("BUNDLE-JOIN", "the log's first bundle");
  const before = known.find(({ bundle: number }) => number === bundle.bundle - 1);
  if (before !== undefined) return ok("BUNDLE-JOIN", `continues record ${before.last}`);
  return warn("BUNDLE-JOIN", `bundle ${bundle.bundle - 1} is not here to compare with`);
}

/** BUNDLE-GAP: what lies below the newest bundle and has not arrived. */
export function countMissing(bundles: readonly Pick<JoinableBundle, "bundle" | "first" | "last">[]): Missing {
  const gaps: { first: number; last: number }[] = [];
  const missing: number[] = [];
  let next = { seq: 1, bundle: 1 };
  for (const { bundle, first, last } of [...bundles].sort((a, b) => a.bundle - b.bundle)) {
    if (first > next.seq) gaps.push({ first: next.seq, last: first - 1 });
    for (let number = next.bundle; number < bundle; number++) missing.push(number);
    next = { seq: last + 1, bundle: bundle + 1 };
  }
  return { gaps, bundles: missing };
}

function alarm({ bundle }: JoinableBundle, what: string): Refusal {
  return new Refusal(
    "BUNDLE-JOIN",
    "conflict",
    `ALARM: bundle ${bundle} contradicts history already imported: ${what}. A restored database, or a second appliance ` +
      "with the same name. Do not retry. Call security.",
  );
}

function refuseLedger(sentence: string): Refusal {
  return new Refusal("BUNDLE-LEDGER", "conflict", sentence);
}
