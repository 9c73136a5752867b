import { status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ClientIdentity, ClientIdentityRequest } from "../../issuance/client-certificate.ts";
import type { DualControl } from "../../issuance/dual-control.ts";
import { authoriseCall, type CallEdge, reportFailure, serverStream, unary } from "../call.ts";
import { serviceError } from "../status.ts";
import { approveAct } from "./approve-act.ts";
import { enrollClient } from "./enroll-client.ts";
import { listActs } from "./list-acts.ts";
import { listAudit } from "./list-audit.ts";
import { listClients } from "./list-clients.ts";
import { listOrders } from "./list-orders.ts";
import { proposeAct } from "./propose-act.ts";
import { revokeClient } from "./revoke-client.ts";

export interface CustodyParts {
  readonly lineCaPem: string;
  readonly issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>;
  readonly acts: DualControl;
}

/** CustodyService. */
export function custodyHandlers(
  edge: CallEdge,
  { lineCaPem, issueIdentity, acts }: CustodyParts,
): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.custody.v1.CustodyService/${method}`;
  const { log, connections } = edge;
  return {
    enrollClient: unary(edge, path("EnrollClient"), enrollClient(log, lineCaPem, issueIdentity)),
    listClients: unary(edge, path("ListClients"), listClients(log)),
    revokeClient: unary(edge, path("RevokeClient"), revokeClient(log, connections)),
    listAudit: serverStream(edge, path("ListAudit"), listAudit(log)),
    listOrders: unary(edge, path("ListOrders"), listOrders(log)),
    proposeAct: unary(edge, path("ProposeAct"), proposeAct(log, acts)),
    approveAct: unary(edge, path("ApproveAct"), approveAct(log, acts, connections)),
    listActs: unary(edge, path("ListActs"), listActs(log, acts)),
    presentShare: notYet(edge, path("PresentShare")),
    seal: notYet(edge, path("Seal")),
  };
}

type Answer = (error: object) => void;

/** A method of the contract that this version does not answer; the wrong role learns not even that. */
function notYet(edge: CallEdge, method: string) {
  const failure = { code: status.UNIMPLEMENTED, details: "This version of the appliance does not offer this yet." };
  return (call: { getPeer(): string }, answer: Answer) => {
    try {
      authoriseCall(edge, call.getPeer(), method);
      answer(failure);
    } catch (error) {
      answer(serviceError(reportFailure(edge, call.getPeer(), method, error)));
    }
  };
}
