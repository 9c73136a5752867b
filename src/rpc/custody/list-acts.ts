import type { ListActsRequest, ListActsResponse, Proposal } from "../../gen/airlock/custody/v1/custody.ts";
import type { DualControl } from "../../issuance/dual-control.ts";
import type { ProposalView } from "../../log/custody-state.ts";
import type { Log } from "../../log/log.ts";
import { encodeAct } from "../../log/proposed-act.ts";

/** Fits the largest message; older proposals stand in the audit. */
const NEWEST = 100;
/** Room in an answer of 512 KiB. */
const MAX_ANSWER_CHARS = 400_000;

/** ListActs: the bytes of each act are those that approvals are bound to. */
export function listActs(log: Log, acts: DualControl) {
  return async ({ includeClosed }: ListActsRequest): Promise<ListActsResponse> => {
    const views = includeClosed ? log.custody().proposals().slice(-NEWEST) : acts.open();
    const proposals = views.map((view) => encodeProposal(log, acts, view));
    while (JSON.stringify(proposals).length > MAX_ANSWER_CHARS) proposals.shift();
    return { proposals };
  };
}

function encodeProposal(log: Log, acts: DualControl, view: ProposalView): Proposal {
  return {
    actId: view.id,
    actJson: encodeAct(view.what),
    approvedBy: approvers(log, view),
    expiresAt: acts.expiresAt(view),
    needed: log.custody().quorum,
    inForceAt: view.inForceAt ?? "",
    certificatePem: view.enrolled?.pem ?? "",
  };
}

/** While it is open, whose approval counts now; later, who had approved. */
function approvers(log: Log, { id, inForceAt, approvals }: ProposalView): string[] {
  return [...(inForceAt === undefined ? log.custody().approvers(id) : new Set(approvals.map(({ client }) => client)))];
}
