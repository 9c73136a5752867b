import {
  contextTag,
  encodeBitString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUnsignedInteger,
} from "./der.ts";
import { CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS } from "./extensions.ts";
import { encodeName } from "./name.ts";
import { OID } from "./oids.ts";

/** Version 1 of a CSR: `INTEGER 0`. */
export const CSR_VERSION_1 = encodeUnsignedInteger(0);

/** `[0] IMPLICIT SET OF Attribute` with one extensionRequest. */
export function encodeExtensionRequest(...extensions: readonly Buffer[]): Buffer {
  const request = encodeSequence(encodeOid(OID.extensionRequest), encodeSetOf(encodeSequence(...extensions)));
  return encodeTlv(contextTag(0), request);
}

/** What the device CA's CSR asks the Factory root for: CA:TRUE with pathlen 0 and keyCertSign, both critical. */
export const DEVICE_CA_REQUEST = encodeExtensionRequest(LEAF_CA_CONSTRAINTS, CERT_SIGN_USAGE);

/**
 * CertificationRequestInfo of the device CA's CSR: the bytes that the HSM's key signs. The Factory's tool may encode
 * the subject anew, so issuer bytes never come from here.
 */
export function buildDeviceCaCsrInfo(parts: {
  /** `fio-<user id>`: that user owns the devices that register themselves. */
  readonly commonName: string;
  readonly factory: string;
  readonly spkiDer: Buffer;
}): Buffer {
  const subject = encodeName([
    { type: OID.commonName, value: parts.commonName, string: "utf8" },
    { type: OID.organizationalUnitName, value: parts.factory, string: "utf8" },
  ]);
  return encodeSequence(CSR_VERSION_1, subject, parts.spkiDer, DEVICE_CA_REQUEST);
}

/** Puts the three parts of a CSR together; the signature is in its X.509 form. */
export function assembleCsr(infoDer: Buffer, signatureAlgorithmDer: Buffer, signature: Buffer): Buffer {
  return encodeSequence(infoDer, signatureAlgorithmDer, encodeBitString(signature));
}
