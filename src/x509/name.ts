import {
  DerError,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  readChildren,
  readOid,
  readTlv,
  TAG,
  type Tlv,
} from "./der.ts";

/** One attribute of a distinguished name as it was read. */
export interface NameAttribute {
  /** Dotted OID. */
  readonly type: string;
  readonly value: string;
  /** The string's tag: the same text in another string type is another name. */
  readonly tag: number;
}

export interface NameAttributeInput {
  readonly type: string;
  readonly value: string;
  readonly string: "utf8" | "printable";
}

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;
const ASCII = /^[\x20-\x7e]*$/;
const MAX_ATTRIBUTES = 16;
const MAX_VALUE_BYTES = 256;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A Name with one attribute in each RDN, in the given order.
 * @throws DerError when a printable value holds another character
 */
export function encodeName(attributes: readonly NameAttributeInput[]): Buffer {
  return encodeSequence(
    ...attributes.map(({ type, value, string }) => {
      if (string === "printable" && !PRINTABLE.test(value)) throw new DerError("not a PrintableString");
      const tag = string === "printable" ? TAG.printableString : TAG.utf8String;
      return encodeSetOf(encodeSequence(encodeOid(type), encodeTlv(tag, Buffer.from(value, "utf8"))));
    }),
  );
}

/**
 * Attributes in DER order. RDNs with more than one attribute, string types other than UTF8String, PrintableString
 * and IA5String, and characters outside the string's own set are refused.
 * @throws DerError
 */
export function parseName(der: Buffer): NameAttribute[] {
  return readChildren(readTlv(der, TAG.sequence), MAX_ATTRIBUTES).map(readAttribute);
}

function readAttribute(rdn: Tlv): NameAttribute {
  if (rdn.tag !== TAG.set) throw new DerError("RDN is not a SET");
  const attribute = readTlv(rdn.content, TAG.sequence);
  const [type, value, ...more] = readChildren(attribute, 3);
  if (type === undefined || value === undefined || more.length > 0) throw new DerError("not a name attribute");
  return { type: readOid(type), value: readString(value), tag: value.tag };
}

function readString({ tag, content }: Tlv): string {
  if (content.length === 0 || content.length > MAX_VALUE_BYTES) throw new DerError("name value of a wrong size");
  if (tag === TAG.utf8String) return readUtf8(content);
  const text = content.toString("latin1");
  if (tag === TAG.printableString && PRINTABLE.test(text)) return text;
  if (tag === TAG.ia5String && ASCII.test(text)) return text;
  throw new DerError("string of an unsupported type or with wrong characters");
}

function readUtf8(content: Buffer): string {
  const text = content.toString("latin1");
  if (ASCII.test(text)) return text;
  try {
    return utf8.decode(content);
  } catch {
    throw new DerError("not valid UTF-8");
  }
}
