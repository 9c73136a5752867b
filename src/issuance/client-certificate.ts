import type { Clock } from "../clock.ts";
import type { LogHead } from "../hsm/messages.ts";
import type { Signer } from "../hsm/signer.ts";
import type { ClientRole } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "../x509/ca-certificate.ts";
import { assembleCertificate, checkIssued } from "../x509/certificate.ts";
import { parseClientCsr } from "../x509/csr.ts";
import { buildClientTbs } from "../x509/line-template.ts";
import { encodePem } from "../x509/pem.ts";
import { signatureAlgorithmFor } from "../x509/signature.ts";
import { randomSerial } from "../x509/template.ts";

const DAY_MS = 86_400_000;
const BACKDATE_MS = 5 * 60_000;
const CLIENT_NAME = /^[A-Za-z0-9_-]{1,64}$/;

export interface ClientIdentityRequest {
  readonly role: ClientRole;
  readonly name: string;
  /** PKCS#10, DER: only its key is used, after its own signature was verified. */
  readonly csr: Buffer;
}

export interface ClientIdentity {
  readonly pem: string;
  readonly sha256: string;
  readonly spkiSha256: string;
  readonly notAfter: string;
}

export interface ClientIdentityParts {
  readonly signer: Signer;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Buffer;
  readonly lineCa: CaCertificate;
  readonly appliance: string;
  readonly validityDays: number;
  readonly head: LogHead;
}

/**
 * Issues a line client's certificate. It opens no door before its enrolment is a record (ROLE-METHOD).
 * @throws Refusal
 */
export async function issueClientCertificate(
  parts: ClientIdentityParts,
  request: ClientIdentityRequest,
): Promise<ClientIdentity> {
  if (!CLIENT_NAME.test(request.name)) {
    throw new Refusal("REQUEST-FIELD", "malformed", "The client name must be 1 to 64 of A-Z a-z 0-9 _ and -.", {
      field: "name",
    });
  }
  const { lineCa, signer, clock, appliance, head } = parts;
  const { spkiDer, spkiSha256 } = parseClientCsr(request.csr);
  const nowMs = clock.nowMs();
  const tbs = buildClientTbs(lineCa, {
    appliance,
    role: request.role,
    name: request.name,
    spkiDer,
    serial: randomSerial(parts.randomBytes),
    notBeforeMs: nowMs - BACKDATE_MS,
    notAfterMs: Math.min(nowMs + parts.validityDays * DAY_MS, lineCa.notAfterMs),
  });
  const { signature } = await signer.sign("line-ca", tbs, head);
  const certDer = assembleCertificate(tbs, signatureAlgorithmFor(lineCa.keyKind), signature);
  const cert = checkIssued(certDer, tbs, lineCa);
  return {
    pem: encodePem(certDer, "CERTIFICATE"),
    sha256: cert.sha256,
    spkiSha256,
    notAfter: new Date(cert.notAfterMs).toISOString(),
  };
}
