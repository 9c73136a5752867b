import { constants } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Refusal } from "../refusal.ts";
import { BUNDLE_FILES, type BundleFile, isBundleDirectory, MAX_FILE_BYTES } from "../transfer/bundle-files.ts";
import { isReceiptName } from "../transfer/receipt.ts";

/** The bytes of a bundle, nothing about them believed yet. */
export interface UnverifiedBundle {
  /** Directory name as found; it proves nothing. */
  readonly directory: string;
  readonly files: Readonly<Record<BundleFile, Buffer>>;
  /** Names beside the five; never read. */
  readonly foreign: readonly string[];
}

/** What lies under a path that a person named. */
export interface FoundBundles {
  /** Paths of directories named like finished bundles. */
  readonly bundles: readonly string[];
  /** Names of unfinished copies. */
  readonly parts: readonly string[];
  /** Other names, never read. */
  readonly foreign: readonly string[];
}

/**
 * Looks for bundles: the path is one itself, or a medium that holds some. Only names are read.
 * @throws the operating system's error when the path cannot be listed
 */
export async function findBundles(path: string): Promise<FoundBundles> {
  const names = (await readdir(path)).sort();
  if (names.includes("SHA256SUMS.P7S")) return { bundles: [path], parts: [], foreign: [] };
  const isPart = (name: string) => /^ALB_.*\.PART\d?$/.test(name);
  return {
    bundles: names.filter(isBundleDirectory).map((name) => join(path, name)),
    parts: names.filter(isPart),
    foreign: names.filter((name) => !isBundleDirectory(name) && !isPart(name) && !isReceiptName(name)),
  };
}

/**
 * Reads the five files of a bundle, each capped before a byte of it is read.
 * @throws Refusal BUNDLE-SUMS when one is missing, too large or not a plain file
 */
export async function readBundleDirectory(path: string): Promise<UnverifiedBundle> {
  const names = (await readdir(path)).sort();
  const known = new Set<string>(BUNDLE_FILES);
  const files: Partial<Record<BundleFile, Buffer>> = {};
  for (const name of BUNDLE_FILES) files[name] = await readCapped(join(path, name), MAX_FILE_BYTES[name]);
  return {
    directory: basename(path),
    files: files as Record<BundleFile, Buffer>,
    foreign: names.filter((name) => !known.has(name)),
  };
}

async function readCapped(path: string, maxBytes: number): Promise<Buffer> {
  const name = basename(path);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) throw refuse(`${name} is missing: the copy is incomplete.`);
  if (!found.isFile()) throw refuse(`${name} is not a plain file.`);
  if (found.size > maxBytes) throw refuse(`${name} is larger than a bundle's file can be.`);
  // O_NOFOLLOW: what was a file a moment ago must not be a link now.
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const buffer = Buffer.alloc(found.size);
    let length = 0;
    for (let bytesRead = -1; bytesRead !== 0 && length < buffer.length; length += bytesRead) {
      ({ bytesRead } = await file.read(buffer, length));
    }
    return buffer.subarray(0, length);
  } finally {
    await file.close();
  }
}

function refuse(what: string): Refusal {
  return new Refusal("BUNDLE-SUMS", "malformed", `${what} Usually a bad copy: copy again or use another medium.`);
}
