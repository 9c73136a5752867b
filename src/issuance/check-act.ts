import { createHash } from "node:crypto";
import type { Log } from "../log/log.ts";
import type { DeviceCaRotation, ProposedAct } from "../log/proposed-act.ts";
import { Refusal, type RefusalCode } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { parseClientCsr } from "../x509/csr.ts";
import { parsePem } from "../x509/pem.ts";
import { checkExtension, checkNewOrder } from "./check-order.ts";

/** How far the confirmed time may lie from the clock's: as long as a proposal lives. */
const CONFIRM_MS = 24 * 3_600_000;

/**
 * Whether an act makes sense now: asked when it is proposed, and again at every approval, because the log moves on.
 * @param checkRotation knows the site's certificates and the token
 * @throws Refusal
 */
export async function checkAct(
  log: Log,
  act: ProposedAct,
  nowMs: number,
  checkRotation: (act: DeviceCaRotation) => Promise<void>,
): Promise<void> {
  switch (act.kind) {
    case "enroll-custodian":
      return checkEnrolment(log, act.name, act.csr, act.replaces);
    case "revoke-custodian":
      return checkRevocation(log, act.clientSha256);
    case "trust-importer":
      return checkImporter(act.importer);
    case "order-open":
      return checkNewOrder(log.custody(), act.order, nowMs);
    case "order-extend":
      return checkExtension(log.custody(), act.order, nowMs);
    case "order-close":
      return checkOpenOrder(log, act.order.id);
    case "allow-reregistration":
      return await checkReregistration(log, act.uuid);
    case "drop-reject":
      return await checkReject(log, act.registration);
    case "confirm-clock":
      return checkConfirmedTime(Date.parse(act.now), nowMs);
    case "deny-uuid":
      return refuseIf(log.custody().isDenied(act.uuid), "This uuid is denied already. There is nothing to do.");
    case "undeny-uuid":
      return refuseIf(!isDenied(log, act.uuid), "This uuid is not denied. There is nothing to do.");
    case "rotate-device-ca":
      return await checkRotation(act);
    case "continue-log":
      throw refuse("conflict", "This log is in use, so nothing continues it. A lost one: airlockd --continue-log");
  }
}

/** By custodians, or by the Factory's list, from which they may take a uuid too. */
function isDenied(log: Log, uuid: string): boolean {
  return log.custody().isDenied(uuid) || log.custody().factoryDenial(uuid) !== undefined;
}

function checkEnrolment(log: Log, name: string, csr: string, replaces: string | undefined): void {
  const { spkiSha256 } = parseClientCsr(Buffer.from(csr, "base64"));
  const enrolled = log
    .custody()
    .proposals()
    .some((proposal) => proposal.enrolled?.spkiSha256 === spkiSha256);
  refuseIf(enrolled, "This key is a custodian's already. Make a new one: airlock-custody request");
  const isNearlyTaken = log
    .clients()
    .some((client) => client.role === "custodian" && client.name !== name && sameToPeople(client.name, name));
  refuseIf(isNearlyTaken, "Another custodian's name differs from this one in its capitals only. Choose another name.");
  if (replaces === undefined) return;
  const old = log.client(replaces);
  const isOwn = old?.role === "custodian" && old.name === name && old.revokedAt === undefined;
  refuseIf(!isOwn, "The certificate to renew is not a valid one of this custodian: airlock-custody client list");
}

/** A name that people would read as the same person's must be the same name, or one person counts twice. */
function sameToPeople(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function checkRevocation(log: Log, sha256: string): void {
  const client = log.client(sha256);
  if (client?.role !== "custodian") throw refuse("malformed", "No custodian has a certificate of this fingerprint.");
  refuseIf(client.revokedAt !== undefined, "This certificate is revoked already. There is nothing to do.");
  const others = log
    .clients()
    .filter(
      ({ role, revokedAt, sha256: other }) => role === "custodian" && revokedAt === undefined && other !== sha256,
    );
  if (new Set(others.map(({ name }) => name)).size >= log.custody().quorum) return;
  throw refuse("needs-person", "Too few custodians would remain to decide anything. Enrol another custodian first.");
}

function checkImporter({ pem, sha256 }: { pem: string; sha256: string }): void {
  const der = parsePem(pem, "CERTIFICATE");
  parseCertificate(der);
  if (createHash("sha256").update(der).digest("hex") === sha256) return;
  throw refuse("malformed", "The importer's fingerprint is not its certificate's. Propose it with airlock-custody.");
}

function checkOpenOrder(log: Log, id: string): void {
  const order = log.custody().order(id);
  if (order === undefined) throw refuse("malformed", "There is no work order of this id: airlock-custody order list");
  refuseIf(order.closedAt !== undefined, "This work order is closed already. There is nothing to do.");
}

async function checkReregistration(log: Log, uuid: string): Promise<void> {
  const known = await log.findByUuid(uuid);
  if (known === undefined)
    throw refuse("malformed", "No board of this uuid was ever registered; it may just register.");
  refuseIf(log.custody().mayReregister(uuid), "The re-registration of this uuid is allowed already, and not used yet.");
}

async function checkReject(log: Log, seq: number): Promise<void> {
  const found = await log.findRegistration(seq);
  if (found === undefined) throw refuse("malformed", "There is no registration of this number.");
  refuseIf(found.state !== "rejected", "This registration is not rejected, so there is nothing to drop.");
}

function checkConfirmedTime(confirmedMs: number, nowMs: number): void {
  if (Math.abs(confirmedMs - nowMs) <= CONFIRM_MS) return;
  throw refuse("needs-person", "The time to confirm is more than a day from the appliance's clock. Propose it again.");
}

function refuseIf(isRefused: boolean, sentence: string): void {
  if (isRefused) throw refuse("conflict", sentence);
}

function refuse(code: RefusalCode, sentence: string): Refusal {
  return new Refusal("DUAL-CONTROL", code, sentence, { field: "act_json" });
}
