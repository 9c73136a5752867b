import { hash, type KeyObject, verify } from "node:crypto";
import { Refusal } from "../refusal.ts";
import type { CaCertificate } from "./ca-certificate.ts";
import {
  contextTag,
  DerError,
  encodeBitString,
  encodeSequence,
  expectTag,
  readChildren,
  readTlv,
  readUnsignedInteger,
  readWholeBitString,
  TAG,
  type Tlv,
} from "./der.ts";
import { type Extension, parseExtensions } from "./extensions.ts";
import { importPublicKey } from "./key-policy.ts";
import { refuseMalformed } from "./malformed.ts";
import { MAX_CERTIFICATE_BYTES } from "./pem.ts";
import { findSignatureAlgorithm } from "./signature.ts";
import { parseTime } from "./time.ts";

/** The to-be-signed part of a v3 certificate; byte ranges are views of the input. */
export interface TbsFields {
  /** Content of the serial's INTEGER, sign byte included. */
  readonly serialContent: Buffer;
  /** AlgorithmIdentifier inside the TBS. */
  readonly signatureAlgorithmDer: Buffer;
  readonly issuerDer: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly subjectDer: Buffer;
  readonly spkiDer: Buffer;
  readonly extensions: readonly Extension[];
}

export interface Certificate extends TbsFields {
  readonly der: Buffer;
  /** SHA-256 of the DER, hex: the certificate's fingerprint. */
  readonly sha256: string;
  /** Serial in lower-case hex, without the sign byte. */
  readonly serialHex: string;
  readonly tbsDer: Buffer;
  readonly signature: Buffer;
}

/** `[0] EXPLICIT INTEGER 2`. */
export const VERSION_3 = Buffer.of(0xa0, 0x03, 0x02, 0x01, 0x02);

const MALFORMED = "The certificate is not strict DER of an X.509 v3 certificate: check the file and its format.";

/** Puts the three parts of a certificate together; the signature is in its X.509 form. */
export function assembleCertificate(tbsDer: Buffer, signatureAlgorithmDer: Buffer, signature: Buffer): Buffer {
  return encodeSequence(tbsDer, signatureAlgorithmDer, encodeBitString(signature));
}

/**
 * Reads a v3 certificate of at most 8,192 bytes. Serials of more than 20 octets are read: device CAs with 21 exist.
 * @throws Refusal CERT-PROFILE `malformed`
 */
export function parseCertificate(der: Buffer): Certificate {
  return refuseMalformed("CERT-PROFILE", "certificate", MALFORMED, () => readCertificate(der));
}

function readCertificate(der: Buffer): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new DerError("certificate too large");
  const [tbs, algorithm, signature, ...more] = readChildren(readTlv(der, TAG.sequence), 4);
  if (tbs === undefined || more.length > 0) throw new DerError("not a certificate");
  const fields = readTbs(tbs);
  // RFC 5280 §4.1.1.2: both algorithm fields are the same.
  if (!expectTag(algorithm, TAG.sequence).bytes.equals(fields.signatureAlgorithmDer)) {
    throw new DerError("signature algorithms differ");
  }
  return {
    ...fields,
    der,
    sha256: hash("sha256", der, "hex"),
    serialHex: readUnsignedInteger({ tag: TAG.integer, bytes: der, content: fields.serialContent }).toString("hex"),
    tbsDer: tbs.bytes,
    signature: readWholeBitString(expectTag(signature, TAG.bitString)),
  };
}

/**
 * Reads a TBSCertificate: version 3, no unique identifiers, extensions present.
 * @throws DerError
 */
export function readTbs(tbs: Tlv): TbsFields {
  const [version, serial, algorithm, issuer, validity, subject, spki, extensions, ...more] = readChildren(
    expectTag(tbs, TAG.sequence),
    9,
  );
  if (!version?.bytes.equals(VERSION_3)) throw new DerError("not version 3");
  if (more.length > 0) throw new DerError("unknown part of a certificate");
  const [notBefore, notAfter, ...times] = readChildren(expectTag(validity, TAG.sequence), 3);
  if (notBefore === undefined || notAfter === undefined || times.length > 0) throw new DerError("not a validity");
  readUnsignedInteger(expectTag(serial, TAG.integer));
  return {
    serialContent: expectTag(serial, TAG.integer).content,
    signatureAlgorithmDer: expectTag(algorithm, TAG.sequence).bytes,
    issuerDer: expectTag(issuer, TAG.sequence).bytes,
    notBeforeMs: parseTime(notBefore),
    notAfterMs: parseTime(notAfter),
    subjectDer: expectTag(subject, TAG.sequence).bytes,
    spkiDer: expectTag(spki, TAG.sequence).bytes,
    extensions: parseExtensions(readTlv(expectTag(extensions, contextTag(3)).content)),
  };
}

/**
 * Whether the certificate's signature verifies with this key. Signatures only: no names, dates or usages.
 * The key is a SubjectPublicKeyInfo or, much faster when used often, its KeyObject.
 */
export function isSignedBy(certificate: Certificate, key: KeyObject | Buffer): boolean {
  const algorithm = findSignatureAlgorithm(certificate.signatureAlgorithmDer);
  const publicKey = Buffer.isBuffer(key) ? importPublicKey(key) : key;
  const isKeyOfAlgorithm = publicKey.asymmetricKeyType === (algorithm?.isEcdsa ? "ec" : "rsa");
  if (algorithm === undefined || !isKeyOfAlgorithm) return false;
  return verify(algorithm.hash, certificate.tbsDer, publicKey, certificate.signature);
}

/**
 * Verifies a certificate's signature with the signer's SubjectPublicKeyInfo or KeyObject.
 * @throws Refusal CERT-PROFILE `malformed`
 */
export function verifySignedBy(certificate: Certificate, key: KeyObject | Buffer): void {
  if (isSignedBy(certificate, key)) return;
  const sentence =
    "The certificate's signature does not verify with its issuer's key: check that the two belong together.";
  throw new Refusal("CERT-PROFILE", "malformed", sentence, { field: "certificate" });
}

/**
 * Reads back what was just signed: it carries the intended TBS byte for byte, names the CA's own algorithm, and its
 * signature verifies in software with the CA's public key. A failing or substituted token stops here.
 * @throws Refusal CERT-PROFILE `needs-person`: not the request but the token is wrong
 */
export function checkIssued(certificateDer: Buffer, intendedTbs: Buffer, ca: CaCertificate): Certificate {
  const certificate = refuseBadToken(() => readCertificate(certificateDer));
  const isIntended =
    certificate.tbsDer.equals(intendedTbs) && certificate.signatureAlgorithmDer.equals(ca.signingAlgorithmDer);
  if (!isIntended || !isSignedBy(certificate, ca.publicKey)) throw badToken();
  return certificate;
}

function refuseBadToken<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw badToken(cause);
  }
}

function badToken(cause?: unknown): Refusal {
  const sentence =
    "What was signed is not the intended certificate under the installed CA: nothing was issued. Check the token and the installed certificate.";
  return new Refusal("CERT-PROFILE", "needs-person", sentence, { cause });
}
