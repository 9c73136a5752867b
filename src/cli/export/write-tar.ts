import { constants } from "node:fs";
import { mkdir, open, readFile, rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { BundleSource } from "../../transfer/media.ts";
import { MediumError, onMedium } from "../../transfer/medium-error.ts";
import { encodeBundleTar } from "../../transfer/ustar.ts";
import { UsageError } from "../run-tool.ts";

/**
 * Writes each bundle as one archive: into a directory under the bundle's own name, or a single one as the file named.
 * When it resolves, every archive is whole under its name and durable. A file of the name that holds anything else is
 * left alone.
 * @returns the archives' paths
 * @throws MediumError, UsageError
 */
export async function writeTars(target: string, bundles: readonly BundleSource[]): Promise<readonly string[]> {
  const isDirectory = target.endsWith("/") || (await isExistingDirectory(target));
  if (!isDirectory && bundles.length > 1) {
    throw new UsageError(
      `${bundles.length} bundles go out, and an archive holds one. Name a directory: --tar DIR/, or one bundle: --bundle N`,
    );
  }
  const paths: string[] = [];
  for (const bundle of bundles) {
    const path = isDirectory ? join(target, `${bundle.directory}.TAR`) : target;
    await onMedium(() => writeTar(path, bundle));
    paths.push(path);
  }
  return paths;
}

async function writeTar(path: string, bundle: BundleSource): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of encodeBundleTar(bundle)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  await mkdir(dirname(path), { recursive: true });
  if (await isThere(path, bytes)) return;
  const part = `${path}.PART`;
  const file = await open(
    part,
    constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW,
    0o644,
  );
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync().finally(() => directory.close());
}

async function isThere(path: string, bytes: Buffer): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false;
  if (found.isFile() && found.size === bytes.length && (await readFile(path)).equals(bytes)) return true;
  throw new MediumError(
    "different",
    "There is a file of this name with other contents. It was left as it is, and nothing was written. Name another.",
  );
}

async function isExistingDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
