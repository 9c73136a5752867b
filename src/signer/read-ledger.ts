import type { FileHandle } from "node:fs/promises";
import type { TokenLabel } from "../hsm/key-labels.ts";
import {
  continuesLedger,
  type LedgerLine,
  ledgerHash,
  MAX_LINE_BYTES,
  type Profile,
  parseLedgerLine,
} from "./ledger-line.ts";
import { brokenLedger, readExactly, splitLines } from "./ledger-tail.ts";

const PAGE_LINES = 100;
/** Keeps a page inside one frame: a line's quotes double when it stands in JSON. */
const PAGE_BYTES = 40 * 1024;
const SCAN_BYTES = 1024 * 1024;

/** Reads lines back by number, without an index: numbers rise with the offset, so a binary search finds them. */
export class LedgerReader {
  readonly #file: FileHandle;
  readonly #lastNumber: () => number;

  /** @param lastNumber number of the last durable line; nothing after it is ever shown */
  constructor(file: FileHandle, lastNumber: () => number) {
    this.#file = file;
    this.#lastNumber = lastNumber;
  }

  /**
   * Lines (without LF) numbered above `after`, verified against one another; at most 100.
   * @throws Refusal `inconsistent` with SIGN-LEDGER
   */
  async readAfter(after: number): Promise<string[]> {
    const last = Math.min(this.#lastNumber(), after + PAGE_LINES);
    if (last <= after) return [];
    const { size } = await this.#file.stat();
    const start = after === 0 ? 0 : await this.#findStart(after, size);
    const bytes = await readExactly(this.#file, start, Math.min(size - start, (PAGE_LINES + 1) * MAX_LINE_BYTES));
    const lines = splitLines(bytes.toString("latin1", 0, bytes.lastIndexOf(0x0a) + 1));
    return takePage(lines, after, last);
  }

  /**
   * SHA-256 of what the first line of this key and profile signed, undefined when there is none: reads the whole file,
   * so for the ceremony alone.
   */
  async firstSigned(key: TokenLabel, profile: Profile): Promise<string | undefined> {
    const { size } = await this.#file.stat();
    const needle = `"key":"${key}","profile":"${profile}","tbs":"`;
    for (let from = 0; from < size; from += SCAN_BYTES) {
      const length = Math.min(size - from, SCAN_BYTES + MAX_LINE_BYTES);
      const bytes = await readExactly(this.#file, from, length);
      const at = bytes.indexOf(needle);
      if (at >= 0) return bytes.toString("latin1", at + needle.length, at + needle.length + 64);
    }
    return undefined;
  }

  /** Offset at which line `number` begins. */
  async #findStart(number: number, size: number): Promise<number> {
    let low = 0;
    let high = size;
    while (high - low > 0) {
      const middle = Math.floor((low + high) / 2);
      const found = await this.#firstLineFrom(middle, size);
      if (found !== undefined && found.number === number) return found.offset;
      if (found !== undefined && found.number < number) low = middle + 1;
      else high = middle;
    }
    if (number === 1) return 0;
    throw brokenLedger();
  }

  /** The first line that begins after `offset`. */
  async #firstLineFrom(offset: number, size: number): Promise<{ number: number; offset: number } | undefined> {
    const bytes = await readExactly(this.#file, offset, Math.min(size - offset, MAX_LINE_BYTES + 64));
    const start = bytes.indexOf(0x0a) + 1;
    if (start === 0 || start === bytes.length) return undefined;
    const number = /^\{"v":1,"n":(\d{1,15}),/.exec(bytes.toString("latin1", start, start + 40))?.[1];
    if (number === undefined) throw brokenLedger();
    return { number: Number(number), offset: offset + start };
  }
}

/** @param lines beginning with line number `after` itself, or with line 1 when `after` is 0 */
function takePage(lines: readonly string[], after: number, last: number): string[] {
  const page: string[] = [];
  let bytes = 0;
  let before: { line: LedgerLine; hash: string } | undefined;
  for (const text of lines) {
    const line = parseLedgerLine(text);
    if (line === undefined) throw brokenLedger();
    const isAnchor = before === undefined && after > 0 && line.n === after;
    if (!isAnchor && !continuesLedger(line, before)) throw brokenLedger();
    before = { line, hash: ledgerHash(text) };
    bytes += text.length;
    if (isAnchor) continue;
    if (line.n > last || bytes > PAGE_BYTES) break;
    page.push(text.slice(0, -1));
  }
  return page;
}
