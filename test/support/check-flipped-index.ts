import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openLog } from "../../src/log/open-log.ts";
import type { StoredRecord } from "../../src/log/record.ts";
import { Refusal } from "../../src/refusal.ts";
import { checkLog } from "./log-invariants.ts";

/**
 * Opens the log below a directory and holds everything it serves against the lines in `expected.json` there. In a
 * process of its own, because LevelDB may abort on damaged tables. Prints "same", "refused" or what was wrong.
 */
const root = process.argv[2] ?? "";
const expected = JSON.parse(await readFile(join(root, "expected.json"), "utf8")) as StoredRecord[];
const events: string[] = [];
const options = {
  journalDir: join(root, "journal"),
  databaseDir: join(root, "database"),
  clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
  onFatal: () => {},
  onEvent: ({ message }: { message: string }) => void events.push(message),
  reserveBytes: 0,
};
try {
  const { log, report } = await openLog(options);
  await checkLog(log, expected);
  // A second reading meets what the first one put right.
  await checkLog(log, expected);
  await log.close();
  const isQuiet = events.length === 0 && report.index === "kept" && report.replayed === 0;
  await writeFile(join(root, "result"), isQuiet ? "same" : "repaired");
} catch (error) {
  const isNamed = error instanceof Refusal && error.control.startsWith("STORE-");
  await writeFile(join(root, "result"), isNamed ? "refused" : `wrong: ${error}`);
}
