import { appendFile, cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Log } from "../../src/log/log.ts";
import { openLog } from "../../src/log/open-log.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { checkLog } from "./log-invariants.ts";

/** One bit turned over in one of the stores' files, or the file cut to a length, or removed; `path` is below the root. */
export type Damage =
  | { readonly path: string; readonly byte: number; readonly bit: number }
  | { readonly path: string; readonly length: number }
  | { readonly path: string; readonly isGone: true }
  | { readonly path: "" };

/**
 * For every damage in `damages.json`: opens a copy of the log with it and holds all that it serves against
 * `expected.json`. A program of its own, because LevelDB may abort on damaged tables. Appends a line to `results` each:
 * "same", "repaired", "refused" or what was wrong.
 */
const root = process.argv[2] ?? "";
const expected = JSON.parse(await readFile(join(root, "expected.json"), "utf8")) as StoredRecord[];
const damages = JSON.parse(await readFile(join(root, "damages.json"), "utf8")) as Damage[];
for (const damage of damages) {
  const copy = join(root, "damaged");
  await rm(copy, { recursive: true, force: true });
  for (const name of ["journal", "database"]) await cp(join(root, name), join(copy, name), { recursive: true });
  await inflict(copy, damage);
  await appendFile(join(root, "results"), `${await check(copy)}\n`);
}

async function inflict(copy: string, damage: Damage): Promise<void> {
  const path = join(copy, damage.path);
  if ("bit" in damage) {
    const bytes = await readFile(path);
    bytes[damage.byte] = (bytes[damage.byte] ?? 0) ^ (1 << damage.bit);
    await writeFile(path, bytes);
  } else if ("length" in damage) await truncate(path, damage.length);
  else if ("isGone" in damage) await rm(path);
}

async function check(copy: string): Promise<string> {
  const events: string[] = [];
  let log: Log | undefined;
  try {
    const opened = await openLog({
      journalDir: join(copy, "journal"),
      databaseDir: join(copy, "database"),
      clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
      onFatal: () => {},
      onEvent: ({ message }) => void events.push(message),
      reserveBytes: 0,
    });
    log = opened.log;
    await checkLog(log, expected);
    // A second reading meets what the first one put right.
    await checkLog(log, expected);
    const { report } = opened;
    const isSame = events.length === 0 && report.index === "kept" && report.replayed === 0 && report.reread === 0;
    return isSame ? "same" : "repaired";
  } catch (error) {
    return error instanceof Refusal && error.control.startsWith("STORE-") && error.code !== "away"
      ? "refused"
      : `wrong: ${error}`;
  } finally {
    await log?.close().catch(() => undefined);
  }
}
