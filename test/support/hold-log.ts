import { join } from "node:path";
import { systemClock } from "../../src/clock.ts";
import { openLog } from "../../src/log/open-log.ts";

/** Opens the log below a directory, says so, and keeps it open until the process is killed. */
const root = process.argv[2] ?? "";
await openLog({
  journalDir: join(root, "journal"),
  databaseDir: join(root, "database"),
  clock: systemClock,
  onFatal: () => {},
  reserveBytes: 0,
});
process.stdout.write("open\n");
setInterval(() => {}, 60_000);
