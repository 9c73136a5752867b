import type { Log, RegistrationView } from "../log/log.ts";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { spkiSha256 } from "../x509/key-policy.ts";
import { parsePem } from "../x509/pem.ts";
import type { Replacement } from "./permits.ts";
import type { CheckedRegistration } from "./registration-request.ts";

/** What the log says about a request: the registration to answer with, what it would replace, or neither. */
export interface Known {
  readonly stored?: RegistrationView;
  readonly replacement?: Replacement;
}

/**
 * Looks up uuid, key and name. Both members are absent when all three are new.
 * @throws Refusal ISSUE-ONCE, KEY-UNIQUE or REQUEST-FIELD, `conflict` or `needs-person`
 */
export async function findKnown(log: Log, request: CheckedRegistration): Promise<Known> {
  checkNotDenied(log, request.uuid);
  const view = await log.findByUuid(request.uuid);
  const replacement = view === undefined ? undefined : compare(view, request);
  if (view !== undefined && replacement === undefined) return { stored: view };
  await checkKeyIsNew(log, request);
  await checkNameIsNew(log, request);
  return replacement === undefined ? {} : { replacement };
}

function checkNotDenied(log: Log, uuid: string): void {
  if (log.custody().factoryDenial(uuid) === "refuse") {
    throw new Refusal(
      "ISSUE-ONCE",
      "needs-person",
      "The Factory denies this uuid. Set the board aside; the operator has it cleared, or custodians take it off the list.",
      { field: "uuid" },
    );
  }
  if (!log.custody().isDenied(uuid)) return;
  throw new Refusal(
    "ISSUE-ONCE",
    "needs-person",
    "This uuid is on the deny list. Set the board aside; only custodians can take the uuid off the list.",
    { field: "uuid" },
  );
}

/** Undefined when the request is the stored one again. */
function compare(view: RegistrationView, request: CheckedRegistration): Replacement | undefined {
  if (view.state === "voided") return { view, isForOrders: false, refusal: voided() };
  const stored = parseCertificate(parsePem(view.record.cert.pem, "CERTIFICATE"));
  if (spkiSha256(stored.spkiDer) !== request.csr.spkiSha256) return { view, isForOrders: true, refusal: otherKey() };
  if (!stored.subjectDer.equals(request.csr.subjectDer)) return { view, isForOrders: false, refusal: otherSubject() };
  return undefined;
}

function voided(): Refusal {
  return new Refusal(
    "ISSUE-ONCE",
    "needs-person",
    "This uuid was voided: its board counts as scrapped. A custodian must allow it before it can register again.",
    { field: "uuid" },
  );
}

function otherKey(): Refusal {
  return new Refusal(
    "ISSUE-ONCE",
    "conflict",
    "This uuid is registered already with another key. If the board made a new key because it lost its answer, ask a custodian to allow its re-registration, or send the first CSR again.",
    { field: "uuid" },
  );
}

function otherSubject(): Refusal {
  return new Refusal(
    "ISSUE-ONCE",
    "conflict",
    "This uuid and key are registered already with another subject. Send the same CSR as the first time.",
    { field: "csr" },
  );
}

async function checkKeyIsNew(log: Log, request: CheckedRegistration): Promise<void> {
  const holder = await log.findByKey(request.csr.spkiSha256);
  if (holder === undefined || holder.record.device.uuid === request.uuid) return;
  throw new Refusal(
    "KEY-UNIQUE",
    "conflict",
    `This key is already on board ${holder.record.device.uuid}: is it baked into the image?`,
    { field: "csr" },
  );
}

async function checkNameIsNew(log: Log, request: CheckedRegistration): Promise<void> {
  const holder = await log.findByName(request.name);
  if (holder === undefined || holder.record.device.uuid === request.uuid) return;
  throw new Refusal(
    "REQUEST-FIELD",
    "conflict",
    `This device name is taken by board ${holder.record.device.uuid}. Register with another name.`,
    { field: "name" },
  );
}
