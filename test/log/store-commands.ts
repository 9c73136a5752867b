import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { programPath } from "../../src/sandbox/programs.ts";
import { applianceToml } from "../../src/sandbox/site-files.ts";
import { drafts, registration, seal } from "../support/log-drafts.ts";
import { LogSite } from "../support/log-site.ts";

const run = promisify(execFile);

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A closed log with several segments, tables as well as a log in LevelDB, renamed and replaced boards. */
export async function makeStoredLog(): Promise<LogSite> {
  const site = await LogSite.withLog();
  for (const start of [0, 20, 40]) {
    const log = await site.open({ segmentBytes: 9_000 });
    for (let n = start; n < start + 8; n++) await log.append(registration(n));
    if (start === 0) await log.append(seal(1, 1, 10, 8));
    await log.append(drafts.resubmit(4, `renamed-${start}`));
    await log.append(registration(start + 10, { name: `other-${start}` }));
    await log.close();
  }
  await writeConfig(site);
  return site;
}

/** The configuration of an appliance whose log this is. */
export async function writeConfig(site: LogSite): Promise<void> {
  const toml = applianceToml({ appliance: 1, bridge: 2, foundries: 3 }, { module: "none", serial: "none" });
  await mkdir(join(site.root, "etc"), { recursive: true });
  await writeFile(join(site.root, "etc", "airlock.toml"), toml.replaceAll("../store/", "../"));
}

let compiled: string | undefined;

/** Removes what spared compiling the program for each run. */
export async function removeCompiled(): Promise<void> {
  if (compiled !== undefined) await rm(compiled, { recursive: true, force: true });
  compiled = undefined;
}

/** Runs the real airlockd on a log, to its end. */
export async function airlockd(site: LogSite, ...args: string[]): Promise<Ended> {
  const all = [programPath("airlockd"), "--config", join(site.root, "etc", "airlock.toml"), ...args];
  compiled ??= await mkdtemp(join(tmpdir(), "airlock-compiled-"));
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: compiled };
  try {
    return { code: 0, ...(await run(process.execPath, all, { env })) };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

/** SHA-256 of every file of the stores, by path; without the directory that serves as a lock. */
export async function fingerprints(site: LogSite): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const store of ["journal", "database"]) {
    for (const entry of await readdir(join(site.root, store), { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || path.includes("journal/lock/")) continue;
      found[path.slice(site.root.length)] = createHash("sha256")
        .update(await readFile(path))
        .digest("hex");
    }
  }
  return found;
}

export async function segmentsOf(site: LogSite): Promise<string[]> {
  const names = (await readdir(site.journalDir)).filter((name) => name.endsWith(".ndjson")).sort();
  return names.map((name) => join(site.journalDir, name));
}

/** LevelDB's files whose names end so, the largest first. */
export async function levelFiles(site: LogSite, suffix: string): Promise<string[]> {
  const directory = join(site.databaseDir, "index");
  const names = (await readdir(directory)).filter((name) => name.endsWith(suffix));
  const sized = await Promise.all(
    names.map(async (name) => ({ name, size: (await readFile(join(directory, name))).length })),
  );
  return sized.sort((a, b) => b.size - a.size).map(({ name }) => join(directory, name));
}

/** Turns one bit over, `at` bytes from the start, or from the first place of a text plus `at`. */
export async function flipBit(path: string, at: number, after = ""): Promise<void> {
  const bytes = await readFile(path);
  const byte = bytes.indexOf(after) + at;
  bytes[byte] = (bytes[byte] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** The same log somewhere else, configuration included. */
export async function copyOf(site: LogSite): Promise<LogSite> {
  const copy = await site.copy();
  await cp(join(site.root, "etc"), join(copy.root, "etc"), { recursive: true });
  return copy;
}
