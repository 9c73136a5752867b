import { status, type UntypedServiceImplementation } from "@grpc/grpc-js";
import type { ClientIdentity, ClientIdentityRequest } from "../issuance/client-certificate.ts";
import type { Issuer } from "../issuance/issuer.ts";
import { type CallEdge, serverStream, unary } from "./call.ts";
import { enrollClient } from "./custody/enroll-client.ts";
import { listAudit } from "./custody/list-audit.ts";
import { listClients } from "./custody/list-clients.ts";
import { revokeClient } from "./custody/revoke-client.ts";
import { type Health, healthHandlers } from "./health.ts";
import { getIssuer } from "./registration/get-issuer.ts";
import { getRegistration } from "./registration/get-registration.ts";
import { type IssuerCertificates, register } from "./registration/register.ts";
import { registerStream } from "./registration/register-stream.ts";
import { reportDelivery } from "./registration/report-delivery.ts";
import type { Services } from "./server.ts";
import { type TransferParts, transferHandlers } from "./transfer/handlers.ts";

export interface ServiceParts {
  readonly issuer: Issuer;
  readonly certificates: IssuerCertificates;
  readonly factory: string;
  readonly lineCaPem: string;
  readonly issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>;
  readonly transfer: TransferParts;
  readonly health: Health;
}

/** Every RPC of the appliance, each behind authorisation (ROLE-METHOD). */
export function createServices(edge: CallEdge, parts: ServiceParts): Services {
  return {
    registration: registrationHandlers(edge, parts),
    transfer: transferHandlers(edge, parts.transfer),
    custody: custodyHandlers(edge, parts),
    health: healthHandlers(edge, parts.health),
  };
}

function registrationHandlers(edge: CallEdge, parts: ServiceParts): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.registration.v1.RegistrationService/${method}`;
  const registerOne = register(parts.issuer, parts.certificates);
  return {
    register: unary(edge, path("Register"), registerOne),
    registerStream: registerStream(edge, path("RegisterStream"), registerOne),
    getRegistration: unary(edge, path("GetRegistration"), getRegistration(edge.log)),
    getIssuer: unary(edge, path("GetIssuer"), getIssuer(parts.certificates, parts.factory, edge.appliance)),
    reportDelivery: unary(edge, path("ReportDelivery"), reportDelivery(edge.log)),
  };
}

function custodyHandlers(edge: CallEdge, parts: ServiceParts): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.custody.v1.CustodyService/${method}`;
  const { log, connections } = edge;
  return {
    enrollClient: unary(edge, path("EnrollClient"), enrollClient(log, parts.lineCaPem, parts.issueIdentity)),
    listClients: unary(edge, path("ListClients"), listClients(log)),
    revokeClient: unary(edge, path("RevokeClient"), revokeClient(log, connections)),
    listAudit: serverStream(edge, path("ListAudit"), listAudit(log)),
    ...notYet(["presentShare", "seal", "listOrders", "proposeAct", "approveAct", "listActs"]),
  };
}

/** Methods of the contract that this version does not answer; grpc-js wants a handler for each. */
function notYet(methods: readonly string[]): UntypedServiceImplementation {
  const failure = { code: status.UNIMPLEMENTED, details: "This version of the appliance does not offer this yet." };
  return Object.fromEntries(
    methods.map((method) => [method, (_call: unknown, callback: (error: object) => void) => callback(failure)]),
  );
}
