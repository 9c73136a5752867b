import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TokenLabel } from "../../hsm/key-labels.ts";

/** What the ceremony writes down as it goes, and the making of a next device CA's key; the transcript comes last. */
export type PaperName =
  | "ceremony-begun"
  | "line-ca.tbs"
  | "transcript.txt"
  | `${TokenLabel}-begun`
  | `${TokenLabel}.csr`
  | `${TokenLabel}-transcript.txt`;

/** The ceremony's directory. */
export interface Papers {
  read(name: PaperName): Promise<string | undefined>;
  /** Durable when it resolves. */
  write(name: PaperName, text: string): Promise<void>;
}

/** @param writeFile whole or not at all, durable when it resolves */
export function papersIn(directory: string, writeFile: (path: string, text: string) => Promise<void>): Papers {
  return {
    read: (name) =>
      readFile(join(directory, name), "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw error;
      }),
    write: (name, text) => writeFile(join(directory, name), text),
  };
}
