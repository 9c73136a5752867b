import { fdatasync, write } from "node:fs";
import { promisify } from "node:util";

const fdatasyncAsync = promisify(fdatasync);

/** Where the ledger's bytes go; a double stands in for it in tests. */
export interface LedgerFile {
  /** Writes all of the bytes at the end of the file. Nothing is durable yet. */
  append(bytes: Buffer): Promise<void>;
  /** When it resolves, everything appended before the call is on disk. Never called again after it failed. */
  datasync(): Promise<void>;
}

/** @param fd opened for appending */
export function ledgerFileOn(fd: number): LedgerFile {
  return { append: (bytes) => writeAll(fd, bytes), datasync: () => fdatasyncAsync(fd) };
}

/** A full disk shows as a short write first: going on makes the error itself appear. */
async function writeAll(fd: number, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    const written = await writeOnce(fd, rest);
    if (written === 0) throw new Error("the ledger's file takes no bytes");
    rest = rest.subarray(written);
  }
}

function writeOnce(fd: number, bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, 0, bytes.length, null, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}
