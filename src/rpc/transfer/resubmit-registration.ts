import type {
  ResubmitRegistrationRequest,
  ResubmitRegistrationResponse,
} from "../../gen/airlock/transfer/v1/transfer.ts";
import { resubmit } from "../../issuance/resubmit.ts";
import type { Log } from "../../log/log.ts";
import type { Caller } from "../authorise.ts";

/** ResubmitRegistration: the new name is a durable record; the next bundle carries it. */
export function resubmitRegistration(log: Log) {
  return async (
    { sequence, name }: ResubmitRegistrationRequest,
    { by }: Caller,
  ): Promise<ResubmitRegistrationResponse> => {
    const { seq } = await resubmit(log, { registration: Number(sequence), name, by });
    return { sequence: BigInt(seq) };
  };
}
