import type { GetIssuerResponse } from "../../gen/airlock/registration/v1/registration.ts";
import type { IssuerCertificates } from "./register.ts";

/** GetIssuer: constants of this site. */
export function getIssuer(certificates: IssuerCertificates, factory: string, appliance: string) {
  return async (): Promise<GetIssuerResponse> => ({ ...certificates, factory, appliance });
}
