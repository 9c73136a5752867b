import type { SealBundleRequest, SealBundleResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log } from "../../log/log.ts";
import type { BundleSealer } from "../../transfer/seal.ts";
import type { Caller } from "../authorise.ts";
import { bundleInfo } from "./bundle-info.ts";

/** SealBundle: the seal is a durable record before the answer leaves. */
export function sealBundle(log: Log, sealer: BundleSealer) {
  return async ({ heartbeat }: SealBundleRequest, { by }: Caller): Promise<SealBundleResponse> => {
    const sealed = await sealer.seal({ isHeartbeat: heartbeat, by });
    if (sealed === undefined) return { bundle: undefined, more: false };
    return { bundle: await bundleInfo(log, sealed.bundle), more: sealed.hasMore };
  };
}
