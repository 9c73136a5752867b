import { hash, randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { isoUtc } from "../clock.ts";
import type { LogHead } from "../hsm/messages.ts";
import { Refusal } from "../refusal.ts";
import type { DatedDraft } from "./carry-over.ts";
import { lineHash, ZERO_HASH } from "./chain.ts";
import { realDisk } from "./disk.ts";
import { holdDirectory } from "./level-store.ts";
import type { LogOptions } from "./log-options.ts";
import { openLog } from "./open-log.ts";
import { encodeRecord } from "./record-codec.ts";
import { segmentName } from "./segment-name.ts";

/** What an empty file system or an attempt that failed leaves behind. */
const HARMLESS: ReadonlySet<string> = new Set(["lock", "lost+found", `${segmentName(1)}.copy`]);

const PART_LINES = 1_024;

export interface CreatedLog {
  /** The id of the new log. */
  readonly log: string;
  readonly head: LogHead;
}

/**
 * Makes a log of a genesis record and the first acts, all or nothing. When it resolves, journal and index are on disk.
 * @throws Refusal `needs-person` when either directory has anything in it
 */
export async function createLog(options: LogOptions, drafts: readonly DatedDraft[]): Promise<CreatedLog> {
  const { journalDir, databaseDir, disk = realDisk } = options;
  if (drafts[0]?.kind !== "genesis") throw new RangeError("a log starts with its genesis");
  for (const directory of [journalDir, databaseDir]) await disk.makeDirectory(directory);
  const lock = await holdDirectory(join(journalDir, "lock"));
  try {
    await checkEmpty(options);
    const { log, lines } = encodeLines(drafts, isoUtc(options.clock.nowMs()));
    const path = join(journalDir, segmentName(1));
    await disk.writeWhole(`${path}.copy`, inParts(lines));
    // Dying before the rename is durable leaves directories that still count as empty; after it, a log whose index the
    // next opening makes.
    await disk.rename(`${path}.copy`, path);
    for (const directory of [journalDir, dirname(journalDir), dirname(databaseDir)])
      await disk.syncDirectory(directory);
    await lock.close();
    await openLog(options).then((opened) => opened.log.close());
    return { log, head: { seq: lines.length, hash: lineHash(lines.at(-1) ?? "") } };
  } finally {
    await lock.close();
  }
}

/** A log id is the start of a random nonce's hash: no two logs share one, whoever makes them. */
function encodeLines(drafts: readonly DatedDraft[], now: string): { log: string; lines: string[] } {
  const log = hash("sha256", randomBytes(32), "hex").slice(0, 8);
  const lines: string[] = [];
  for (const draft of drafts) {
    const before = lines.at(-1);
    const prev = before === undefined ? ZERO_HASH : lineHash(before);
    const { at = now } = draft;
    lines.push(encodeRecord({ log, seq: lines.length + 1, prev, at }, draft));
  }
  return { log, lines };
}

/** A log that continues a large one is longer than a string can be. */
function inParts(lines: readonly string[]): Buffer[] {
  const parts: Buffer[] = [];
  for (let start = 0; start < lines.length; start += PART_LINES) {
    parts.push(Buffer.from(lines.slice(start, start + PART_LINES).join(""), "latin1"));
  }
  return parts;
}

async function checkEmpty({ journalDir, databaseDir, disk = realDisk }: LogOptions): Promise<void> {
  for (const directory of [journalDir, databaseDir]) {
    const names = (await disk.names(directory)) ?? [];
    if (names.every((name) => HARMLESS.has(name))) continue;
    const sentence = "The log's directories are not empty. A new log is only made in empty ones; nothing was changed.";
    throw new Refusal("STORE-HEAD", "needs-person", sentence);
  }
}
