import { constants } from "node:fs";
import { open, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Writes a file so that after a crash it is there whole or not at all. When it resolves, bytes and name are on disk.
 * A file of this name is replaced.
 */
export async function writeDurably(path: string, bytes: string | Uint8Array, mode = 0o644): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.part`);
  // A part is what an interrupted write left; its mode is set again because O_TRUNC keeps the old one.
  const file = await open(
    part,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    mode,
  );
  try {
    await file.chmod(mode);
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  await syncDirectory(dirname(path));
}

/** Makes names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync().finally(() => directory.close());
}
