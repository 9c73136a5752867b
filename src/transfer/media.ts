import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { BUNDLE_FILES, isBundleDirectory } from "./bundle-files.ts";
import { goneError, MediumError, onMedium } from "./medium-error.ts";
import type { MediumFiles, NewFile } from "./medium-files.ts";
import { isReceiptName } from "./receipt.ts";
import { isMountPlace } from "./removable-media.ts";

/** A piece of one of a bundle's files; the pieces of a file follow one another. */
export interface BundleChunk {
  readonly file: string;
  readonly chunk: Uint8Array;
}

/** A sealed bundle that can be read as often as needed, the same bytes each time. */
export interface BundleSource {
  /** Directory name on the medium. */
  readonly directory: string;
  readonly totalBytes: number;
  read(): AsyncIterable<BundleChunk>;
}

export type MediumPhase = "writing" | "flushing" | "comparing";

export interface MediumProgress {
  phase(phase: MediumPhase): void;
  /** Bytes written or compared in this phase so far. */
  advance(bytes: number, ofBytes: number): void;
}

/** What lies on a medium besides what we are about to write; only names are read. */
export interface MediumReport {
  readonly freeBytes: number;
  readonly bundles: readonly string[];
  /** Copies that an interrupted run left; they never get in the way. */
  readonly parts: readonly string[];
  readonly foreign: readonly string[];
}

/** What happened; when this exists, every bundle named is on the device and was compared. */
export interface MediumResult {
  readonly written: readonly string[];
  /** Were there already, byte for byte. */
  readonly alreadyThere: readonly string[];
  /** False when the file system could only be read through the page cache: say so instead of promising more. */
  readonly isReadFromDevice: boolean;
}

/** FAT rounds each file up to a cluster of at most 64 KiB; the directory takes one too. */
const SLACK_BYTES = 64 * 1024 * (BUNDLE_FILES.length + 1);

/**
 * Looks at a medium before anything is sealed or written.
 * @throws MediumError `missing`, `not-a-directory`, `read-only`
 */
export async function inspectMedium(files: MediumFiles, medium: string): Promise<MediumReport> {
  const kind = await files.kindOf(medium);
  if (kind === "missing")
    throw new MediumError("missing", "There is no medium at this path. Insert it, or name another.");
  if (kind !== "directory") {
    throw new MediumError(
      "not-a-directory",
      "This path is not a directory. Name the directory where the medium is mounted.",
    );
  }
  await checkMounted(files, medium);
  await onMedium(() => files.checkWritable(medium));
  const names = [...(await onMedium(() => files.list(medium)))].sort();
  const isPart = (name: string) => /^ALB_[0-9A-F]{8}_\d{5,7}\.PART\d?$/.test(name);
  return {
    freeBytes: await onMedium(() => files.freeBytes(medium)),
    bundles: names.filter(isBundleDirectory),
    parts: names.filter(isPart),
    foreign: names.filter((name) => !isBundleDirectory(name) && !isPart(name) && !isReceiptName(name)),
  };
}

/** An empty mount point is a directory like any other: what is written there never leaves the machine. */
async function checkMounted(files: MediumFiles, medium: string): Promise<void> {
  if (!isMountPlace(medium)) return;
  const [here, root] = [await onMedium(() => files.deviceOf(medium)), await files.deviceOf("/")];
  if (here !== root) return;
  throw new MediumError(
    "missing",
    "Nothing is mounted at this path: what is written here would stay in this machine. Insert the medium, or name another.",
  );
}

/** After a medium is unmounted its path leads to the directory below, on the machine's own disk. */
async function checkStillThere(files: MediumFiles, medium: string, device: number): Promise<void> {
  if ((await onMedium(() => files.deviceOf(medium))) !== device) throw goneError();
}

/**
 * Writes bundles to a medium: each under a `.PART` name, flushed, renamed; then all are read back from the device and
 * compared. When it resolves it is safe to remove the medium. Nothing on it is ever deleted.
 * @throws MediumError; the bundles stay in the log, and the same call may be repeated
 */
export async function writeBundles(
  files: MediumFiles,
  medium: string,
  bundles: readonly BundleSource[],
  progress: MediumProgress,
): Promise<MediumResult> {
  const report = await inspectMedium(files, medium);
  const device = await onMedium(() => files.deviceOf(medium));
  const present = new Set(report.bundles);
  checkSpace(
    report.freeBytes,
    bundles.filter(({ directory }) => !present.has(directory)),
  );
  const total = bundles.reduce((sum, bundle) => sum + bundle.totalBytes, 0);
  const expected = new Map<string, FileHashes>();

  progress.phase("writing");
  let done = 0;
  for (const bundle of bundles) {
    const onBytes = (bytes: number) => {
      done += bytes;
      progress.advance(done, total);
    };
    const write = present.has(bundle.directory)
      ? hashSource
      : (b: BundleSource) => writeBundle(files, medium, b, onBytes);
    expected.set(bundle.directory, await write(bundle));
    await checkStillThere(files, medium, device);
  }
  // Every file and every part directory is durable by now; this makes the final names durable.
  progress.phase("flushing");
  await onMedium(() => files.syncDirectory(medium));
  const isReadFromDevice = await compareAll(files, medium, bundles, expected, present, progress);
  await checkStillThere(files, medium, device);
  const names = bundles.map(({ directory }) => directory);
  return {
    written: names.filter((name) => !present.has(name)),
    alreadyThere: names.filter((name) => present.has(name)),
    isReadFromDevice,
  };
}

function checkSpace(freeBytes: number, bundles: readonly BundleSource[]): void {
  const needed = bundles.reduce((sum, bundle) => sum + bundle.totalBytes + SLACK_BYTES, 0);
  if (needed <= freeBytes) return;
  throw new MediumError(
    "full",
    `The medium has too little room: ${needed} bytes are needed, ${freeBytes} are free. Nothing was written. Use an emptier one.`,
  );
}

type FileHashes = ReadonlyMap<string, string>;

async function hashSource(bundle: BundleSource): Promise<FileHashes> {
  const hashes = new Map<string, Hash>();
  for await (const { file, chunk } of bundle.read()) {
    const hash = hashes.get(file) ?? createHash("sha256");
    hashes.set(file, hash.update(chunk));
  }
  return digests(hashes);
}

/** When it resolves, all five files are durable under the bundle's final name, except for the name itself. */
async function writeBundle(
  files: MediumFiles,
  medium: string,
  bundle: BundleSource,
  onBytes: (bytes: number) => void,
): Promise<FileHashes> {
  const part = await preparePart(files, medium, bundle.directory);
  const hashes = new Map<string, Hash>();
  let open: { name: string; file: NewFile } | undefined;
  const finish = async () => {
    const { file } = open ?? {};
    open = undefined;
    await onMedium(async () => file?.sync().finally(() => file.close()));
  };
  try {
    for await (const { file: name, chunk } of bundle.read()) {
      if (open?.name !== name) {
        await finish();
        open = { name, file: await onMedium(() => files.create(join(part, name))) };
        // An empty file has a hash too.
        hashes.set(name, createHash("sha256"));
      }
      const { file } = open;
      await onMedium(() => file.write(chunk));
      hashes.get(name)?.update(chunk);
      onBytes(chunk.length);
    }
  } finally {
    // After an error the part stays as it is: it is no bundle, and the next run writes over it.
    await finish();
  }
  await onMedium(() => files.syncDirectory(part));
  await onMedium(() => files.rename(part, join(medium, bundle.directory)));
  return digests(hashes);
}

/** A part directory of ours is written over; one that holds anything else is left alone and another name taken. */
async function preparePart(files: MediumFiles, medium: string, directory: string): Promise<string> {
  for (const suffix of [".PART", ".PART1", ".PART2", ".PART3", ".PART4", ".PART5"]) {
    const part = join(medium, `${directory}${suffix}`);
    const kind = await onMedium(() => files.kindOf(part));
    if (kind === "missing") await onMedium(() => files.makeDirectory(part));
    if (kind === "missing" || (kind === "directory" && (await isOurs(files, part)))) return part;
  }
  throw new MediumError("different", "The medium is cluttered with unfinished copies. Use an empty one.");
}

async function isOurs(files: MediumFiles, part: string): Promise<boolean> {
  const known = new Set<string>(BUNDLE_FILES);
  for (const name of await onMedium(() => files.list(part))) {
    if (!known.has(name) || (await onMedium(() => files.kindOf(join(part, name)))) !== "file") return false;
  }
  return true;
}

async function compareAll(
  files: MediumFiles,
  medium: string,
  bundles: readonly BundleSource[],
  expected: ReadonlyMap<string, FileHashes>,
  present: ReadonlySet<string>,
  progress: MediumProgress,
): Promise<boolean> {
  progress.phase("comparing");
  let isReadFromDevice = true;
  for (const [i, { directory }] of bundles.entries()) {
    for (const [name, sha256] of expected.get(directory) ?? []) {
      const path = join(medium, directory, name);
      const back = await onMedium(() => files.readBack(path));
      if (back.sha256 !== sha256) throw mismatch(present.has(directory));
      isReadFromDevice &&= back.isFromDevice;
    }
    progress.advance(i + 1, bundles.length);
  }
  return isReadFromDevice;
}

function mismatch(isOldCopy: boolean): MediumError {
  return isOldCopy
    ? new MediumError(
        "different",
        "The medium already holds a bundle of this name with other contents: an old damaged copy, or not ours. " +
          "Nothing on it was changed. Use another medium and keep this one for whoever investigates.",
      )
    : new MediumError(
        "damaged",
        "What was read back from the medium is not what was written: the medium is bad. Nothing is lost: the records " +
          "are still queued. Use another medium and run the same command.",
      );
}

function digests(hashes: ReadonlyMap<string, Hash>): FileHashes {
  return new Map([...hashes].map(([name, hash]) => [name, hash.digest("hex")]));
}
