import { Refusal } from "../refusal.ts";
import type { LogRecord, RecordDraft, RecordHeader, RecordKind } from "./record.ts";
import { recordForm } from "./record-forms.ts";

/** A record's line with its LF may have so many bytes. */
export const MAX_RECORD_BYTES = 16 * 1024;

const HEADER =
  /^\{"v":1,"kind":"([a-z]+)","log":"([0-9a-f]{8})","seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})","at":"([^"]{24})",/;

/** A record and the one line that it is. */
export interface EncodedRecord {
  readonly record: LogRecord;
  readonly line: string;
}

/**
 * The line of a record, with its LF: ASCII, members in the order of record.ts.
 * @throws Refusal `malformed` when the draft is not of its kind's form, or larger than MAX_RECORD_BYTES
 */
export function encodeRecord(header: Omit<RecordHeader, "v" | "kind">, draft: RecordDraft): string {
  return prepareRecord(header, draft).line;
}

/** As encodeRecord, with the record itself, so that nobody parses what was just encoded. */
export function prepareRecord(header: Omit<RecordHeader, "v" | "kind">, draft: RecordDraft): EncodedRecord {
  const record = { ...draft.body, v: 1, kind: draft.kind, ...header } as unknown as LogRecord;
  const line = `${encodeForm(record)}\n`;
  if (line.length > MAX_RECORD_BYTES) {
    throw new Refusal("STORE-CHAIN", "malformed", "The record is larger than 16 KiB. Shorten the request.");
  }
  return { record, line };
}

/**
 * Parses one line with its LF. Fit for hostile input: only a line that is in the one exact form passes.
 * @throws Refusal `malformed`
 */
export function parseRecord(line: string): LogRecord {
  // The size first: nothing larger reaches the JSON parser.
  if (line.length > MAX_RECORD_BYTES) throw notExact();
  const record = parseJson(line);
  // Encoding again is what refuses duplicate members, other orders, whitespace, escapes and anything beyond ASCII.
  if (`${encodeForm(record)}\n` !== line) throw notExact();
  return record as LogRecord;
}

/** Header members of a line, without parsing the rest; undefined when it does not start as a record does. */
export function readHeader(line: string): RecordHeader | undefined {
  const match = HEADER.exec(line);
  if (match === null) return undefined;
  const [, kind = "", log = "", seq = "", prev = "", at = ""] = match;
  return { v: 1, kind: kind as RecordKind, log, seq: Number(seq), prev, at };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw notExact(cause);
  }
}

function encodeForm(record: unknown): string {
  try {
    return recordForm(record);
  } catch (cause) {
    throw notExact(cause);
  }
}

function notExact(cause?: unknown): Refusal {
  const sentence = "A record is not in the log's exact form. It was altered, or another version of Airlock wrote it.";
  return new Refusal("STORE-CHAIN", "malformed", sentence, { cause });
}
