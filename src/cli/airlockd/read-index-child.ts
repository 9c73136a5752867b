import { appendFileSync } from "node:fs";
import { snapshotIndex } from "../../log/index-snapshot.ts";
import { openForReading } from "../../log/level-store.ts";

/**
 * Started by find-lines.ts with an index, a directory for its snapshot and a file: writes every line that the index
 * still gives to the file. Whatever LevelDB does to this process happens to it alone, and what is written counts.
 */
const [location = "", snapshot = "", file = ""] = process.argv.slice(2);
await snapshotIndex(location, snapshot);
const index = await openForReading(snapshot);
for await (const key of index.keys()) {
  const line = key.startsWith("line/") ? index.get(key) : undefined;
  if (line !== undefined) appendFileSync(file, line, "latin1");
}
await index.close();
