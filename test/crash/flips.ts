import { parseArgs } from "node:util";
import type { StoredRecord } from "../../src/log/record.ts";
import { everyBit, inflictAll, storeFiles } from "../support/damage-files.ts";
import { registration } from "../support/log-drafts.ts";
import { readAll } from "../support/log-invariants.ts";
import { LogSite } from "../support/log-site.ts";

/**
 * `node test/crash/flips.ts [--every N]`: every single bit of every file of a small log's two stores, turned over one at
 * a time; each time the log is opened and all that it serves is compared. TMPDIR on a memory disk makes it quicker.
 */
const { values } = parseArgs({ options: { every: { type: "string", default: "1" } } });
const every = Number(values.every);
const site = await LogSite.withLog();
try {
  let stored: StoredRecord[] = [];
  // The second opening moves LevelDB's log into a table, so that there are both.
  for (const n of [1, 2]) {
    const log = await site.open();
    await log.append(registration(n));
    stored = await readAll(log);
    await log.close();
  }
  for (const file of await storeFiles(site.root)) {
    const damages = everyBit(file).filter((_, index) => index % every === 0);
    const counts = await inflictAll(site.root, stored, damages);
    console.log(`flips: ${damages.length} bits of ${file.path}: ${JSON.stringify(counts)}`);
  }
  console.log("flips: no wrong value was served, no log opened with fewer records than its head");
} catch (error) {
  console.error("flips:", error);
  process.exitCode = 1;
} finally {
  await site.remove();
}
