import { isoUtc } from "../clock.ts";

/**
 * What became of a registration. `delivered` stands in an exception only when it corrects an earlier receipt;
 * `pending` means that the importer has the record and will try again.
 */
export const RECEIPT_OUTCOMES = ["delivered", "duplicate", "superseded", "voided", "pending", "rejected"] as const;
export type ReceiptOutcome = (typeof RECEIPT_OUTCOMES)[number];

export const REJECT_CODES = ["E_NAME_TAKEN", "E_UUID_OTHER_KEY", "E_DENIED", "E_INVALID", "E_GROUP_UNKNOWN"] as const;
export type RejectCode = (typeof REJECT_CODES)[number];

/** A receipt's record must fit into a line of the log: these many, and the rest in the next receipt. */
export const MAX_RECEIPT_BUNDLES = 160;
export const MAX_RECEIPT_EXCEPTIONS = 140;
export const MAX_RECEIPT_GAPS = 40;
export const MAX_RECEIPT_BYTES = 64 * 1024;

/** One registration, or every registration from `first` to `last`. */
export interface ReceiptException {
  readonly first: number;
  readonly last: number;
  readonly outcome: ReceiptOutcome;
  /** With `rejected` only, and always. */
  readonly code?: RejectCode;
}

/** Every registration in the bundles named here is delivered, but for the exceptions. */
export interface Receipt {
  readonly log: string;
  readonly importer: string;
  /** From 1, dense per importer and log. */
  readonly number: number;
  /** SHA-256 of the previous receipt's CMS, DER; 64 zeros in the first. */
  readonly prev: string;
  /** Ascending by number. */
  readonly bundles: readonly { readonly bundle: number; readonly id: string }[];
  /** Ascending, disjoint; may reach into bundles that an earlier receipt covered. */
  readonly exceptions: readonly ReceiptException[];
  /** Records that have not arrived although later ones have; ascending, disjoint. */
  readonly gaps: readonly { readonly first: number; readonly last: number }[];
  /** Bundles that have not arrived although later ones have; ascending. */
  readonly missing: readonly number[];
  /** Every record up to this one has arrived; 0 and 64 zeros before the first. */
  readonly thru: { readonly seq: number; readonly hash: string };
  /** UTC, ISO 8601 with milliseconds, by the importer's clock. */
  readonly at: string;
}

export function encodeReceiptText(receipt: Receipt): string {
  const lines = [
    "airlock-receipt 1",
    `log ${receipt.log}`,
    `importer ${receipt.importer}`,
    `number ${receipt.number}`,
    `prev ${receipt.prev}`,
    ...receipt.bundles.map(({ bundle, id }) => `bundle ${bundle} ${id}`),
    ...receipt.exceptions.map(encodeException),
    ...receipt.gaps.map((gap) => `gap ${encodeRange(gap)}`),
    ...receipt.missing.map((bundle) => `missing ${bundle}`),
    `thru ${receipt.thru.seq} ${receipt.thru.hash}`,
    `at ${receipt.at}`,
  ];
  return `${lines.join("\n")}\n`;
}

function encodeException({ outcome, code, ...range }: ReceiptException): string {
  return `except ${encodeRange(range)} ${outcome}${code === undefined ? "" : ` ${code}`}`;
}

function encodeRange({ first, last }: { first: number; last: number }): string {
  return first === last ? String(first) : `${first}-${last}`;
}

const NUMBER = "[1-9]\\d{0,14}";
const HASH = "[0-9a-f]{64}";
const LINE = {
  head: /^airlock-receipt 1$/,
  log: /^log ([0-9a-f]{8})$/,
  importer: /^importer ([A-Za-z0-9]{1,12})$/,
  number: new RegExp(`^number (${NUMBER})$`),
  prev: new RegExp(`^prev (${HASH})$`),
  bundle: new RegExp(`^bundle (${NUMBER}) (${HASH})$`),
  except: new RegExp(
    `^except (${NUMBER})(?:-(${NUMBER}))? (?:(${words(RECEIPT_OUTCOMES)})|rejected (${words(REJECT_CODES)}))$`,
  ),
  gap: new RegExp(`^gap (${NUMBER})(?:-(${NUMBER}))?$`),
  missing: new RegExp(`^missing (${NUMBER})$`),
  thru: new RegExp(`^thru (0|${NUMBER}) (${HASH})$`),
  at: /^at (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)$/,
};

function words(list: readonly string[]): string {
  return list.filter((word) => word !== "rejected").join("|");
}

/**
 * Reads a receipt's text; undefined unless it is exactly what `encodeReceiptText` writes, in order and in range. The
 * text is short and signed, so there is nothing to repair in a wrong one.
 */
export function parseReceiptText(text: string): Receipt | undefined {
  if (text.length > MAX_RECEIPT_BYTES) return undefined;
  const lines = text.split("\n");
  const receipt = readLines(new LineReader(lines));
  if (receipt === undefined || !isOrdered(receipt) || encodeReceiptText(receipt) !== text) return undefined;
  return receipt;
}

class LineReader {
  readonly #lines: readonly string[];
  #next = 0;

  constructor(lines: readonly string[]) {
    this.#lines = lines;
  }

  /** The groups of the next line when it has this form; otherwise the line stays. */
  take(form: RegExp): readonly (string | undefined)[] | undefined {
    const match = form.exec(this.#lines[this.#next] ?? "");
    if (match !== null) this.#next++;
    return match?.slice(1);
  }

  takeAll(form: RegExp): (readonly (string | undefined)[])[] {
    const all: (readonly (string | undefined)[])[] = [];
    for (let groups = this.take(form); groups !== undefined; groups = this.take(form)) all.push(groups);
    return all;
  }
}

function readLines(reader: LineReader): Receipt | undefined {
  if (reader.take(LINE.head) === undefined) return undefined;
  const [log, importer, number, prev] = [LINE.log, LINE.importer, LINE.number, LINE.prev].map(
    (form) => reader.take(form)?.[0],
  );
  const bundles = reader.takeAll(LINE.bundle).map(([bundle, id = ""]) => ({ bundle: Number(bundle), id }));
  const exceptions = reader.takeAll(LINE.except).map(readException);
  const gaps = reader.takeAll(LINE.gap).map(([first, last]) => readRange(first, last));
  const missing = reader.takeAll(LINE.missing).map(([bundle]) => Number(bundle));
  const [thru, hash] = reader.take(LINE.thru) ?? [];
  const at = reader.take(LINE.at)?.[0];
  if (log === undefined || importer === undefined || number === undefined || prev === undefined) return undefined;
  if (thru === undefined || hash === undefined || at === undefined) return undefined;
  const head = { log, importer, number: Number(number), prev };
  return { ...head, bundles, exceptions, gaps, missing, thru: { seq: Number(thru), hash }, at };
}

function readException([first, last, outcome, code]: readonly (string | undefined)[]): ReceiptException {
  const range = readRange(first, last);
  if (code !== undefined) return { ...range, outcome: "rejected", code: code as RejectCode };
  return { ...range, outcome: outcome as ReceiptOutcome };
}

function readRange(first: string | undefined, last: string | undefined): { first: number; last: number } {
  return { first: Number(first), last: Number(last ?? first) };
}

function isOrdered({ bundles, exceptions, gaps, missing, at }: Receipt): boolean {
  return (
    isAscending(bundles.map(({ bundle }) => ({ first: bundle, last: bundle }))) &&
    isAscending(missing.map((bundle) => ({ first: bundle, last: bundle }))) &&
    isAscending(exceptions) &&
    isAscending(gaps) &&
    bundles.length <= MAX_RECEIPT_BUNDLES &&
    exceptions.length <= MAX_RECEIPT_EXCEPTIONS &&
    gaps.length <= MAX_RECEIPT_GAPS &&
    missing.length <= MAX_RECEIPT_GAPS &&
    isTime(at)
  );
}

function isAscending(ranges: readonly { first: number; last: number }[]): boolean {
  return ranges.every(({ first, last }, i) => first <= last && first > (ranges[i - 1]?.last ?? 0));
}

function isTime(at: string): boolean {
  const ms = Date.parse(at);
  return !Number.isNaN(ms) && isoUtc(ms) === at;
}

/** `ALR_A7F3C2E1_EU1_00058`: the receipt's file name on a medium. */
export function receiptFileName({ log, importer, number }: Pick<Receipt, "log" | "importer" | "number">): string {
  return `ALR_${log.toUpperCase()}_${importer.toUpperCase()}_${String(number).padStart(5, "0")}`;
}

/** `receipt-58.svg`, `receipt-58-page-2.png`: names of a receipt's pages to print. */
export function receiptPageName(number: number, page: number, extension: "svg" | "png"): string {
  return `receipt-${number}${page === 1 ? "" : `-page-${page}`}.${extension}`;
}

/** Whether a file is named like a receipt, one of its pages, or the deny list that travels with it. */
export function isReceiptName(name: string): boolean {
  return /^AL[RD]_[0-9A-F]{8}_/.test(name) || /^receipt-\d{1,6}(-page-\d{1,2})?\.(svg|png)$/.test(name);
}
