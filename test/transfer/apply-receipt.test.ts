import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ControlId } from "../../src/controls.ts";
import type { Identity } from "../../src/importer/identity.ts";
import { ZERO_HASH } from "../../src/log/chain.ts";
import { Refusal } from "../../src/refusal.ts";
import { createReceiptApplier, type ReceiptApplier } from "../../src/transfer/apply-receipt.ts";
import { encodeReceiptText, type Receipt } from "../../src/transfer/receipt.ts";
import { encodeReceiptPem, parseReceipt, signReceipt } from "../../src/transfer/receipt-cms.ts";
import { type AirgapSite, LOG_ID, makeSite, OPERATOR } from "../support/airgap-site.ts";
import { makeIdentity } from "../support/importer-identity.ts";

const run = promisify(execFile);

function refuses(control: ControlId) {
  return (error: unknown) => error instanceof Refusal && error.control === control;
}

describe("transfer/apply-receipt", function () {
  this.timeout(60_000);
  let site: AirgapSite;
  let identity: Identity;
  let applier: ReceiptApplier;

  before(async () => {
    identity = await makeIdentity();
  });

  // Records 1 genesis, 2 trust, 3-5 devices, 6 seal of bundle 1, 7 device, 8 seal of bundle 2.
  beforeEach(async () => {
    site = await makeSite();
    const { id, sha256, certificatePem: pem } = identity;
    await site.log.append({
      kind: "act",
      body: { act: "trust-importer", importer: { id, sha256, pem }, by: "ceremony" },
    });
    for (let i = 0; i < 3; i++) await site.register();
    await site.seal();
    await site.register();
    await site.seal();
    applier = createReceiptApplier(site.log);
  });

  function makeReceipt(changes: Partial<Receipt> = {}): Receipt {
    return {
      log: LOG_ID,
      importer: "EU1",
      number: 1,
      prev: ZERO_HASH,
      bundles: site.log.bundles().map(({ bundle, id }) => ({ bundle, id })),
      exceptions: [],
      gaps: [],
      missing: [],
      thru: { seq: 7, hash: site.log.lines[6]?.hash ?? "" },
      at: "2026-11-23T07:40:00.000Z",
      ...changes,
    };
  }

  function sign(receipt: Receipt): Buffer {
    return signReceipt(receipt, identity.key, identity.certificateDer);
  }

  it("RECEIPT-SIG RECEIPT-LOG RECEIPT-SEQNO RECEIPT-RANGE RECEIPT-BUNDLE RECEIPT-THRU print a line each and the receipt is recorded", async () => {
    const applied = await applier.apply(sign(makeReceipt()), OPERATOR);
    assert.deepEqual(applied.evidence, [
      "RECEIPT-SIG ok importer EU1",
      "RECEIPT-LOG ok a7f3c2e1",
      "RECEIPT-SEQNO ok 1, the first",
      "RECEIPT-BUNDLE ok 1,2",
      "RECEIPT-RANGE ok no exceptions",
      "RECEIPT-THRU ok 7",
    ]);
    assert.deepEqual([applied.delivered, applied.duplicates, applied.rejected], [4, 0, []]);
    const record = JSON.parse(site.log.lines.at(-1)?.line ?? "");
    assert.deepEqual([record.kind, record.number, record.thru, record.bundles], ["receipt", 1, 7, [1, 2]]);
  });

  it("RECEIPT-SEQNO applies the same receipt again as nothing, in PEM or DER, and tells the same", async () => {
    const receipt = makeReceipt({ exceptions: [{ first: 3, last: 4, outcome: "duplicate" }] });
    const der = sign(receipt);
    const first = await applier.apply(der, OPERATOR);
    const head = site.log.summary().head;
    const again = await applier.apply(Buffer.from(encodeReceiptPem(der)), OPERATOR);
    assert.equal(again.isAlreadyApplied, true);
    assert.deepEqual([again.delivered, again.duplicates], [first.delivered, first.duplicates]);
    assert.deepEqual([first.delivered, first.duplicates], [4, 2]);
    assert.deepEqual(site.log.summary().head, head);
  });

  it("RECEIPT-SEQNO calls at the same time record it once", async () => {
    const der = sign(makeReceipt());
    const results = await Promise.all([applier.apply(der, OPERATOR), applier.apply(der, OPERATOR)]);
    assert.deepEqual(
      results.map(({ isAlreadyApplied }) => isAlreadyApplied),
      [false, true],
    );
  });

  it("RECEIPT-SEQNO takes a later receipt in place of lost ones, and refuses an older one afterwards", async () => {
    const applied = await applier.apply(sign(makeReceipt({ number: 3, prev: "9".repeat(64) })), OPERATOR);
    assert.equal(applied.evidence[2], "RECEIPT-SEQNO ok 3 after 0 (1 to 2 superseded)");
    await assert.rejects(applier.apply(sign(makeReceipt({ number: 2 })), OPERATOR), refuses("RECEIPT-SEQNO"));
  });

  it("RECEIPT-SEQNO chains to the receipt before it", async () => {
    const first = sign(makeReceipt());
    await applier.apply(first, OPERATOR);
    await site.register();
    await site.seal();
    const bundles = site.log
      .bundles()
      .slice(2)
      .map(({ bundle, id }) => ({ bundle, id }));
    const thru = { seq: 10, hash: site.log.lines[9]?.hash ?? "" };
    const second = makeReceipt({ number: 2, bundles, thru, prev: parseReceipt(first).sha256 });
    await assert.rejects(applier.apply(sign({ ...second, prev: "9".repeat(64) }), OPERATOR), refuses("RECEIPT-SEQNO"));
    const applied = await applier.apply(sign(second), OPERATOR);
    assert.deepEqual([applied.delivered, applied.evidence[2]], [1, "RECEIPT-SEQNO ok 2 after 1"]);
  });

  it("RECEIPT-RANGE names each rejected registration and counts the others", async () => {
    const exceptions: Receipt["exceptions"] = [
      { first: 3, last: 3, outcome: "rejected", code: "E_NAME_TAKEN" },
      { first: 4, last: 5, outcome: "pending" },
    ];
    const applied = await applier.apply(sign(makeReceipt({ exceptions })), OPERATOR);
    const name = (await site.log.findRegistration(3))?.name;
    assert.deepEqual(applied.rejected, [{ seq: 3, name, code: "E_NAME_TAKEN" }]);
    assert.deepEqual([applied.delivered, applied.duplicates], [1, 0]);
    assert.match(
      site.log.lines.at(-1)?.line ?? "",
      /"exceptions":\[\{"seq":3,"outcome":"rejected","code":"E_NAME_TAKEN"\},\{"seq":4,"through":5,/,
    );
  });

  const wrong: [string, ControlId, () => Partial<Receipt>][] = [
    ["another appliance's log", "RECEIPT-LOG", () => ({ log: "00000000" })],
    ["an importer that nobody trusted", "RECEIPT-SIG", () => ({ importer: "EU2" })],
    ["a bundle with another id", "RECEIPT-BUNDLE", () => ({ bundles: [{ bundle: 1, id: "9".repeat(64) }] })],
    ["a bundle that was never sealed", "RECEIPT-BUNDLE", () => ({ bundles: [{ bundle: 3, id: "9".repeat(64) }] })],
    ["a missing bundle that was never sealed", "RECEIPT-BUNDLE", () => ({ missing: [9] })],
    [
      "an exception beyond what was sealed",
      "RECEIPT-RANGE",
      () => ({ exceptions: [{ first: 8, last: 8, outcome: "pending" }] }),
    ],
    ["a gap beyond what was sealed", "RECEIPT-RANGE", () => ({ gaps: [{ first: 3, last: 9 }] })],
    [
      "an exception in a bundle that it does not confirm",
      "RECEIPT-RANGE",
      () => ({ bundles: makeReceipt().bundles.slice(1), exceptions: [{ first: 3, last: 3, outcome: "duplicate" }] }),
    ],
    [
      "a watermark beyond what was sealed",
      "RECEIPT-RANGE",
      () => ({ thru: { seq: 8, hash: site.log.lines[7]?.hash ?? "" } }),
    ],
    ["a watermark in another history", "RECEIPT-THRU", () => ({ thru: { seq: 7, hash: "9".repeat(64) } })],
  ];
  for (const [what, control, changes] of wrong) {
    it(`${control} refuses a receipt with ${what} and records nothing`, async () => {
      const head = site.log.summary().head;
      await assert.rejects(applier.apply(sign(makeReceipt(changes())), OPERATOR), refuses(control));
      assert.deepEqual(site.log.summary().head, head);
    });
  }

  it("RECEIPT-THRU refuses a far side that has forgotten what it had confirmed", async () => {
    const first = sign(makeReceipt());
    await applier.apply(first, OPERATOR);
    const thru = { seq: 6, hash: site.log.lines[5]?.hash ?? "" };
    const receipt = makeReceipt({ number: 2, prev: parseReceipt(first).sha256, bundles: [], thru });
    await assert.rejects(applier.apply(sign(receipt), OPERATOR), refuses("RECEIPT-THRU"));
  });

  it("RECEIPT-SIG refuses a receipt signed by another importer of the same name", async () => {
    const other = await makeIdentity();
    const der = signReceipt(makeReceipt(), other.key, other.certificateDer);
    await assert.rejects(applier.apply(der, OPERATOR), refuses("RECEIPT-SIG"));
    const named = signReceipt(makeReceipt(), other.key, identity.certificateDer);
    await assert.rejects(applier.apply(named, OPERATOR), refuses("RECEIPT-SIG"));
  });

  it("RECEIPT-SIG refuses every single-bit change of the CMS", async () => {
    const der = sign(makeReceipt());
    const head = site.log.summary().head;
    for (let bit = 0; bit < der.length * 8; bit++) {
      const other = Buffer.from(der);
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await assert.rejects(applier.apply(other, OPERATOR), Refusal, `bit ${bit}`);
    }
    assert.deepEqual(site.log.summary().head, head);
  });

  it("RECEIPT-SIG is an ordinary CMS: openssl verifies it with the importer's certificate and gives the text", async () => {
    const directory = await mkdtemp(join(tmpdir(), "airlock-receipt-"));
    try {
      const [receipt, certificate] = [join(directory, "r"), join(directory, "c.pem")];
      await writeFile(receipt, encodeReceiptPem(sign(makeReceipt())));
      await writeFile(certificate, identity.certificatePem);
      const trust = ["-certfile", certificate, "-CAfile", certificate, "-no-CApath", "-no-CAstore"];
      const { stdout } = await run("openssl", [
        "cms",
        "-verify",
        "-binary",
        "-inform",
        "PEM",
        "-in",
        receipt,
        ...trust,
      ]);
      assert.equal(stdout, encodeReceiptText(makeReceipt()));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  it("RECEIPT-SIG a typical receipt of three bundles fits one printed code", () => {
    const bundles = [36, 37, 38].map((bundle) => ({ bundle, id: "a".repeat(64) }));
    const exceptions: Receipt["exceptions"] = [
      { first: 42511, last: 42511, outcome: "rejected", code: "E_NAME_TAKEN" },
    ];
    const der = sign(makeReceipt({ number: 58, bundles, exceptions, thru: { seq: 43120, hash: "b".repeat(64) } }));
    const base32Characters = Math.ceil((der.length * 8) / 5);
    assert.ok(base32Characters < 1_100, `${base32Characters} characters`);
  });

  for (const when of ["before", "after"] as const) {
    it(`RECEIPT-SEQNO an append that fails ${when} it is stored: applying again ends with one record`, async () => {
      const der = sign(makeReceipt());
      site.log.failNextAppend = when;
      await assert.rejects(applier.apply(der, OPERATOR));
      const again = await applier.apply(der, OPERATOR);
      assert.equal(again.isAlreadyApplied, when === "after");
      assert.equal(site.log.lines.filter(({ line }) => line.includes('"kind":"receipt"')).length, 1);
    });
  }
});
