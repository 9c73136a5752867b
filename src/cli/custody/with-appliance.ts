import { type CustodyClient, openCustodyClient } from "../../rpc/custody-client.ts";
import { readClientIdentity } from "../client-identity.ts";

/** Opens the appliance as the client that the configuration names, and closes it again whatever happens. */
export async function withAppliance<T>(configFile: string, work: (client: CustodyClient) => Promise<T>): Promise<T> {
  const client = openCustodyClient(await readClientIdentity(configFile));
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
