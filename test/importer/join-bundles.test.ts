import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ControlId } from "../../src/controls.ts";
import { joinBundles } from "../../src/importer/accept-bundles.ts";
import { applyEntry, emptyState, type ImporterState } from "../../src/importer/importer-state.ts";
import { checkJoin, countMissing, type JoinableBundle } from "../../src/importer/join-bundles.ts";
import { keepEvidence } from "../../src/importer/kept-bundles.ts";
import { StateError } from "../../src/importer/state-error.ts";
import { verifyBundle } from "../../src/importer/verify-bundle.ts";
import { Refusal } from "../../src/refusal.ts";
import { BUNDLE_FILES } from "../../src/transfer/bundle-files.ts";
import { type AirgapSite, makeSite } from "../support/airgap-site.ts";
import { collectBundle, type Forgery, forgeBundle } from "../support/forged-bundle.ts";
import { type ImporterBench, makeBench, trustOf } from "../support/importer-bench.ts";
import { makeFactory } from "../support/memory-factory.ts";

function refuses(control: ControlId, words: RegExp) {
  return (error: unknown) => error instanceof Refusal && error.control === control && words.test(error.message);
}

describe("importer/join-bundles", function () {
  this.timeout(60_000);
  let site: AirgapSite;
  let bench: ImporterBench;

  beforeEach(async () => {
    site = await makeSite();
    bench = await makeBench();
  });

  afterEach(() => bench.remove());

  async function sealSome(from: AirgapSite, count = 2): Promise<number> {
    for (let i = 0; i < count; i++) await from.register();
    return from.seal();
  }

  it("BUNDLE-JOIN BUNDLE-LEDGER accept bundles that continue one another, with evidence", async () => {
    const numbers = [await sealSome(site), await sealSome(site)];
    const verified = await Promise.all(numbers.map((number) => bench.verified(site, number)));
    const { joined } = joinBundles(bench.journal.state, verified, Date.now());
    const texts = joined.map(({ evidence }) => evidence.slice(-3).map(({ control, text }) => `${control} ${text}`));
    assert.deepEqual(texts, [
      ["BUNDLE-OVERLAP new", "BUNDLE-JOIN the log's first bundle", "BUNDLE-LEDGER 3 signatures, 3 accounted for"],
      ["BUNDLE-OVERLAP new", "BUNDLE-JOIN continues record 3", "BUNDLE-LEDGER 5 signatures, 5 accounted for"],
    ]);
  });

  it("BUNDLE-OVERLAP replaying a medium is a no-op", async () => {
    const numbers = [await sealSome(site), await sealSome(site)];
    await bench.accept(site, ...numbers);
    const { position } = bench.journal.state;
    await bench.accept(site, ...numbers);
    assert.equal(bench.journal.state.position, position);
    const { joined } = joinBundles(bench.journal.state, [await bench.verified(site, 1)], Date.now());
    assert.equal(joined[0]?.isReplay, true);
  });

  it("BUNDLE-GAP delivers what came, and notices what is missing until it comes", async () => {
    const numbers = [await sealSome(site), await sealSome(site), await sealSome(site)];
    const [one = 0, two = 0, three = 0] = numbers;
    await bench.accept(site, one, three);
    assert.deepEqual(countMissing([...bench.journal.state.bundles.values()]), {
      gaps: [{ first: 4, last: 6 }],
      bundles: [2],
    });
    assert.equal((await bench.run(makeFactory())).delivered, 4);
    await bench.accept(site, two);
    assert.deepEqual(countMissing([...bench.journal.state.bundles.values()]), { gaps: [], bundles: [] });
  });

  it("BUNDLE-GAP notices that the first bundle is missing", async () => {
    await sealSome(site);
    await bench.accept(site, await sealSome(site));
    assert.deepEqual(countMissing([...bench.journal.state.bundles.values()]).bundles, [1]);
  });

  const forks: [string, RegExp, (fork: AirgapSite) => Promise<number[]>][] = [
    [
      "the same bundle number again with other records",
      /number of another bundle/,
      async (fork) => [await sealSome(fork)],
    ],
    [
      "later bundles that continue another bundle 2",
      /log remembers another bundle|do not continue|names another bundle/,
      async (fork) => {
        await sealSome(fork);
        return [await sealSome(fork)];
      },
    ],
    [
      "records that were imported in another bundle",
      /imported already in another bundle|another order/,
      async (fork) => {
        await fork.seal(true);
        return [await sealSome(fork)];
      },
    ],
  ];
  for (const [what, words, seal] of forks) {
    it(`BUNDLE-JOIN raises the alarm at a restored disk that hands out ${what}, and accepts nothing of it`, async () => {
      await sealSome(site);
      const fork = site.fork();
      await sealSome(site);
      await bench.accept(site, 1, 2);
      const { position } = bench.journal.state;
      const numbers = await seal(fork);
      await assert.rejects(bench.accept(fork, ...numbers), refuses("BUNDLE-JOIN", words));
      assert.equal(bench.journal.state.position, position);
    });
  }

  it("BUNDLE-JOIN raises the alarm when two bundles on one medium contradict each other", async () => {
    await sealSome(site);
    const fork = site.fork();
    await sealSome(site);
    await sealSome(fork);
    const verified = [await bench.verified(site, 1), await bench.verified(site, 2), await bench.verified(fork, 2)];
    assert.throws(
      () => joinBundles(bench.journal.state, verified, Date.now()),
      refuses("BUNDLE-JOIN", /ALARM bundle|ALARM: bundle 2/),
    );
  });

  it("BUNDLE-JOIN keeps the contradicting bundles as evidence, byte for byte", async () => {
    await sealSome(site);
    const bundle = await bench.verified(site, 1);
    const directory = await keepEvidence(bench.directory, [bundle], "2026-11-23T07:40:00.000Z");
    const [name = ""] = await readdir(directory);
    assert.equal(name, `ALB_A7F3C2E1_00001_${bundle.id.slice(0, 8).toUpperCase()}`);
    const { files } = await bundle.contents();
    for (const file of BUNDLE_FILES) {
      assert.ok((await readFile(join(directory, name, file))).equals(files[file]));
    }
  });

  async function forged(bundle: number, forgery: Forgery) {
    return verifyBundle(forgeBundle(site.pki, await collectBundle(site, bundle), forgery), trustOf(site), Date.now());
  }

  const ledgers: [string, ControlId, number, RegExp][] = [
    [
      "a certificate that no record accounts for",
      "BUNDLE-LEDGER",
      4,
      /no record accounts for \(4 signatures, 3 accounted for\)/,
    ],
    ["more certificates in the records than in the ledger", "BUNDLE-LEDGER", 2, /More certificates are in the records/],
  ];
  for (const [what, control, ledgerCount, words] of ledgers) {
    it(`${control} refuses ${what}`, async () => {
      await sealSome(site);
      const bundle = await forged(1, { ledgerCount });
      assert.throws(() => joinBundles(bench.journal.state, [bundle], Date.now()), refuses(control, words));
    });
  }

  it("BUNDLE-LEDGER waits with the balance until a missing bundle has come, and then demands it", async () => {
    await sealSome(site);
    await sealSome(site);
    site.signer.addCertificates(1);
    const later = await sealSome(site);
    await bench.accept(site, 1, later);
    await assert.rejects(bench.accept(site, 2), refuses("BUNDLE-LEDGER", /no record accounts for/));
  });

  it("BUNDLE-LEDGER raises the alarm when the signer's ledger ran backwards", async () => {
    await sealSome(site);
    await sealSome(site);
    await bench.accept(site, 1);
    const entry = [...bench.journal.state.bundles.values()][0];
    assert.ok(entry);
    const { t: _t, at: _at, position: _position, ...known } = entry;
    const next = {
      ...known,
      bundle: 2,
      id: "e".repeat(64),
      first: 4,
      last: 6,
      before: known.after,
      previous: known.id,
      seals: [],
    };
    assert.throws(
      () => checkJoin(bench.journal.state, { ...next, ledgerCount: known.ledgerCount - 1 }),
      refuses("BUNDLE-JOIN", /counts fewer certificates/),
    );
  });

  describe("two bundles that no appliance would make", () => {
    const hash = (digit: string) => digit.repeat(64);
    const one = { bundle: 1, id: hash("1"), first: 1, last: 3, before: hash("0"), after: hash("a"), previous: "" };
    const two = { bundle: 2, id: hash("2"), first: 4, last: 6, before: one.after, after: hash("b"), previous: one.id };
    const rest = {
      registrations: 2,
      certificates: 2,
      ledgerCount: 10,
      headSeq: 100,
      sealedAt: "2026-11-23T07:40:00.000Z",
      receipt: null,
      voids: [],
      renames: [],
      replaces: [],
      seals: [],
    };

    function knowing(...bundles: JoinableBundle[]): ImporterState {
      const state = emptyState();
      for (const bundle of bundles) applyEntry(state, { t: "bundle", at: rest.sealedAt, ...bundle });
      return state;
    }

    it("BUNDLE-JOIN fits these two in either order", () => {
      assert.equal(checkJoin(knowing({ ...one, ...rest }), { ...two, ...rest }).isReplay, false);
      assert.equal(checkJoin(knowing({ ...two, ...rest }), { ...one, ...rest }).isReplay, false);
    });

    const third = {
      bundle: 3,
      id: hash("3"),
      first: 7,
      last: 9,
      before: two.after,
      after: hash("c"),
      previous: two.id,
    };
    const wrong: [string, RegExp, Partial<JoinableBundle>][] = [
      ["another line before it", /do not continue the history/, { before: hash("f") }],
      ["another bundle before it", /names another bundle before it/, { previous: hash("f") }],
      ["a record missing between the two", /records are missing between/, { first: 5 }],
      ["a number out of order", /another order than its number/, { bundle: 3, first: 7, last: 9 }],
      ["a seal of another bundle 1", /log remembers another bundle/, { seals: [{ bundle: 1, id: hash("f") }] }],
    ];
    for (const [what, words, changes] of wrong) {
      it(`BUNDLE-JOIN raises the alarm at ${what}`, () => {
        const known =
          changes.bundle === 3 ? [{ ...one, ...rest, bundle: 4, first: 4, last: 6 }] : [{ ...one, ...rest }];
        assert.throws(
          () => checkJoin(knowing(...known), { ...two, ...rest, ...changes }),
          refuses("BUNDLE-JOIN", words),
        );
      });
    }

    it("BUNDLE-JOIN raises the alarm at a bundle that a later one, imported before it, remembers differently", () => {
      const later = { ...third, ...rest, seals: [{ bundle: 1, id: hash("f") }] };
      assert.throws(() => checkJoin(knowing(later), { ...one, ...rest }), refuses("BUNDLE-JOIN", /log remembers/));
    });
  });

  it("BUNDLE-SUMS notices a kept copy that was changed, and takes it again from the medium", async () => {
    await sealSome(site);
    await bench.accept(site, 1);
    const copy = join(bench.directory, "bundles", "ALB_A7F3C2E1_00001", "RECORDS.NDJSON");
    const bytes = await readFile(copy);
    await writeFile(copy, "{}\n");
    await assert.rejects(bench.run(makeFactory()), StateError);
    await bench.accept(site, 1);
    assert.ok((await readFile(copy)).equals(bytes));
    await rm(copy);
    await assert.rejects(bench.run(makeFactory()), StateError);
    // Another bundle's whole copy in this one's place is not this bundle either.
    await sealSome(site);
    await bench.accept(site, 1, 2);
    await cp(join(bench.directory, "bundles", "ALB_A7F3C2E1_00002"), join(copy, ".."), { recursive: true });
    await assert.rejects(bench.run(makeFactory()), StateError);
  });
});
