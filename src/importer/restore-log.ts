import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DEFAULT_SEGMENT_BYTES } from "../log/journal.ts";
import { segmentName } from "../log/segment-name.ts";
import { Refusal } from "../refusal.ts";
import { sha256Hex } from "../transfer/bundle-files.ts";
import { joinBundles } from "./accept-bundles.ts";
import { syncDirectory, writeDurably } from "./durable-file.ts";
import { emptyState } from "./importer-state.ts";
import { countMissing } from "./join-bundles.ts";
import { StateError } from "./state-error.ts";
import type { VerifiedBundle } from "./verify-bundle.ts";

/** A journal that was put together again. */
export interface RestoredLog {
  readonly bundles: number;
  /** The last record. The appliance may have had later ones, which no bundle carried. */
  readonly head: { readonly seq: number; readonly hash: string };
}

/**
 * Writes a dead appliance's journal again from verified bundles of one log: the records' own bytes, in segments as
 * airlockd reads them, with a SHA256SUMS beside them. All or nothing: the directory has its name when everything in it
 * is on disk.
 * @param bundles in order of their numbers
 * @throws Refusal BUNDLE-JOIN or BUNDLE-LEDGER when they contradict one another, BUNDLE-GAP when one is missing;
 * StateError when the directory is there already
 */
export async function restoreLog(
  bundles: readonly VerifiedBundle[],
  directory: string,
  nowMs: number,
  segmentBytes = DEFAULT_SEGMENT_BYTES,
): Promise<RestoredLog> {
  const last = bundles.at(-1);
  if (last === undefined) throw gap("There is no verified bundle of this log here.");
  joinBundles(emptyState(), bundles, nowMs);
  const missing = countMissing(bundles.map(({ manifest: { bundle, records } }) => ({ bundle, ...records })));
  if (missing.bundles.length > 0 || missing.gaps.length > 0) {
    throw gap(`Bundle ${missing.bundles.join(", ")} is missing, and a journal has no gaps.`);
  }
  await writeSegments(directory, segmentsOf(bundles, segmentBytes));
  const { records, chain } = last.manifest;
  return { bundles: bundles.length, head: { seq: records.last, hash: chain.after } };
}

interface Segment {
  readonly name: string;
  readonly bundles: VerifiedBundle[];
  size: number;
}

/** Whole bundles, as many as fit. */
function segmentsOf(bundles: readonly VerifiedBundle[], segmentBytes: number): Segment[] {
  const segments: Segment[] = [];
  for (const bundle of bundles) {
    const { first, bytes } = bundle.manifest.records;
    const segment = segments.at(-1);
    if (segment === undefined || segment.size + bytes > segmentBytes) {
      segments.push({ name: segmentName(first), bundles: [bundle], size: bytes });
    } else {
      segment.bundles.push(bundle);
      segment.size += bytes;
    }
  }
  return segments;
}

/** The records' bytes as they were verified; one segment at a time is in memory. */
async function bytesOf({ bundles }: Segment): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (const { contents } of bundles) parts.push((await contents()).files["RECORDS.NDJSON"]);
  return Buffer.concat(parts);
}

async function writeSegments(directory: string, segments: readonly Segment[]): Promise<void> {
  if ((await readdir(directory).catch(() => undefined)) !== undefined) {
    throw new StateError("The directory is there already. Nothing was written. Name one that does not exist yet.");
  }
  const part = `${directory}.part`;
  await rm(part, { recursive: true, force: true });
  await mkdir(part, { recursive: true, mode: 0o700 });
  const sums: string[] = [];
  for (const segment of segments) {
    const bytes = await bytesOf(segment);
    await writeDurably(join(part, segment.name), bytes, 0o600);
    sums.push(`${sha256Hex(bytes)}  ${segment.name}\n`);
  }
  await writeDurably(join(part, "SHA256SUMS"), sums.join(""));
  await rename(part, directory);
  await syncDirectory(dirname(directory));
}

function gap(what: string): Refusal {
  const sentence = `${what} Nothing was written. Bring the missing medium: airlock-import restore --out DIR MEDIUM`;
  return new Refusal("BUNDLE-GAP", "needs-person", sentence);
}
