/**
 * Strict, bounded DER (X.690 §10): definite minimal lengths only, single-byte tags, nothing after the value.
 * Values are views of the caller's bytes, so that what was checked is what is copied.
 */

/** The bytes are not strict DER, or not of the expected shape. */
export class DerError extends Error {
  override name = "DerError";
}

/** One tag-length-value; `bytes` is all of it, `content` is without tag and length. */
export interface Tlv {
  readonly tag: number;
  readonly bytes: Buffer;
  readonly content: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Tag byte of a constructed context-specific value, `[n]`. */
export function contextTag(n: number): number {
  return 0xa0 | n;
}

/** Reads one value at `offset`; it may be followed by others. */
export function readTlvAt(bytes: Buffer, offset: number): Tlv {
  const tag = bytes[offset];
  const first = bytes[offset + 1];
  if (tag === undefined || first === undefined) throw new DerError("value cut short");
  if ((tag & 0x1f) === 0x1f) throw new DerError("multi-byte tag");
  let start = offset + 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    if (count === 0) throw new DerError("indefinite length");
    if (count > 3) throw new DerError("length too large");
    length = 0;
    for (let i = 0; i < count; i++) {
      const byte = bytes[start + i];
      if (byte === undefined) throw new DerError("value cut short");
      length = length * 256 + byte;
    }
    start += count;
    if (length < 0x80 || length < 2 ** (8 * (count - 1))) throw new DerError("length not minimal");
  }
  const end = start + length;
  if (end > bytes.length) throw new DerError("value cut short");
  return { tag, bytes: bytes.subarray(offset, end), content: bytes.subarray(start, end) };
}

/** Reads exactly one value that fills `bytes`. */
export function readTlv(bytes: Buffer, tag?: number): Tlv {
  const tlv = readTlvAt(bytes, 0);
  if (tlv.bytes.length !== bytes.length) throw new DerError("bytes after the value");
  return tag === undefined ? tlv : expectTag(tlv, tag);
}

/** Reads all values inside a constructed one, at most `limit` of them. */
export function readChildren(parent: Tlv, limit = 64): Tlv[] {
  if ((parent.tag & 0x20) === 0) throw new DerError("not a constructed value");
  const children: Tlv[] = [];
  for (let offset = 0; offset < parent.content.length; ) {
    if (children.length === limit) throw new DerError("too many values");
    const child = readTlvAt(parent.content, offset);
    children.push(child);
    offset += child.bytes.length;
  }
  return children;
}

/**
 * Walks everything inside a value down to `maxDepth` levels, for parts that are ignored but must still be DER.
 * @throws DerError
 */
export function checkDerTree(bytes: Buffer, maxDepth = 12): void {
  checkDepth(readTlv(bytes), maxDepth);
}

function checkDepth(tlv: Tlv, depth: number): void {
  if ((tlv.tag & 0x20) === 0) return;
  if (depth === 0) throw new DerError("nested too deeply");
  for (const child of readChildren(tlv)) checkDepth(child, depth - 1);
}

/** Refuses `undefined` and any other tag. */
export function expectTag(tlv: Tlv | undefined, tag: number): Tlv {
  if (tlv === undefined) throw new DerError("value missing");
  if (tlv.tag !== tag) throw new DerError("unexpected tag");
  return tlv;
}

/** Content bytes of a minimal, non-negative INTEGER, without the leading sign byte. */
export function readUnsignedInteger(tlv: Tlv): Buffer {
  const { content } = expectTag(tlv, TAG.integer);
  const [first, second] = content;
  if (first === undefined) throw new DerError("empty INTEGER");
  if (first >= 0x80) throw new DerError("negative INTEGER");
  if (first === 0 && content.length > 1) {
    if ((second ?? 0) < 0x80) throw new DerError("INTEGER not minimal");
    return content.subarray(1);
  }
  return content;
}

/** Content of a BIT STRING that has no unused bits. */
export function readWholeBitString(tlv: Tlv): Buffer {
  const { content } = expectTag(tlv, TAG.bitString);
  if (content[0] !== 0) throw new DerError("BIT STRING with unused bits");
  return content.subarray(1);
}

/** Dotted decimal form of an OBJECT IDENTIFIER. */
export function readOid(tlv: Tlv): string {
  const { content } = expectTag(tlv, TAG.oid);
  if (content.length === 0 || content.length > 32) throw new DerError("OID of a wrong size");
  const arcs: number[] = [];
  let value = 0;
  let isFresh = true;
  for (const byte of content) {
    if (isFresh && byte === 0x80) throw new DerError("OID not minimal");
    if (value > 0xffffff) throw new DerError("OID arc too large");
    value = value * 128 + (byte & 0x7f);
    isFresh = (byte & 0x80) === 0;
    if (isFresh) {
      if (arcs.length === 0) {
        const root = value < 40 ? 0 : value < 80 ? 1 : 2;
        arcs.push(root, value - root * 40);
      } else arcs.push(value);
      value = 0;
    }
  }
  if (!isFresh) throw new DerError("OID cut short");
  return arcs.join(".");
}

/** Wraps already-encoded content. */
export function encodeTlv(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([encodeHeader(tag, length), ...content]);
}

function encodeHeader(tag: number, length: number): Buffer {
  if (length < 0x80) return Buffer.from([tag, length]);
  if (length < 0x100) return Buffer.from([tag, 0x81, length]);
  if (length < 0x10000) return Buffer.from([tag, 0x82, length >> 8, length & 0xff]);
  if (length < 0x1000000) return Buffer.from([tag, 0x83, length >> 16, (length >> 8) & 0xff, length & 0xff]);
  throw new DerError("value too large to encode");
}

export function encodeSequence(...content: readonly Uint8Array[]): Buffer {
  return encodeTlv(TAG.sequence, ...content);
}

/** SET OF: DER wants its members in ascending order of their bytes (X.690 §11.6). */
export function encodeSetOf(...members: readonly Uint8Array[]): Buffer {
  return encodeTlv(TAG.set, ...[...members].sort(Buffer.compare));
}

/** INTEGER from big-endian unsigned bytes or a small non-negative number. */
export function encodeUnsignedInteger(value: Uint8Array | number): Buffer {
  let bytes = typeof value === "number" ? numberBytes(value) : Buffer.from(value);
  while (bytes.length > 1 && bytes[0] === 0) bytes = bytes.subarray(1);
  const isSignNeeded = bytes.length === 0 || (bytes[0] ?? 0) >= 0x80;
  return isSignNeeded ? encodeTlv(TAG.integer, Buffer.of(0), bytes) : encodeTlv(TAG.integer, bytes);
}

function numberBytes(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) throw new DerError("not an unsigned integer");
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}

export function encodeBitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return encodeTlv(TAG.bitString, Buffer.of(unusedBits), bytes);
}

export function encodeOctetString(bytes: Uint8Array): Buffer {
  return encodeTlv(TAG.octetString, bytes);
}

export function encodeOid(dotted: string): Buffer {
  const [root = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes: number[] = [];
  for (const arc of [root * 40 + second, ...rest]) {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return encodeTlv(TAG.oid, Buffer.from(bytes));
}

export function encodeUtf8String(text: string): Buffer {
  return encodeTlv(TAG.utf8String, Buffer.from(text, "utf8"));
}

/** BOOLEAN TRUE; DER never writes FALSE defaults. */
export const DER_TRUE = Buffer.of(TAG.boolean, 1, 0xff);
export const DER_NULL = Buffer.of(TAG.null, 0);
