import { createHash } from "node:crypto";
import type { Log } from "../log/log.ts";
import type { SealRecord } from "../log/record.ts";
import { parseRecord } from "../log/record-codec.ts";
import { Refusal } from "../refusal.ts";
import { type BundleFile, parseSums } from "./bundle-files.ts";
import { parseManifest } from "./manifest.ts";

/** Pieces of the records file are about this large; they end at line ends. */
const CHUNK_BYTES = 48 * 1024;

/** A piece of a bundle's file; the pieces of a file follow one another. */
export interface SealedChunk {
  readonly file: BundleFile;
  readonly chunk: Buffer;
}

/**
 * The seal of a bundle as it stands in the log.
 * @throws Refusal `malformed` when there is no bundle of this number
 */
export async function readSeal(log: Log, bundle: number): Promise<SealRecord> {
  const sealed = log.bundles().find((one) => one.bundle === bundle);
  if (sealed !== undefined) {
    for await (const { line } of log.read(sealed.seq, sealed.seq)) {
      const record = parseRecord(line);
      if (record.kind === "seal") return record;
    }
  }
  throw new Refusal(
    "BUNDLE-NUM",
    "malformed",
    "There is no sealed bundle of this number. See: airlock-export status.",
    {
      field: "number",
    },
  );
}

/** Bytes of all five files together. */
export function totalBundleBytes({ files }: SealRecord): number {
  const reading = parseManifest(files.manifest);
  const records = reading.result === "manifest" ? reading.manifest.records.bytes : 0;
  return [files.sums, files.signature, files.manifest, files.verify].reduce((sum, text) => sum + text.length, records);
}

/**
 * The files of a sealed bundle, made again from the log: the same bytes at every call. The signature comes last, and
 * only after the records were found to be what was signed.
 * @throws Refusal `inconsistent` when they are not
 */
export async function* readBundle(log: Log, bundle: number): AsyncGenerator<SealedChunk> {
  const { first, last, files } = await readSeal(log, bundle);
  yield { file: "MANIFEST.JSON", chunk: Buffer.from(files.manifest) };
  const hash = createHash("sha256");
  for await (const chunk of readRecords(log, first, last)) {
    hash.update(chunk);
    yield { file: "RECORDS.NDJSON", chunk };
  }
  if (hash.digest("hex") !== parseSums(files.sums)?.records) {
    const sentence = "The log's records are not those of the sealed bundle. Stop the appliance and call support.";
    throw new Refusal("STORE-CHAIN", "inconsistent", sentence);
  }
  yield { file: "VERIFY.TXT", chunk: Buffer.from(files.verify) };
  yield { file: "SHA256SUMS", chunk: Buffer.from(files.sums) };
  yield { file: "SHA256SUMS.P7S", chunk: Buffer.from(files.signature) };
}

async function* readRecords(log: Log, first: number, last: number): AsyncGenerator<Buffer> {
  let lines: string[] = [];
  let length = 0;
  for await (const { line } of log.read(first, last)) {
    lines.push(line);
    length += line.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.from(lines.join(""));
    lines = [];
    length = 0;
  }
  if (length > 0) yield Buffer.from(lines.join(""));
}
