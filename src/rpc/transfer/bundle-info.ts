import type { BundleInfo } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log, SealedBundle } from "../../log/log.ts";
import { bundleDirectory } from "../../transfer/bundle-files.ts";
import { readSeal, totalBundleBytes } from "../../transfer/read-bundle.ts";

/** A sealed bundle as clients see it. */
export async function bundleInfo(log: Log, sealed: SealedBundle): Promise<BundleInfo> {
  const seal = await readSeal(log, sealed.bundle);
  return {
    number: sealed.bundle,
    id: sealed.id,
    firstSequence: BigInt(sealed.first),
    lastSequence: BigInt(sealed.last),
    registrations: BigInt(sealed.registrations),
    sealedAt: sealed.sealedAt,
    acknowledged: sealed.isAcknowledged,
    directory: bundleDirectory(log.summary().log, sealed.bundle),
    totalBytes: BigInt(totalBundleBytes(seal)),
  };
}
