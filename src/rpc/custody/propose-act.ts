import type { ProposeActRequest, ProposeActResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { DualControl } from "../../issuance/dual-control.ts";
import type { Log } from "../../log/log.ts";
import type { Caller } from "../authorise.ts";

/** ProposeAct: the proposal is a durable record and does nothing by itself (DUAL-CONTROL). */
export function proposeAct(log: Log, acts: DualControl) {
  return async ({ actJson }: ProposeActRequest, { by }: Caller): Promise<ProposeActResponse> => {
    const proposal = await acts.propose(actJson, by);
    return { actId: proposal.id, needed: log.custody().quorum, expiresAt: acts.expiresAt(proposal) };
  };
}
