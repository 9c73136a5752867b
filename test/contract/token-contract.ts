import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { KEY_LABELS } from "../../src/hsm/messages.ts";
import { MARKER_FILE } from "../../src/signer/pin-guard.ts";
import { importPublicKey } from "../../src/x509/key-policy.ts";
import { type InProcessSigner, startInProcess } from "../signer/in-process.ts";
import { checkAccounts, Load, wrongAnswers } from "../signer/load.ts";
import {
  bundleTbs,
  type CeremonyOutcome,
  deviceTbs,
  leadCeremony,
  makeDeviceCa,
  makeSiteOn,
  NO_HEAD,
  type SignerSite,
  type SiteToken,
  spkiOf,
  untilStatus,
} from "../signer/signer-site.ts";

/** A fresh token of any make. */
export type ContractToken = SiteToken & { readonly pin: string };

/** What every token must do for the signer, whoever made it; `signatures` says how many are worth waiting for. */
export function tokenContract(name: string, makeToken: () => Promise<ContractToken>, signatures: number): void {
  describe(`the token contract, kept by ${name}`, function () {
    this.timeout(60_000);
    let site: SignerSite<ContractToken>;
    let ceremony: CeremonyOutcome;
    let signer: InProcessSigner;

    before(async () => {
      site = await makeSiteOn(await makeToken(), { children: 2, timeoutMs: 10_000 });
      const ceremonial = await startInProcess(site, true);
      ceremony = await leadCeremony(site, ceremonial.client);
      await ceremonial.close();
    });
    after(() => site.remove());
    beforeEach(async () => {
      signer = await startInProcess(site);
      await untilState("ready");
    });
    afterEach(() => signer.close());

    const untilState = (wanted: string) => untilStatus(signer.client, ({ state }) => state === wanted);

    it("KEY-CAPTIVE shows three keys that are sensitive and were never extractable", () => {
      assert.deepEqual(
        ceremony.status.keys.map(({ spki: _spki, local: _local, ...facts }) => facts),
        KEY_LABELS.map((label) => ({
          label,
          sensitive: true,
          alwaysSensitive: true,
          extractable: false,
          neverExtractable: true,
        })),
      );
    });

    it("finds the same keys again after a restart", async () => {
      const { keys } = await untilState("ready");
      assert.deepEqual(keys, ceremony.status.keys);
    });

    it("signs what verifies in software with the public half", async () => {
      const tbs = bundleTbs(ceremony.deviceCa, spkiOf(ceremony.status, "bundle-sign"));
      const { signature } = await signer.client.sign("device-ca", tbs, NO_HEAD);
      assert.ok(verify("sha256", tbs, importPublicKey(spkiOf(ceremony.status, "device-ca")), signature));
    });

    it(`signs ${signatures} certificates, 16 in flight, and answers none wrongly`, async () => {
      const load = new Load(signer.client, ceremony.deviceCa, 16);
      await load.more(signatures);
      const report = await load.stop();
      checkAccounts(report, await readFile(site.ledgerFile, "latin1"));
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
    });

    it("SIGN-LEDGER loses, refuses and answers nothing wrongly when its children are killed", async () => {
      await signer.untilReady(2);
      const load = new Load(signer.client, ceremony.deviceCa, 16);
      await load.more(signatures / 4);
      await signer.killChildren();
      await load.more(signatures / 4);
      const report = await load.stop();
      checkAccounts(report, await readFile(site.ledgerFile, "latin1"));
      assert.deepEqual(report.refused, []);
      assert.equal(wrongAnswers(report, ceremony.deviceCa), 0);
    });

    it("KEY-CAPTIVE opens new sessions and finds the keys captive again when it is asked", async () => {
      assert.deepEqual((await signer.client.reload()).keys, ceremony.status.keys);
      await signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
    });

    it("KEY-CAPTIVE makes the keys once: a second ceremony is refused", async () => {
      await signer.close();
      signer = await startInProcess(site, true);
      await untilState("ready");
      await assert.rejects(signer.client.generateKeys(), { control: "SIGNER-GATE", code: "conflict" });
      assert.deepEqual((await untilState("ready")).keys, ceremony.status.keys);
    });

    it("KEY-CAPTIVE presents a wrong PIN once, is sealed, and is ready with the right one", async () => {
      await signer.close();
      await writeFile(site.token.pinFile, "13572468\n");
      signer = await startInProcess(site);
      const { reason = "", keys } = await untilState("sealed");
      assert.match(reason, /refused the PIN/);
      assert.deepEqual(keys, []);
      await assert.rejects(signer.client.reload(), { control: "KEY-CAPTIVE", code: "needs-person" });
      await writeFile(site.token.pinFile, `${site.token.pin}\n`);
      await rm(join(dirname(site.ledgerFile), MARKER_FILE), { force: true });
      assert.equal((await signer.client.reload()).state, "ready");
      await signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
    });

    it("KEY-CAPTIVE makes the next device CA's key beside the first, and signs with the one that is installed", async () => {
      await signer.close();
      const ceremonial = await startInProcess(site, true);
      await ceremonial.untilReady(2);
      const { nextDeviceCa, keys } = await ceremonial.client.generateNextKey();
      await ceremonial.close();
      assert.deepEqual(keys, ceremony.status.keys);
      assert.equal(nextDeviceCa?.tokenLabel, "device-ca-2");
      assert.deepEqual([nextDeviceCa?.alwaysSensitive, nextDeviceCa?.neverExtractable], [true, true]);
      signer = await startInProcess(site);
      await signer.untilReady(2);
      await signer.client.sign("device-ca", deviceTbs(ceremony.deviceCa), NO_HEAD);
      const second = makeDeviceCa(Buffer.from(nextDeviceCa?.spki ?? "", "base64"));
      await writeFile(site.deviceCaFile, second.pem);
      const after = await signer.client.reload();
      assert.deepEqual([after.keys[0]?.spki, after.nextDeviceCa], [nextDeviceCa?.spki, undefined]);
      const tbs = deviceTbs(second);
      const { signature } = await signer.client.sign("device-ca", tbs, NO_HEAD);
      assert.ok(verify("sha256", tbs, second.publicKey, signature));
    });
  });
}
