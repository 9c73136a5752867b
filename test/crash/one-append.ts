import { writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { openLog } from "../../src/log/open-log.ts";
import type { RecordDraft } from "../../src/log/record.ts";

/**
 * Opens the log below a directory, appends the drafts of a file one after the other, and closes. Says each step on
 * stdout at once, so that whoever reads it knows what was acknowledged when the process was killed.
 */
const [root = "", draftsFile = ""] = process.argv.slice(2);
const say = (event: object) => writeSync(1, `${JSON.stringify(event)}\n`);
const drafts = JSON.parse(await readFile(draftsFile, "utf8")) as RecordDraft[];
try {
  const { log } = await openLog({
    journalDir: join(root, "journal"),
    databaseDir: join(root, "database"),
    clock: { nowMs: () => Date.parse("2026-11-24T00:00:00Z") },
    onFatal: () => process.exit(5),
    reserveBytes: 0,
    segmentBytes: 8_000,
  });
  say({ event: "opened" });
  for (const draft of drafts) say({ event: "appended", stored: await log.append(draft) });
  await log.close();
  say({ event: "closed" });
} catch {
  process.exit(6);
}
