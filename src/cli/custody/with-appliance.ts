import { resolve } from "node:path";
import { type CustodyClient, openCustodyClient } from "../../rpc/custody-client.ts";
import { readClientIdentity } from "../client-identity.ts";
import { type CustodyOptions, required } from "./main.ts";

/**
 * Opens the appliance as the client that the configuration names, and closes it again whatever happens. With --console
 * over the socket on this very machine, where no date of any certificate matters.
 */
export async function withAppliance<T>(
  values: CustodyOptions,
  work: (client: CustodyClient) => Promise<T>,
): Promise<T> {
  const identity = await readClientIdentity(required(values, "config"));
  const client = openCustodyClient(
    values.console === undefined ? identity : { ...identity, console: resolve(values.console) },
  );
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
