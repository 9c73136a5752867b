import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const PROGRAM = fileURLToPath(
  new URL(`./read-index-child.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url),
);

/** Lines, with their LF, of every NDJSON file in a directory, in the order of the files' names. */
export async function journalLines(directory: string): Promise<Iterable<string>> {
  const names = (await readdir(directory)).filter((name) => name.endsWith(".ndjson")).sort();
  const files = await Promise.all(names.map((name) => readFile(join(directory, name))));
  return linesOf(files);
}

/** Lines that an index below a database's directory still gives, in a process of its own; none of one that is gone. */
export async function indexLines(databaseDir: string): Promise<Iterable<string>> {
  const work = await mkdtemp(join(tmpdir(), "airlock-lines-"));
  const file = join(work, "lines");
  try {
    const args = [join(databaseDir, "index"), join(work, "index"), file];
    await once(fork(PROGRAM, args, { stdio: ["ignore", "ignore", "ignore", "ipc"] }), "close");
    return linesOf([await readFile(file).catch(() => Buffer.alloc(0))]);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Lines with their LF; what follows the last LF is none. */
export function* linesOf(files: readonly Buffer[]): Generator<string> {
  for (const bytes of files) {
    let offset = 0;
    for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, offset)) {
      yield bytes.toString("latin1", offset, lf + 1);
      offset = lf + 1;
    }
  }
}
