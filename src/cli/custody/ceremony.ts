import type { Clock } from "../../clock.ts";
import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { KeyLabel, SignerKey, SignerStatus } from "../../hsm/messages.ts";
import type { CeremonySigner } from "../../hsm/signer-client.ts";
import { Refusal } from "../../refusal.ts";
import { parseCaCertificate } from "../../x509/ca-certificate.ts";
import { buildDeviceCaCsrInfo } from "../../x509/ca-csr.ts";
import { assembleCertificate, checkIssued } from "../../x509/certificate.ts";
import { buildLineCaTbs } from "../../x509/line-template.ts";
import { encodePem } from "../../x509/pem.ts";
import { signatureAlgorithmFor } from "../../x509/signature.ts";
import { randomSerial } from "../../x509/template.ts";
import { writeFileDurably } from "../files.ts";

const YEAR_MS = 365 * 86_400_000;
/** The line CA outlives the device CA's 10 years, so that clients never lapse with the gap's own PKI. */
const LINE_CA_YEARS = 20;

export interface CeremonyParts {
  readonly config: ApplianceConfig;
  readonly signer: CeremonySigner;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
}

export interface CeremonyResult {
  readonly status: SignerStatus;
  readonly keys: readonly SignerKey[];
  readonly deviceCaCsrPem: string;
  readonly lineCaPem: string;
}

/**
 * The first half of the ceremony: three keys in the HSM, the line CA's certificate (written to its configured place)
 * and the device CA's CSR for the Factory root.
 * @throws Refusal when the signer is not in ceremony mode or the keys exist already
 */
export async function runCeremony(parts: CeremonyParts, commonName: string): Promise<CeremonyResult> {
  const { signer, config } = parts;
  const before = await signer.status();
  if (!before.isCeremony) {
    throw new Refusal(
      "SIGNER-GATE",
      "needs-person",
      "The signer is not in ceremony mode. Stop airlockd and start: airlock-signer --ceremony",
    );
  }
  const keys = await signer.generateKeys();
  const lineCaPem = await signLineCa(parts, spkiOf(keys, "line-ca"));
  await writeFileDurably(config.signer.line_ca, lineCaPem);
  const info = buildDeviceCaCsrInfo({ commonName, factory: config.site.factory, spkiDer: spkiOf(keys, "device-ca") });
  const signature = await signer.signCeremony("device-ca", info);
  // A CSR has the same outer shape as a certificate (RFC 2986 section 4).
  const csr = assembleCertificate(info, signatureAlgorithmFor("P-256"), signature.signature);
  const deviceCaCsrPem = encodePem(csr, "CERTIFICATE REQUEST");
  return { status: await signer.reload(), keys, deviceCaCsrPem, lineCaPem };
}

async function signLineCa({ config, signer, clock, randomBytes }: CeremonyParts, spkiDer: Buffer): Promise<string> {
  const nowMs = clock.nowMs();
  const tbs = buildLineCaTbs({
    appliance: config.site.appliance,
    spkiDer,
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs - 5 * 60_000,
    notAfterMs: nowMs + LINE_CA_YEARS * YEAR_MS,
  });
  const { signature } = await signer.signCeremony("line-ca", tbs);
  const der = assembleCertificate(tbs, signatureAlgorithmFor("P-256"), signature);
  checkIssued(der, tbs, parseCaCertificate(der));
  return encodePem(der, "CERTIFICATE");
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
