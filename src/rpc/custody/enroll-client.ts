import type { EnrollClientRequest, EnrollClientResponse } from "../../gen/airlock/custody/v1/custody.ts";
import type { ClientIdentity, ClientIdentityRequest } from "../../issuance/client-certificate.ts";
import type { Log } from "../../log/log.ts";
import type { ClientRole } from "../../log/record.ts";
import { Refusal } from "../../refusal.ts";
import type { Caller } from "../authorise.ts";

/** Roles that one custodian alone may enrol; another custodian is for several of them (DUAL-CONTROL). */
const SINGLE_CONTROL_ROLES: readonly string[] = ["station", "operator", "auditor"];

/** EnrollClient: the enrolment is a durable record before the certificate leaves. */
export function enrollClient(
  log: Log,
  lineCaPem: string,
  issueIdentity: (request: ClientIdentityRequest) => Promise<ClientIdentity>,
) {
  return async (request: EnrollClientRequest, { by }: Caller): Promise<EnrollClientResponse> => {
    const { name } = request;
    const role = checkRole(request.role);
    if (
      log.clients().some((client) => client.role === role && client.name === name && client.revokedAt === undefined)
    ) {
      throw new Refusal(
        "ROLE-METHOD",
        "conflict",
        "A client of this role and name is enrolled already. Revoke it first, or choose another name.",
        { field: "name" },
      );
    }
    const identity = await issueIdentity({ role, name, csr: Buffer.from(request.csr) });
    const { sha256, spkiSha256, notAfter } = identity;
    await log.append({
      kind: "act",
      body: { act: "enroll-client", client: { sha256, role, name, notAfter, spkiSha256 }, by },
    });
    return { certificatePem: identity.pem, lineCaPem, fingerprint: sha256 };
  };
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
