import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { LogRecord } from "../log/record.ts";
import { parseRecord } from "../log/record-codec.ts";
import { BUNDLE_FILES, bundleDirectory, parseSums, sha256Hex } from "../transfer/bundle-files.ts";
import { syncDirectory, writeDurably } from "./durable-file.ts";
import type { BundleEntry } from "./journal-entry.ts";
import { StateError } from "./state-error.ts";
import type { BundleContents, VerifiedBundle } from "./verify-bundle.ts";

/**
 * Keeps a verified bundle, byte for byte. When it resolves, the copy is on disk. A dead appliance's log can be built
 * again from these copies.
 */
export async function keepBundle(logDirectory: string, { manifest, contents }: VerifiedBundle): Promise<void> {
  const { files } = await contents();
  const directory = join(logDirectory, "bundles");
  const name = bundleDirectory(manifest.log, manifest.bundle);
  if (await isKept(join(directory, name), files)) return;
  const part = join(directory, `${name}.part`);
  // Ours alone: the state directory is locked. A part that an interrupted run left is started over.
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true, mode: 0o700 });
  for (const file of BUNDLE_FILES) {
    const handle = await open(join(part, file), "wx", 0o600);
    try {
      await handle.writeFile(files[file]);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
  await syncDirectory(part);
  // Only a copy that went bad stands here: a whole one would have been enough.
  await rm(join(directory, name), { recursive: true, force: true });
  await rename(part, join(directory, name));
  await syncDirectory(directory);
  await syncDirectory(logDirectory);
}

/**
 * The lines of a kept bundle's records, each with its LF.
 * @throws StateError when the copy is no longer what was verified
 */
export async function readKeptLines(
  logDirectory: string,
  log: string,
  { bundle, id }: Pick<BundleEntry, "bundle" | "id">,
): Promise<readonly string[]> {
  const directory = join(logDirectory, "bundles", bundleDirectory(log, bundle));
  const [sums, records] = await Promise.all(
    ["SHA256SUMS", "RECORDS.NDJSON"].map((name) => readFile(join(directory, name), "latin1")),
  ).catch((cause) => {
    throw new StateError(`The kept copy of bundle ${bundle} is missing. Import its medium again.`, { cause });
  });
  if (sha256Hex(sums ?? "") !== id || parseSums(sums ?? "")?.records !== sha256Hex(records ?? "")) {
    throw new StateError(`The kept copy of bundle ${bundle} was changed. Restore it from the medium or a backup.`);
  }
  return records?.match(/[^\n]*\n/g) ?? [];
}

/**
 * The records of a kept bundle.
 * @throws StateError when the copy is no longer what was verified
 */
export async function readKeptRecords(
  logDirectory: string,
  log: string,
  bundle: Pick<BundleEntry, "bundle" | "id">,
): Promise<readonly LogRecord[]> {
  return (await readKeptLines(logDirectory, log, bundle)).map(parseRecord);
}

async function isKept(directory: string, files: BundleContents["files"]): Promise<boolean> {
  for (const file of BUNDLE_FILES) {
    const kept = await readFile(join(directory, file)).catch(() => undefined);
    if (!kept?.equals(files[file])) return false;
  }
  return true;
}

/**
 * Keeps bundles that contradict known history, beside and apart from the good ones, for whoever investigates.
 * @returns the directory
 */
export async function keepEvidence(
  logDirectory: string,
  bundles: readonly VerifiedBundle[],
  at: string,
): Promise<string> {
  const directory = join(logDirectory, "evidence", at.replace(/[^0-9]/g, ""));
  for (const { manifest, id, contents } of bundles) {
    const { files } = await contents();
    const path = join(directory, `${bundleDirectory(manifest.log, manifest.bundle)}_${id.slice(0, 8).toUpperCase()}`);
    await mkdir(path, { recursive: true, mode: 0o700 });
    for (const file of BUNDLE_FILES) await writeDurably(join(path, file), files[file]);
  }
  return directory;
}
