import { hash, type KeyObject, verify } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { type CsrParts, readCsrAlgorithm, walkCsr } from "./csr-walk.ts";
import { checkDerTree } from "./der.ts";
import { isCanonicalUuid, readDeviceSubject, refuseSubject } from "./device-subject.ts";
import { ALL_KEY_KINDS, type KeyKind } from "./key-kind.ts";
import { importPublicKey, parsePublicKey, spkiSha256 } from "./key-policy.ts";
import { refuseMalformed } from "./malformed.ts";
import { checkRequestedExtensions } from "./requested-extensions.ts";

/** A CSR whose structure and key passed; its own signature is verified by verifyCsrProof. */
export interface CheckedCsr {
  readonly subjectDer: Buffer;
  readonly spkiDer: Buffer;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly spkiSha256: string;
  readonly keyKind: KeyKind;
  /** The signed part. */
  readonly infoDer: Buffer;
  readonly signatureDer: Buffer;
  readonly signatureHash: "sha256" | "sha384" | "sha512";
  /** SHA-256 of the whole CSR, hex. */
  readonly csrSha256: string;
}

/** A device's CSR that also passed CSR-SUBJECT. */
export interface DeviceCsr extends CheckedCsr {
  readonly uuid: string;
  readonly factory: string;
  readonly isProduction: boolean;
}

export interface DeviceCsrRules {
  readonly factory: string;
  /** The request's uuid: the CSR's CN must equal it. */
  readonly uuid: string;
  readonly allowedKeys: readonly KeyKind[];
}

const MALFORMED =
  "The CSR is not strict DER of a PKCS#10 request that a device makes: make it anew and send it as the tool wrote it.";

/**
 * Reads a device's CSR, at most 4,096 bytes. Accepts only what would encode to the same bytes again; the byte ranges
 * in the result are views of `der`, so the caller must not change it.
 * @throws Refusal CSR-KEY or CSR-SUBJECT `malformed`, and nothing else for any bytes
 */
export function parseDeviceCsr(der: Buffer, rules: DeviceCsrRules): DeviceCsr {
  return refuseMalformed("CSR-KEY", "csr", MALFORMED, () => {
    const parts = walkCsr(der);
    const csr = checkCsr(der, parts, rules.allowedKeys);
    const subject = readDeviceSubject(parts.subjectDer);
    checkFactory(subject.factory, rules.factory);
    checkUuid(subject.uuid, rules.uuid);
    checkRequestedExtensions(parts.attributes);
    return { ...csr, ...subject };
  });
}

/**
 * Reads a line client's CSR and verifies its signature. Only its key counts: role and name come from the enrolment,
 * so subject and attributes need to be DER and are ignored.
 * @throws Refusal CSR-KEY or CSR-PROOF `malformed`
 */
export function parseClientCsr(der: Buffer, allowedKeys: readonly KeyKind[] = ALL_KEY_KINDS): CheckedCsr {
  const csr = refuseMalformed("CSR-KEY", "csr", MALFORMED, () => {
    checkDerTree(der);
    return checkCsr(der, walkCsr(der), allowedKeys);
  });
  verifyCsrProof(csr);
  return csr;
}

/**
 * Verifies that whoever made the CSR holds its private key.
 * @throws Refusal CSR-PROOF `malformed`, or CSR-KEY when OpenSSL cannot use the key
 */
export function verifyCsrProof(csr: CheckedCsr): void {
  const key: KeyObject = importPublicKey(csr.spkiDer);
  if (verify(csr.signatureHash, csr.infoDer, key, csr.signatureDer)) return;
  const sentence = "The CSR's own signature does not verify: make the CSR anew with the key that it names.";
  throw new Refusal("CSR-PROOF", "malformed", sentence, { field: "csr" });
}

function checkCsr(der: Buffer, parts: CsrParts, allowedKeys: readonly KeyKind[]): CheckedCsr {
  const key = parsePublicKey(parts.spkiDer, allowedKeys);
  return {
    subjectDer: parts.subjectDer,
    spkiDer: parts.spkiDer,
    spkiSha256: spkiSha256(parts.spkiDer),
    keyKind: key.kind,
    infoDer: parts.infoDer,
    signatureDer: parts.signatureDer,
    signatureHash: readCsrAlgorithm(parts, key).hash,
    csrSha256: hash("sha256", der, "hex"),
  };
}

function checkFactory(actual: string, factory: string): void {
  if (actual === factory) return;
  if (actual === "fio-device-register") {
    throw refuseSubject(
      "The CSR's OU is fio-device-register, not the Factory: set DEVICE_FACTORY to the Factory's name and run again.",
    );
  }
  throw refuseSubject("The CSR's OU is not this appliance's Factory: set the device's Factory name and run again.");
}

function checkUuid(actual: string, uuid: string): void {
  if (!isCanonicalUuid(uuid)) {
    throw refuseSubject("The request's uuid is not a UUID in lower case: send it as 36 lower-case characters.", "uuid");
  }
  if (actual === uuid) return;
  throw refuseSubject("The request's uuid is not the CSR's CN: send the uuid that the CSR was made for.", "uuid");
}
