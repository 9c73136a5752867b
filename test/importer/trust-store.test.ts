import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIdentity, loadIdentity } from "../../src/importer/identity.ts";
import { StateError } from "../../src/importer/state-error.ts";
import { checkTrust, listTrust, loadTrust, pinTrust, type TrustInput } from "../../src/importer/trust-store.ts";
import { Refusal } from "../../src/refusal.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { makePki } from "../support/software-pki.ts";

const CLOCK = { nowMs: () => Date.now() };

describe("importer/trust-store", () => {
  const pki = makePki();
  const other = makePki();
  const good: TrustInput = {
    appliance: "FRA2-REG-01",
    log: "a7f3c2e1",
    factory: "acme",
    deviceCaPem: pki.deviceCa.pem,
    rootPem: pki.root.pem,
    fingerprint: pki.deviceCa.sha256,
  };
  let state: string;

  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), "airlock-state-"));
  });

  afterEach(() => rm(state, { recursive: true, force: true }));

  it("BUNDLE-WHO pins what a person vouched for and reads the same back", async () => {
    await pinTrust(state, checkTrust(good));
    const loaded = await loadTrust(state, good.log);
    assert.deepEqual(
      [loaded.appliance, loaded.factory, loaded.deviceCa.sha256],
      ["FRA2-REG-01", "acme", pki.deviceCa.sha256],
    );
    assert.deepEqual(
      (await listTrust(state)).map(({ log }) => log),
      ["a7f3c2e1"],
    );
  });

  it("BUNDLE-WHO takes a fingerprint as people write it", () => {
    const written = (pki.deviceCa.sha256.toUpperCase().match(/../g) ?? []).join(":");
    assert.equal(checkTrust({ ...good, fingerprint: written }).log, good.log);
  });

  const wrong: [string, Partial<TrustInput>][] = [
    ["another fingerprint", { fingerprint: other.deviceCa.sha256 }],
    ["a device CA of another root", { rootPem: other.root.pem }],
    ["a log id that is none", { log: "../../etc" }],
    ["a factory name that is none", { factory: "a b" }],
    [
      "a device certificate in place of the CA",
      {
        deviceCaPem: encodePem(pki.issueDevice({ uuid: "0b5d7e0a-0000-4000-8000-000000000000" }).der, "CERTIFICATE"),
        fingerprint: undefined,
      },
    ],
    ["no certificate", { rootPem: "hello" }],
  ];
  for (const [what, changes] of wrong) {
    it(`BUNDLE-WHO refuses to pin ${what}`, () => {
      assert.throws(
        () => checkTrust({ ...good, ...changes }),
        (error) => error instanceof StateError || error instanceof Refusal,
      );
    });
  }

  it("BUNDLE-WHO never changes a pin: the same again is fine, anything else refused", async () => {
    await pinTrust(state, checkTrust(good));
    await pinTrust(state, checkTrust(good));
    const changed = { ...good, deviceCaPem: other.deviceCa.pem, rootPem: other.root.pem, fingerprint: undefined };
    await assert.rejects(pinTrust(state, checkTrust(changed)), StateError);
    assert.equal((await loadTrust(state, good.log)).deviceCa.sha256, pki.deviceCa.sha256);
  });

  it("BUNDLE-WHO refuses a log that was never pinned and pins that were damaged", async () => {
    await assert.rejects(loadTrust(state, "00000000"), StateError);
    await pinTrust(state, checkTrust(good));
    await writeFile(join(state, "logs", good.log, "trust.json"), "{}");
    await assert.rejects(loadTrust(state, good.log), StateError);
  });

  it("RECEIPT-SIG makes an identity once, with a key that its owner alone can read", async () => {
    const made = await createIdentity(state, "EU1", CLOCK);
    assert.equal((await stat(join(state, "importer.key"))).mode & 0o777, 0o600);
    const loaded = await loadIdentity(state);
    assert.deepEqual([loaded.id, loaded.sha256], ["EU1", made.sha256]);
    await assert.rejects(createIdentity(state, "EU2", CLOCK), StateError);
    assert.equal((await loadIdentity(state)).sha256, made.sha256);
  });

  it("RECEIPT-SIG finishes an identity that an interrupted init left as a key alone", async () => {
    await createIdentity(state, "EU1", CLOCK);
    const key = await readFile(join(state, "importer.key"), "utf8");
    await rm(join(state, "importer.pem"));
    await assert.rejects(loadIdentity(state), StateError);
    await createIdentity(state, "EU1", CLOCK);
    assert.equal(await readFile(join(state, "importer.key"), "utf8"), key);
  });

  it("SECRET-SILENT refuses a key that others can read, and one that is not the certificate's", async () => {
    await createIdentity(state, "EU1", CLOCK);
    await chmod(join(state, "importer.key"), 0o640);
    await assert.rejects(loadIdentity(state), StateError);
    await writeFile(
      join(state, "importer.key"),
      makePki().bundleKey.privateKey.export({ format: "pem", type: "pkcs8" }),
    );
    await chmod(join(state, "importer.key"), 0o600);
    await assert.rejects(loadIdentity(state), StateError);
  });

  for (const id of ["", "EU 1", "../EU", "ABCDEFGHIJKLM", "EÜ1"]) {
    it(`RECEIPT-SIG refuses the importer id ${JSON.stringify(id)}`, async () => {
      await assert.rejects(createIdentity(state, id, CLOCK), StateError);
    });
  }
});
