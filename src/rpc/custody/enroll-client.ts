import type { EnrollClientRequest, EnrollClientResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { ClientIdentity, ClientIdentityRequest } from "../../issuance/client-certificate.ts";
import type { Log } from "../../log/log.ts";
import type { ClientRole } from "../../log/record.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";
import type { Connections } from "../connections.ts";

/** Roles that one custodian alone may enrol; another custodian is for several of them (DUAL-CONTROL). */
const SINGLE_CONTROL_ROLES: readonly string[] = ["station", "operator", "auditor"];

/** EnrollClient: the enrolment is a durable record before the certificate leaves. */
export function enrollClient(
  log: Log,
  connections: Connections,
  lineCaPem: string,
  issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>,
) {
  return async (request: EnrollClientRequest, { by }: Caller): Promise<EnrollClientResponse> => {
    const { name } = request;
    const role = checkRole(request.role);
    const replaces = findReplaced(log, role, request);
    const identity = await issueIdentity({ role, name, csr: Buffer.from(request.csr) });
    const { sha256, spkiSha256, notAfter } = identity;
    await log.append({
      kind: "act",
      body: {
        act: "enroll-client",
        client: { sha256, role, name, notAfter, spkiSha256 },
        ...(replaces === undefined ? {} : { replaces }),
        by,
      },
    });
    // The same record has revoked it: what is open with it ends here.
    if (replaces !== undefined) connections.cut(replaces);
    return { certificatePem: identity.pem, lineCaPem, fingerprint: sha256 };
  };
}

/** A renewal names the certificate that it supersedes; otherwise role and name must be free. */
function findReplaced(log: Log, role: ClientRole, { name, replaces }: EnrollClientRequest): string | undefined {
  const current = log
    .clients()
    .filter((client) => client.role === role && client.name === name && client.revokedAt === undefined);
  if (replaces === "") {
    if (current.length === 0) return undefined;
    const sentence = "A client of this role and name is enrolled already. Renew it, or choose another name.";
    throw new Refusal("ROLE-METHOD", "conflict", sentence, { field: "name" });
  }
  if (current.some(({ sha256 }) => sha256 === replaces)) return replaces;
  const sentence = "The certificate to renew is not a valid one of this role and name: airlock-custody client list";
  throw new Refusal("ROLE-METHOD", "conflict", sentence, { field: "replaces" });
}

function checkRole(role: string): ClientRole {
  if (role === "custodian") {
    throw new Refusal(
      "DUAL-CONTROL",
      "needs-person",
      "Enrolling a custodian needs several custodians: propose it as an act.",
      { field: "role" },
    );
  }
  if (!SINGLE_CONTROL_ROLES.includes(role)) {
    throw new Refusal("REQUEST-FIELD", "malformed", "The role must be station, operator or auditor.", {
      field: "role",
    });
  }
  return role as ClientRole;
}
