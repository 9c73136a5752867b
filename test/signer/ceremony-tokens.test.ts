import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CeremonyParts, runCeremony } from "../../src/cli/custody/ceremony.ts";
import { createClientCsr } from "../../src/cli/custody/client-csr.ts";
import { install } from "../../src/cli/custody/install.ts";
import { papersIn } from "../../src/cli/custody/papers.ts";
import { encodeTranscript } from "../../src/cli/custody/transcript.ts";
import { writeFileDurably } from "../../src/cli/files.ts";
import { systemClock } from "../../src/clock.ts";
import { parseApplianceConfig } from "../../src/config/appliance-config.ts";
import type { SplitShares } from "../../src/hsm/messages.ts";
import { sealShare } from "../../src/hsm/share-envelope.ts";
import type { CeremonySigner } from "../../src/hsm/signer-client.ts";
import { DemoFactory } from "../../src/sandbox/demo-factory.ts";
import { runTool } from "../../src/sandbox/programs.ts";
import { parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { parsePem } from "../../src/x509/pem.ts";
import type { ContractToken } from "../contract/token-contract.ts";
import { makeSoftToken } from "../support/softhsm.ts";
import { startInProcess } from "./in-process.ts";
import { makeNssToken } from "./nss-token.ts";
import { deviceTbs, FACTORY, makeSiteOn, NO_HEAD, type SignerSite, untilStatus } from "./signer-site.ts";
import { makeTpmToken } from "./tpm-token.ts";

const MAKERS: readonly (readonly [string, () => Promise<ContractToken>])[] = [
  ["SoftHSM", () => makeSoftToken()],
  ["NSS softokn", makeNssToken],
  ["a TPM 2.0", makeTpmToken],
];

for (const [name, makeToken] of MAKERS) {
  describe(`the whole ceremony with ${name}`, function () {
    this.timeout(120_000);
    let site: SignerSite<ContractToken>;

    before(async () => {
      site = await makeSiteOn(await makeToken(), { timeoutMs: 20_000 });
      const config = await readFile(site.configFile, "utf8");
      await writeFile(site.configFile, config.replace(/pin_file = .*/, 'pin = "shares"'));
    });
    after(() => site.remove());

    it("KEY-CAPTIVE makes keys, certificates and shares, comes back sealed, and signs when two shares have come", async () => {
      const typed = [Buffer.from(site.token.pin), undefined];
      const ceremony = await startInProcess(site, true, { askPin: async () => typed.shift() });
      const ready = await untilStatus(ceremony.client, ({ state }) => state === "ready");
      const { deviceCaPem, transcript } = await holdWholeCeremony(site, ceremony.client);
      assert.match(transcript, /share key sha256 +[0-9a-f]{64} /);
      assert.match(transcript, new RegExp(`token serial +${ready.tokenSerial}`));
      const shares = await ceremony.client.splitPin(2, 3);
      await ceremony.client.confirmSplit(shares.id);
      await ceremony.close();
      const signer = await startInProcess(site);
      assert.equal((await signer.client.status()).state, "sealed");
      for (const index of [3, 1]) await present(signer.client, shares, index);
      assert.equal((await signer.client.unseal()).state, "ready");
      const deviceCa = parseCaCertificate(parsePem(deviceCaPem, "CERTIFICATE"));
      await signer.client.sign("device-ca", deviceTbs(deviceCa), NO_HEAD);
      assert.equal((await signer.client.seal()).state, "sealed");
      await signer.close();
    });
  });
}

async function holdWholeCeremony(site: SignerSite<ContractToken>, signer: CeremonySigner) {
  const config = parseApplianceConfig(site.configFile, await readFile(site.configFile, "utf8"));
  const parts: CeremonyParts = { config, signer, clock: systemClock, randomBytes, writeFile: writeFileDurably };
  const papers = papersIn(join(site.directory, "papers"), writeFileDurably);
  const result = await runCeremony(parts, papers, "fio-test");
  const transcript = encodeTranscript(config, new Date().toISOString(), result);
  const factory = new DemoFactory(join(site.directory, "factory"));
  await factory.createRoot(FACTORY);
  await factory.signDeviceCa(join(site.directory, "papers", "device-ca.csr"), join(site.directory, "signed.pem"));
  const [deviceCaPem, root, lineCa] = await Promise.all(
    [join(site.directory, "signed.pem"), factory.rootPem, site.lineCaFile].map((file) => readFile(file, "utf8")),
  );
  const csr = parsePem(createClientCsr("alice").csrPem, "CERTIFICATE REQUEST");
  await install(parts, deviceCaPem ?? "", root ?? "", lineCa ?? "", [{ name: "alice", csr }], []);
  const bundle = config.service.bundle_certificate;
  await runTool("openssl", [
    "verify",
    "-x509_strict",
    "-CAfile",
    factory.rootPem,
    "-untrusted",
    config.signer.device_ca,
    "-purpose",
    "any",
    bundle,
  ]);
  return { deviceCaPem: deviceCaPem ?? "", transcript };
}

async function present(signer: CeremonySigner, shares: SplitShares, index: number): Promise<void> {
  const { sealing } = await signer.status();
  const envelope = sealShare(Buffer.from(sealing?.shareKey ?? "", "base64"), {
    purpose: "unseal",
    round: Buffer.from(sealing?.unseal?.round ?? "", "hex"),
    splitNumber: shares.number,
    splitId: Buffer.from(shares.id, "hex"),
    index,
    value: Buffer.from(shares.values[index - 1] ?? "", "base64"),
  });
  await signer.presentShare("unseal", envelope);
}
