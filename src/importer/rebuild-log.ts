import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { lineHash } from "../log/chain.ts";
import { syncDirectory } from "./durable-file.ts";
import { type ImporterState, sortedBundles } from "./importer-state.ts";
import { readKeptLines } from "./kept-bundles.ts";
import { StateError } from "./state-error.ts";

/**
 * Writes an appliance's log as far as it arrived without a gap, the same bytes that the appliance had; every line is
 * checked against the one before it. One kept bundle in memory at a time. When it resolves, the file is durable.
 * @returns how many records were written
 * @throws StateError when a kept copy was changed
 */
export async function rebuildLog(
  path: string,
  logDirectory: string,
  log: string,
  state: ImporterState,
): Promise<{ readonly records: number; readonly headHash: string }> {
  const part = `${path}.part`;
  const file = createWriteStream(part, { mode: 0o600 });
  let [records, headHash] = [0, ""];
  for await (const line of contiguousLines(logDirectory, log, state)) {
    records++;
    headHash = lineHash(line);
    if (!file.write(line, "latin1")) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
  const handle = await open(part, "r");
  await handle.sync().finally(() => handle.close());
  await rename(part, path);
  await syncDirectory(dirname(path));
  return { records, headHash };
}

async function* contiguousLines(logDirectory: string, log: string, state: ImporterState): AsyncGenerator<string> {
  let next = { seq: 1, prev: "0".repeat(64) };
  for (const bundle of sortedBundles(state)) {
    if (bundle.first !== next.seq) return;
    for (const line of await readKeptLines(logDirectory, log, bundle)) {
      if (!line.includes(`"seq":${next.seq},"prev":"${next.prev}"`)) {
        throw new StateError(`The kept records do not continue at ${next.seq}. Restore the state directory.`);
      }
      next = { seq: next.seq + 1, prev: lineHash(line) };
      yield line;
    }
  }
}
