import { createPublicKey, hash, type KeyObject } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { type Curve, isOnCurve, P256, P384 } from "./curve.ts";
import {
  DER_NULL,
  DerError,
  encodeBitString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  encodeUnsignedInteger,
  expectTag,
  readChildren,
  readTlv,
  readUnsignedInteger,
  readWholeBitString,
  TAG,
} from "./der.ts";
import { ALL_KEY_KINDS, type KeyKind } from "./key-kind.ts";
import { refuseMalformed } from "./malformed.ts";
import { OID } from "./oids.ts";
import { encodePem } from "./pem.ts";

/** A kind of key that the configuration allows. */
export type AllowedKey = KeyKind;

/** A public key that passed every check of the policy. */
export interface PublicKey {
  readonly kind: KeyKind;
  /** 256, 384, or the length of the RSA modulus. */
  readonly bits: number;
  readonly spkiDer: Buffer;
}

const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 4_096;
const RSA_ALGORITHM = encodeSequence(encodeOid(OID.rsaEncryption), DER_NULL);
const EC_KEY_TYPE = encodeOid(OID.ecPublicKey);
const RSA_EXPONENT = Buffer.of(0x01, 0x00, 0x01);
const UNCOMPRESSED = 0x04;

/** Everything of a SubjectPublicKeyInfo up to the coordinates is one constant for each curve (RFC 5480 §2). */
const EC_KEYS = [ecLayout("P-256", OID.prime256v1, P256), ecLayout("P-384", OID.secp384r1, P384)] as const;

function ecLayout(kind: KeyKind, curveOid: string, curve: Curve) {
  const algorithm = encodeSequence(EC_KEY_TYPE, encodeOid(curveOid));
  const point = Buffer.alloc(1 + 2 * curve.size);
  point[0] = UNCOMPRESSED;
  const spki = encodeSequence(algorithm, encodeBitString(point));
  return {
    kind,
    curve,
    algorithm,
    bits: curve.size * 8,
    length: spki.length,
    prefix: spki.subarray(0, -2 * curve.size),
  };
}

/**
 * Checks a SubjectPublicKeyInfo against the policy: a P-256 or P-384 point in uncompressed form on the named curve,
 * or RSA of 2048 to 4096 bits with e = 65537, and only in its one DER form.
 * @throws Refusal CSR-KEY `malformed`
 */
export function parsePublicKey(spkiDer: Buffer, allowed: readonly KeyKind[] = ALL_KEY_KINDS): PublicKey {
  const ec = EC_KEYS.find(({ length, prefix }) => spkiDer.length === length && spkiDer.indexOf(prefix) === 0);
  if (ec === undefined) return parseOtherKey(spkiDer, allowed);
  if (!allowed.includes(ec.kind)) throw refuseKind();
  if (!isOnCurve(ec.curve, spkiDer.subarray(ec.prefix.length))) {
    throw refuseKey("The public key is not a point on its curve: make a new key and a new CSR.");
  }
  return { kind: ec.kind, bits: ec.bits, spkiDer };
}

/** SHA-256 of the SubjectPublicKeyInfo, hex: the name of a key everywhere in the log. */
export function spkiSha256(spkiDer: Buffer): string {
  return hash("sha256", spkiDer, "hex");
}

/** Content of the key's BIT STRING: what a SHA-1 key identifier is made of (RFC 5280 §4.2.1.2). */
export function readKeyBits(spkiDer: Buffer): Buffer {
  const [, bits] = readChildren(readTlv(spkiDer, TAG.sequence), 2);
  return readWholeBitString(expectTag(bits, TAG.bitString));
}

/**
 * OpenSSL's form of a key that passed parsePublicKey. A P-256 key goes in as PEM: half the time of DER, because
 * OpenSSL then tries one decoder instead of many.
 * @throws Refusal CSR-KEY `malformed`
 */
export function importPublicKey(spkiDer: Buffer): KeyObject {
  try {
    return createPublicKey(encodePem(spkiDer, "PUBLIC KEY"));
  } catch (cause) {
    const sentence = "The public key cannot be used: make a new key and a new CSR.";
    throw new Refusal("CSR-KEY", "malformed", sentence, { field: "csr", cause });
  }
}

function parseOtherKey(spkiDer: Buffer, allowed: readonly KeyKind[]): PublicKey {
  const sentence = "The CSR's public key is not strict DER: make the CSR with a current tool and send it as it is.";
  return refuseMalformed("CSR-KEY", "csr", sentence, () => {
    const [algorithm, key] = readChildren(readTlv(spkiDer, TAG.sequence), 3);
    const { bytes } = expectTag(algorithm, TAG.sequence);
    const bits = readWholeBitString(expectTag(key, TAG.bitString));
    if (!bytes.equals(RSA_ALGORITHM)) throw explainEcRefusal(bytes, bits);
    if (!allowed.includes("RSA")) throw refuseKind();
    return parseRsaKey(spkiDer, bits);
  });
}

function parseRsaKey(spkiDer: Buffer, bits: Buffer): PublicKey {
  const [n, e] = readChildren(readTlv(bits, TAG.sequence), 2);
  const modulus = readUnsignedInteger(expectTag(n, TAG.integer));
  const exponent = readUnsignedInteger(expectTag(e, TAG.integer));
  const size = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (size < MIN_RSA_BITS || size > MAX_RSA_BITS) {
    throw refuseKey("The RSA key has a wrong size: make one of 2048 to 4096 bits and a new CSR.");
  }
  if (!exponent.equals(RSA_EXPONENT)) {
    throw refuseKey("The RSA key has another exponent than 65537: make a new key and a new CSR.");
  }
  if (((modulus[modulus.length - 1] ?? 0) & 1) === 0) throw new DerError("RSA modulus is even");
  // A third member in either SEQUENCE, or anything else that was not read above, shows here.
  const canonical = encodeTlv(TAG.sequence, encodeUnsignedInteger(modulus), encodeUnsignedInteger(exponent));
  const spki = encodeSequence(RSA_ALGORITHM, encodeBitString(canonical));
  if (!spki.equals(spkiDer)) throw new DerError("RSA key in another form");
  return { kind: "RSA", bits: size, spkiDer };
}

/** Why a key that is neither RSA nor in the one accepted EC form is refused. */
function explainEcRefusal(algorithm: Buffer, point: Buffer): Refusal {
  const ec = EC_KEYS.find((known) => known.algorithm.equals(algorithm));
  if (ec === undefined) {
    return algorithm.includes(EC_KEY_TYPE)
      ? refuseKey("The key's curve is not named P-256 or P-384: make a key on prime256v1 and a new CSR.")
      : refuseKey("The key is of an unsupported type: make a key on prime256v1 and a new CSR.");
  }
  if (point.length === 1 && point[0] === 0) {
    return refuseKey("The public key is the point at infinity: make a new key and a new CSR.");
  }
  return refuseKey("The public key is not an uncompressed point: make the CSR with an uncompressed point.");
}

function refuseKind(): Refusal {
  return refuseKey("This kind of key is not allowed at this site: make a key of a configured kind and a new CSR.");
}

function refuseKey(sentence: string): Refusal {
  return new Refusal("CSR-KEY", "malformed", sentence, { field: "csr" });
}
