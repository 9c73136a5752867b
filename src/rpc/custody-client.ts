import {
  type ApproveActResponse,
  CustodyServiceClient,
  type Client as EnrolledClient,
  type ListAuditResponse,
  type Order,
  type Proposal,
  type ProposeActResponse,
} from "../gen/airlock/custody/v1/custody.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";
import { readStream } from "./server-stream.ts";

export type { EnrolledClient, Order, Proposal };

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
  propose(actJson: string): Promise<ProposeActResponse>;
  approve(actId: string): Promise<ApproveActResponse>;
  acts(includeClosed: boolean): Promise<readonly Proposal[]>;
  orders(): Promise<readonly Order[]>;
  /** Lines of audited records, from a sequence number on. */
  audit(from: number): AsyncIterable<string>;
  /** Makes the signer forget the PIN. */
  seal(): Promise<void>;
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
    propose: (actJson) => callUnary((done) => client.proposeAct({ actJson }, done)),
    approve: (actId) => callUnary((done) => client.approveAct({ actId }, done)),
    acts: async (includeClosed) =>
      (await callUnary<{ proposals: Proposal[] }>((done) => client.listActs({ includeClosed }, done))).proposals,
    orders: async () => (await callUnary<{ orders: Order[] }>((done) => client.listOrders({}, done))).orders,
    audit: async function* (from) {
      const call = client.listAudit({ fromSequence: BigInt(from) });
      for await (const { recordJson } of readStream<ListAuditResponse>(call)) yield recordJson;
    },
    seal: async () => {
      await callUnary((done) => client.seal({}, done));
    },
    close: () => client.close(),
  };
}
