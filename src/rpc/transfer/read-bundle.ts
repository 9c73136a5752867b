import type { ReadBundleRequest, ReadBundleResponse } from "../../gen/airlock/transfer/v1/transfer.ts";
import type { Log } from "../../log/log.ts";
import { readBundle } from "../../transfer/read-bundle.ts";

/** ReadBundle: the same bytes at every call; works while the HSM is sealed or away. */
export function readBundleFiles(log: Log) {
  return ({ number }: ReadBundleRequest): AsyncIterable<ReadBundleResponse> => readBundle(log, number);
}
