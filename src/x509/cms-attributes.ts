import type { ControlId } from "../controls.ts";
import { Refusal } from "../refusal.ts";
import {
  DerError,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeUnsignedInteger,
  expectTag,
  readChildren,
  readOid,
  readTlv,
  readUnsignedInteger,
  TAG,
  type Tlv,
} from "./der.ts";
import { refuseMalformed } from "./malformed.ts";
import { OID } from "./oids.ts";
import { encodeTime, parseTime } from "./time.ts";

/** What a bundle's signature states besides the bytes that it covers. */
export interface SignedAttributes {
  /** SHA-256 of the content, 32 bytes. */
  readonly messageDigest: Buffer;
  /** Certificates ever signed with device-ca, by the signer's own ledger. */
  readonly ledgerCount: number;
  /** Hash of the ledger's last line, 32 bytes. */
  readonly ledgerHash: Buffer;
  /** Milliseconds since 1970, whole seconds. */
  readonly signingTimeMs?: number;
}

const MALFORMED = "The bundle's signed attributes are not as this appliance writes them: seal the bundle again.";

/**
 * The SET OF Attribute (tag 0x31) that is signed (RFC 5652 §5.4): content type, message digest, the ledger's
 * attribute, and the signing time when it is given. In the SignerInfo the same bytes stand with the tag 0xa0.
 */
export function encodeSignedAttributes(attributes: SignedAttributes): Buffer {
  const { messageDigest, ledgerCount, ledgerHash, signingTimeMs } = attributes;
  if (messageDigest.length !== 32 || ledgerHash.length !== 32) throw new DerError("hash of a wrong size");
  const ledger = encodeSequence(encodeUnsignedInteger(ledgerCount), encodeOctetString(ledgerHash));
  return encodeSetOf(
    encodeAttribute(OID.contentType, encodeOid(OID.data)),
    encodeAttribute(OID.messageDigest, encodeOctetString(messageDigest)),
    encodeAttribute(OID.ledgerAttribute, ledger),
    ...(signingTimeMs === undefined ? [] : [encodeAttribute(OID.signingTime, encodeTime(signingTimeMs))]),
  );
}

function encodeAttribute(type: string, value: Buffer): Buffer {
  return encodeSequence(encodeOid(type), encodeSetOf(value));
}

/**
 * Reads signed attributes (tag 0x31) and accepts only what encodeSignedAttributes would write, byte for byte.
 * @throws Refusal `malformed` under `control`
 */
export function parseSignedAttributes(der: Buffer, control: ControlId = "BUNDLE-SIG"): SignedAttributes {
  const attributes = refuseMalformed(control, "tbs", MALFORMED, () => readSignedAttributes(der));
  if (!encodeSignedAttributes(attributes).equals(der)) {
    throw new Refusal(control, "malformed", MALFORMED, { field: "tbs" });
  }
  return attributes;
}

function readSignedAttributes(der: Buffer): SignedAttributes {
  const values = new Map(readChildren(readTlv(der, TAG.set), 4).map(readAttribute));
  const digest = expectTag(values.get(OID.messageDigest), TAG.octetString);
  const [count, hash] = readChildren(expectTag(values.get(OID.ledgerAttribute), TAG.sequence), 2);
  const time = values.get(OID.signingTime);
  return {
    messageDigest: hash32(digest),
    ledgerCount: readSafeInteger(expectTag(count, TAG.integer)),
    ledgerHash: hash32(expectTag(hash, TAG.octetString)),
    ...(time === undefined ? {} : { signingTimeMs: parseTime(time) }),
  };
}

function readAttribute(tlv: Tlv): [string, Tlv] {
  const [type, values] = readChildren(expectTag(tlv, TAG.sequence), 2);
  return [readOid(expectTag(type, TAG.oid)), readTlv(expectTag(values, TAG.set).content)];
}

function hash32(tlv: Tlv): Buffer {
  if (tlv.content.length !== 32) throw new DerError("hash of a wrong size");
  return tlv.content;
}

function readSafeInteger(tlv: Tlv): number {
  const value = Number.parseInt(readUnsignedInteger(tlv).toString("hex"), 16);
  if (!Number.isSafeInteger(value)) throw new DerError("number too large");
  return value;
}
