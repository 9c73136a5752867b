import {
  type ApproveActResponse,
  CustodyServiceClient,
  type Client as EnrolledClient,
  type GetStatusResponse,
  type ListAuditResponse,
  type Order,
  type PresentShareResponse,
  type Proposal,
  type ProposeActResponse,
} from "../gen/airlock/custody/v1/custody.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";
import { readStream } from "./server-stream.ts";

export type { EnrolledClient, GetStatusResponse, Order, Proposal };

/** What airlock-custody asks over mTLS. Every method rejects with the appliance's Refusal. */
export interface CustodyClient {
  /** @param replaces a renewal: fingerprint of the certificate that the new one supersedes */
  enroll(
    role: string,
    name: string,
    csrDer: Buffer,
    replaces?: string,
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
  status(): Promise<GetStatusResponse>;
  /** @param envelope the share, encrypted to the signer */
  present(envelope: Buffer, isRehearsal: boolean): Promise<PresentShareResponse>;
  /** Makes the signer forget the PIN. */
  seal(): Promise<void>;
  /** Undoes a seal where the PIN is a file. */
  unseal(): Promise<void>;
  close(): void;
}

export function openCustodyClient(identity: ClientIdentity): CustodyClient {
  const client = openClient(CustodyServiceClient, identity);
  return {
    enroll: (role, name, csr, replaces = "") =>
      callUnary((done) => client.enrollClient({ role, name, csr, replaces }, done)),
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
    unseal: async () => {
      await callUnary((done) => client.unseal({}, done));
    },
    status: () => callUnary((done) => client.getStatus({}, done)),
    present: (encryptedShare, rehearsal) =>
      callUnary((done) => client.presentShare({ encryptedShare, rehearsal }, done)),
    close: () => client.close(),
  };
}
