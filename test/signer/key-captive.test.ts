import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { MARKER_FILE } from "../../src/signer/pin-guard.ts";
import { makeProxiedModule, type ProxiedModule } from "../support/pkcs11-proxy/proxied-module.ts";
import { findSoftHsm } from "../support/softhsm.ts";
import {
  type CeremonyOutcome,
  deviceTbs,
  holdCeremony,
  killChildren,
  makeDeviceCa,
  makeSignerSite,
  makeSpki,
  NO_HEAD,
  type RunningProgram,
  type SignerSite,
  untilStatus,
} from "./signer-site.ts";

const BARRED = { control: "KEY-CAPTIVE", code: "needs-person" };

/** What a person with the PIN could do to the token; each must stop the signer. */
const CORRUPTIONS: readonly (readonly [string, RegExp, (site: SignerSite) => Promise<unknown>])[] = [
  [
    "an extractable key under the label",
    /could leave the token/,
    async (site) => {
      await deleteKey(site, "bundle-sign");
      // pkcs11-tool's own defaults: CKA_EXTRACTABLE false only with --sensitive.
      await site.token.pkcs11Tool(...KEYGEN, "--label", "bundle-sign", "--extractable");
    },
  ],
  [
    "a key that was imported",
    /could leave the token/,
    async (site) => {
      await deleteKey(site, "bundle-sign");
      const file = join(site.directory, "imported.der");
      const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      await writeFile(file, privateKey.export({ type: "sec1", format: "der" }));
      await site.token.pkcs11Tool("--write-object", file, "--type", "privkey", "--label", "bundle-sign", "--sensitive");
    },
  ],
  [
    "a second key under the label",
    /several keys/,
    (site) => site.token.pkcs11Tool(...KEYGEN, "--label", "bundle-sign", "--sensitive"),
  ],
  ["no key under the label", /no key bundle-sign/, (site) => deleteKey(site, "bundle-sign")],
  [
    "another key's public half beside the key",
    /another key's/,
    async (site) => {
      const file = join(site.directory, "foreign.der");
      await writeFile(file, makeSpki());
      await site.token.pkcs11Tool("--delete-object", "--type", "pubkey", "--label", "bundle-sign");
      await site.token.pkcs11Tool("--write-object", file, "--type", "pubkey", "--label", "bundle-sign");
    },
  ],
  [
    "no public half beside the key",
    /no public half/,
    (site) => site.token.pkcs11Tool("--delete-object", "--type", "pubkey", "--label", "bundle-sign"),
  ],
];

const KEYGEN = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", "77", "--usage-sign"];

async function deleteKey({ token }: SignerSite, label: string): Promise<void> {
  await token.pkcs11Tool("--delete-object", "--type", "privkey", "--label", label);
  await token.pkcs11Tool("--delete-object", "--type", "pubkey", "--label", label);
}

describe("a token whose keys are not captive", function () {
  this.timeout(120_000);
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let program: RunningProgram | undefined;
  let signer: CeremonySigner;

  beforeEach(async () => {
    site = await makeSignerSite();
    ceremony = await holdCeremony(site);
    signer = site.connect();
  });

  afterEach(async () => {
    signer.close();
    await program?.stop();
    program = undefined;
    await site.remove();
  });

  for (const [what, reason, corrupt] of CORRUPTIONS) {
    it(`KEY-CAPTIVE signs nothing, by any key, with ${what}`, async () => {
      await corrupt(site);
      program = await site.start();
      const status = await signer.status();
      assert.equal(status.state, "sealed");
      assert.match(status.reason ?? "", reason);
      assert.deepEqual(status.keys, []);
      await assert.rejects(signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD), BARRED);
      await assert.rejects(signer.reload(), BARRED);
      assert.equal((await signer.status()).ledger.number, 2);
    });
  }

  it("KEY-CAPTIVE finds at a reload what happened to the token meanwhile", async () => {
    program = await site.start();
    await signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
    await deleteKey(site, "line-ca");
    await assert.rejects(signer.reload(), BARRED);
    await assert.rejects(signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD), BARRED);
    assert.equal((await signer.status()).state, "sealed");
  });

  it("KEY-CAPTIVE wants the installed certificates to be the token's own, and takes them at the next reload", async () => {
    await writeFile(site.deviceCaFile, makeDeviceCa(makeSpki()).pem);
    program = await site.start();
    assert.match((await signer.status()).reason ?? "", /installed certificate/);
    await assert.rejects(signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD), BARRED);
    await writeFile(site.deviceCaFile, ceremony.deviceCa.pem);
    assert.equal((await signer.reload()).state, "ready");
    await signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
  });

  it("KEY-CAPTIVE keeps what it knows when a certificate to reload is none", async () => {
    program = await site.start();
    await writeFile(site.deviceCaFile, "not a certificate\n");
    await assert.rejects(signer.reload(), { control: "CERT-PROFILE" });
    await signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
  });

  it("SIGNER-GATE signs nothing for a device CA whose certificate is not installed", async () => {
    await rm(site.deviceCaFile);
    program = await site.start();
    const refused = { control: "SIGNER-GATE", code: "needs-person" };
    await assert.rejects(signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD), refused);
  });
});

describe("a PIN that the token refuses", function () {
  this.timeout(120_000);
  const CKR_OK = 0;
  const CKR_PIN_INCORRECT = 0xa0;
  let proxy: ProxiedModule;
  let site: SignerSite;
  let ceremony: CeremonyOutcome;
  let signer: CeremonySigner;

  before(async () => {
    proxy = await makeProxiedModule(await findSoftHsm());
    site = await makeSignerSite({ module: proxy.path, children: 2 });
    ceremony = await holdCeremony(site);
    signer = site.connect();
  });

  after(async () => {
    signer.close();
    await site.remove();
    await proxy.remove();
  });

  /** What the token answered to every login so far. */
  const logins = async () =>
    (await proxy.log()).filter((line) => line.startsWith("C_Login answer")).map((line) => Number(line.split(" ")[2]));
  const signOne = () => signer.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);

  it("KEY-CAPTIVE presents it once, over all children, reloads and restarts, and the corrected one at a reload", async () => {
    const before = (await logins()).length;
    await writeFile(site.token.pinFile, "00000000\n");
    const first = await site.start();
    assert.match((await signer.status()).reason ?? "", /refused the PIN/);
    await assert.rejects(signOne(), BARRED);
    await assert.rejects(signer.reload(), BARRED);
    await first.stop();
    const second = await site.start();
    await assert.rejects(signer.reload(), BARRED);
    await assert.rejects(signOne(), BARRED);
    assert.deepEqual((await logins()).slice(before), [CKR_PIN_INCORRECT]);

    await writeFile(site.token.pinFile, `${site.token.pin}\n`);
    assert.equal((await signer.reload()).state, "ready");
    await signOne();
    await second.stop();
    const after = (await logins()).slice(before);
    assert.deepEqual(after, [CKR_PIN_INCORRECT, ...after.slice(1).map(() => CKR_OK)]);
  });

  it("KEY-CAPTIVE is sealed when the PIN was changed under a running signer, after one try", async () => {
    const program = await site.start();
    await signOne();
    const before = (await logins()).length;
    await proxy.arm("C_Login rc 160 1");
    await killChildren(program.pid);
    await untilStatus(signer, ({ state }) => state === "sealed");
    await assert.rejects(signOne(), BARRED);
    await proxy.disarm();
    await assert.rejects(signer.reload(), BARRED);
    assert.ok((await logins()).length - before <= 1);
    await program.stop();
    await rm(join(site.directory, "ledger", MARKER_FILE));
  });
});
