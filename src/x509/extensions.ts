import {
  DER_TRUE,
  DerError,
  encodeBitString,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  encodeUnsignedInteger,
  expectTag,
  readChildren,
  readOid,
  TAG,
  type Tlv,
} from "./der.ts";
import { OID } from "./oids.ts";

/** KeyUsage bits as they stand in the first octet (RFC 5280 §4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;

export interface Extension {
  readonly oid: string;
  readonly isCritical: boolean;
  /** Content of the OCTET STRING. */
  readonly value: Buffer;
  /** The whole Extension. */
  readonly der: Buffer;
}

export function encodeExtension(oid: string, isCritical: boolean, value: Uint8Array): Buffer {
  const critical = isCritical ? [DER_TRUE] : [];
  return encodeSequence(encodeOid(oid), ...critical, encodeOctetString(value));
}

export function encodeExtKeyUsage(...purposes: readonly string[]): Buffer {
  return encodeExtension(OID.extKeyUsage, true, encodeSequence(...purposes.map(encodeOid)));
}

export function encodeSubjectKeyId(keyId: Uint8Array): Buffer {
  return encodeExtension(OID.subjectKeyIdentifier, false, encodeOctetString(keyId));
}

/** AuthorityKeyIdentifier with keyid alone, as the device certificates' profile wants it. */
export function encodeAuthorityKeyId(keyId: Uint8Array): Buffer {
  return encodeExtension(OID.authorityKeyIdentifier, false, encodeSequence(encodeTlv(0x80, keyId)));
}

/** keyUsage critical, digitalSignature alone: the value is exactly `03 02 07 80`. */
export const DIGITAL_SIGNATURE_USAGE = encodeExtension(OID.keyUsage, true, encodeBitString(Buffer.of(0x80), 7));
/** keyUsage critical, keyCertSign alone: `03 02 02 04`. */
export const CERT_SIGN_USAGE = encodeExtension(OID.keyUsage, true, encodeBitString(Buffer.of(0x04), 2));
export const CLIENT_AUTH_PURPOSE = encodeExtKeyUsage(OID.clientAuth);
export const SERVER_AUTH_PURPOSE = encodeExtKeyUsage(OID.serverAuth);
/** openssl's default purpose check of a CMS wants emailProtection; the private OID tells a bundle signer apart. */
export const BUNDLE_SIGNER_PURPOSE = encodeExtKeyUsage(OID.emailProtection, OID.bundleSigner);
/** basicConstraints critical, CA:TRUE, pathlen:0. */
export const LEAF_CA_CONSTRAINTS = encodeExtension(
  OID.basicConstraints,
  true,
  encodeSequence(DER_TRUE, encodeUnsignedInteger(0)),
);

/**
 * Members of an Extensions value: at least one, no OID twice (RFC 5280 §4.2), no encoded default.
 * @throws DerError
 */
export function parseExtensions(extensions: Tlv): Extension[] {
  const list = readChildren(expectTag(extensions, TAG.sequence), 32).map(readExtension);
  if (list.length === 0) throw new DerError("no extension in the list");
  if (new Set(list.map(({ oid }) => oid)).size !== list.length) throw new DerError("extension given twice");
  return list;
}

function readExtension(tlv: Tlv): Extension {
  const parts = readChildren(expectTag(tlv, TAG.sequence), 3);
  const isCritical = parts.length === 3;
  // DEFAULT FALSE is never encoded in DER, so a BOOLEAN can only be TRUE.
  if (isCritical && !parts[1]?.bytes.equals(DER_TRUE)) throw new DerError("wrong critical flag");
  const value = expectTag(parts[parts.length - 1], TAG.octetString).content;
  if (parts.length < 2) throw new DerError("not an extension");
  return { oid: readOid(expectTag(parts[0], TAG.oid)), isCritical, value, der: tlv.bytes };
}
