import { Refusal } from "../refusal.ts";
import { TAG } from "./der.ts";
import { type NameAttribute, parseName } from "./name.ts";
import { OID } from "./oids.ts";

/** What the subject of a device's CSR says. */
export interface DeviceSubject {
  readonly uuid: string;
  readonly factory: string;
  readonly isProduction: boolean;
}

const CANONICAL_UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const ALLOWED = new Set<string>([OID.commonName, OID.organizationalUnitName, OID.businessCategory]);

/** 36 characters, lower case. */
export function isCanonicalUuid(text: string): boolean {
  return CANONICAL_UUID.test(text);
}

/**
 * Reads a device's subject: exactly one CN that is a canonical UUID, exactly one OU, at most
 * businessCategory=production, nothing else; in any order, as UTF8String or PrintableString.
 * @throws Refusal CSR-SUBJECT `malformed`
 * @throws DerError when the bytes are not a Name
 */
export function readDeviceSubject(subjectDer: Buffer): DeviceSubject {
  const attributes = parseName(subjectDer);
  if (!attributes.every(isAllowed)) {
    throw refuseSubject("The CSR's subject holds more than CN, OU and businessCategory: make it with those alone.");
  }
  const uuid = onlyValue(attributes, OID.commonName);
  const factory = onlyValue(attributes, OID.organizationalUnitName);
  if (uuid === undefined || !isCanonicalUuid(uuid)) {
    throw refuseSubject("The CSR's subject needs exactly one CN, and it must be a UUID in lower case.");
  }
  if (factory === undefined) {
    throw refuseSubject("The CSR's subject needs exactly one OU, the Factory's name.");
  }
  return { uuid, factory, isProduction: readProduction(attributes) };
}

function isAllowed({ type, tag }: NameAttribute): boolean {
  return ALLOWED.has(type) && tag !== TAG.ia5String;
}

/** The value of an attribute that stands there exactly once. */
function onlyValue(attributes: readonly NameAttribute[], type: string): string | undefined {
  const [first, ...more] = attributes.filter((attribute) => attribute.type === type);
  return more.length === 0 ? first?.value : undefined;
}

function readProduction(attributes: readonly NameAttribute[]): boolean {
  if (!attributes.some(({ type }) => type === OID.businessCategory)) return false;
  if (onlyValue(attributes, OID.businessCategory) === "production") return true;
  throw refuseSubject("The CSR's businessCategory may only be the word production, once: leave it out or use that.");
}

export function refuseSubject(sentence: string, field = "csr"): Refusal {
  return new Refusal("CSR-SUBJECT", "malformed", sentence, { field });
}
