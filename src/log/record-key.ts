import { hash } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { contextTag, DerError, expectTag, readTlv, readTlvAt, TAG, type Tlv } from "../x509/der.ts";
import type { RegistrationRecord } from "./record.ts";

const PEM = /^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]+)\n-----END CERTIFICATE-----\n$/;

/**
 * SHA-256 of a registration's public key (SubjectPublicKeyInfo, DER), read from its certificate: the record has no
 * member for it, so the two can never disagree. Only walks to the key; the certificate itself was checked before it
 * was recorded (CERT-PROFILE).
 * @throws Refusal `malformed`
 */
export function registrationKey(record: Pick<RegistrationRecord, "cert">): string {
  const base64 = PEM.exec(record.cert.pem)?.[1];
  if (base64 === undefined) throw unreadable();
  try {
    return hash("sha256", findSpki(Buffer.from(base64, "base64")), "hex");
  } catch (cause) {
    if (cause instanceof DerError) throw unreadable(cause);
    throw cause;
  }
}

/** RFC 5280 §4.1: version [0], serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo. */
function findSpki(certificateDer: Buffer): Buffer {
  const tbs = expectTag(readTlvAt(readTlv(certificateDer, TAG.sequence).content, 0), TAG.sequence);
  let offset = 0;
  const next = (tag: number): Tlv => {
    const tlv = expectTag(readTlvAt(tbs.content, offset), tag);
    offset += tlv.bytes.length;
    return tlv;
  };
  next(contextTag(0));
  next(TAG.integer);
  for (let skipped = 0; skipped < 4; skipped++) next(TAG.sequence);
  return next(TAG.sequence).bytes;
}

function unreadable(cause?: unknown): Refusal {
  return new Refusal("STORE-CHAIN", "malformed", "A registration's certificate cannot be read.", { cause });
}
