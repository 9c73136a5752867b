import { MediumError } from "../../transfer/medium-error.ts";
import type { RemovableMedium } from "../../transfer/removable-media.ts";

/**
 * The medium to write to when nobody named one: the only one that is plugged in. Two are never guessed between.
 * @throws MediumError `missing` or `several`, before anything was sealed
 */
export function chooseMedium(media: readonly RemovableMedium[]): string {
  const [only, ...more] = media;
  if (only === undefined) {
    throw new MediumError(
      "missing",
      "No removable medium is mounted. Nothing was sealed or written. Insert an empty stick, or name a directory: --to DIR",
    );
  }
  if (more.length === 0) return only.path;
  const names = media.map(({ path, fileSystem }) => `--to ${quote(path)} (${fileSystem})`);
  throw new MediumError(
    "several",
    `${countWord(media.length)} removable media found. Nothing was sealed or written. Remove all but one, or name it: ${names.join(" or ")}`,
  );
}

function countWord(count: number): string {
  return ["", "", "Two", "Three", "Four"][count] ?? String(count);
}

/** A path as it can be typed back into a shell. */
function quote(path: string): string {
  return /^[A-Za-z0-9_./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
