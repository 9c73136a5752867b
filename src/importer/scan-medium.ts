import { basename } from "node:path";
import { z } from "zod";
import { Refusal } from "../refusal.ts";
import type { RefusedBundle } from "./evidence.ts";
import { findBundles, readBundleDirectory, type UnverifiedBundle } from "./read-bundle-directory.ts";
import type { Trust } from "./trust-store.ts";
import { rereadContents, type VerifiedBundle, verifyBundle } from "./verify-bundle.ts";

/** Everything under the paths that a person named, verified or refused; nothing is stored yet. */
export interface Scan {
  /** In order of log and number. */
  readonly verified: readonly VerifiedBundle[];
  readonly refused: readonly RefusedBundle[];
  /** Unfinished copies, left alone. */
  readonly parts: readonly string[];
  /** Names of other files, never read. */
  readonly foreign: readonly string[];
}

const ManifestLog = z.looseObject({ log: z.string() });

/** Reads and verifies every bundle under these paths. One bad copy never keeps a good one out. */
export async function scanMedium(paths: readonly string[], pinned: readonly Trust[], nowMs: number): Promise<Scan> {
  const verified = new Map<string, VerifiedBundle>();
  const refused: RefusedBundle[] = [];
  const parts: string[] = [];
  const foreign: string[] = [];
  for (const path of paths) {
    const found = await findBundles(path);
    parts.push(...found.parts);
    foreign.push(...found.foreign);
    for (const directory of found.bundles) {
      try {
        const bundle = await readBundleDirectory(directory);
        foreign.push(...bundle.foreign.map((name) => `${bundle.directory}/${name}`));
        const result = verifyBundle(bundle, chooseTrust(bundle, pinned), nowMs);
        verified.set(result.id, release(result, directory, bundle.files["SHA256SUMS.P7S"]));
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused.push({ directory: basename(directory), refusal: error });
      }
    }
  }
  const order = (one: VerifiedBundle, other: VerifiedBundle) =>
    one.manifest.log.localeCompare(other.manifest.log) || one.manifest.bundle - other.manifest.bundle;
  return { verified: [...verified.values()].sort(order), refused, parts, foreign };
}

/** Ten bundles on a stick are not held in memory together: what is needed again is read again, and must be the same. */
function release(bundle: VerifiedBundle, directory: string, signature: Buffer): VerifiedBundle {
  return { ...bundle, contents: rereader(bundle.id, directory, Buffer.from(signature)) };
}

/** Apart, so that what it closes over is nothing but its arguments: the bundle's bytes would stay with it. */
function rereader(id: string, directory: string, signature: Buffer): VerifiedBundle["contents"] {
  return async () => rereadContents(await readBundleDirectory(directory), { id }, signature);
}

/** The manifest only says which pins to verify against; whether it says the truth, those pins then decide. */
function chooseTrust({ files }: UnverifiedBundle, pinned: readonly Trust[]): Trust {
  const trust = pinned.find(({ log }) => log === peekLog(files["MANIFEST.JSON"]));
  if (trust !== undefined) return trust;
  const sentence =
    "The bundle is from an appliance that nobody has vouched for here. Pin it first: airlock-import trust --help";
  throw new Refusal("BUNDLE-WHO", "forbidden", sentence);
}

function peekLog(manifest: Buffer): string | undefined {
  try {
    return ManifestLog.parse(JSON.parse(manifest.toString("utf8"))).log;
  } catch {
    return undefined;
  }
}
