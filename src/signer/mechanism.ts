import { hash } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { DER_NULL, DerError, encodeOctetString, encodeOid, encodeSequence } from "../x509/der.ts";
import type { KeyKind } from "../x509/key-kind.ts";
import { OID } from "../x509/oids.ts";
import { ecdsaRawToDer } from "../x509/signature.ts";
import type { CaptiveKey } from "./captive-keys.ts";

/** DigestInfo's algorithm for CKM_RSA_PKCS (RFC 8017 §9.2). */
const SHA256_ALGORITHM = encodeSequence(encodeOid(OID.sha256), DER_NULL);

/** Orders of the curves' groups (SEC 2): r and s lie strictly between 0 and these. */
const ORDER = {
  "P-256": Buffer.from("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "hex"),
  "P-384": Buffer.from(
    "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    "hex",
  ),
} as const;

export function hashFor(kind: KeyKind): "sha256" | "sha384" {
  return kind === "P-384" ? "sha384" : "sha256";
}

/**
 * What the token's mechanism is given for these bytes: tokens such as SoftHSM only sign what was hashed outside.
 * @param sha256Hex of the bytes, where the caller has it already
 */
export function mechanismInput(kind: KeyKind, bytes: Buffer, sha256Hex = hash("sha256", bytes, "hex")): Buffer {
  switch (kind) {
    case "P-256":
      return Buffer.from(sha256Hex, "hex");
    case "P-384":
      return hash("sha384", bytes, "buffer");
    case "RSA":
      return encodeSequence(SHA256_ALGORITHM, encodeOctetString(Buffer.from(sha256Hex, "hex")));
  }
}

/**
 * The token's answer as X.509 wants it: of the key's own size and range. Whether it verifies is another question.
 * @throws Refusal `away` when it has not even the form of a signature
 */
export function x509Signature({ kind, bits }: CaptiveKey, answer: Buffer): Buffer {
  try {
    if (answer.length !== (kind === "RSA" ? Math.ceil(bits / 8) : bits / 4))
      throw new DerError("signature of a wrong size");
    if (kind !== "RSA") {
      checkRange(ORDER[kind], answer);
      return ecdsaRawToDer(answer);
    }
    if (answer.every((byte) => byte === 0)) throw new DerError("signature of zeros");
    return answer;
  } catch (cause) {
    throw noSignature(cause);
  }
}

/** Also for an answer that does not verify: such a token is not to be trusted with the next one either. */
export function noSignature(cause?: unknown): Refusal {
  const sentence = "The HSM answered something that is no signature of its key. Nothing was issued; try again.";
  return new Refusal("CERT-PROFILE", "away", sentence, { cause });
}

/** Zeros are refused by ecdsaRawToDer. */
function checkRange(order: Buffer, raw: Buffer): void {
  const size = order.length;
  const isInside = order.compare(raw, 0, size) > 0 && order.compare(raw, size) > 0;
  if (!isInside) throw new DerError("ECDSA integer out of range");
}
