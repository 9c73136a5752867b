import { open } from "node:fs/promises";
import { UsageError } from "../run-tool.ts";

/** Reads what a person named; a file too large for its kind is not read at all. */
export async function readSmallFile(path: string, maxBytes: number, kind: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw new UsageError(`this file is too large for ${kind}`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}
