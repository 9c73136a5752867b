import { hash } from "node:crypto";
import type { CaCertificate } from "./ca-certificate.ts";
import { DerError, encodeSequence, encodeTlv } from "./der.ts";
import {
  CERT_SIGN_USAGE,
  CLIENT_AUTH_PURPOSE,
  DIGITAL_SIGNATURE_USAGE,
  encodeExtension,
  encodeSubjectKeyId,
  LEAF_CA_CONSTRAINTS,
  SERVER_AUTH_PURPOSE,
} from "./extensions.ts";
import { encodeIpAddress } from "./ip-address.ts";
import { parsePublicKey, readKeyBits } from "./key-policy.ts";
import { encodeName } from "./name.ts";
import { OID } from "./oids.ts";
import { signatureAlgorithmFor } from "./signature.ts";
import { buildDeviceTbs, type CertificateParts, encodeExtensionList, prepareTemplate } from "./template.ts";

export const CLIENT_ROLES = ["station", "operator", "custodian", "auditor"] as const;

/** Who a line client is; stands in its certificate as one URI. */
export interface LineClient {
  readonly appliance: string;
  readonly role: (typeof CLIENT_ROLES)[number];
  readonly name: string;
}

type LineParts = Omit<CertificateParts, "subjectDer">;

const CLIENT_URI = /^airlock:\/\/([A-Za-z0-9-]{1,31})\/(station|operator|custodian|auditor)\/([A-Za-z0-9_-]{1,64})$/;
export const APPLIANCE_NAME = /^[A-Za-z0-9-]{1,31}$/;
const HOST_NAME =
  /^(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/** GeneralName choices (RFC 5280 §4.2.1.6), all primitive. */
export const GENERAL_NAME = { dns: 0x82, uri: 0x86, ip: 0x87 } as const;

export function isHostName(name: string): boolean {
  return HOST_NAME.test(name);
}

export function clientUri({ appliance, role, name }: LineClient): string {
  return `airlock://${appliance}/${role}/${name}`;
}

/** The client that a SAN URI names, or undefined for any other text. */
export function parseClientUri(uri: string): LineClient | undefined {
  const [, appliance, role, name] = CLIENT_URI.exec(uri) ?? [];
  const known = CLIENT_ROLES.find((candidate) => candidate === role);
  if (appliance === undefined || known === undefined || name === undefined) return undefined;
  return { appliance, role: known, name };
}

/** Subject of the line CA and of the server's certificate: the appliance under a fixed prefix. */
export function lineSubject(prefix: "airlock-line" | "airlock-server", appliance: string): Buffer {
  if (!APPLIANCE_NAME.test(appliance)) throw new DerError("not an appliance name");
  return encodeName([{ type: OID.commonName, value: `${prefix}-${appliance}`, string: "utf8" }]);
}

export function clientSubject({ role, name }: LineClient): Buffer {
  return encodeName([
    { type: OID.organizationalUnitName, value: role, string: "utf8" },
    { type: OID.commonName, value: name, string: "utf8" },
  ]);
}

/** Extensions of the self-signed line CA; the SKI is the start of a SHA-256 (RFC 7093 §2, method 1). */
export function lineCaExtensions(spkiDer: Buffer): Buffer[] {
  const keyId = hash("sha256", readKeyBits(spkiDer), "buffer").subarray(0, 20);
  return [CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS, encodeSubjectKeyId(keyId)];
}

/**
 * The line CA's own certificate, self-signed: keyCertSign alone, pathlen 0.
 * @throws DerError when the appliance's name is not one
 */
export function buildLineCaTbs(parts: LineParts & { readonly appliance: string }): Buffer {
  const subjectDer = lineSubject("airlock-line", parts.appliance);
  const template = {
    signatureAlgorithmDer: signatureAlgorithmFor(parsePublicKey(parts.spkiDer).kind),
    issuerDer: subjectDer,
    extensionsDer: encodeExtensionList(...lineCaExtensions(parts.spkiDer)),
  };
  return buildDeviceTbs(template, { ...parts, subjectDer });
}

/**
 * The gRPC server's certificate; `names` are DNS names and IP addresses, at least one.
 * @throws DerError when a name is neither
 */
export function buildServerTbs(
  lineCa: CaCertificate,
  parts: LineParts & { readonly appliance: string; readonly names: readonly string[] },
): Buffer {
  const san = encodeSubjectAltName(...parts.names.map(encodeHost));
  const template = prepareTemplate(lineCa, DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE, san);
  return buildDeviceTbs(template, { ...parts, subjectDer: lineSubject("airlock-server", parts.appliance) });
}

/**
 * A line client's certificate. Opens nothing until it is enrolled.
 * @throws DerError when a part of the identity holds another character
 */
export function buildClientTbs(lineCa: CaCertificate, parts: LineParts & LineClient): Buffer {
  const { appliance, role, name, serial, spkiDer, notBeforeMs, notAfterMs } = parts;
  const client = { appliance, role, name };
  const uri = clientUri(client);
  if (parseClientUri(uri) === undefined) throw new DerError("not a client's identity");
  const san = encodeSubjectAltName(encodeTlv(GENERAL_NAME.uri, Buffer.from(uri, "latin1")));
  const template = prepareTemplate(lineCa, DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE, san);
  return buildDeviceTbs(template, { spkiDer, serial, notBeforeMs, notAfterMs, subjectDer: clientSubject(client) });
}

function encodeHost(name: string): Buffer {
  const address = encodeIpAddress(name);
  if (address !== undefined) return encodeTlv(GENERAL_NAME.ip, address);
  if (!isHostName(name)) throw new DerError("not a host name");
  return encodeTlv(GENERAL_NAME.dns, Buffer.from(name, "latin1"));
}

export function encodeSubjectAltName(...names: readonly Buffer[]): Buffer {
  if (names.length === 0) throw new DerError("no name for the certificate");
  return encodeExtension(OID.subjectAltName, false, encodeSequence(...names));
}

/** The part of a common name after a fixed prefix; "" when it does not begin with it, which no name may be. */
export function withoutPrefix(text: string | undefined, prefix: string): string {
  return text?.startsWith(prefix) ? text.slice(prefix.length) : "";
}
