import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ClientIdentity, ClientIdentityRequest } from "../../issuance/client-certificate.ts";
import type { DualControl } from "../../issuance/dual-control.ts";
import type { Unsealing } from "../../issuance/unsealing.ts";
import { type CallEdge, serverStream, unary } from "../call.ts";
import { approveAct } from "./approve-act.ts";
import { enrollClient } from "./enroll-client.ts";
import { type CustodyStatusParts, getCustodyStatus } from "./get-status.ts";
import { listActs } from "./list-acts.ts";
import { listAudit } from "./list-audit.ts";
import { listClients } from "./list-clients.ts";
import { listOrders } from "./list-orders.ts";
import { presentShare } from "./present-share.ts";
import { proposeAct } from "./propose-act.ts";
import { revokeClient } from "./revoke-client.ts";
import { seal, unseal } from "./seal.ts";

export interface CustodyParts {
  readonly lineCaPem: string;
  readonly issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>;
  readonly acts: DualControl;
  readonly unsealing: Unsealing;
  readonly status: CustodyStatusParts;
}

/** CustodyService. */
export function custodyHandlers(
  edge: CallEdge,
  { lineCaPem, issueIdentity, acts, unsealing, status }: CustodyParts,
): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.custody.v1.CustodyService/${method}`;
  const { log, connections } = edge;
  return {
    enrollClient: unary(edge, path("EnrollClient"), enrollClient(log, connections, lineCaPem, issueIdentity)),
    listClients: unary(edge, path("ListClients"), listClients(log)),
    revokeClient: unary(edge, path("RevokeClient"), revokeClient(log, connections)),
    listAudit: serverStream(edge, path("ListAudit"), listAudit(log)),
    listOrders: unary(edge, path("ListOrders"), listOrders(log)),
    proposeAct: unary(edge, path("ProposeAct"), proposeAct(log, acts)),
    approveAct: unary(edge, path("ApproveAct"), approveAct(log, acts, connections)),
    listActs: unary(edge, path("ListActs"), listActs(log, acts)),
    getStatus: unary(edge, path("GetStatus"), getCustodyStatus(log, status)),
    presentShare: unary(edge, path("PresentShare"), presentShare(unsealing)),
    seal: unary(edge, path("Seal"), seal(unsealing)),
    unseal: unary(edge, path("Unseal"), unseal(unsealing)),
  };
}
