import { hash } from "node:crypto";

/** `prev` of the genesis record, and the hash of an empty log or ledger. */
export const ZERO_HASH = "0".repeat(64);

/** SHA-256 of a line with its LF, lower-case hex. A line is ASCII, so its characters are its bytes. */
export function lineHash(line: string | Buffer): string {
  return hash("sha256", line, "hex");
}
