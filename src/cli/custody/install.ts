import { createHash, generateKeyPairSync } from "node:crypto";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { LogHead } from "../../hsm/messages.ts";
import { type CaFinding, examineDeviceCa } from "../../issuance/check-device-ca.ts";
import { type ClientIdentity, issueClientCertificate } from "../../issuance/client-certificate.ts";
import { issueServerCertificate } from "../../issuance/server-certificate.ts";
import { ZERO_HASH } from "../../log/chain.ts";
import type { ActBody, GenesisBody, RecordDraft } from "../../log/record.ts";
import { Refusal } from "../../refusal.ts";
import { buildBundleTbs } from "../../x509/bundle-template.ts";
import { type CaCertificate, parseCaCertificate } from "../../x509/ca-certificate.ts";
import { assembleCertificate, checkIssued } from "../../x509/certificate.ts";
import { spkiSha256 } from "../../x509/key-policy.ts";
import { encodePem, parsePem } from "../../x509/pem.ts";
import { signatureAlgorithmFor } from "../../x509/signature.ts";
import { randomSerial } from "../../x509/template.ts";
import { type CeremonyParts, spkiOf } from "./ceremony.ts";

/** Before the log exists, its head is nothing. */
const NO_HEAD: LogHead = { seq: 0, hash: ZERO_HASH };
const CLIENT_DAYS = 3 * 365;

export interface FirstClient {
  readonly name: string;
  readonly csr: Buffer;
}

export interface FirstImporter {
  readonly id: string;
  readonly pem: string;
}

export interface Installation {
  readonly findings: readonly CaFinding[];
  /** Certificates of the first custodians, in the order in which they were named. */
  readonly custodians: readonly (ClientIdentity & { readonly name: string })[];
  /** The records that the log starts with. */
  readonly drafts: readonly RecordDraft[];
}

interface Cas {
  readonly root: CaCertificate;
  readonly deviceCa: CaCertificate;
  readonly lineCa: CaCertificate;
}

/**
 * Looks at the certificate that came back from the Factory root; nothing is written.
 * @throws Refusal when one of the findings stands in the way; it names them all
 */
export function examine(
  config: ApplianceConfig,
  deviceCaPem: string,
  rootPem: string,
  spkiDer: Buffer,
  nowMs: number,
): CaFinding[] {
  const expected = { spkiDer, root: readCa(rootPem), factory: config.site.factory, nowMs };
  const findings = examineDeviceCa(readCa(deviceCaPem), expected);
  const refused = findings.filter(({ verdict }) => verdict === "refused");
  if (refused.length === 0) return findings;
  const reasons = refused.map(({ detail }) => detail).join("; ");
  throw new Refusal("KEY-CAPTIVE", "malformed", `The certificate was not installed: ${reasons}.`);
}

/**
 * The second half of the ceremony: installs the device CA's certificate, makes the bundle signer's and the server's
 * certificates, enrols the first custodians and importers, and returns the records that the log starts with.
 * @throws Refusal when the certificate is not acceptable
 */
export async function install(
  parts: CeremonyParts,
  deviceCaPem: string,
  rootPem: string,
  lineCaPem: string,
  custodians: readonly FirstClient[],
  importers: readonly FirstImporter[],
): Promise<Installation> {
  const { config, signer, clock } = parts;
  const cas = { root: readCa(rootPem), deviceCa: readCa(deviceCaPem), lineCa: readCa(lineCaPem) };
  const { keys } = await signer.status();
  const findings = examine(config, deviceCaPem, rootPem, spkiOf(keys, "device-ca"), clock.nowMs());
  // In its place first: the gate compares issuer and key with what is installed.
  await parts.writeFile(config.signer.device_ca, encodePem(cas.deviceCa.der, "CERTIFICATE"));
  await signer.reload();
  const bundle = await signBundleCertificate(parts, cas.deviceCa, spkiOf(keys, "bundle-sign"), NO_HEAD);
  await parts.writeFile(config.service.bundle_certificate, bundle.pem);
  await makeServerIdentity(parts, cas.lineCa);
  const enrolled = [];
  for (const { name, csr } of custodians) {
    enrolled.push({ name, ...(await issueCustodian(parts, cas.lineCa, name, csr)) });
  }
  const drafts: RecordDraft[] = [
    { kind: "genesis", body: genesisBody(config, cas, bundle) },
    ...enrolled.map(enrolment),
    ...importers.map(importerTrust),
  ];
  return { findings, custodians: enrolled, drafts };
}

export function readCa(pem: string): CaCertificate {
  return parseCaCertificate(parsePem(pem, "CERTIFICATE"));
}

function issueCustodian(
  parts: CeremonyParts,
  lineCa: CaCertificate,
  name: string,
  csr: Buffer,
): Promise<ClientIdentity> {
  const { signer, clock, randomBytes, config } = parts;
  const { appliance } = config.site;
  return issueClientCertificate(
    { signer, clock, randomBytes, lineCa, appliance, validityDays: CLIENT_DAYS, head: NO_HEAD },
    { role: "custodian", name, csr },
  );
}

function genesisBody(config: ApplianceConfig, cas: Cas, bundle: BundleCertificate): GenesisBody {
  const identity = (ca: CaCertificate) => ({ spkiSha256: ca.spkiSha256, certSha256: ca.sha256 });
  return {
    factory: config.site.factory,
    appliance: config.site.appliance,
    factoryRootSha256: cas.root.sha256,
    keys: {
      deviceCa: identity(cas.deviceCa),
      bundleSign: { spkiSha256: bundle.spkiSha256, certSha256: bundle.certSha256 },
      lineCa: identity(cas.lineCa),
    },
    bundleCertLedger: bundle.ledger,
    quorum: config.custody.quorum,
  };
}

function enrolment({ name, sha256, notAfter, spkiSha256: key }: ClientIdentity & { name: string }): RecordDraft {
  const body: ActBody = {
    act: "enroll-client",
    client: { sha256, role: "custodian", name, notAfter, spkiSha256: key },
    by: "ceremony",
  };
  return { kind: "act", body };
}

function importerTrust({ id, pem }: FirstImporter): RecordDraft {
  const der = parsePem(pem, "CERTIFICATE");
  const sha256 = createHash("sha256").update(der).digest("hex");
  const importer = { id, sha256, pem: encodePem(der, "CERTIFICATE") };
  return { kind: "act", body: { act: "trust-importer", importer, by: "ceremony" } };
}

export interface BundleCertificate {
  readonly pem: string;
  readonly certSha256: string;
  readonly spkiSha256: string;
  readonly ledger: number;
}

/** The bundle signer's certificate under a device CA that the signer has as the installed one. */
export async function signBundleCertificate(
  parts: CeremonyParts,
  deviceCa: CaCertificate,
  spkiDer: Buffer,
  head: LogHead,
): Promise<BundleCertificate> {
  const tbs = buildBundleTbs(deviceCa, {
    appliance: parts.config.site.appliance,
    factory: parts.config.site.factory,
    spkiDer,
    serial: randomSerial(parts.randomBytes),
  });
  const { signature, ledger } = await parts.signer.sign("device-ca", tbs, head);
  const der = assembleCertificate(tbs, signatureAlgorithmFor(deviceCa.keyKind), signature);
  const { sha256 } = checkIssued(der, tbs, deviceCa);
  return { pem: encodePem(der, "CERTIFICATE"), certSha256: sha256, spkiSha256: spkiSha256(spkiDer), ledger };
}

/** The server's own key is a file: it proves the address to clients and signs nothing else. */
async function makeServerIdentity(
  { config, signer, clock, randomBytes, writeFile }: CeremonyParts,
  lineCa: CaCertificate,
): Promise<void> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const { names } = config.service;
  const { appliance } = config.site;
  const certificate = await issueServerCertificate(
    { signer, clock, randomBytes, lineCa, appliance, names, head: NO_HEAD },
    key,
  );
  await writeFile(config.service.tls_key, key, 0o600);
  await writeFile(config.service.tls_certificate, certificate);
}
