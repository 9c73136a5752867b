import { Refusal } from "../refusal.ts";

/** One line of `sota.toml` as it arrives: nothing in it was checked. */
export interface RawSotaLine {
  readonly section: string;
  readonly key: string;
  /** Absent or empty: the line becomes a comment that says the key is not set. */
  readonly value?: string | undefined;
}

/** A checked line: bare keys, and a value that stays on its line. Empty value: not set. */
export interface SotaLine {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

const MAX_VALUE_CHARS = 1_024;
const BARE_KEY = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * C0, DEL, C1 and the Unicode line separators: what could end a TOML line, or look as if it did, in some reader.
 * U+FFFD stands where a decoder met bytes that were no UTF-8.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd]/;

/** Whether text may stand inside one line of a file: no control character, no lone surrogate. */
export function isOneLine(text: string): boolean {
  return !UNSAFE.test(text) && text.isWellFormed();
}

/** @throws Refusal REQUEST-FIELD, malformed, naming `field` */
export function checkSotaLine(raw: RawSotaLine, field: string): SotaLine {
  if (!BARE_KEY.test(raw.section) || !BARE_KEY.test(raw.key)) {
    throw new Refusal(
      "REQUEST-FIELD",
      "malformed",
      "A sota.toml override names a section or key that is not 1 to 64 of A-Z a-z 0-9 _ -; correct the device's options.",
      { field },
    );
  }
  const value = raw.value ?? "";
  if (value.length > MAX_VALUE_CHARS || !isOneLine(value)) {
    throw new Refusal(
      "REQUEST-FIELD",
      "malformed",
      "A sota.toml override has a value with a line break or control character, or one of over 1024 characters; correct the device's options.",
      { field },
    );
  }
  return { section: raw.section, key: raw.key, value };
}
