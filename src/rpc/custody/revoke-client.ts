import type { RevokeClientRequest, RevokeClientResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { Log } from "../../log/log.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";
import type { Connections } from "../connections.ts";

/** RevokeClient: the revocation is a durable record, then every open connection of that client is cut. */
export function revokeClient(log: Log, connections: Connections) {
  return async ({ fingerprint }: RevokeClientRequest, { by }: Caller): Promise<RevokeClientResponse> => {
    const client = log.client(fingerprint);
    if (client === undefined) {
      throw new Refusal("REQUEST-FIELD", "malformed", "No client with this fingerprint is enrolled.", {
        field: "fingerprint",
      });
    }
    if (client.role === "custodian") {
      throw new Refusal(
        "DUAL-CONTROL",
        "needs-person",
        "Revoking a custodian needs several custodians: propose it as an act.",
        { field: "fingerprint" },
      );
    }
    if (client.revokedAt === undefined) {
      await log.append({ kind: "act", body: { act: "revoke-client", clientSha256: client.sha256, by } });
    }
    // Durable: authorise() refuses the next call. What is open right now ends here.
    return { connectionsCut: connections.cut(client.sha256) };
  };
}
