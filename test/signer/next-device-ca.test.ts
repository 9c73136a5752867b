import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { parseLedgerLine } from "../../src/signer/ledger-line.ts";
import { buildDeviceCaCsrInfo } from "../../src/x509/ca-csr.ts";
import { importPublicKey } from "../../src/x509/key-policy.ts";
import { type InProcessSigner, startInProcess } from "./in-process.ts";
import {
  bundleTbs,
  type CeremonyOutcome,
  deviceTbs,
  FACTORY,
  leadCeremony,
  makeDeviceCa,
  makeSignerSite,
  NO_HEAD,
  readLedgerLines,
  type SignerSite,
  spkiOf,
} from "./signer-site.ts";

const REFUSED = { control: "SIGNER-GATE", code: "malformed" };
const CONFLICT = { control: "SIGNER-GATE", code: "conflict" };

describe("the key of the next device CA", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let signer: InProcessSigner;

  beforeEach(async () => {
    site = await makeSignerSite();
    signer = await startInProcess(site, true);
    ceremony = await leadCeremony(site, signer.client);
  });

  afterEach(async () => {
    await signer.close();
    await site.remove();
  });

  const csrInfo = (spkiDer: Buffer, commonName = "fio-test") =>
    buildDeviceCaCsrInfo({ commonName, factory: FACTORY, spkiDer });
  const makeNext = async () => Buffer.from((await signer.client.generateNextKey()).nextDeviceCa?.spki ?? "", "base64");
  const restart = async (isCeremony: boolean) => {
    await signer.close();
    signer = await startInProcess(site, isCeremony);
  };

  it("SIGNER-GATE signs one CSR with it, the very same again after a crash, and notes its own name in the ledger", async () => {
    const spki = await makeNext();
    const { signature, ledger } = await signer.client.signCeremony("device-ca", csrInfo(spki));
    assert.ok(verify("sha256", csrInfo(spki), importPublicKey(spki), signature));
    const line = parseLedgerLine(`${(await readLedgerLines(site))[ledger - 1]}\n`);
    assert.deepEqual([line?.signed?.key, line?.profile], ["device-ca-2", "ceremony-csr"]);
    await restart(true);
    await signer.client.signCeremony("device-ca", csrInfo(spki));
    await assert.rejects(signer.client.signCeremony("device-ca", csrInfo(spki, "fio-other")), CONFLICT);
  });

  it("SIGNER-GATE refuses the first key's CSR once there is a next one, and any CSR outside the ceremony", async () => {
    const first = spkiOf(ceremony.status, "device-ca");
    const spki = await makeNext();
    await assert.rejects(signer.client.signCeremony("device-ca", csrInfo(first)), REFUSED);
    await restart(false);
    await assert.rejects(signer.client.signCeremony("device-ca", csrInfo(spki)), { control: "SIGNER-GATE" });
    await assert.rejects(signer.client.generateNextKey(), { control: "SIGNER-GATE", code: "forbidden" });
  });

  it("SIGNER-GATE makes no third key while the second has no certificate, and makes it afterwards", async () => {
    const spki = await makeNext();
    await assert.rejects(signer.client.generateNextKey(), {
      ...CONFLICT,
      message: /whose certificate is not installed/,
    });
    const second = makeDeviceCa(spki);
    await writeFile(site.deviceCaFile, second.pem);
    assert.equal((await signer.client.reload()).keys[0]?.tokenLabel, "device-ca-2");
    const third = await signer.client.generateNextKey();
    assert.equal(third.nextDeviceCa?.tokenLabel, "device-ca-3");
  });

  it("SIGNER-GATE makes none before the first device CA has its certificate", async () => {
    const bare = await makeSignerSite();
    const other = await startInProcess(bare, true);
    try {
      await other.client.generateKeys();
      await assert.rejects(other.client.generateNextKey(), { control: "SIGNER-GATE", code: "needs-person" });
    } finally {
      await other.close();
      await bare.remove();
    }
  });

  it("SIGNER-GATE signs for the former device CA until the next is installed, and never after", async () => {
    const second = makeDeviceCa(await makeNext());
    const bundleKey = spkiOf(ceremony.status, "bundle-sign");
    await restart(false);
    await signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
    for (const tbs of [deviceTbs(second), bundleTbs(second, bundleKey)]) {
      await assert.rejects(signer.client.sign("device-ca", tbs, NO_HEAD), REFUSED);
    }
    await writeFile(site.deviceCaFile, second.pem);
    await signer.client.reload();
    for (const tbs of [deviceTbs(ceremony.deviceCa), bundleTbs(ceremony.deviceCa, bundleKey)]) {
      await assert.rejects(signer.client.sign("device-ca", tbs, NO_HEAD), REFUSED);
    }
    for (const tbs of [deviceTbs(second), bundleTbs(second, bundleKey)]) {
      const { signature } = await signer.client.sign("device-ca", tbs, NO_HEAD);
      assert.ok(verify("sha256", tbs, second.publicKey, signature));
    }
    const keys = (await readFile(site.ledgerFile, "latin1")).match(/"key":"[a-z0-9-]+","profile":"(?:device|bundle)"/g);
    assert.deepEqual(
      new Set(keys),
      new Set(['"key":"device-ca","profile":"device"', '"key":"device-ca","profile":"bundle"']),
    );
  });

  it("KEY-CAPTIVE refuses an installed certificate of a key that the token does not have", async () => {
    await makeNext();
    await writeFile(site.deviceCaFile, makeDeviceCa(spkiOf(ceremony.status, "line-ca")).pem);
    await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE", code: "needs-person" });
  });
});
