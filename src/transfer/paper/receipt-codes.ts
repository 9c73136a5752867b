import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { encodeBase32Hex, parseBase32Hex } from "./base32hex.ts";

/** Characters of data in one printed code: together with its head about 110 modules, which a hand scanner reads. */
export const PRINT_CAPACITY = 1_000;
/** More than this is no receipt. */
export const MAX_PARTS = 99;

/** Longest text of a code around its data. */
export const CODE_OVERHEAD = "ALR1.999999.99.99.01234567..0123456".length;

/**
 * One printed code, `ALR1.<receipt>.<part>.<parts>.<id>.<data>.<crc>`: letters to V, digits and dots alone, so that it
 * fits QR's alphanumeric mode and comes out of a keyboard-wedge scanner alike on QWERTY and QWERTZ.
 */
export interface ReceiptCode {
  /** The receipt's number, for people. */
  readonly number: number;
  /** From 1. */
  readonly part: number;
  readonly parts: number;
  /** 40 bits of the receipt's SHA-256: which parts belong together, and whether they were joined right. */
  readonly id: string;
  readonly data: string;
}

/**
 * A receipt's CMS as codes of at most `capacity` characters of data each.
 * @param capacity at least 32
 */
export function encodeReceiptCodes(der: Buffer, number: number, capacity = PRINT_CAPACITY): string[] {
  const data = encodeBase32Hex(der);
  const parts = Math.max(1, Math.ceil(data.length / capacity));
  if (parts > MAX_PARTS) throw new RangeError("the receipt does not fit on paper; carry its file");
  const id = receiptId(der);
  // Parts of equal length: no code is much larger than the others.
  const length = Math.ceil(data.length / parts);
  return Array.from({ length: parts }, (_, i) =>
    encodeCode({ number, part: i + 1, parts, id, data: data.slice(i * length, (i + 1) * length) }),
  );
}

export function receiptId(der: Uint8Array): string {
  return encodeBase32Hex(createHash("sha256").update(der).digest().subarray(0, 5));
}

function encodeCode({ number, part, parts, id, data }: ReceiptCode): string {
  const body = `ALR1.${number}.${part}.${parts}.${id}.${data}`;
  return `${body}.${checksum(body)}`;
}

function checksum(body: string): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return encodeBase32Hex(bytes);
}

/** `damaged`: begins like a code of ours and is not whole. */
export type CodeReading =
  | { readonly result: "code"; readonly code: ReceiptCode }
  | { readonly result: "damaged" | "foreign" };

const CODE = /^(ALR1\.([1-9]\d{0,5})\.([1-9]\d?)\.([1-9]\d?)\.([0-9A-V]{8})\.([0-9A-V]+))\.([0-9A-V]{7})$/;

export function parseReceiptCode(text: string): CodeReading {
  if (!text.startsWith("ALR")) return { result: "foreign" };
  const [, body = "", number, part, parts, id = "", data = "", crc] = CODE.exec(text) ?? [];
  const isWhole = body !== "" && checksum(body) === crc && Number(part) <= Number(parts);
  if (!isWhole) return { result: "damaged" };
  return { result: "code", code: { number: Number(number), part: Number(part), parts: Number(parts), id, data } };
}

/** The receipt from its parts in order; undefined when they do not make the whole that their id names. */
export function joinReceiptCodes(codes: readonly ReceiptCode[]): Buffer | undefined {
  const der = parseBase32Hex(codes.map(({ data }) => data).join(""));
  return der !== undefined && receiptId(der) === codes[0]?.id ? der : undefined;
}
