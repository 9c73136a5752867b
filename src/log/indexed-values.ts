import type { LogRecord } from "./record.ts";
import { registrationKey } from "./record-key.ts";

/** What a registration can be found by. */
export type Indexed = "uuid" | "key" | "name";

/** The values that a record can be found by; none for most kinds. */
export type IndexedValues = { readonly [field in Indexed]?: string };

/** One of the values, without making the others. */
export function indexedValue(record: LogRecord, field: Indexed): string | undefined {
  if (record.kind === "resubmit") return field === "name" ? record.name : undefined;
  if (record.kind !== "registration") return undefined;
  if (field === "key") return registrationKey(record);
  return field === "uuid" ? record.device.uuid : record.device.name;
}

/** @throws Refusal `malformed` when a registration's certificate cannot be read */
export function indexedValues(record: LogRecord): IndexedValues {
  if (record.kind === "resubmit") return { name: record.name };
  if (record.kind !== "registration") return {};
  return { uuid: record.device.uuid, key: registrationKey(record), name: record.device.name };
}
