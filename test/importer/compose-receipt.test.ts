import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeReceiptFile } from "../../src/importer/issue-receipt.ts";
import { createReceiptApplier, type ReceiptApplier } from "../../src/transfer/apply-receipt.ts";
import { MAX_RECEIPT_EXCEPTIONS } from "../../src/transfer/receipt.ts";
import { encodeReceiptPem } from "../../src/transfer/receipt-cms.ts";
import { type AirgapSite, makeSite, OPERATOR, type RegisteredDevice } from "../support/airgap-site.ts";
import { type ImporterBench, makeBench } from "../support/importer-bench.ts";
import { type MemoryFactory, makeFactory } from "../support/memory-factory.ts";
import { makeKey } from "../support/software-pki.ts";

describe("importer/compose-receipt", function () {
  this.timeout(60_000);
  let site: AirgapSite;
  let bench: ImporterBench;
  let factory: MemoryFactory;
  let applier: ReceiptApplier;

  beforeEach(async () => {
    [site, bench, factory] = [await makeSite(), await makeBench(), makeFactory()];
    const { id, sha256, certificatePem: pem } = bench.identity;
    await site.log.append({
      kind: "act",
      body: { act: "trust-importer", importer: { id, sha256, pem }, by: "ceremony" },
    });
    applier = createReceiptApplier(site.log);
  });

  afterEach(() => bench.remove());

  async function carry(count: number): Promise<RegisteredDevice[]> {
    const devices: RegisteredDevice[] = [];
    for (let i = 0; i < count; i++) devices.push(await site.register());
    await bench.accept(site, await site.seal(count === 0));
    return devices;
  }

  function takeName(device: RegisteredDevice | undefined): void {
    factory.devices.set(`other-${device?.seq}`, {
      uuid: "other",
      name: device?.name ?? "",
      spkiDer: makeKey().spkiDer,
    });
  }

  it("RECEIPT-SIG RECEIPT-THRU round the air gap: the appliance applies what the importer wrote", async () => {
    const devices = await carry(5);
    takeName(devices[1]);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    assert.deepEqual(receipt.exceptions, [
      { first: devices[1]?.seq, last: devices[1]?.seq, outcome: "rejected", code: "E_NAME_TAKEN" },
    ]);
    assert.deepEqual([receipt.thru.seq, receipt.gaps, receipt.missing], [7, [], []]);
    const applied = await applier.apply(der, OPERATOR);
    assert.deepEqual([applied.delivered, applied.rejected.map(({ code }) => code)], [4, ["E_NAME_TAKEN"]]);
  });

  it("RECEIPT-SEQNO writes no second receipt when there is nothing new to say, and the same bytes on request", async () => {
    await carry(3);
    await bench.run(factory);
    const first = await bench.receipt();
    await bench.reopen();
    const again = await bench.receipt();
    assert.deepEqual([again.receipt.number, again.sha256], [1, first.sha256]);
    const path = await writeReceiptFile(join(bench.directory, "receipts"), again);
    assert.match(path, /ALR_A7F3C2E1_EU1_00001$/);
    assert.equal(await readFile(path, "utf8"), encodeReceiptPem(first.der));
  });

  it("RECEIPT-SEQNO a lost receipt costs nothing: the next one says it all again and is chained", async () => {
    await carry(2);
    await bench.run(factory);
    const lost = await bench.receipt();
    await carry(2);
    await bench.run(factory);
    const second = await bench.receipt();
    assert.deepEqual([second.receipt.number, second.receipt.prev], [2, lost.sha256]);
    assert.deepEqual(
      second.receipt.bundles.map(({ bundle }) => bundle),
      [1, 2],
    );
    assert.equal((await applier.apply(second.der, OPERATOR)).delivered, 4);
  });

  it("RECEIPT-BUNDLE once the appliance names the receipt, only news are said", async () => {
    await carry(2);
    await bench.run(factory);
    await applier.apply((await bench.receipt()).der, OPERATOR);
    await carry(2);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    assert.deepEqual(
      receipt.bundles.map(({ bundle }) => bundle),
      [2],
    );
    await applier.apply(der, OPERATOR);
    await carry(0);
    await bench.run(factory);
    assert.deepEqual(
      (await bench.receipt()).receipt.bundles.map(({ bundle }) => bundle),
      [3],
    );
  });

  it("RECEIPT-RANGE tells of devices that were open and are delivered later, in a bundle confirmed before", async () => {
    const devices = await carry(4);
    factory.fault = (call) => (call === `create ${devices[2]?.uuid}` ? "lost-before" : undefined);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    const at = devices[2]?.seq ?? 0;
    assert.deepEqual(receipt.exceptions, [{ first: at, last: at, outcome: "pending" }]);
    assert.equal((await applier.apply(der, OPERATOR)).delivered, 3);
    await carry(0);
    factory.fault = () => undefined;
    await bench.run(factory);
    const next = await bench.receipt();
    // Saying of its neighbours again that they are delivered makes one range of it.
    assert.deepEqual(next.receipt.exceptions, [
      { first: devices[0]?.seq, last: devices[3]?.seq, outcome: "delivered" },
    ]);
    await applier.apply(next.der, OPERATOR);
  });

  it("RECEIPT-RANGE tells of a device that was rejected, renamed inside and delivered then", async () => {
    const [device] = await carry(1);
    assert.ok(device);
    takeName(device);
    await bench.run(factory);
    await applier.apply((await bench.receipt()).der, OPERATOR);
    await site.log.append({ kind: "resubmit", body: { registration: device.seq, name: "gw-new", by: OPERATOR } });
    const [later] = await carry(1);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    assert.deepEqual(
      receipt.bundles.map(({ bundle }) => bundle),
      [2],
    );
    assert.deepEqual(receipt.exceptions, [{ first: device.seq, last: later?.seq, outcome: "delivered" }]);
    assert.equal((await applier.apply(der, OPERATOR)).delivered, 2);
  });

  it("BUNDLE-GAP holds the watermark and asks for the missing bundle, whose devices come with the next receipt", async () => {
    await carry(1);
    await site.register();
    const missing = await site.seal();
    await carry(1);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    assert.deepEqual([receipt.thru.seq, receipt.missing], [3, [missing]]);
    assert.deepEqual(receipt.gaps, [{ first: 4, last: 5 }]);
    assert.equal((await applier.apply(der, OPERATOR)).delivered, 2);
    await bench.accept(site, missing);
    await bench.run(factory);
    const healed = (await bench.receipt()).receipt;
    assert.deepEqual([healed.thru.seq, healed.missing, healed.gaps], [7, [], []]);
  });

  it("RECEIPT-RANGE stays small: neighbours become ranges, and duplicates are called delivered rather than fill it", async function () {
    this.timeout(60_000);
    const devices = await carry(2 * MAX_RECEIPT_EXCEPTIONS + 20);
    const doubles = devices.filter((_, i) => i % 2 === 0);
    for (const { uuid, name, key } of doubles) factory.devices.set(uuid, { uuid, name, spkiDer: key.spkiDer });
    takeName(devices[1]);
    await bench.run(factory);
    const { receipt, der } = await bench.receipt();
    assert.deepEqual(
      receipt.exceptions.map(({ outcome }) => outcome),
      ["rejected"],
    );
    assert.equal((await applier.apply(der, OPERATOR)).delivered, devices.length - 1);
  });

  it("RECEIPT-RANGE what does not fit into one receipt is called pending and comes with the next", async function () {
    this.timeout(60_000);
    const devices = await carry(2 * MAX_RECEIPT_EXCEPTIONS + 20);
    for (const [i, device] of devices.entries()) if (i % 2 === 0) takeName(device);
    await bench.run(factory);
    const first = await bench.receipt();
    assert.equal(first.receipt.exceptions.length, MAX_RECEIPT_EXCEPTIONS);
    assert.equal(first.receipt.exceptions.at(-1)?.outcome, "pending");
    const told = (await applier.apply(first.der, OPERATOR)).rejected.length;
    await carry(0);
    const second = await bench.receipt();
    const rest = (await applier.apply(second.der, OPERATOR)).rejected.length;
    assert.deepEqual([told, rest], [MAX_RECEIPT_EXCEPTIONS - 1, devices.length / 2 - told]);
    await carry(0);
    assert.deepEqual((await bench.receipt()).receipt.exceptions, []);
  });
});
