import { resolve } from "node:path";
import type { ClientIdentity } from "../../rpc/client.ts";
import { type CustodyClient, openCustodyClient } from "../../rpc/custody-client.ts";
import { readClientIdentity } from "../client-identity.ts";
import { type CustodyOptions, required } from "./main.ts";

/**
 * Opens the appliance as the client that the configuration names, and closes it again whatever happens. With --console,
 * or `console` in the configuration, over the socket on this very machine, where no date of any certificate matters.
 */
export async function withAppliance<T>(
  values: CustodyOptions,
  work: (client: CustodyClient) => Promise<T>,
): Promise<T> {
  const client = openCustodyClient(await readIdentity(values));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

export async function isAtConsole(values: CustodyOptions): Promise<boolean> {
  return (await readIdentity(values)).console !== undefined;
}

async function readIdentity(values: CustodyOptions): Promise<ClientIdentity> {
  const identity = await readClientIdentity(required(values, "config"));
  return values.console === undefined ? identity : { ...identity, console: resolve(values.console) };
}
