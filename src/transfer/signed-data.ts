import {
  contextTag,
  DerError,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUnsignedInteger,
  expectTag,
  readChildren,
  readTlv,
  TAG,
  type Tlv,
} from "../x509/der.ts";
import { OID } from "../x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../x509/signature.ts";

/** Who signed: by issuer and serial number when the certificate travels along, else by subject key identifier. */
export type SignerIdentifier =
  | { readonly by: "issuer"; readonly issuerDer: Buffer; readonly serialDer: Buffer }
  | { readonly by: "key-id"; readonly keyId: Buffer };

/**
 * The variable parts of the CMS SignedData (RFC 5652 §5) that cross the gap: one signer, SHA-256, ECDSA, content
 * type id-data. Everything else of the structure is fixed.
 */
export interface SignedData {
  /** The content itself; absent in a detached signature. */
  readonly content?: Buffer;
  /** DER certificates; their order does not matter, DER sorts them. */
  readonly certificates: readonly Buffer[];
  readonly signer: SignerIdentifier;
  /** SET OF Attribute, tag 0x31, as it was signed; absent when the signature is over the content itself. */
  readonly signedAttributes?: Buffer;
  /** DER ECDSA-Sig-Value. */
  readonly signature: Buffer;
}

// RFC 5754 §2: SHA-256 without parameters.
const SHA256_ALGORITHM = encodeSequence(encodeOid(OID.sha256));
const ECDSA_ALGORITHM = SIGNATURE_ALGORITHM["ecdsa-with-SHA256"];
const KEY_ID_TAG = 0x80;

export function encodeSignedData(parts: SignedData): Buffer {
  const { content, certificates, signer } = parts;
  // RFC 5652 §5.1 and §5.3: version 3 goes with a signer named by key identifier, 1 with issuer and serial.
  const version = encodeUnsignedInteger(signer.by === "key-id" ? 3 : 1);
  const encapsulated = content === undefined ? [] : [encodeTlv(contextTag(0), encodeOctetString(content))];
  const signedData = encodeSequence(
    version,
    encodeSetOf(SHA256_ALGORITHM),
    encodeSequence(encodeOid(OID.data), ...encapsulated),
    ...(certificates.length === 0 ? [] : [retag(encodeSetOf(...certificates), contextTag(0))]),
    encodeSetOf(encodeSignerInfo(parts, version)),
  );
  return encodeSequence(encodeOid(OID.signedData), encodeTlv(contextTag(0), signedData));
}

function encodeSignerInfo({ signer, signedAttributes, signature }: SignedData, version: Buffer): Buffer {
  const identifier =
    signer.by === "key-id" ? encodeTlv(KEY_ID_TAG, signer.keyId) : encodeSequence(signer.issuerDer, signer.serialDer);
  return encodeSequence(
    version,
    identifier,
    SHA256_ALGORITHM,
    ...(signedAttributes === undefined ? [] : [retag(signedAttributes, contextTag(0))]),
    ECDSA_ALGORITHM,
    encodeOctetString(signature),
  );
}

/** IMPLICIT tagging: the same length and content under another tag. */
function retag(der: Buffer, tag: number): Buffer {
  return Buffer.concat([Buffer.of(tag), der.subarray(1)]);
}

/**
 * Reads one SignedData and accepts only what `encodeSignedData` would write, byte for byte: no other algorithm, no
 * second signer, no unsigned attribute, no order or length of another encoder.
 * @throws DerError
 */
export function parseSignedData(der: Buffer): SignedData {
  const [type, wrapped] = readChildren(readTlv(der, TAG.sequence), 2);
  if (!expectTag(type, TAG.oid).bytes.equals(encodeOid(OID.signedData))) throw new DerError("not a SignedData");
  const parts = readSignedData(readTlv(expectTag(wrapped, contextTag(0)).content, TAG.sequence));
  if (!encodeSignedData(parts).equals(der)) throw new DerError("not the expected form of SignedData");
  return parts;
}

function readSignedData(signedData: Tlv): SignedData {
  // Version, algorithms and content type are fixed: the comparison of the re-encoded bytes checks them.
  const children = readChildren(signedData, 5);
  const [, , encapsulated] = children;
  const certificates = children.length === 5 ? children[3] : undefined;
  const [signerInfo] = readChildren(expectTag(children.at(-1), TAG.set), 1);
  const content = readChildren(expectTag(encapsulated, TAG.sequence), 2)[1];
  return {
    ...(content === undefined ? {} : { content: readTlv(content.content, TAG.octetString).content }),
    certificates: certificates === undefined ? [] : readChildren(expectTag(certificates, contextTag(0)), 4).map(whole),
    ...readSignerInfo(expectTag(signerInfo, TAG.sequence)),
  };
}

function readSignerInfo(signerInfo: Tlv): Pick<SignedData, "signer" | "signedAttributes" | "signature"> {
  const children = readChildren(signerInfo, 6);
  const attributes = children.length === 6 ? children[3] : undefined;
  return {
    signer: readSigner(children[1]),
    ...(attributes === undefined ? {} : { signedAttributes: retag(attributes.bytes, TAG.set) }),
    signature: expectTag(children.at(-1), TAG.octetString).content,
  };
}

function readSigner(identifier: Tlv | undefined): SignerIdentifier {
  if (identifier?.tag === KEY_ID_TAG) return { by: "key-id", keyId: identifier.content };
  const [issuer, serial] = readChildren(expectTag(identifier, TAG.sequence), 2);
  return {
    by: "issuer",
    issuerDer: expectTag(issuer, TAG.sequence).bytes,
    serialDer: expectTag(serial, TAG.integer).bytes,
  };
}

function whole(tlv: Tlv): Buffer {
  return tlv.bytes;
}
