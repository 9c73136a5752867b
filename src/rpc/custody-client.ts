import { CustodyServiceClient, type Client as EnrolledClient } from "../gen/airlock/custody/v1/custody.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";

/** What airlock-custody asks over mTLS. Every method rejects with the appliance's Refusal. */
export interface CustodyClient {
  enroll(
    role: string,
    name: string,
    csrDer: Buffer,
  ): Promise<{ certificatePem: string; lineCaPem: string; fingerprint: string }>;
  clients(): Promise<readonly EnrolledClient[]>;
  /** Returns how many open connections were cut. */
  revoke(fingerprint: string): Promise<number>;
  close(): void;
}

export function openCustodyClient(identity: ClientIdentity): CustodyClient {
  const client = openClient(CustodyServiceClient, identity);
  return {
    enroll: (role, name, csr) => callUnary((done) => client.enrollClient({ role, name, csr }, done)),
    clients: async () =>
      (await callUnary<{ clients: EnrolledClient[] }>((done) => client.listClients({}, done))).clients,
    revoke: async (fingerprint) =>
      (await callUnary<{ connectionsCut: number }>((done) => client.revokeClient({ fingerprint }, done)))
        .connectionsCut,
    close: () => client.close(),
  };
}
