import { hash, type KeyObject } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "./certificate.ts";
import { DER_TRUE, DerError, expectTag, readChildren, readTlv, readUnsignedInteger, TAG } from "./der.ts";
import { type Extension, encodeAuthorityKeyId, KEY_USAGE } from "./extensions.ts";
import type { KeyKind } from "./key-kind.ts";
import { importPublicKey, parsePublicKey, readKeyBits, spkiSha256 } from "./key-policy.ts";
import { refuseUnder } from "./malformed.ts";
import { parseName } from "./name.ts";
import { OID } from "./oids.ts";
import { encodePem } from "./pem.ts";
import { signatureAlgorithmFor } from "./signature.ts";

/** A certificate that is installed or pinned as a CA: the Factory root, a device CA, the line CA. */
export interface CaCertificate {
  readonly der: Buffer;
  readonly pem: string;
  /** SHA-256 of the DER, hex. */
  readonly sha256: string;
  /** Serial in lower-case hex; other issuers' may have 21 octets. */
  readonly serialHex: string;
  readonly issuerDer: Buffer;
  /** Issuer bytes of every certificate that it signs. */
  readonly subjectDer: Buffer;
  readonly spkiDer: Buffer;
  readonly spkiSha256: string;
  readonly keyKind: KeyKind;
  /** Imported once: importing costs as much as a signature. */
  readonly publicKey: KeyObject;
  /** From the SKI extension whatever made it; SHA-1 of the key bits only when there is none. */
  readonly skiKeyId: Buffer;
  readonly hasSki: boolean;
  /** authorityKeyIdentifier extension of every certificate that it signs. */
  readonly akiExtensionDer: Buffer;
  /** AlgorithmIdentifier of every signature that its key makes. */
  readonly signingAlgorithmDer: Buffer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  /** Absent when the certificate sets no limit. */
  readonly pathLen?: number;
  /** First octet of keyUsage, see KEY_USAGE; 0 without the extension. */
  readonly keyUsageBits: number;
}

const MALFORMED = "The CA certificate is not acceptable X.509: check that the right file is installed.";
const MAX_SKI_BYTES = 64;
const KNOWN = new Set<string>([
  OID.basicConstraints,
  OID.keyUsage,
  OID.extKeyUsage,
  OID.subjectKeyIdentifier,
  OID.authorityKeyIdentifier,
]);

/**
 * Reads a CA's certificate. Whether it may sign is told, not judged: see checkCanSign.
 * @throws Refusal CERT-PROFILE `malformed`
 */
export function parseCaCertificate(der: Buffer): CaCertificate {
  const certificate = parseCertificate(der);
  const { spkiDer, subjectDer, extensions } = certificate;
  const { kind, publicKey, ski, ...constraints } = refuseUnder("CERT-PROFILE", "certificate", MALFORMED, () => {
    if (parseName(subjectDer).length === 0) throw new DerError("empty subject");
    const { kind } = parsePublicKey(spkiDer);
    return { kind, publicKey: importPublicKey(spkiDer), ski: readSki(extensions), ...readConstraints(extensions) };
  });
  const skiKeyId = ski ?? hash("sha1", readKeyBits(spkiDer), "buffer");
  return {
    der,
    pem: encodePem(der, "CERTIFICATE"),
    sha256: certificate.sha256,
    serialHex: certificate.serialHex,
    issuerDer: certificate.issuerDer,
    subjectDer,
    spkiDer,
    spkiSha256: spkiSha256(spkiDer),
    keyKind: kind,
    publicKey,
    skiKeyId,
    hasSki: ski !== undefined,
    akiExtensionDer: encodeAuthorityKeyId(skiKeyId),
    signingAlgorithmDer: signatureAlgorithmFor(kind),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    ...constraints,
  };
}

/**
 * CA:TRUE and keyCertSign, without which nothing that it signs would ever verify.
 * @throws Refusal CERT-PROFILE `malformed`
 */
export function checkCanSign(ca: CaCertificate): void {
  if (ca.isCa && (ca.keyUsageBits & KEY_USAGE.keyCertSign) !== 0) return;
  const sentence = "The certificate is no CA: it needs basicConstraints CA:TRUE and keyUsage keyCertSign.";
  throw new Refusal("CERT-PROFILE", "malformed", sentence, { field: "certificate" });
}

function readConstraints(extensions: readonly Extension[]) {
  // RFC 5280 §4.2: what is critical and not understood must not be relied on.
  if (extensions.some(({ oid, isCritical }) => isCritical && !KNOWN.has(oid))) {
    throw new DerError("unknown critical extension");
  }
  const basic = findValue(extensions, OID.basicConstraints);
  const usage = findValue(extensions, OID.keyUsage);
  return {
    ...(basic === undefined ? { isCa: false } : readBasicConstraints(basic)),
    keyUsageBits: usage === undefined ? 0 : readKeyUsage(usage),
  };
}

function findValue(extensions: readonly Extension[], oid: string): Buffer | undefined {
  return extensions.find((extension) => extension.oid === oid)?.value;
}

function readBasicConstraints(value: Buffer): { isCa: boolean; pathLen?: number } {
  const [isCa, pathLen, ...more] = readChildren(readTlv(value, TAG.sequence), 3);
  if (isCa === undefined) return { isCa: false };
  if (!isCa.bytes.equals(DER_TRUE) || more.length > 0) throw new DerError("wrong basicConstraints");
  if (pathLen === undefined) return { isCa: true };
  const limit = readUnsignedInteger(pathLen);
  if (limit.length !== 1) throw new DerError("path length too large");
  return { isCa: true, pathLen: limit.readUInt8() };
}

function readKeyUsage(value: Buffer): number {
  const { content } = readTlv(value, TAG.bitString);
  const [unused = 8, first = 0] = content;
  if (content.length < 2 || content.length > 3 || unused > 7) throw new DerError("wrong keyUsage");
  return first;
}

function readSki(extensions: readonly Extension[]): Buffer | undefined {
  const value = findValue(extensions, OID.subjectKeyIdentifier);
  if (value === undefined) return undefined;
  const { content } = expectTag(readTlv(value), TAG.octetString);
  if (content.length === 0 || content.length > MAX_SKI_BYTES) throw new DerError("SKI of a wrong size");
  return content;
}
