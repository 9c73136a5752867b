import { CHECK_WORDS } from "./check-word-list.ts";

const WORDS = 4;

/**
 * Four words for the first 32 bits of an id, so that two people can compare bundles over a telephone. A help for the
 * ear, never a check: the signature is what counts.
 * @param id lower-case hex, at least 8 digits
 */
export function checkWords(id: string): string {
  return [...Buffer.from(id, "hex").subarray(0, WORDS)].map((byte) => CHECK_WORDS[byte] ?? "").join("-");
}
