import type { CaIdentity, Continuation, DeviceCaRotation, ProposedAct, WorkOrder } from "../../log/proposed-act.ts";
import type { Proposal } from "../../rpc/custody-client.ts";
import { parseCaCertificate } from "../../x509/ca-certificate.ts";
import { parseClientCsr } from "../../x509/csr.ts";
import { parseName } from "../../x509/name.ts";
import { parsePem } from "../../x509/pem.ts";
import { formatCount } from "../text.ts";

/** Proposals on the screen: what each does, in words, and who has approved. */
export function proposalScreen(proposal: Proposal, nowMs: number): string {
  const approved = `${proposal.approvedBy.length} of ${proposal.needed}: ${proposal.approvedBy.join(", ")}`;
  return [
    `Act ${proposal.actId}`,
    ...actLines(JSON.parse(proposal.actJson) as ProposedAct).map((line) => `  ${line}`),
    `  approved   ${approved}`,
    `  state      ${stateOf(proposal, nowMs)}`,
    "",
  ].join("\n");
}

function stateOf({ inForceAt, expiresAt }: Proposal, nowMs: number): string {
  if (inForceAt !== "") return `in force since ${minute(inForceAt)}`;
  return Date.parse(expiresAt) < nowMs
    ? `lapsed ${minute(expiresAt)}`
    : `waits for approval until ${minute(expiresAt)}`;
}

/** What an act will do, line by line; nothing that is approved may be missing here. */
export function actLines(act: ProposedAct): string[] {
  switch (act.kind) {
    case "enroll-custodian":
      return [
        `${act.replaces === undefined ? "ENROL" : "RENEW"} CUSTODIAN ${act.name}`,
        `public key ${keyOf(act.csr)}`,
        ...(act.replaces === undefined ? [] : [`revokes    ${act.replaces}`]),
      ];
    case "revoke-custodian":
      return [`REVOKE CUSTODIAN with certificate ${act.clientSha256.slice(0, 12)}`, `fingerprint ${act.clientSha256}`];
    case "trust-importer":
      return [`TRUST IMPORTER ${act.importer.id}`, `fingerprint ${act.importer.sha256}`];
    case "order-open":
      return [`OPEN WORK ORDER ${act.order.id}`, ...orderLines(act.order)];
    case "order-extend":
      return [`EXTEND WORK ORDER ${act.order.id}`, ...extensionLines(act.order)];
    case "order-close":
      return [`CLOSE WORK ORDER ${act.order.id}`];
    case "allow-reregistration":
      return [`ALLOW ONE RE-REGISTRATION of ${act.uuid}`];
    case "drop-reject":
      return [`DROP REJECTED REGISTRATION ${formatCount(act.registration)}`, `reason     ${printable(act.reason)}`];
    case "confirm-clock":
      return [`CONFIRM THE CLOCK: it is ${act.now}`];
    case "deny-uuid":
      return [`DENY ${act.uuid}`, `reason     ${printable(act.reason)}`];
    case "undeny-uuid":
      return [`TAKE OFF THE DENY LIST ${act.uuid}`];
    case "rotate-device-ca":
      return rotationLines(act);
    case "continue-log":
      return continuationLines(act);
  }
}

function orderLines(order: WorkOrder): string[] {
  return [
    `devices    ${formatCount(order.count)}, and ${formatCount(order.replacements)} replacements`,
    `dates      ${minute(order.from)} to ${minute(order.until)}`,
    `stations   ${order.stations.join(", ")}`,
    `production ${order.production}`,
    ...(order.group === undefined ? [] : [`group      ${order.group}`]),
    ...(order.namePattern === undefined ? [] : [`names      ${order.namePattern}`]),
    ...(order.hardwareIds === undefined ? [] : [`hardware   ${order.hardwareIds.join(", ")}`]),
    ...(order.uuids === undefined ? [] : [`uuids      ${order.uuids.length}:`, ...order.uuids]),
  ];
}

function extensionLines({
  count,
  replacements,
  until,
}: {
  count?: number;
  replacements?: number;
  until?: string;
}): string[] {
  return [
    ...(count === undefined ? [] : [`devices    ${formatCount(count)} in all`]),
    ...(replacements === undefined ? [] : [`replacements ${formatCount(replacements)} in all`]),
    ...(until === undefined ? [] : [`until      ${minute(until)}`]),
  ];
}

function rotationLines({ former, deviceCa }: DeviceCaRotation): string[] {
  const read = ({ pem }: CaIdentity) => parseCaCertificate(parsePem(pem, "CERTIFICATE"));
  const ca = read(deviceCa);
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const names = parseName(ca.subjectDer).map(({ value }) => printable(value));
  return [
    `ROTATE DEVICE CA to ${ca.sha256.slice(0, 12)}`,
    "effect     it may be installed at the console; certificates come from it then",
    `next       ${ca.sha256}`,
    `public key ${ca.spkiSha256}`,
    `subject    ${names.join(", ")}`,
    `dates      ${day(ca.notBeforeMs)} to ${day(ca.notAfterMs)}`,
    `follows    ${read(former).sha256}`,
  ];
}

function continuationLines({ former, carried, missing, ledger, reason }: Continuation): string[] {
  return [
    `CONTINUE LOG ${former.log} IN A NEW LOG`,
    `after      record ${formatCount(former.seq)}, ${former.hash}`,
    `carries    ${formatCount(carried.registrations)} registrations, ${formatCount(carried.records)} records in all`,
    `           ${formatCount(carried.alone)} of them by their certificate alone: another history, or beside damage`,
    `lines      ${carried.sha256}`,
    `missing    ${formatCount(missing)} records below it cannot be read: what they said is lost, revocations included`,
    `ledger     ${formatCount(ledger.certificates)} certificates in ${formatCount(ledger.number)} lines, ${ledger.hash}`,
    `reason     ${printable(reason)}`,
  ];
}

/** Only the key is taken from a CSR, so this is what the new custodian reads out over the phone. */
function keyOf(csr: string): string {
  return parseClientCsr(Buffer.from(csr, "base64")).spkiSha256;
}

function minute(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

/** A terminal must not obey what somebody else typed. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, "?");
}
