import type { Log } from "../log/log.ts";
import type { By, ClientRole } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import type { Connection } from "./connections.ts";

/** A caller whose certificate is enrolled, unrevoked and of a role that may call this method. */
export interface Caller {
  readonly role: ClientRole;
  readonly by: By;
}

const STATION: readonly ClientRole[] = ["station"];
const OPERATOR: readonly ClientRole[] = ["operator"];
const OPERATOR_READS: readonly ClientRole[] = ["operator", "auditor"];
const CUSTODIAN: readonly ClientRole[] = ["custodian"];
const CUSTODY_READS: readonly ClientRole[] = ["custodian", "auditor"];
const ANYONE_ENROLLED: readonly ClientRole[] = ["station", "operator", "custodian", "auditor"];

/** Who may call what; a method that is missing here may be called by nobody. */
export const METHOD_ROLES: Readonly<Record<string, readonly ClientRole[]>> = {
  "/airlock.registration.v1.RegistrationService/Register": STATION,
  "/airlock.registration.v1.RegistrationService/RegisterStream": STATION,
  "/airlock.registration.v1.RegistrationService/GetRegistration": STATION,
  "/airlock.registration.v1.RegistrationService/GetIssuer": STATION,
  "/airlock.registration.v1.RegistrationService/ReportDelivery": STATION,
  "/airlock.transfer.v1.TransferService/GetStatus": OPERATOR_READS,
  "/airlock.transfer.v1.TransferService/ListRegistrations": OPERATOR_READS,
  "/airlock.transfer.v1.TransferService/ListBundles": OPERATOR_READS,
  "/airlock.transfer.v1.TransferService/ReadBundle": OPERATOR_READS,
  "/airlock.transfer.v1.TransferService/SealBundle": OPERATOR,
  "/airlock.transfer.v1.TransferService/ApplyReceipt": OPERATOR,
  "/airlock.transfer.v1.TransferService/ApplyDenyList": OPERATOR,
  "/airlock.transfer.v1.TransferService/ResubmitRegistration": OPERATOR,
  "/airlock.transfer.v1.TransferService/VoidRegistration": OPERATOR,
  "/airlock.custody.v1.CustodyService/PresentShare": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/Seal": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/Unseal": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/EnrollClient": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/RevokeClient": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/ProposeAct": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/ApproveAct": CUSTODIAN,
  "/airlock.custody.v1.CustodyService/GetStatus": CUSTODY_READS,
  "/airlock.custody.v1.CustodyService/ListClients": CUSTODY_READS,
  "/airlock.custody.v1.CustodyService/ListOrders": CUSTODY_READS,
  "/airlock.custody.v1.CustodyService/ListAudit": CUSTODY_READS,
  "/airlock.custody.v1.CustodyService/ListActs": CUSTODY_READS,
  "/grpc.health.v1.Health/Check": ANYONE_ENROLLED,
  "/grpc.health.v1.Health/List": ANYONE_ENROLLED,
  "/grpc.health.v1.Health/Watch": ANYONE_ENROLLED,
};

/**
 * ROLE-METHOD, asked again at every call, so that a revocation bites on the next call of an open connection. Identity is
 * the certificate's SHA-256; the role in its SAN must be the enrolled one.
 * @throws Refusal `forbidden`
 */
export function authorise(log: Log, appliance: string, connection: Connection | undefined, method: string): Caller {
  const client = connection === undefined ? undefined : log.client(connection.clientSha256);
  if (connection === undefined || client === undefined) {
    throw forbid("This client certificate is not enrolled here. Ask a custodian to enrol it.");
  }
  if (client.revokedAt !== undefined) {
    throw forbid("This client certificate was revoked. Ask a custodian for a new one.");
  }
  if (connection.subjectAltName !== `URI:airlock://${appliance}/${client.role}/${client.name}`) {
    throw forbid("This client certificate does not carry the role that was enrolled. Ask a custodian for a new one.");
  }
  if (connection.isConsole === true && client.role !== "custodian") {
    throw forbid("The console socket is for custodians. Use the appliance's address.");
  }
  if (!Object.hasOwn(METHOD_ROLES, method) || METHOD_ROLES[method]?.includes(client.role) !== true) {
    throw forbid(`A client of the role ${client.role} may not do this. Use a certificate of the right role.`);
  }
  return { role: client.role, by: { client: client.name, clientSha256: client.sha256 } };
}

function forbid(sentence: string): Refusal {
  return new Refusal("ROLE-METHOD", "forbidden", sentence);
}
