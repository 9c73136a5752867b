import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StoredRecord } from "../../src/log/record.ts";
import type { Damage } from "./check-damaged-files.ts";

const CHECKER = join(import.meta.dirname, "check-damaged-files.ts");

/** A file of one of the stores that is read at a start, by its path below the root. */
export interface StoreFile {
  readonly path: string;
  readonly size: number;
}

/** Every file of both stores, but for LevelDB's notes and locks, which nobody reads. */
export async function storeFiles(root: string): Promise<StoreFile[]> {
  const files: StoreFile[] = [];
  for (const directory of ["journal", "database/index"]) {
    for (const name of (await readdir(join(root, directory))).sort()) {
      const found = await stat(join(root, directory, name));
      if (found.isFile() && !/^LO(G|CK)/.test(name)) files.push({ path: `${directory}/${name}`, size: found.size });
    }
  }
  return files;
}

/** Every bit of a file, as many damages. */
export function everyBit({ path, size }: StoreFile): Damage[] {
  return Array.from({ length: size * 8 }, (_, n) => ({ path, byte: n >>> 3, bit: n & 7 }));
}

/**
 * Inflicts every damage on a copy of its own of the log below `root`, as often as LevelDB takes the checker down.
 * @returns how often it came to what
 */
export async function inflictAll(
  root: string,
  stored: readonly StoredRecord[],
  damages: readonly Damage[],
  onProgress: (done: number) => void = () => undefined,
): Promise<Record<string, number>> {
  await writeFile(join(root, "expected.json"), JSON.stringify(stored));
  const results: string[] = [];
  while (results.length < damages.length) {
    await writeFile(join(root, "damages.json"), JSON.stringify(damages.slice(results.length)));
    await writeFile(join(root, "results"), "");
    await once(spawn(process.execPath, [CHECKER, root], { stdio: "ignore" }), "exit");
    results.push(...(await readFile(join(root, "results"), "utf8")).split("\n").slice(0, -1));
    if (results.length < damages.length) results.push("aborted");
    onProgress(results.length);
  }
  const counts: Record<string, number> = {};
  for (const [n, result] of results.entries()) {
    assert.match(result, /^(same|repaired|refused|aborted)$/, JSON.stringify(damages[n]));
    counts[result] = (counts[result] ?? 0) + 1;
  }
  return counts;
}
