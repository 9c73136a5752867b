import { RegistrationServiceClient } from "../gen/airlock/registration/v1/registration.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";

export interface StationRequest {
  readonly uuid: string;
  readonly name: string;
  readonly hardwareId: string;
  readonly csrDer: Buffer;
  readonly sotaConfigDir: string;
  readonly overrides: readonly { readonly section: string; readonly key: string; readonly value?: string }[];
}

export interface StationAnswer {
  readonly certificatePem: string;
  readonly issuerPem: string;
  readonly factoryRootPem: string;
  readonly sotaToml: string;
  readonly sequence: bigint;
  readonly alreadyIssued: boolean;
}

/** What a station asks over mTLS. Rejects with the appliance's Refusal, `away` when it cannot be reached. */
export interface RegistrationClient {
  register(request: StationRequest): Promise<StationAnswer>;
  close(): void;
}

export function openRegistrationClient(identity: ClientIdentity): RegistrationClient {
  const client = openClient(RegistrationServiceClient, identity);
  return {
    register: async ({ csrDer, overrides, ...rest }) => {
      const request = { ...rest, csr: csrDer, overrides: overrides.map((one) => ({ value: undefined, ...one })) };
      return await callUnary<StationAnswer>((done) => client.register(request, done));
    },
    close: () => client.close(),
  };
}
