import { crc32 } from "node:zlib";
import type { LogHead } from "../hsm/messages.ts";

/** One change of the index. */
export type IndexChange =
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "del"; readonly key: string };

/**
 * The index: a sorted map on disk that answers quickly and is never believed alone. Everything in it can be made again
 * from the journal.
 *
 * Durability: when `write` resolves, all of its changes are on disk, and they take effect together. When it rejects,
 * they may or may not be there; the store must be closed and opened again before anything else.
 * Concurrency: one write at a time; `get` at any time, and sees every write that has resolved.
 */
export interface IndexStore {
  /** The value, or undefined. May throw, or return anything at all, when the files are damaged. */
  get(key: string): string | undefined;
  write(changes: readonly IndexChange[]): Promise<void>;
  close(): Promise<void>;
}

/** Where the index lives between starts. */
export interface IndexHome {
  state(): Promise<"present" | "absent" | "damaged">;
  /** Opens what is there and never creates. Throws Refusal when another process holds it, anything else for damage. */
  open(): Promise<IndexStore>;
  /** Makes an empty one; only where there is none. */
  create(): Promise<IndexStore>;
  /**
   * Moves the files out of the way, to a name of their own, and keeps the newest two such copies: processes that die
   * over and over must not fill the disk with them.
   * @returns names of the older copies that were removed
   */
  setAside(): Promise<string[]>;
}

/** Keys sort as bytes, so sequence numbers have a fixed width. */
export const indexKey = {
  applied: "applied",
  line: (seq: number) => `line/${encodeSeq(seq)}`,
  uuid: (uuid: string) => `uuid/${uuid}`,
  key: (spkiSha256: string) => `key/${spkiSha256}`,
  name: (name: string) => `name/${name}`,
} as const;

export function encodeSeq(seq: number): string {
  return String(seq).padStart(16, "0");
}

/** The value under `applied`: how far the index has followed the journal, with a check of its own. */
export function encodeApplied({ seq, hash }: LogHead): string {
  const text = `${encodeSeq(seq)} ${hash}`;
  return `${text} ${crc32(text)}`;
}

/** Undefined for a value that encodeApplied never made: the index is damaged then, not merely of another history. */
export function parseApplied(value: string | undefined): LogHead | undefined {
  const match = /^((\d{16}) ([0-9a-f]{64})) (\d{1,10})$/.exec(value ?? "");
  if (match === null) return undefined;
  const [, text = "", seq = "", hash = "", digits = ""] = match;
  return digits === String(crc32(text)) ? { seq: Number(seq), hash } : undefined;
}
