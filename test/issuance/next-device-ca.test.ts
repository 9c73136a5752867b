import assert from "node:assert/strict";
import { pauseLevelWithLedger } from "../../src/issuance/account-for-ledger.ts";
import { checkRotation } from "../../src/issuance/check-rotation.ts";
import { checkInstalled } from "../../src/issuance/installed-device-ca.ts";
import type { CaIdentity, DeviceCaRotation } from "../../src/log/proposed-act.ts";
import type { LogRecord } from "../../src/log/record.ts";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { ALICE, BOB, decide, enrol } from "../support/custody-site.ts";
import { type IssuingSite, makeIssuingSite, STATION_BY } from "../support/issuing-site.ts";
import { makePki, type SoftwarePki } from "../support/software-pki.ts";
import { makeRequest } from "../support/station.ts";

function identityOf({ sha256, pem }: CaCertificate): CaIdentity {
  return { sha256, pem };
}

describe("the next device CA, as airlockd sees it", () => {
  let site: IssuingSite;
  let next: SoftwarePki;

  beforeEach(async () => {
    site = await makeIssuingSite();
    next = makePki({ under: site.pki });
    for (const { client } of [ALICE, BOB]) await site.log.append(enrol(client, "custodian"));
  });

  afterEach(() => site.close());

  const rotation = (change: Partial<DeviceCaRotation> = {}): DeviceCaRotation => ({
    kind: "rotate-device-ca",
    former: identityOf(site.pki.deviceCa),
    deviceCa: identityOf(next.deviceCa),
    ...change,
  });
  const level = async (installed: SoftwarePki) => {
    const { log, signer } = site;
    const { gate } = site.issuer();
    const { unissued, resume } = await pauseLevelWithLedger({ gate, log, signer, maxInFlight: 8, installed });
    resume();
    return unissued;
  };
  const signBundleCertificate = async () => {
    const { tbsDer } = parseCertificate(next.bundleCertificateDer);
    return await site.signer.sign("device-ca", tbsDer, site.log.summary().head);
  };
  const lastRecord = async (): Promise<LogRecord | undefined> => {
    const { seq } = site.log.summary().head;
    for await (const { line } of site.log.read(seq, seq)) return JSON.parse(line) as LogRecord;
    return undefined;
  };

  it("ISSUE-ONCE gives a stored certificate with the issuer that is its own, and refuses it where the log lacks that one", async () => {
    const { csrDer, ...fields } = makeRequest();
    const request = { ...fields, csr: csrDer };
    const first = await site.issuer().register(request, STATION_BY);
    assert.equal(first.issuerPem, site.pki.deviceCa.pem);
    const later = site.issuer({}, { ca: next.deviceCa });
    await assert.rejects(later.register(request, STATION_BY), { control: "ISSUE-ONCE", code: "needs-person" });
    await decide(site.log, rotation());
    const again = await later.register(request, STATION_BY);
    assert.deepEqual(again, { ...first, isStored: true });
  });

  it("DUAL-CONTROL notes the next device CA by its bundle certificate's signature, and refuses the former one after it", async () => {
    await decide(site.log, rotation());
    await site.signer.sign("device-ca", Buffer.from("lost"), site.log.summary().head);
    const { ledger } = await signBundleCertificate();
    assert.equal(await level(next), 2);
    const record = await lastRecord();
    assert.ok(record?.kind === "act" && record.act === "install-device-ca");
    assert.deepEqual([record.deviceCa.certSha256, record.ledger], [next.deviceCa.sha256, ledger]);
    assert.deepEqual(record.former, identityOf(site.pki.deviceCa));
    const { deviceCas } = site.log.custody();
    assert.deepEqual([deviceCas.current, deviceCas.approved], [next.deviceCa.sha256, undefined]);
    assert.equal(site.log.summary().certificates, (await site.signer.status()).ledger.certificates);
    await signBundleCertificate();
    assert.equal(await level(next), 1);
    assert.equal((await lastRecord())?.kind, "unissued", "it is in use already");
    await assert.rejects(level(site.pki), { control: "DUAL-CONTROL", message: /is a former one/ });
  });

  it("DUAL-CONTROL signs nothing by a device CA that nobody decided on", async () => {
    await assert.rejects(level(next), { control: "DUAL-CONTROL", message: /none that custodians have decided on/ });
    const json = rotation();
    await site.log.append({ kind: "act", body: { act: "propose", proposal: "0".repeat(64), what: json, by: ALICE } });
    await assert.rejects(level(next), { control: "DUAL-CONTROL" }, "one custodian has");
    assert.equal(await level(site.pki), 0);
  });

  it("DUAL-CONTROL signs nothing by one that was decided on, before the ledger shows its bundle certificate", async () => {
    await decide(site.log, rotation());
    assert.equal(await level(site.pki), 0, "until it is installed, the former one goes on");
    await assert.rejects(level(next), { control: "DUAL-CONTROL", message: /ledger does not show/ });
    // As when airlockd ran on during the installation: its own record took the signature for a lost one.
    await signBundleCertificate();
    assert.equal(await level(site.pki), 1);
    await assert.rejects(level(next), { control: "DUAL-CONTROL", message: /rotate install again/ });
    await signBundleCertificate();
    assert.equal(await level(next), 1);
  });

  it("CERT-PROFILE refuses a bundle certificate of the former device CA beside the next one", async () => {
    await decide(site.log, rotation());
    const { bundleCertificateDer } = site.pki;
    const half = { deviceCa: next.deviceCa, bundleCertificateDer };
    assert.throws(() => checkInstalled(site.log.custody().deviceCas, half), { control: "CERT-PROFILE" });
    checkInstalled(site.log.custody().deviceCas, next);
  });

  const checked = (act: DeviceCaRotation, key: Buffer | undefined = next.deviceCaKey.spkiDer) => {
    const { log, clock, pki } = site;
    const flags = { sensitive: true, alwaysSensitive: true, extractable: false, neverExtractable: true, local: true };
    const nextDeviceCa = { label: "device-ca" as const, spki: key?.toString("base64") ?? "", ...flags };
    const status = async () => ({ ...(await site.signer.status()), ...(key && { nextDeviceCa }) });
    const { root, factory, deviceCa } = pki;
    return checkRotation({ log, signer: { status }, clock, root, factory, deviceCa }, act);
  };

  it("DUAL-CONTROL takes a proposal of what the Factory root signed over the token's next key", async () => {
    await checked(rotation());
  });

  const foreign = makePki();
  const refused: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
    [
      "another root's",
      () => checked(rotation({ deviceCa: identityOf(foreign.deviceCa) }), foreign.deviceCaKey.spkiDer),
      /Factory root/,
    ],
    ["another key's", () => checked(rotation(), foreign.deviceCaKey.spkiDer), /the HSM's device-ca key/],
    ["one while the token shows no next key", () => checkedWithout(), /Make it first/],
    ["the one in use", () => checked(rotation({ deviceCa: identityOf(site.pki.deviceCa) })), /is in use, or was/],
    [
      "one that follows another",
      () => checked(rotation({ former: identityOf(foreign.deviceCa) })),
      /another device CA/,
    ],
    [
      "a fingerprint of another",
      () => checked(rotation({ deviceCa: { ...identityOf(next.deviceCa), sha256: "0".repeat(64) } })),
      /fingerprint/,
    ],
    ["no CA's", () => checked(rotation({ deviceCa: leaf() }), next.bundleKey.spkiDer), /CA:TRUE/],
  ];
  const checkedWithout = () => {
    const { log, clock, signer, pki } = site;
    const { root, factory, deviceCa } = pki;
    return checkRotation({ log, signer, clock, root, factory, deviceCa }, rotation());
  };
  const leaf = (): CaIdentity => identityOf(parseCaCertificate(next.bundleCertificateDer));
  for (const [what, check, words] of refused) {
    it(`DUAL-CONTROL refuses a proposal of ${what}`, async () => {
      await assert.rejects(check, { control: "DUAL-CONTROL", message: words });
    });
  }
});
