import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import type { DenyListApplier } from "../../transfer/apply-deny-list.ts";
import type { ReceiptApplier } from "../../transfer/apply-receipt.ts";
import type { BundleSealer } from "../../transfer/seal.ts";
import { type CallEdge, serverStream, unary } from "../call.ts";
import { applyDenyList } from "./apply-deny-list.ts";
import { applyReceipt } from "./apply-receipt.ts";
import { getStatus, type StatusParts } from "./get-status.ts";
import { listBundles } from "./list-bundles.ts";
import { listRegistrations } from "./list-registrations.ts";
import { readBundleFiles } from "./read-bundle.ts";
import { resubmitRegistration } from "./resubmit-registration.ts";
import { sealBundle } from "./seal-bundle.ts";
import { voidRegistration } from "./void-registration.ts";

export interface TransferParts {
  readonly sealer: BundleSealer;
  readonly receipts: ReceiptApplier;
  readonly denyLists: DenyListApplier;
  readonly status: StatusParts;
}

export function transferHandlers(edge: CallEdge, parts: TransferParts): UntypedServiceImplementation {
  const path = (method: string) => `/airlock.transfer.v1.TransferService/${method}`;
  const { log } = edge;
  return {
    getStatus: unary(edge, path("GetStatus"), getStatus(log, parts.status)),
    listRegistrations: serverStream(edge, path("ListRegistrations"), listRegistrations(log)),
    sealBundle: unary(edge, path("SealBundle"), sealBundle(log, parts.sealer)),
    listBundles: unary(edge, path("ListBundles"), listBundles(log)),
    readBundle: serverStream(edge, path("ReadBundle"), readBundleFiles(log)),
    applyReceipt: unary(edge, path("ApplyReceipt"), applyReceipt(parts.receipts)),
    applyDenyList: unary(edge, path("ApplyDenyList"), applyDenyList(log, parts.denyLists)),
    resubmitRegistration: unary(edge, path("ResubmitRegistration"), resubmitRegistration(log)),
    voidRegistration: unary(edge, path("VoidRegistration"), voidRegistration(log)),
  };
}
