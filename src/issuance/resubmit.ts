import type { Log } from "../log/log.ts";
import type { ResubmitBody, StoredRecord } from "../log/record.ts";
import { Refusal } from "../refusal.ts";

const DEVICE_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Gives a rejected registration a new name. Durable when it resolves.
 * @throws Refusal when it was not rejected, or the name is not free
 */
export async function resubmit(log: Log, body: ResubmitBody): Promise<StoredRecord> {
  if (!DEVICE_NAME.test(body.name)) {
    throw new Refusal(
      "REQUEST-FIELD",
      "malformed",
      "The device name must be 1 to 64 of the characters A-Z a-z 0-9 _ and -.",
      {
        field: "name",
      },
    );
  }
  const found = await log.findRegistration(body.registration);
  if (found === undefined) {
    throw new Refusal("REQUEST-FIELD", "malformed", "There is no registration of this number.", { field: "sequence" });
  }
  if (found.state !== "rejected") {
    throw new Refusal(
      "REQUEST-FIELD",
      "conflict",
      "This registration was not rejected, so there is nothing to resubmit.",
      {
        field: "sequence",
      },
    );
  }
  if ((await log.findByName(body.name)) !== undefined) {
    throw new Refusal("REQUEST-FIELD", "conflict", "This device name is taken here already. Choose another.", {
      field: "name",
    });
  }
  return await log.append({ kind: "resubmit", body });
}
