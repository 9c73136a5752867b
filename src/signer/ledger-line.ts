import { hash } from "node:crypto";
import { z } from "zod";
import { TOKEN_LABELS, type TokenLabel } from "../hsm/key-labels.ts";
import { type LogHead, LogHeadSchema } from "../hsm/messages.ts";

/**
 * What a line accounts for. Two are no signatures: `head` is a note of airlockd's log head, and `epoch` the decision
 * that from here on another log's head counts.
 */
export const PROFILES = [
  "device",
  "bundle",
  "server",
  "client",
  "bundle-attributes",
  "ceremony-csr",
  "ceremony-line-ca",
  "head",
  "epoch",
] as const;
export type Profile = (typeof PROFILES)[number];

/** Profiles that are certificates under the device CA, and so count. */
export function isDeviceCaCertificate(profile: Profile): boolean {
  return profile === "device" || profile === "bundle";
}

/** What a line says besides its place in the chain. */
export interface LedgerEntry {
  readonly profile: Profile;
  /**
   * Key and SHA-256 of the to-be-signed bytes, lower-case hex; absent for `head` and `epoch` alone. The key is what it
   * was used as; a later device CA key has its own name in its CSR's line, which each key may have once.
   */
  readonly signed?: { readonly key: TokenLabel; readonly tbs: string };
  /** The log head that the request named. */
  readonly head: LogHead;
}

/** A line of the ledger, members in this order; `n` is dense from 1. */
export interface LedgerLine extends LedgerEntry {
  readonly n: number;
  /** SHA-256 of the previous line with its LF; 64 zeros in the first line. */
  readonly prev: string;
  /** UTC, ISO 8601 with milliseconds. */
  readonly at: string;
  /** Device-ca certificates ever signed, this line's included. */
  readonly certificates: number;
}

export const ZERO_HASH = "0".repeat(64);

/** No line is longer: the largest numbers and names included. */
export const MAX_LINE_BYTES = 1_024;

/** The line's exact text with its LF. Every value is a number, hex, an ISO time or a fixed word: nothing to escape. */
export function encodeLedgerLine(line: LedgerLine): string {
  const { signed, head } = line;
  const key = signed === undefined ? "" : `"key":"${signed.key}",`;
  const tbs = signed === undefined ? "" : `"tbs":"${signed.tbs}",`;
  return (
    `{"v":1,"n":${line.n},"prev":"${line.prev}","at":"${line.at}",${key}"profile":"${line.profile}",${tbs}` +
    `"certificates":${line.certificates},"head":{"seq":${head.seq},"hash":"${head.hash}"}}\n`
  );
}

/** SHA-256 of a line with its LF, lower-case hex. */
export function ledgerHash(text: string): string {
  return hash("sha256", text, "hex");
}

const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

const LineSchema = z.strictObject({
  v: z.literal(1),
  n: z.int().positive(),
  prev: sha256Hex,
  at: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
  key: z.enum(TOKEN_LABELS).optional(),
  profile: z.enum(PROFILES),
  tbs: sha256Hex.optional(),
  certificates: z.int().nonnegative(),
  head: LogHeadSchema,
});

/**
 * Strict: accepts only what encodeLedgerLine writes, byte for byte.
 * @param text one line with its LF
 * @returns undefined when it is anything else
 */
export function parseLedgerLine(text: string): LedgerLine | undefined {
  const result = LineSchema.safeParse(parseJson(text));
  if (!result.success) return undefined;
  const { v: _v, key, tbs, ...rest } = result.data;
  const line = key === undefined || tbs === undefined ? rest : { ...rest, signed: { key, tbs } };
  if (isNote(rest.profile) !== (key === undefined)) return undefined;
  return encodeLedgerLine(line) === text ? line : undefined;
}

function isNote(profile: Profile): boolean {
  return profile === "head" || profile === "epoch";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether `line` may stand after `before` (undefined: it is the very first): dense, chained, and its count right. */
export function continuesLedger(line: LedgerLine, before: { line: LedgerLine; hash: string } | undefined): boolean {
  const certificates = (before?.line.certificates ?? 0) + (isDeviceCaCertificate(line.profile) ? 1 : 0);
  return (
    line.n === (before?.line.n ?? 0) + 1 &&
    line.prev === (before?.hash ?? ZERO_HASH) &&
    line.certificates === certificates
  );
}
