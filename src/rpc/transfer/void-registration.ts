import type { VoidRegistrationRequest, VoidRegistrationResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import { voidRegistration as voidOne } from "../../issuance/void.ts";
import type { Log } from "../../log/log.ts";
import type { Caller } from "../authorise.ts";

/** VoidRegistration: the board counts as scrapped from here on; its certificate cannot be called back. */
export function voidRegistration(log: Log) {
  return async ({ sequence, reason }: VoidRegistrationRequest, { by }: Caller): Promise<VoidRegistrationResponse> => {
    const { seq } = await voidOne(log, { registration: Number(sequence), reason, by });
    return { sequence: BigInt(seq) };
  };
}
