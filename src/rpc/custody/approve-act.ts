import type { ApproveActRequest, ApproveActResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { DualControl } from "../../issuance/dual-control.ts";
import type { Log } from "../../log/log.ts";
import type { ProposedAct } from "../../log/proposed-act.ts";
import type { Caller } from "../authorise.ts";
import type { Connections } from "../connections.ts";

/** ApproveAct: when it says that the act is in force, the act is a durable record (DUAL-CONTROL). */
export function approveAct(log: Log, acts: DualControl, connections: Connections) {
  return async ({ actId }: ApproveActRequest, { by }: Caller): Promise<ApproveActResponse> => {
    const { id, what, inForceAt, enrolled } = await acts.approve(actId, by);
    const isInForce = inForceAt !== undefined;
    const revoked = isInForce ? revokedBy(what) : undefined;
    return {
      inForce: isInForce,
      approvals: log.custody().approvers(id).size,
      needed: log.custody().quorum,
      certificatePem: enrolled?.pem ?? "",
      // Durable: authorise() refuses the next call. What is open right now ends here.
      connectionsCut: revoked === undefined ? 0 : connections.cut(revoked),
    };
  };
}

function revokedBy(what: ProposedAct): string | undefined {
  if (what.kind === "revoke-custodian") return what.clientSha256;
  return what.kind === "enroll-custodian" ? what.replaces : undefined;
}
