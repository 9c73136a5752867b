import type { Log } from "../log/log.ts";
import type { StoredRecord, VoidBody } from "../log/record.ts";
import { Refusal } from "../refusal.ts";

const REASON = /^[\x20-\x7e]{1,200}$/;

/**
 * Marks a registration's board as scrapped. Durable when it resolves; returns no unit to any order.
 * @throws Refusal
 */
export async function voidRegistration(log: Log, body: VoidBody): Promise<StoredRecord> {
  if (!REASON.test(body.reason)) {
    throw new Refusal("REQUEST-FIELD", "malformed", "Say why in 1 to 200 printable ASCII characters.", {
      field: "reason",
    });
  }
  const found = await log.findRegistration(body.registration);
  if (found === undefined) {
    throw new Refusal("REQUEST-FIELD", "malformed", "There is no registration of this number.", { field: "sequence" });
  }
  if (found.state === "voided") {
    throw new Refusal("REQUEST-FIELD", "conflict", "This registration is voided already.", { field: "sequence" });
  }
  return await log.append({ kind: "void", body });
}
