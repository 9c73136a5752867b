import { hash } from "node:crypto";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Refusal } from "../refusal.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import { realDisk } from "./disk.ts";
import { listSegments } from "./journal-recovery.ts";
import { readHeader } from "./record-codec.ts";
import { segmentName } from "./segment-name.ts";

const SUMS = "SHA256SUMS";

/** What an archive run came to. */
export interface Archived {
  /** Names of the segments that were copied. */
  readonly copied: readonly string[];
  /** Segments that were there already, compared with the journal. */
  readonly compared: number;
  /** The last record in the archive; 0 for none. */
  readonly through: number;
}

/**
 * Copies every finished segment of a journal into a directory of its own, with a SHA256SUMS that sha256sum checks. A
 * finished segment is never written again, so this may run while airlockd does; it changes nothing of the journal. When
 * it resolves, the copies are on disk, read back and read-only. Dying in it leaves at most a `.part`.
 * @throws Refusal STORE-CHAIN `inconsistent` when a segment does not link to its neighbours, or is not what was archived
 */
export async function archiveSegments(journalDir: string, archiveDir: string): Promise<Archived> {
  const firsts = await listSegments(realDisk, journalDir);
  await realDisk.makeDirectory(archiveDir);
  const sums = await readSums(archiveDir);
  const copied: string[] = [];
  let end = { seq: 0, hash: ZERO_HASH };
  for (const first of firsts.slice(0, -1)) {
    const name = segmentName(first);
    const bytes = await readFile(join(journalDir, name));
    end = checkLinks(bytes, first, end.hash);
    const sha256 = hash("sha256", bytes, "hex");
    const known = sums.get(name);
    if (known !== undefined) await compare(archiveDir, name, sha256, known);
    else {
      await copy(archiveDir, name, bytes, sha256);
      sums.set(name, sha256);
      await writeSums(archiveDir, sums);
      copied.push(name);
    }
  }
  return { copied, compared: Math.max(0, firsts.length - 1) - copied.length, through: end.seq };
}

/** Numbers and chain of a whole segment. @returns its last record */
function checkLinks(bytes: Buffer, first: number, before: string): { seq: number; hash: string } {
  let end = { seq: first - 1, hash: before };
  let offset = 0;
  for (let lf = bytes.indexOf(0x0a); lf >= 0; lf = bytes.indexOf(0x0a, offset)) {
    const line = bytes.toString("latin1", offset, lf + 1);
    const header = readHeader(line);
    if (header?.seq !== end.seq + 1 || header.prev !== end.hash) throw unlinked(end.seq + 1);
    end = { seq: header.seq, hash: lineHash(line) };
    offset = lf + 1;
  }
  if (offset < bytes.length || end.seq < first) throw unlinked(end.seq + 1);
  return end;
}

async function copy(archiveDir: string, name: string, bytes: Buffer, sha256: string): Promise<void> {
  const path = join(archiveDir, name);
  await realDisk.writeWhole(`${path}.part`, [bytes]);
  await chmod(`${path}.part`, 0o400);
  await realDisk.rename(`${path}.part`, path);
  await realDisk.syncDirectory(archiveDir);
  if (hash("sha256", await readFile(path), "hex") !== sha256) throw different(name);
}

async function compare(archiveDir: string, name: string, sha256: string, known: string): Promise<void> {
  const copied = await readFile(join(archiveDir, name)).catch(() => Buffer.alloc(0));
  if (known !== sha256 || hash("sha256", copied, "hex") !== sha256) throw different(name);
}

async function readSums(archiveDir: string): Promise<Map<string, string>> {
  const text = await readFile(join(archiveDir, SUMS), "latin1").catch(() => "");
  return new Map(
    [...text.matchAll(/^([0-9a-f]{64}) {2}(\d{16}\.ndjson)$/gm)].map(([, sum = "", name = ""]) => [name, sum]),
  );
}

async function writeSums(archiveDir: string, sums: ReadonlyMap<string, string>): Promise<void> {
  const lines = [...sums].sort().map(([name, sum]) => `${sum}  ${name}\n`);
  const path = join(archiveDir, SUMS);
  await realDisk.writeWhole(`${path}.part`, [Buffer.from(lines.join(""), "latin1")]);
  await realDisk.rename(`${path}.part`, path);
  await realDisk.syncDirectory(archiveDir);
}

function unlinked(seq: number): Refusal {
  return new Refusal(
    "STORE-CHAIN",
    "inconsistent",
    `Record ${seq} of the journal does not follow the one before it. Nothing more was archived. Stop airlockd and run ` +
      "airlockd --check-store",
  );
}

function different(name: string): Refusal {
  return new Refusal(
    "STORE-CHAIN",
    "inconsistent",
    `${name} in the archive is not the journal's: one of the two was altered, or the archive is of another log. Nothing ` +
      "more was archived. Keep both, and compare their sums with an older copy.",
  );
}
