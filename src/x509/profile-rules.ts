import type { CaCertificate } from "./ca-certificate.ts";
import { readTbs, type TbsFields } from "./certificate.ts";
import { DerError, readTlv, TAG } from "./der.ts";
import type { KeyKind } from "./key-kind.ts";
import { type PublicKey, parsePublicKey } from "./key-policy.ts";
import { refuseUnder } from "./malformed.ts";
import { MAX_CERTIFICATE_BYTES } from "./pem.ts";

const DAY_MS = 86_400_000;
/** A hundred years: the longest validity that the configuration can ask for, and its backdating. */
const MAX_VALIDITY_MS = 36_525 * DAY_MS;
/** RFC 5280 §4.1.2.2. */
const MAX_SERIAL_BYTES = 20;
/** Random serials have 159 bits; one that needs fewer than 64 was counted or chosen. */
const MIN_SERIAL_BITS = 64;

export interface CheckedTbs extends TbsFields {
  readonly key: PublicKey;
}

/**
 * Runs one profile's check; whatever it objects to becomes the cause of one fixed sentence.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function gate<T>(sentence: string, check: () => T): T {
  return refuseUnder("SIGNER-GATE", "tbs", sentence, check);
}

/**
 * The rules that all certificates share: strict DER of at most 8,192 bytes, v3, a positive random-sized serial, sane
 * dates, an acceptable key.
 * @throws DerError, Refusal
 */
export function readCheckedTbs(tbsDer: Buffer, keyKinds?: readonly KeyKind[]): CheckedTbs {
  if (tbsDer.length > MAX_CERTIFICATE_BYTES) throw new DerError("TBS too large");
  const fields = readTbs(readTlv(tbsDer, TAG.sequence));
  checkSerial(fields.serialContent);
  checkValidity(fields);
  return { ...fields, key: parsePublicKey(fields.spkiDer, keyKinds) };
}

/**
 * Issuer name, algorithm and exactly these extensions in this order, all byte for byte; a critical flag, a further
 * key usage or a swapped pair is another byte string.
 * @throws DerError
 */
export function checkIssuedBy(fields: TbsFields, ca: CaCertificate, extensions: readonly Buffer[]): void {
  checkIssuer(fields, ca.subjectDer, ca.signingAlgorithmDer);
  checkExtensions(fields, [...extensions, ca.akiExtensionDer]);
  // Another certificate over the CA's own key would carry its name or its power elsewhere.
  if (fields.spkiDer.equals(ca.spkiDer)) throw new DerError("the CA's own key");
  if (fields.notBeforeMs < ca.notBeforeMs - DAY_MS) throw new DerError("dates begin before the CA's");
  if (fields.notBeforeMs > ca.notAfterMs) throw new DerError("dates begin after the CA's end");
}

/** @throws DerError */
export function checkIssuer(fields: TbsFields, issuerDer: Buffer, algorithmDer: Buffer): void {
  if (!fields.issuerDer.equals(issuerDer)) throw new DerError("another issuer");
  if (!fields.signatureAlgorithmDer.equals(algorithmDer)) throw new DerError("another signature algorithm");
}

/** @throws DerError */
export function checkExtensions(fields: TbsFields, expected: readonly Buffer[]): void {
  const isExact =
    fields.extensions.length === expected.length &&
    fields.extensions.every(({ der }, i) => expected[i]?.equals(der) === true);
  if (!isExact) throw new DerError("other extensions than the profile's");
}

function checkSerial(content: Buffer): void {
  // The first octet's zero bits do not count, a sign octet has eight of them.
  const zeroBits = Math.clz32(content[0] ?? 0) - 24 + (content[0] === 0 ? Math.clz32(content[1] ?? 0) - 24 : 0);
  if (content.length > MAX_SERIAL_BYTES) throw new DerError("serial too long");
  if (content.length * 8 - zeroBits < MIN_SERIAL_BITS) throw new DerError("serial too short");
}

function checkValidity({ notBeforeMs, notAfterMs }: TbsFields): void {
  if (notAfterMs <= notBeforeMs) throw new DerError("dates end before they begin");
  if (notAfterMs - notBeforeMs > MAX_VALIDITY_MS) throw new DerError("dates span too long");
}
