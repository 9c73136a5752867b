import assert from "node:assert/strict";
import type { ControlId } from "../../src/controls.ts";
import type { UnverifiedBundle } from "../../src/importer/read-bundle-directory.ts";
import type { Trust } from "../../src/importer/trust-store.ts";
import { verifyBundle } from "../../src/importer/verify-bundle.ts";
import { Refusal } from "../../src/refusal.ts";
import type { BundleFile } from "../../src/transfer/bundle-files.ts";
import { encodePem, parsePem } from "../../src/x509/pem.ts";
import { SeededRandom } from "../crash/random.ts";
import { type AirgapSite, LOG_ID, makeSite } from "../support/airgap-site.ts";
import { collectBundle, forgeBundle, readManifest, splitLines, withFile } from "../support/forged-bundle.ts";
import { makeBench } from "../support/importer-bench.ts";
import { makeFactory } from "../support/memory-factory.ts";

const REGISTRATIONS = 200;
const RECORD_EDITS = 20_000;
const SIGNED_EDITS = 500;
const ORDERS = 20;
const SEED = 20_261_123;

/** A bundle as it is, and every kind of change of it, by somebody with and without the HSM's signature. */
describe("a bundle of 200 registrations, tampered with", function () {
  this.timeout(600_000);
  let site: AirgapSite;
  let trust: Trust;
  let bundle: UnverifiedBundle;
  /** Records that fit nowhere here: the next bundle's, and those of a restored copy of the log. */
  let strangers: readonly Buffer[];

  before(async () => {
    site = await makeSite();
    const { appliance, factory, deviceCa, root } = site.pki;
    trust = { appliance, factory, log: LOG_ID, deviceCa, laterDeviceCas: [], root };
    for (let i = 0; i < REGISTRATIONS / 2; i++) await site.register();
    const restored = site.fork();
    for (let i = 0; i < REGISTRATIONS / 2; i++) await Promise.all([site.register(), restored.register()]);
    bundle = await collectBundle(site, await site.seal());
    const other = await collectBundle(restored, await restored.seal());
    for (let i = 0; i < 20; i++) await site.register();
    const next = await collectBundle(site, await site.seal());
    strangers = [other, next].map(({ files }) => files["RECORDS.NDJSON"]);
  });

  /** Returns the control that refused; throws when nothing did. */
  function refusalOf(changed: UnverifiedBundle): ControlId {
    try {
      verifyBundle(changed, trust, Date.now());
    } catch (error) {
      assert.ok(error instanceof Refusal, String(error));
      return error.control;
    }
    throw assert.fail("a changed bundle passed");
  }

  function assertEveryBit(
    file: BundleFile,
    bytes: Buffer,
    rebuild: (bytes: Buffer) => Buffer,
    control: ControlId,
  ): void {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const other = Buffer.from(bytes);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(refusalOf(withFile(bundle, file, rebuild(other))), control, `bit ${bit}`);
    }
  }

  const asItIs = (bytes: Buffer) => bytes;

  it("BUNDLE-SIG BUNDLE-SUMS BUNDLE-CHAIN CERT-PROFILE passes unchanged", () => {
    assert.equal(verifyBundle(bundle, trust, Date.now()).totals.registrations, REGISTRATIONS);
  });

  it("BUNDLE-SIG refuses every single-bit change of SHA256SUMS", () => {
    assertEveryBit("SHA256SUMS", bundle.files.SHA256SUMS, asItIs, "BUNDLE-SIG");
  });

  it("BUNDLE-SUMS refuses every single-bit change of MANIFEST.JSON", () => {
    assertEveryBit("MANIFEST.JSON", bundle.files["MANIFEST.JSON"], asItIs, "BUNDLE-SUMS");
  });

  it("BUNDLE-SIG refuses every single-bit change of the CMS's DER", () => {
    const der = parsePem(bundle.files["SHA256SUMS.P7S"].toString("latin1"), "CMS");
    assertEveryBit("SHA256SUMS.P7S", der, (bytes) => Buffer.from(encodePem(bytes, "CMS")), "BUNDLE-SIG");
  });

  it(`BUNDLE-SUMS refuses ${RECORD_EDITS} random edits of the records: flipped, dropped, inserted, swapped, doubled, cut, spliced`, () => {
    const random = new SeededRandom(SEED);
    const records = bundle.files["RECORDS.NDJSON"];
    for (let i = 0; i < RECORD_EDITS; i++) {
      const changed = edit(records, strangers, random);
      assert.equal(refusalOf(withFile(bundle, "RECORDS.NDJSON", changed)), "BUNDLE-SUMS", `edit ${i}`);
    }
  });

  it(`BUNDLE-CHAIN refuses ${SIGNED_EDITS} such edits that a taken-over airlockd had signed again, as what they are`, () => {
    const random = new SeededRandom(SEED + 1);
    const { chain } = readManifest(bundle);
    const controls = new Set<ControlId>(["BUNDLE-CHAIN", "BUNDLE-SEQ", "BUNDLE-COUNT", "BUNDLE-VER", "BUNDLE-WHO"]);
    for (let i = 0; i < SIGNED_EDITS; i++) {
      const text = edit(bundle.files["RECORDS.NDJSON"], strangers, random).toString("latin1");
      const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
      const control = refusalOf(forgeBundle(site.pki, bundle, { lines, manifest: { chain } }));
      assert.ok(controls.has(control), `edit ${i}: ${control}`);
    }
  });

  it("BUNDLE-CHAIN refuses records of another log or bundle in place of its own, well signed", () => {
    const { chain } = readManifest(bundle);
    const own = splitLines(bundle);
    for (const stranger of strangers) {
      const lines = stranger.toString("latin1").match(/[^\n]*\n/g) ?? [];
      for (const at of [0, 1, 99, own.length - 1]) {
        const mixed = own.map((line, i) => (i < at ? line : (lines[i % lines.length] ?? "")));
        assert.notEqual(mixed.join(""), own.join(""));
        assert.match(refusalOf(forgeBundle(site.pki, bundle, { lines: mixed, manifest: { chain } })), /^BUNDLE-/);
      }
    }
  });
});

/** One of seven kinds of change; never gives the same bytes back. */
function edit(bytes: Buffer, strangers: readonly Buffer[], random: SeededRandom): Buffer {
  for (;;) {
    const changed = Buffer.concat(editOnce(bytes, strangers, random));
    if (!changed.equals(bytes)) return changed;
  }
}

function editOnce(bytes: Buffer, strangers: readonly Buffer[], random: SeededRandom): readonly Buffer[] {
  const at = random.between(0, bytes.length - 1);
  const length = random.isOneIn(2) ? random.between(1, 8) : random.between(1, 4_000);
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (random.between(1, 7)) {
    case 1:
      return [before, Buffer.from([(part[0] ?? 0) ^ (1 << random.between(0, 7))]), bytes.subarray(at + 1)];
    case 2:
      return [before, after];
    case 3:
      return [before, Buffer.from([random.between(0, 255)]), part, after];
    case 4: {
      // Two neighbouring pieces change places.
      const next = after.subarray(0, part.length);
      return [before, next, part, after.subarray(next.length)];
    }
    case 5:
      return [before, part, part, after];
    case 6:
      return [before];
    default: {
      const stranger = strangers[random.between(0, strangers.length - 1)] ?? Buffer.alloc(0);
      const from = random.isOneIn(2) ? at : random.between(0, stranger.length - 1);
      return [before, stranger.subarray(from, from + length), after];
    }
  }
}

describe("bundles in any order and any number", function () {
  this.timeout(600_000);

  it(`BUNDLE-OVERLAP BUNDLE-GAP end in one state and one created device each, in ${ORDERS} random orders with repeats`, async () => {
    const random = new SeededRandom(SEED);
    const site = await makeSite();
    for (let bundle = 1; bundle <= 5; bundle++) {
      for (let i = 0; i < 4; i++) await site.register();
      await site.seal();
    }
    const all = [1, 2, 3, 4, 5];
    const expected = await play(site, all, () => false);
    assert.equal(expected.created.length, 20);
    for (let order = 0; order < ORDERS; order++) {
      const repeats = Array.from({ length: random.between(0, 6) }, () => random.between(1, 5));
      const shuffled = [...all, ...repeats]
        .map((bundle) => ({ bundle, key: random.next() }))
        .sort((a, b) => a.key - b.key)
        .map(({ bundle }) => bundle);
      assert.deepEqual(await play(site, shuffled, () => random.isOneIn(2)), expected, shuffled.join());
    }
  });

  /** What is so in the end, whatever came when: outcomes, creations, and what the last receipt says. */
  async function play(site: AirgapSite, order: readonly number[], isRunBetween: () => boolean) {
    const bench = await makeBench();
    const factory = makeFactory();
    try {
      for (const bundle of order) {
        await bench.accept(site, bundle);
        if (isRunBetween()) await bench.run(factory);
      }
      await bench.run(factory);
      const { receipt } = await bench.receipt();
      const { state } = bench.journal;
      const outcomes = [...state.outcomes].map(([seq, { outcome }]) => `${seq} ${outcome}`).sort();
      assert.ok([...factory.creations.values()].every((count) => count === 1));
      const created = [...factory.devices.values()].map(({ uuid, name }) => `${uuid} ${name}`).sort();
      const { thru, missing, gaps, exceptions } = receipt;
      return { outcomes, created, bundles: [...state.bundles.keys()].sort(), thru, missing, gaps, exceptions };
    } finally {
      await bench.remove();
    }
  }
});
