import { DerError, encodeTlv, TAG, type Tlv } from "./der.ts";

const FIRST_GENERALIZED_YEAR = 2050;
const ZERO = 0x30;

/**
 * A certificate's time, whole seconds, from milliseconds since 1970 (a fraction is cut off): UTCTime through 2049,
 * GeneralizedTime from 2050 on, as RFC 5280 §4.1.2.5 forces.
 * @throws DerError before 1950 or after 9999
 */
export function encodeTime(ms: number): Buffer {
  const date = new Date(ms);
  const year = date.getUTCFullYear();
  if (!(year >= 1950 && year <= 9999)) throw new DerError("time out of range");
  const pairs = [date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes()];
  const digits = [year % 100, ...pairs, date.getUTCSeconds()].flatMap(twoDigits);
  return year < FIRST_GENERALIZED_YEAR
    ? encodeTlv(TAG.utcTime, Buffer.of(...digits, 0x5a))
    : encodeTlv(TAG.generalizedTime, Buffer.of(...twoDigits(Math.floor(year / 100)), ...digits, 0x5a));
}

function twoDigits(value: number): [number, number] {
  return [ZERO + Math.floor(value / 10), ZERO + (value % 10)];
}

/**
 * Milliseconds since 1970 of a UTCTime or GeneralizedTime in the one form that RFC 5280 allows: seconds, `Z`, no
 * fraction, and the type that its year calls for.
 * @throws DerError
 */
export function parseTime(tlv: Tlv): number {
  const [start, century] = readCentury(tlv);
  const at = (pair: number) => readPair(tlv.content, start + 2 * pair);
  const year = century === undefined ? (at(0) < 50 ? 2000 : 1900) + at(0) : century * 100 + at(0);
  const ms = Date.UTC(year, at(1) - 1, at(2), at(3), at(4), at(5));
  // Encoding again catches what is no digit, 30 February, hour 24 and the wrong type for the year.
  if (!encodeTime(ms).equals(tlv.bytes)) throw new DerError("not a valid time");
  return ms;
}

/** Where the year's last two digits begin, and the century when it is written. */
function readCentury({ tag, content }: Tlv): [number, number | undefined] {
  if (tag === TAG.utcTime && content.length === 13) return [0, undefined];
  if (tag === TAG.generalizedTime && content.length === 15) return [2, readPair(content, 0)];
  throw new DerError("not a time");
}

/** Two digits; whatever else stands there gives a number that does not encode to the same bytes. */
function readPair(content: Buffer, offset: number): number {
  return ((content[offset] ?? 0) - ZERO) * 10 + (content[offset + 1] ?? 0) - ZERO;
}
