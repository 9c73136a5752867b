import type { TransferClient } from "../../rpc/transfer-client.ts";
import { UsageError } from "../run-tool.ts";

export type Bundle = Awaited<ReturnType<TransferClient["bundles"]>>[number];

/** The sealed bundle that a person named by its number. */
export async function findBundle(client: TransferClient, number: string | undefined): Promise<Bundle> {
  const wanted = (await client.bundles()).find((bundle) => String(bundle.number) === number);
  if (wanted === undefined) throw new UsageError(`there is no bundle ${number ?? ""}; see airlock-export status`);
  return wanted;
}
