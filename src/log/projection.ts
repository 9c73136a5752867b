import { encodeSeq, type IndexChange, indexKey } from "./index-store.ts";
import type { IndexedValues } from "./indexed-values.ts";
import type { LogRecord } from "./record.ts";

/**
 * What one record changes in the index. Pure, and depends on that record alone, so the live path, a replay after a
 * crash and a rebuild cannot come to different results. States are not in the index at all: registration-state.ts
 * derives them, so a receipt for 10,000 registrations is one entry here.
 */
export function projectRecord(record: LogRecord, values: IndexedValues, line: string): IndexChange[] {
  const changes = [put(indexKey.line(record.seq), line)];
  const target = encodeSeq(record.kind === "resubmit" ? record.registration : record.seq);
  if (values.uuid !== undefined) changes.push(put(indexKey.uuid(values.uuid), target));
  if (values.key !== undefined) changes.push(put(indexKey.key(values.key), target));
  if (values.name !== undefined) changes.push(put(indexKey.name(values.name), target));
  return changes;
}

function put(key: string, value: string): IndexChange {
  return { type: "put", key, value };
}
