import { createHash, hash } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { DER_NULL, encodeOctetString, encodeOid, encodeSequence } from "../x509/der.ts";
import type { KeyKind } from "../x509/key-kind.ts";
import { OID } from "../x509/oids.ts";
import { ecdsaRawToDer } from "../x509/signature.ts";

/** DigestInfo's algorithm for CKM_RSA_PKCS (RFC 8017 §9.2). */
const SHA256_ALGORITHM = encodeSequence(encodeOid(OID.sha256), DER_NULL);

/** What the token's mechanism is given for these bytes: tokens such as SoftHSM only sign what was hashed outside. */
export function mechanismInput(kind: KeyKind, tbs: Buffer): Buffer {
  switch (kind) {
    case "P-256":
      return hash("sha256", tbs, "buffer");
    case "P-384":
      return hash("sha384", tbs, "buffer");
    case "RSA":
      return encodeSequence(SHA256_ALGORITHM, encodeOctetString(createHash("sha256").update(tbs).digest()));
  }
}

/**
 * The token's answer as X.509 wants it. Whether it verifies is checked by whoever asked, with the certificate's key.
 * @throws Refusal `away` when it has not even the form of a signature
 */
export function x509Signature(kind: KeyKind, answer: Buffer): Buffer {
  try {
    if (kind !== "RSA") return ecdsaRawToDer(answer);
    if (answer.length >= 256 && answer.some((byte) => byte !== 0)) return answer;
  } catch (cause) {
    throw noSignature(cause);
  }
  throw noSignature();
}

function noSignature(cause?: unknown): Refusal {
  const sentence = "The HSM answered something that is no signature. Nothing was issued; try again.";
  return new Refusal("CERT-PROFILE", "away", sentence, { cause });
}
