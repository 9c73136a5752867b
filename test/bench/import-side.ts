import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../src/sandbox/programs.ts";
import type { BenchSite } from "./bench-site.ts";

/** Bundles as they lie on a medium. */
export interface Medium {
  readonly dir: string;
  /** Paths of the bundles' directories, oldest first. */
  readonly bundles: readonly string[];
}

/** Seals everything queued and writes all bundles to a new directory, as the operator does. */
export async function exportBundles(site: BenchSite, name: string): Promise<Medium> {
  const dir = join(site.paths.root, name);
  await mkdir(dir, { recursive: true });
  const config = ["--config", join(site.paths.etc, "operator.toml")];
  await runProgram("airlock-export", ["export", ...config, "--to", dir, "--yes"]);
  const names = (await readdir(dir)).filter((entry) => entry.startsWith("ALB_")).sort();
  return { dir, bundles: names.map((entry) => join(dir, entry)) };
}

/** How many records a bundle's manifest counts. */
export async function countRecords(bundle: string): Promise<number> {
  const manifest = JSON.parse(await readFile(join(bundle, "MANIFEST.JSON"), "utf8")) as { records: { count: number } };
  return manifest.records.count;
}
