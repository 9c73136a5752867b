import type { FileHandle } from "node:fs/promises";
import type { LedgerState, LogHead } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import { headAfter } from "./ledger.ts";
import {
  continuesLedger,
  type LedgerLine,
  ledgerHash,
  MAX_LINE_BYTES,
  parseLedgerLine,
  ZERO_HASH,
} from "./ledger-line.ts";

/**
 * How much of the end is verified at every start: some 9,000 lines, far more than can have been in flight. Each line
 * commits by its hash to all before it and carries the running count, so the last line alone gives the state; an
 * older line altered in place shows when it is read (read-ledger.ts) or when anybody checks the whole chain. So a
 * start costs the same with a thousand lines and with a million.
 */
export const TAIL_BYTES = 4 * 1024 * 1024;

/** One commit's most: what can be torn, or be in the page cache and not on the disk, after a crash. */
export const BATCH_BYTES = 1024 * 1024;

const ZERO_HEAD: LogHead = { seq: 0, hash: ZERO_HASH };
export const EMPTY_LEDGER: LedgerState = { number: 0, hash: ZERO_HASH, certificates: 0, head: ZERO_HEAD };

/** Bytes at the end of the file, beginning at a line's start, without an unterminated last line. */
export interface LedgerTail {
  /** Where the last whole line ends; the file is cut there. */
  readonly end: number;
  readonly isWhole: boolean;
  readonly lines: readonly string[];
}

/** Reads the last lines of the file. @throws Refusal when what follows the last line is too long to be a torn one */
export async function readLedgerTail(file: FileHandle, tailBytes = TAIL_BYTES): Promise<LedgerTail> {
  const { size } = await file.stat();
  const from = Math.max(0, size - tailBytes);
  const bytes = await readExactly(file, from, size - from);
  const last = bytes.lastIndexOf(0x0a);
  if (bytes.length - (last + 1) > BATCH_BYTES) throw brokenLedger();
  const first = from === 0 ? 0 : bytes.indexOf(0x0a) + 1;
  const text = bytes.toString("latin1", first, last + 1);
  return { end: from + last + 1, isWhole: first === 0, lines: splitLines(text) };
}

/** Each line keeps its LF. */
export function splitLines(text: string): string[] {
  return text === ""
    ? []
    : text
        .slice(0, -1)
        .split("\n")
        .map((line) => `${line}\n`);
}

export async function readExactly(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) throw brokenLedger();
    done += bytesRead;
  }
  return bytes;
}

/**
 * Verifies that the lines follow one another and gives the state after the last.
 * @throws Refusal `inconsistent` with SIGN-LEDGER
 */
export function verifyLedgerTail(tail: LedgerTail): LedgerState {
  let before: { line: LedgerLine; hash: string } | undefined;
  let head = ZERO_HEAD;
  for (const text of tail.lines) {
    const line = text.length > MAX_LINE_BYTES ? undefined : parseLedgerLine(text);
    if (line === undefined) throw brokenLedger();
    const isTakenAsFound = before === undefined && !tail.isWhole;
    if (!isTakenAsFound && !continuesLedger(line, before)) throw brokenLedger();
    before = { line, hash: ledgerHash(text) };
    head = headAfter(head, line);
  }
  if (before === undefined) {
    if (!tail.isWhole) throw brokenLedger();
    return EMPTY_LEDGER;
  }
  return { number: before.line.n, hash: before.hash, certificates: before.line.certificates, head };
}

export function brokenLedger(): Refusal {
  return new Refusal(
    "SIGN-LEDGER",
    "inconsistent",
    "The signer's ledger is damaged: its lines do not follow one another. Nothing is signed; call the custodians.",
  );
}
