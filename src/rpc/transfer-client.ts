import {
  type ApplyDenyListResponse,
  type ApplyReceiptResponse,
  type BundleInfo,
  type GetStatusResponse,
  HsmState,
  type ListRegistrationsRequest,
  type ListRegistrationsResponse,
  type ReadBundleResponse,
  type ResubmitRegistrationResponse,
  type SealBundleResponse,
  TransferServiceClient,
  type VoidRegistrationResponse,
} from "../gen/airlock/transfer/v1/transfer.ts";
import { type ClientIdentity, callUnary, openClient } from "./client.ts";
import { readStream } from "./server-stream.ts";

/** What airlock-export asks over mTLS. Every method rejects with the appliance's Refusal. */
export interface TransferClient {
  status(): Promise<GetStatusResponse>;
  registrations(filter: ListRegistrationsRequest): AsyncIterable<ListRegistrationsResponse>;
  seal(isHeartbeat: boolean): Promise<SealBundleResponse>;
  bundles(): Promise<readonly BundleInfo[]>;
  read(bundle: number): AsyncIterable<ReadBundleResponse>;
  applyReceipt(receipt: Buffer): Promise<ApplyReceiptResponse>;
  applyDenyList(list: Buffer): Promise<ApplyDenyListResponse>;
  /** Returns the number of the new record; durable when it resolves. */
  resubmit(sequence: number, name: string): Promise<number>;
  /** Returns the number of the new record; durable when it resolves. */
  void(sequence: number, reason: string): Promise<number>;
  close(): void;
}

export function openTransferClient(identity: ClientIdentity): TransferClient {
  const client = openClient(TransferServiceClient, identity);
  return {
    status: () => callUnary((done) => client.getStatus({}, done)),
    registrations: (filter) => readStream(client.listRegistrations(filter)),
    seal: (heartbeat) => callUnary((done) => client.sealBundle({ heartbeat }, done)),
    bundles: async () => (await callUnary<{ bundles: BundleInfo[] }>((done) => client.listBundles({}, done))).bundles,
    read: (number) => readStream(client.readBundle({ number })),
    applyReceipt: (receipt) => callUnary((done) => client.applyReceipt({ receipt }, done)),
    applyDenyList: (list) => callUnary((done) => client.applyDenyList({ list }, done)),
    resubmit: async (sequence, name) =>
      Number(
        (
          await callUnary<ResubmitRegistrationResponse>((done) =>
            client.resubmitRegistration({ sequence: BigInt(sequence), name }, done),
          )
        ).sequence,
      ),
    void: async (sequence, reason) =>
      Number(
        (
          await callUnary<VoidRegistrationResponse>((done) =>
            client.voidRegistration({ sequence: BigInt(sequence), reason }, done),
          )
        ).sequence,
      ),
    close: () => client.close(),
  };
}

/** The HSM's state as a word for people. */
export function hsmWord(state: HsmState): string {
  switch (state) {
    case HsmState.HSM_STATE_READY:
      return "ok";
    case HsmState.HSM_STATE_SEALED:
      return "SEALED";
    default:
      return "AWAY";
  }
}
