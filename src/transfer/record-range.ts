import { createHash } from "node:crypto";
import { ZERO_HASH } from "../log/chain.ts";
import type { Log } from "../log/log.ts";
import { MAX_BUNDLE_RECORDS, MAX_RECORDS_BYTES } from "./bundle-files.ts";

/** What a bundle's manifest says about its records. */
export interface RangeTotals {
  readonly first: number;
  readonly last: number;
  readonly count: number;
  readonly registrations: number;
  readonly bytes: number;
  /** Hash of the line before the first. */
  readonly before: string;
  /** Hash of the last line. */
  readonly after: string;
  /** SHA-256 of RECORDS.NDJSON. */
  readonly sha256: string;
}

export interface RangeLimits {
  readonly records: number;
  readonly bytes: number;
}

const LIMITS: RangeLimits = { records: MAX_BUNDLE_RECORDS, bytes: MAX_RECORDS_BYTES };

/** Adds up the records of the next bundle, in as many steps as wanted. */
export interface RecordRange {
  /** Takes in records up to `last`, or to the limit of a bundle. */
  extend(last: number): Promise<void>;
  totals(): RangeTotals;
}

/** The kind is the second member of every line and its bytes never vary. */
export function isRegistrationLine(line: string): boolean {
  return line.startsWith('{"v":1,"kind":"registration",');
}

export function openRange(log: Log, first: number, limits: RangeLimits = LIMITS): RecordRange {
  const before = log.hashAt(first - 1) ?? ZERO_HASH;
  const hash = createHash("sha256");
  let totals = { first, last: first - 1, count: 0, registrations: 0, bytes: 0, before, after: before };
  let isFull = false;
  return {
    extend: async (last) => {
      const until = Math.min(last, first + limits.records - 1);
      if (isFull || until <= totals.last) return;
      for await (const record of log.read(totals.last + 1, until)) {
        const bytes = totals.bytes + Buffer.byteLength(record.line);
        isFull = bytes > limits.bytes;
        if (isFull) return;
        hash.update(record.line);
        const registrations = totals.registrations + (isRegistrationLine(record.line) ? 1 : 0);
        totals = { ...totals, last: record.seq, count: totals.count + 1, registrations, bytes, after: record.hash };
      }
    },
    totals: () => ({ ...totals, sha256: hash.copy().digest("hex") }),
  };
}
