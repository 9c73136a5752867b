import { createPublicKey } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { LogHead } from "../hsm/messages.ts";
import type { Signer } from "../hsm/signer.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { assembleCertificate, checkIssued } from "../x509/certificate.ts";
import { buildServerTbs } from "../x509/line-template.ts";
import { encodePem } from "../x509/pem.ts";
import { signatureAlgorithmFor } from "../x509/signature.ts";
import { randomSerial } from "../x509/template.ts";

const DAY_MS = 86_400_000;
const BACKDATE_MS = 5 * 60_000;
const SERVER_DAYS = 3 * 365;
/** Renewed with so much left: months in which a sealed HSM or a wrong clock may be put right. */
export const RENEW_LEFT_MS = 180 * DAY_MS;

export interface ServerCertificateParts {
  readonly signer: Pick<Signer, "sign">;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
  readonly lineCa: CaCertificate;
  readonly appliance: string;
  /** DNS names and addresses. */
  readonly names: readonly string[];
  readonly head: LogHead;
}

/**
 * The gRPC server's certificate, by line-ca. A renewal keeps the key, so that only one file changes and a crash never
 * leaves a key and a certificate that do not belong together.
 * @param key the server's key, PEM: only its public half is used
 * @returns PEM
 * @throws Refusal
 */
export async function issueServerCertificate(parts: ServerCertificateParts, key: string | Buffer): Promise<string> {
  const { signer, clock, randomBytes, lineCa, appliance, names, head } = parts;
  const nowMs = clock.nowMs();
  const tbs = buildServerTbs(lineCa, {
    appliance,
    names,
    spkiDer: createPublicKey(key).export({ type: "spki", format: "der" }),
    serial: randomSerial(randomBytes),
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: Math.min(nowMs + SERVER_DAYS * DAY_MS, lineCa.notAfterMs),
  });
  const { signature } = await signer.sign("line-ca", tbs, head);
  const der = assembleCertificate(tbs, signatureAlgorithmFor(lineCa.keyKind), signature);
  checkIssued(der, tbs, lineCa);
  return encodePem(der, "CERTIFICATE");
}
