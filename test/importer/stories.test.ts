import assert from "node:assert/strict";
import { Refusal } from "../../src/refusal.ts";
import { createReceiptApplier } from "../../src/transfer/apply-receipt.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type AirgapSite, makeSite, OPERATOR } from "../support/airgap-site.ts";
import { type ImporterBench, makeBench } from "../support/importer-bench.ts";
import { type MemoryFactory, makeFactory } from "../support/memory-factory.ts";

/** Both sides of the gap, and what goes wrong between them. */
describe("stories of the crossing", () => {
  let site: AirgapSite;
  let bench: ImporterBench;
  let factory: MemoryFactory;

  beforeEach(async () => {
    site = await makeSite();
    bench = await makeBench();
    factory = makeFactory();
    const { id, certificateDer } = bench.identity;
    const importer = { id, sha256: "0".repeat(64), pem: encodePem(certificateDer, "CERTIFICATE") };
    await site.log.append({ kind: "act", body: { act: "trust-importer", importer, by: "ceremony" } });
  });

  afterEach(() => bench.remove());

  async function sealDevices(count: number): Promise<number> {
    for (let i = 0; i < count; i++) await site.register();
    return await site.seal();
  }

  /** What an export would write now. */
  const outstanding = () =>
    site.log
      .bundles()
      .filter(({ isAcknowledged }) => !isAcknowledged)
      .map(({ bundle }) => bundle);

  async function deliver(...bundles: number[]) {
    await bench.accept(site, ...bundles);
    await bench.run(factory);
    return await bench.receipt();
  }

  const apply = async (receipt: { der: Buffer }) => await createReceiptApplier(site.log).apply(receipt.der, OPERATOR);

  it("BUNDLE-JOIN a lost stick: the next export carries its bundle too, and every device arrives once", async () => {
    await sealDevices(2);
    await sealDevices(1);
    assert.deepEqual(outstanding(), [1, 2]);
    const applied = await apply(await deliver(...outstanding()));
    assert.equal(applied.delivered, 3);
    assert.equal(factory.devices.size, 3);
    assert.deepEqual(outstanding(), []);
  });

  it("BUNDLE-GAP a stick that comes late: the later one is delivered, the receipt asks for the earlier, then both are in", async () => {
    await sealDevices(2);
    await sealDevices(1);
    const early = await deliver(2);
    assert.deepEqual([early.receipt.missing, early.receipt.thru.seq], [[1], 0]);
    assert.equal((await apply(early)).delivered, 1);
    assert.deepEqual(outstanding(), [1]);
    const late = await deliver(1);
    assert.deepEqual(late.receipt.missing, []);
    // The appliance had not told of the first receipt yet, so this one speaks of both bundles.
    assert.equal((await apply(late)).delivered, 3);
    assert.equal(factory.devices.size, 3);
  });

  it("RECEIPT-SEQNO a lost receipt: the next one says it all again, and the lost one counts no more when it turns up", async () => {
    const lost = await deliver(await sealDevices(2));
    const second = await deliver(1, await sealDevices(1));
    const applied = await apply(second);
    assert.ok(applied.evidence.includes("RECEIPT-SEQNO ok 2 after 0 (1 superseded)"), applied.evidence.join());
    assert.equal(applied.delivered, 3);
    assert.deepEqual(outstanding(), []);
    await assert.rejects(apply(lost), (error) => error instanceof Refusal && error.control === "RECEIPT-SEQNO");
  });

  it("RECEIPT-SEQNO a doubled receipt, on paper and as a file, changes nothing the second time", async () => {
    const receipt = await deliver(await sealDevices(2));
    await apply(receipt);
    const length = site.log.lines.length;
    const again = await apply(receipt);
    assert.deepEqual([again.isAlreadyApplied, again.delivered], [true, 2]);
    assert.equal(site.log.lines.length, length);
  });

  it("BUNDLE-JOIN RECEIPT-BUNDLE a restored appliance: its bundle raises the fork alarm, its receipts are refused", async () => {
    await site.register();
    const restored = site.fork();
    const receipt = await deliver(await sealDevices(1));
    await restored.register();
    await restored.register();
    const other = await restored.seal();
    await assert.rejects(bench.accept(restored, other), (error) => {
      return error instanceof Refusal && error.control === "BUNDLE-JOIN" && error.message.startsWith("ALARM: bundle 1");
    });
    assert.equal(factory.devices.size, 2);
    const inRestored = createReceiptApplier(restored.log).apply(receipt.der, OPERATOR);
    await assert.rejects(inRestored, (error) => error instanceof Refusal && error.control === "RECEIPT-BUNDLE");
  });

  it("ISSUE-ONCE a board registered again with a new key: only the newest is delivered, the older one is superseded", async () => {
    const first = await site.register();
    const second = await site.register({ uuid: first.uuid, name: first.name, replaces: first.seq });
    const receipt = await deliver(await site.seal());
    assert.deepEqual(receipt.receipt.exceptions, [{ first: first.seq, last: first.seq, outcome: "superseded" }]);
    assert.equal(factory.devices.size, 1);
    assert.notEqual(second.seq, first.seq);
    assert.equal((await apply(receipt)).delivered, 1);
  });
});
