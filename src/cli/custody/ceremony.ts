import type { Clock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { TokenLabel } from "../../hsm/key-labels.ts";
import { KEY_LABELS, type KeyLabel, type SignerKey, type SignerStatus } from "../../hsm/messages.ts";
import type { CeremonySigner } from "../../hsm/signer-client.ts";
import { Refusal } from "../../refusal.ts";
import { parseCaCertificate } from "../../x509/ca-certificate.ts";
import { buildDeviceCaCsrInfo } from "../../x509/ca-csr.ts";
import { assembleCertificate, checkIssued } from "../../x509/certificate.ts";
import { buildLineCaTbs } from "../../x509/line-template.ts";
import { encodePem } from "../../x509/pem.ts";
import { signatureAlgorithmFor } from "../../x509/signature.ts";
import { randomSerial } from "../../x509/template.ts";
import type { Papers } from "./papers.ts";

const YEAR_MS = 365 * 86_400_000;
/** The line CA outlives the device CA's 10 years, so that clients never lapse with the gap's own PKI. */
const LINE_CA_YEARS = 20;

export interface CeremonyParts {
  readonly config: ApplianceConfig;
  readonly signer: CeremonySigner;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
  /** Whole or not at all, durable when it resolves. */
  readonly writeFile: (path: string, content: string | Uint8Array, mode?: number) => Promise<void>;
}

export interface CeremonyResult {
  readonly status: SignerStatus;
  readonly keys: readonly SignerKey[];
  readonly deviceCaCsrPem: string;
  readonly lineCaPem: string;
}

/**
 * The first half of the ceremony: three keys in the HSM, the line CA's certificate (written to its configured place)
 * and the device CA's CSR for the Factory root. Interrupted anywhere, it goes on when it is run again with the same
 * papers: what is to be signed is on paper before it is signed, so that only the very same bytes are ever signed twice.
 * @throws Refusal when the signer is not in ceremony mode, or the keys exist and are not of a ceremony on these papers
 */
export async function runCeremony(parts: CeremonyParts, papers: Papers, commonName: string): Promise<CeremonyResult> {
  const { signer } = parts;
  await checkNotHeld(papers);
  const before = await ceremonyStatus(signer);
  const keys = await makeKeys(signer, papers, before.tokenSerial);
  const lineCaPem = await makeLineCa(parts, papers, spkiOf(keys, "line-ca"));
  const deviceCaCsrPem = await makeCsr(parts, papers, "device-ca", commonName, spkiOf(keys, "device-ca"));
  return { status: await signer.reload(), keys, deviceCaCsrPem, lineCaPem };
}

/** @throws Refusal when the signer is not in ceremony mode */
export async function ceremonyStatus(signer: CeremonySigner): Promise<SignerStatus> {
  const status = await signer.status();
  if (status.isCeremony) return status;
  const sentence = "The signer is not in ceremony mode. Stop airlockd and start: airlock-signer --ceremony";
  throw new Refusal("SIGNER-GATE", "needs-person", sentence);
}

async function checkNotHeld(papers: Papers): Promise<void> {
  if ((await papers.read("transcript.txt")) === undefined) return;
  const sentence = "The ceremony was held already: its transcript is there. Go on with airlock-custody install-cert";
  throw new Refusal("SIGNER-GATE", "conflict", sentence);
}

/** Keys that exist are taken only when these papers say that this ceremony was about to make them in this token. */
async function makeKeys(signer: CeremonySigner, papers: Papers, tokenSerial: string): Promise<readonly SignerKey[]> {
  const begun = await papers.read("ceremony-begun");
  if (begun !== undefined && begun !== tokenSerial) {
    const sentence = "These papers are of a ceremony with another token. Give the right token, or another --out";
    throw new Refusal("SIGNER-GATE", "conflict", sentence);
  }
  const { keys } = await signer.status();
  if (begun !== undefined && keys.length === KEY_LABELS.length) return keys;
  await papers.write("ceremony-begun", tokenSerial);
  // Refused while the token has any of the three: one or two are what a crash left, or were not made here.
  return await signer.generateKeys();
}

async function makeLineCa(parts: CeremonyParts, papers: Papers, spkiDer: Buffer): Promise<string> {
  const tbs = await settleLineCaTbs(parts, papers, spkiDer);
  const { signature } = await parts.signer.signCeremony("line-ca", tbs);
  const der = assembleCertificate(tbs, signatureAlgorithmFor("P-256"), signature);
  checkIssued(der, tbs, parseCaCertificate(der));
  const pem = encodePem(der, "CERTIFICATE");
  await parts.writeFile(parts.config.signer.line_ca, pem);
  return pem;
}

async function settleLineCaTbs({ config, clock, randomBytes }: CeremonyParts, papers: Papers, spkiDer: Buffer) {
  const settled = await papers.read("line-ca.tbs");
  if (settled !== undefined) return Buffer.from(settled, "base64");
  const nowMs = clock.nowMs();
  const tbs = buildLineCaTbs({
    appliance: config.site.appliance,
    spkiDer,
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs - 5 * 60_000,
    notAfterMs: nowMs + LINE_CA_YEARS * YEAR_MS,
  });
  await papers.write("line-ca.tbs", tbs.toString("base64"));
  return tbs;
}

/**
 * A device CA key's CSR, on paper when it resolves. The same key and name give the same bytes, so nothing need be settled
 * beforehand.
 */
export async function makeCsr(
  { signer, config }: CeremonyParts,
  papers: Papers,
  label: TokenLabel,
  commonName: string,
  spkiDer: Buffer,
): Promise<string> {
  const info = buildDeviceCaCsrInfo({ commonName, factory: config.site.factory, spkiDer });
  const { signature } = await signer.signCeremony("device-ca", info);
  // A CSR has the same outer shape as a certificate (RFC 2986 section 4).
  const csr = assembleCertificate(info, signatureAlgorithmFor("P-256"), signature);
  const pem = encodePem(csr, "CERTIFICATE REQUEST");
  await papers.write(`${label}.csr`, pem);
  return pem;
}

/** Public half of one of the token's keys, SPKI DER. */
export function spkiOf(keys: readonly SignerKey[], label: KeyLabel): Buffer {
  const key = keys.find((candidate) => candidate.label === label);
  if (key === undefined) {
    throw new Refusal(
      "KEY-CAPTIVE",
      "needs-person",
      `The token has no key ${label}. Run the ceremony first: airlock-custody init`,
    );
  }
  return Buffer.from(key.spki, "base64");
}
