import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareSotaSite } from "../../src/foundries/sota-site.ts";
import type { Signer } from "../../src/hsm/signer.ts";
import { Issuer, type IssuingRules } from "../../src/issuance/issuer.ts";
import { createLog } from "../../src/log/create-log.ts";
import type { Log } from "../../src/log/log.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { By } from "../../src/log/record.ts";
import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import { makePki, type SoftwarePki } from "./software-pki.ts";
import { makeSoftwareSigner, type SoftwareSigner } from "./software-signer.ts";

export const STATION_BY: By = { client: "line-1", clientSha256: "1".repeat(64) };

/** The issuing recipe over the real log on disk, with keys in software and a clock of the test's own. */
export interface IssuingSite {
  readonly pki: SoftwarePki;
  readonly log: Log;
  readonly signer: SoftwareSigner;
  readonly clock: { ms: number; nowMs(): number };
  /** Free bytes that the log believes in. */
  readonly disk: { freeBytes: number };
  issuer(
    rules?: Partial<IssuingRules>,
    other?: { readonly signer?: Signer; readonly log?: Log; readonly ca?: CaCertificate },
  ): Issuer;
  close(): Promise<void>;
}

export async function makeIssuingSite(): Promise<IssuingSite> {
  const pki = makePki();
  const dir = await mkdtemp(join(tmpdir(), "airlock-issuing-"));
  const clock = { ms: Date.now(), nowMs: () => clock.ms };
  const disk = { freeBytes: 1e12 };
  const options = {
    journalDir: join(dir, "journal"),
    databaseDir: join(dir, "database"),
    clock,
    freeBytes: () => disk.freeBytes,
    onFatal: (refusal: Error) => {
      throw refusal;
    },
  };
  const identity = { spkiSha256: "2".repeat(64), certSha256: "3".repeat(64) };
  const { factory, appliance, root } = pki;
  const { deviceCa: ca } = pki;
  const deviceCa = { spkiSha256: ca.spkiSha256, certSha256: ca.sha256 };
  const keys = { deviceCa, bundleSign: identity, lineCa: identity };
  await createLog(options, [
    {
      kind: "genesis",
      body: { factory, appliance, factoryRootSha256: root.sha256, keys, bundleCertLedger: 1, quorum: 2 },
    },
  ]);
  const { log } = await openLog(options);
  const signer = makeSoftwareSigner(pki);
  signer.addCertificates(1);
  const site = prepareSotaSite("https://gw.example.org:8443", "https://ostree.example.org:8443");
  const defaults: IssuingRules = {
    factory,
    allowedKeys: ["P-256"],
    production: "allow",
    orders: "off",
    validityDays: 7_300,
    backdateMinutes: 5,
    clockJumpDays: 30,
    maxInFlight: 256,
  };
  return {
    pki,
    log,
    signer,
    clock,
    disk,
    issuer: (rules = {}, other = {}) => {
      const parts = { log, signer, clock, randomBytes, ca: pki.deviceCa, site, ...other };
      const issuer = new Issuer({ ...parts, rules: { ...defaults, ...rules } });
      issuer.gate.open();
      return issuer;
    },
    close: async () => {
      await log.close();
      await rm(dir, { recursive: true });
    },
  };
}
