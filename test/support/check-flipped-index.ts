import { appendFile, cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openLog } from "../../src/log/open-log.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { checkLog } from "./log-invariants.ts";

/** One bit of one of LevelDB's files; none when the name is empty. */
export interface Flip {
  readonly name: string;
  readonly byte: number;
  readonly bit: number;
}

/**
 * For every flip in `flips.json`: opens a copy of the log with that bit turned over and holds all that it serves against
 * `expected.json`. A program of its own, because LevelDB may abort on damaged tables. Appends a line to `results` each:
 * "same", "repaired", "refused" or what was wrong.
 */
const root = process.argv[2] ?? "";
const expected = JSON.parse(await readFile(join(root, "expected.json"), "utf8")) as StoredRecord[];
const flips = JSON.parse(await readFile(join(root, "flips.json"), "utf8")) as Flip[];
for (const flip of flips) {
  const copy = join(root, "flipped");
  await rm(copy, { recursive: true, force: true });
  for (const name of ["journal", "database"]) await cp(join(root, name), join(copy, name), { recursive: true });
  if (flip.name !== "") await turnOver(join(copy, "database", "index", flip.name), flip);
  await appendFile(join(root, "results"), `${await check(copy)}\n`);
}

async function turnOver(path: string, { byte, bit }: Flip): Promise<void> {
  const bytes = await readFile(path);
  bytes[byte] = (bytes[byte] ?? 0) ^ (1 << bit);
  await writeFile(path, bytes);
}

async function check(copy: string): Promise<string> {
  const events: string[] = [];
  try {
    const { log, report } = await openLog({
      journalDir: join(copy, "journal"),
      databaseDir: join(copy, "database"),
      clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
      onFatal: () => {},
      onEvent: ({ message }) => void events.push(message),
      reserveBytes: 0,
    });
    await checkLog(log, expected);
    // A second reading meets what the first one put right.
    await checkLog(log, expected);
    await log.close();
    return events.length === 0 && report.index === "kept" && report.replayed === 0 ? "same" : "repaired";
  } catch (error) {
    return error instanceof Refusal && error.control.startsWith("STORE-") ? "refused" : `wrong: ${error}`;
  }
}
