import type { ApplyReceiptRequest, ApplyReceiptResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { ReceiptApplier } from "../../transfer/apply-receipt.ts";
import type { Caller } from "../authorise.ts";

/** ApplyReceipt: every check has passed and the receipt is a durable record before the answer leaves. */
export function applyReceipt(receipts: ReceiptApplier) {
  return async (request: ApplyReceiptRequest, { by }: Caller): Promise<ApplyReceiptResponse> => {
    const applied = await receipts.apply(Buffer.from(request.receipt), by);
    const { receipt, evidence } = applied;
    return {
      number: receipt.number,
      importer: receipt.importer,
      alreadyApplied: applied.isAlreadyApplied,
      delivered: BigInt(applied.delivered),
      duplicates: BigInt(applied.duplicates),
      rejected: applied.rejected.map(({ seq, name, code }) => ({ sequence: BigInt(seq), name, code })),
      bundles: receipt.bundles.map(({ bundle }) => bundle),
      through: BigInt(receipt.thru.seq),
      evidence: [...evidence],
      missingBundles: [...receipt.missing],
    };
  };
}
