import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { readBundleDirectory } from "../../src/importer/read-bundle-directory.ts";
import { verifyBundle } from "../../src/importer/verify-bundle.ts";
import { parseReceipt, verifyReceipt } from "../../src/transfer/receipt-cms.ts";
import { parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { parsePem } from "../../src/x509/pem.ts";

const VECTORS = new URL("../vectors/bundles/", import.meta.url);
const BUNDLE = "ALB_A7F3C2E1_00001";
const ID = "e88d6e82362c8fef8a78efa72b0c741d2f993d50fa46b3563713a4f499ba2e64";

const text = (name: string) => readFile(new URL(name, VECTORS), "utf8");
const ca = async (name: string) => parseCaCertificate(parsePem(await text(name), "CERTIFICATE"));

/** Bundles and receipts lie in safes for years: what an earlier version wrote, every later one reads. */
describe("a bundle and its receipt as version 0.1.0 wrote them", () => {
  it("BUNDLE-VER this version reads the bundle, passes every check and finds the same id", async () => {
    const [root, deviceCa] = await Promise.all([ca("factory-root.pem"), ca("device-ca.pem")]);
    const trust = { appliance: "FRA2-REG-01", factory: "acme", log: "a7f3c2e1", deviceCa, laterDeviceCas: [], root };
    const bundle = await readBundleDirectory(fileURLToPath(new URL(BUNDLE, VECTORS)));
    const sealedMs = Date.parse(JSON.parse(bundle.files["MANIFEST.JSON"].toString()).sealedAt);
    const verified = verifyBundle(bundle, trust, sealedMs + 1_000);
    assert.equal(verified.id, ID);
    assert.ok(verified.evidence.every(({ status }) => status === "ok"));
    assert.deepEqual(
      (await verified.contents()).registrations.map(({ device }) => device.name),
      ["gw-000001", "gw-000002", "gw-000003"],
    );
    assert.deepEqual(verified.ledger.count, 4);
  });

  it("RECEIPT-SIG this version reads the receipt and verifies it with the importer's certificate", async () => {
    const [name = ""] = (await readdir(VECTORS)).filter((file) => file.startsWith("ALR_"));
    const unverified = parseReceipt(Buffer.from(await text(name)));
    verifyReceipt(unverified, await text("importer.pem"));
    assert.deepEqual(unverified.receipt.bundles, [{ bundle: 1, id: ID }]);
    assert.equal(unverified.receipt.thru.seq, 4);
  });
});
