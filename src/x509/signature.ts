import {
  DER_NULL,
  DerError,
  encodeOid,
  encodeSequence,
  encodeUnsignedInteger,
  readChildren,
  readTlv,
  readUnsignedInteger,
  TAG,
} from "./der.ts";
import type { KeyKind } from "./key-kind.ts";
import { OID } from "./oids.ts";

/**
 * AlgorithmIdentifier DER of what this package signs with: no parameters for ECDSA (RFC 5758 §3.2), NULL for RSA
 * (RFC 4055 §5).
 */
export const SIGNATURE_ALGORITHM = {
  "ecdsa-with-SHA256": encodeSequence(encodeOid(OID.ecdsaWithSha256)),
  "ecdsa-with-SHA384": encodeSequence(encodeOid(OID.ecdsaWithSha384)),
  sha256WithRSA: encodeSequence(encodeOid(OID.sha256WithRsa), DER_NULL),
} as const;

/** AlgorithmIdentifier DER of what a key of this kind signs certificates with. */
export function signatureAlgorithmFor(kind: KeyKind): Buffer {
  switch (kind) {
    case "P-256":
      return SIGNATURE_ALGORITHM["ecdsa-with-SHA256"];
    case "P-384":
      return SIGNATURE_ALGORITHM["ecdsa-with-SHA384"];
    case "RSA":
      return SIGNATURE_ALGORITHM.sha256WithRSA;
  }
}

export interface VerifiableAlgorithm {
  readonly der: Buffer;
  readonly hash: "sha256" | "sha384" | "sha512";
  readonly isEcdsa: boolean;
}

/** The last three only ever stand in certificates and CSRs that others signed. */
const VERIFIABLE: readonly VerifiableAlgorithm[] = [
  { der: SIGNATURE_ALGORITHM["ecdsa-with-SHA256"], hash: "sha256", isEcdsa: true },
  { der: SIGNATURE_ALGORITHM["ecdsa-with-SHA384"], hash: "sha384", isEcdsa: true },
  { der: SIGNATURE_ALGORITHM.sha256WithRSA, hash: "sha256", isEcdsa: false },
  { der: encodeSequence(encodeOid(OID.ecdsaWithSha512)), hash: "sha512", isEcdsa: true },
  { der: encodeSequence(encodeOid(OID.sha384WithRsa), DER_NULL), hash: "sha384", isEcdsa: false },
  { der: encodeSequence(encodeOid(OID.sha512WithRsa), DER_NULL), hash: "sha512", isEcdsa: false },
];

/** The algorithm that these exact AlgorithmIdentifier bytes name, when this package can verify it. */
export function findSignatureAlgorithm(der: Buffer): VerifiableAlgorithm | undefined {
  return VERIFIABLE.find((algorithm) => algorithm.der.equals(der));
}

/**
 * PKCS#11's r‖s as an ECDSA-Sig-Value (RFC 3279 §2.2.3).
 * @throws DerError unless the halves are equal, whole and not zero
 */
export function ecdsaRawToDer(raw: Uint8Array): Buffer {
  if (raw.length !== 64 && raw.length !== 96) throw new DerError("ECDSA signature of a wrong size");
  const half = raw.length / 2;
  const r = raw.subarray(0, half);
  const s = raw.subarray(half);
  if (r.every(isZero) || s.every(isZero)) throw new DerError("ECDSA signature with a zero");
  return encodeSequence(encodeUnsignedInteger(r), encodeUnsignedInteger(s));
}

function isZero(byte: number): boolean {
  return byte === 0;
}

/**
 * An ECDSA-Sig-Value as r‖s, `size` bytes each (32 for P-256, 48 for P-384).
 * @throws DerError unless it is minimal DER with two positive integers of at most that size
 */
export function ecdsaDerToRaw(der: Buffer, size: number): Buffer {
  const [r, s, ...more] = readChildren(readTlv(der, TAG.sequence), 3);
  if (r === undefined || s === undefined || more.length > 0) throw new DerError("not an ECDSA signature");
  const raw = Buffer.alloc(2 * size);
  [readUnsignedInteger(r), readUnsignedInteger(s)].forEach((value, i) => {
    if (value.length > size || (value.length === 1 && value[0] === 0)) throw new DerError("ECDSA integer out of range");
    value.copy(raw, (i + 1) * size - value.length);
  });
  return raw;
}
