import { copyFile, link, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** Says nothing about the data; a database that is opened makes its own. */
const LEFT_OUT: ReadonlySet<string> = new Set(["LOCK", "LOG", "LOG.old"]);

/**
 * A second directory with the content of an index that nobody has open, so that looking at it changes nothing: opening
 * LevelDB rewrites its files, and drops from its log what it cannot read. Tables are never changed once written, so
 * they are linked; everything else is copied. Replaces what an earlier, interrupted run left at `snapshot`.
 */
export async function snapshotIndex(location: string, snapshot: string): Promise<void> {
  await rm(snapshot, { recursive: true, force: true });
  await mkdir(snapshot, { mode: 0o700 });
  for (const name of await readdir(location)) {
    if (LEFT_OUT.has(name)) continue;
    const [from, to] = [join(location, name), join(snapshot, name)];
    if (name.endsWith(".ldb")) await link(from, to).catch(() => copyFile(from, to));
    else await copyFile(from, to);
  }
}
