import type { ListClientsResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { Log } from "../../log/log.ts";

/** ListClients: every client that was ever enrolled, revoked ones included. */
export function listClients(log: Log) {
  return async (): Promise<ListClientsResponse> => ({
    clients: log.clients().map(({ sha256, role, name, notAfter, enrolledAt, revokedAt }) => ({
      fingerprint: sha256,
      role,
      name,
      notAfter,
      enrolledAt,
      revokedAt: revokedAt ?? "",
    })),
  });
}
