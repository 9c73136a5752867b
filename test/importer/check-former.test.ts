import assert from "node:assert/strict";
import { checkFormer } from "../../src/importer/check-former.ts";
import { applyEntry, emptyState, type ImporterState } from "../../src/importer/importer-state.ts";

const hash = (digit: string) => digit.repeat(64);

/** A log of which records 1 to 6 were imported, in two bundles. */
function formerState(): ImporterState {
  const state = emptyState();
  const at = "2026-11-23T07:40:00.000Z";
  const rest = { registrations: 2, certificates: 2, ledgerCount: 4, headSeq: 6, sealedAt: at, receipt: null };
  const lists = { voids: [], renames: [], replaces: [], seals: [] };
  const one = {
    bundle: 1,
    id: hash("1"),
    first: 1,
    last: 3,
    before: hash("0"),
    after: hash("a"),
    previous: "",
  } as const;
  const two = { bundle: 2, id: hash("2"), first: 4, last: 6, before: hash("a"), after: hash("b"), previous: one.id };
  for (const bundle of [one, two]) applyEntry(state, { t: "bundle", at, ...bundle, ...rest, ...lists });
  return state;
}

function continuesAfter(seq: number, end: string) {
  return { log: "a7f3c2e1", seq, hash: end, ledger: { number: 9, hash: hash("9"), certificates: 4 } };
}

describe("importer/check-former", () => {
  it("BUNDLE-JOIN accepts a log that continues another one where it ended, and says what was lost with it", () => {
    const say = (seq: number, end: string) => checkFormer(formerState(), continuesAfter(seq, end));
    assert.match(JSON.stringify(say(6, hash("b"))), /ended where it says/);
    assert.match(JSON.stringify(say(8, hash("c"))), /ended where it says/);
    assert.match(JSON.stringify(say(3, hash("a"))), /the last 3 records that were imported/);
    assert.match(JSON.stringify(checkFormer(undefined, continuesAfter(3, hash("a")))), /not known here/);
  });

  it("BUNDLE-JOIN raises the alarm when the former log ended with another record than was imported", () => {
    const alarm = { control: "BUNDLE-JOIN", code: "conflict", message: /another record \d was imported/ };
    assert.throws(() => checkFormer(formerState(), continuesAfter(6, hash("c"))), alarm);
    assert.throws(() => checkFormer(formerState(), continuesAfter(3, hash("b"))), alarm);
  });
});
