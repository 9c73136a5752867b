import type { ApplyDenyListRequest, ApplyDenyListResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log } from "../../log/log.ts";
import type { DenyListApplier } from "../../transfer/apply-deny-list.ts";
import type { Caller } from "../authorise.ts";
import { denyListStatus } from "./get-status.ts";

/** ApplyDenyList: the list is in force, by durable records, before the answer leaves. */
export function applyDenyList(log: Log, denyLists: DenyListApplier) {
  return async (request: ApplyDenyListRequest, { by }: Caller): Promise<ApplyDenyListResponse> => {
    const { list, isAlreadyApplied, denied, evidence } = await denyLists.apply(Buffer.from(request.list), by);
    return {
      importer: list.importer,
      alreadyApplied: isAlreadyApplied,
      denyList: denyListStatus(log.custody().denyList()),
      denied: denied.map(({ seq, uuid, name }) => ({ sequence: BigInt(seq), uuid, name })),
      evidence: [...evidence],
    };
  };
}
