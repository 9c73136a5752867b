import { constants } from "node:fs";
import { open } from "node:fs/promises";

/** Makes names in a directory durable: a new or renamed file is not there after a power cut without it. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
