import type { Log, RegistrationView } from "../log/log.ts";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { spkiSha256 } from "../x509/key-policy.ts";
import { parsePem } from "../x509/pem.ts";
import type { CheckedRegistration } from "./registration-request.ts";

/**
 * What the log says about this uuid, key and name: the registration to answer with, or undefined when all three are new.
 * @throws Refusal ISSUE-ONCE, KEY-UNIQUE or REQUEST-FIELD, `conflict` or `needs-person`
 */
export async function findStored(log: Log, request: CheckedRegistration): Promise<RegistrationView | undefined> {
  const known = await log.findByUuid(request.uuid);
  if (known !== undefined) return checkSame(known, request);
  await checkKeyIsNew(log, request);
  await checkNameIsNew(log, request);
  return undefined;
}

function checkSame(known: RegistrationView, request: CheckedRegistration): RegistrationView {
  if (known.state === "voided") {
    throw new Refusal(
      "ISSUE-ONCE",
      "needs-person",
      "This uuid was voided: its board counts as scrapped. A custodian must allow it before it can register again.",
      { field: "uuid" },
    );
  }
  const stored = parseCertificate(parsePem(known.record.cert.pem, "CERTIFICATE"));
  if (spkiSha256(stored.spkiDer) !== request.csr.spkiSha256) {
    throw new Refusal(
      "ISSUE-ONCE",
      "conflict",
      "This uuid is registered already with another key. If the board made a new key because it lost its answer, ask a custodian to allow its re-registration, or send the first CSR again.",
      { field: "uuid" },
    );
  }
  if (!stored.subjectDer.equals(request.csr.subjectDer)) {
    throw new Refusal(
      "ISSUE-ONCE",
      "conflict",
      "This uuid and key are registered already with another subject. Send the same CSR as the first time.",
      { field: "csr" },
    );
  }
  return known;
}

async function checkKeyIsNew(log: Log, request: CheckedRegistration): Promise<void> {
  const holder = await log.findByKey(request.csr.spkiSha256);
  if (holder === undefined) return;
  throw new Refusal(
    "KEY-UNIQUE",
    "conflict",
    `This key is already on board ${holder.record.device.uuid}: is it baked into the image?`,
    { field: "csr" },
  );
}

async function checkNameIsNew(log: Log, request: CheckedRegistration): Promise<void> {
  const holder = await log.findByName(request.name);
  if (holder === undefined) return;
  throw new Refusal(
    "REQUEST-FIELD",
    "conflict",
    `This device name is taken by board ${holder.record.device.uuid}. Register with another name.`,
    { field: "name" },
  );
}
