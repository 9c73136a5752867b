import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Issuer } from "../issuance/issuer.ts";
import { type CallEdge, unary } from "./call.ts";
import { type CustodyParts, custodyHandlers } from "./custody/handlers.ts";
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
  readonly custody: CustodyParts;
  readonly transfer: TransferParts;
  readonly health: Health;
}

/** Every RPC of the appliance, each behind authorisation (ROLE-METHOD). */
export function createServices(edge: CallEdge, parts: ServiceParts): Services {
  return {
    registration: registrationHandlers(edge, parts),
    transfer: transferHandlers(edge, parts.transfer),
    custody: custodyHandlers(edge, parts.custody),
    health: healthHandlers(edge, parts.health),
  };
}

function registrationHandlers(edge: CallEdge, parts: ServiceParts): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.registration.v1.RegistrationService/${method}`;
  const registerOne = register(parts.issuer, parts.certificates, edge.logger);
  return {
    register: unary(edge, path("Register"), registerOne),
    registerStream: registerStream(edge, path("RegisterStream"), registerOne),
    getRegistration: unary(edge, path("GetRegistration"), getRegistration(edge.log)),
    getIssuer: unary(edge, path("GetIssuer"), getIssuer(parts.certificates, parts.factory, edge.appliance)),
    reportDelivery: unary(edge, path("ReportDelivery"), reportDelivery(edge.log)),
  };
}
