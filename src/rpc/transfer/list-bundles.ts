import type { ListBundlesResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log } from "../../log/log.ts";
import { bundleInfo } from "./bundle-info.ts";

/** ListBundles: every sealed bundle, oldest first. */
export function listBundles(log: Log) {
  return async (): Promise<ListBundlesResponse> => {
    const bundles = [];
    for (const sealed of log.bundles()) bundles.push(await bundleInfo(log, sealed));
    return { bundles };
  };
}
