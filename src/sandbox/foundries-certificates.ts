import { X509Certificate } from "node:crypto";

/** What the API reads out of an uploaded device certificate. */
export interface DeviceIdentity {
  readonly uuid: string;
  readonly publicKeyPem: string;
  readonly isProduction: boolean;
}

/** The certificate is none that this Factory's API takes. */
export class BadCertificate extends Error {
  override name = "BadCertificate";
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

export function parseCertificates(pem: string): X509Certificate[] {
  return (pem.match(CERTIFICATE) ?? []).map((block) => new X509Certificate(block));
}

/**
 * Checks an upload against the Factory's device CAs: exactly one certificate, issued by one of them (names, key
 * identifier and signature), in date, for TLS clients, with the Factory as its one OU.
 * @throws BadCertificate
 */
export function identifyDevice(
  pem: string,
  factory: string,
  deviceCas: readonly X509Certificate[],
  nowMs: number,
): DeviceIdentity {
  const certificate = parseLeaf(pem);
  const isIssued = deviceCas.some((ca) => ca.ca && certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  if (!isIssued) throw new BadCertificate("client.pem was not issued by a device CA of this factory");
  if (certificate.ca) throw new BadCertificate("client.pem is a CA certificate");
  if (!certificate.keyUsage?.includes(CLIENT_AUTH)) throw new BadCertificate("client.pem is not for client auth");
  if (nowMs < certificate.validFromDate.getTime() || nowMs > certificate.validToDate.getTime()) {
    throw new BadCertificate("client.pem is not valid now");
  }
  const names = certificate.subject.split("\n");
  const uuid = onlyValue(names, "CN=");
  if (onlyValue(names, "OU=") !== factory) throw new BadCertificate("client.pem belongs to another factory");
  const publicKeyPem = String(certificate.publicKey.export({ type: "spki", format: "pem" }));
  return { uuid, publicKeyPem, isProduction: names.includes("businessCategory=production") };
}

function parseLeaf(pem: string): X509Certificate {
  let found: X509Certificate[];
  try {
    found = parseCertificates(pem);
  } catch {
    found = [];
  }
  const [leaf, ...more] = found;
  if (leaf === undefined || more.length > 0) throw new BadCertificate("client.pem must be one certificate");
  return leaf;
}

function onlyValue(names: readonly string[], prefix: string): string {
  const [value, ...more] = names.filter((line) => line.startsWith(prefix)).map((line) => line.slice(prefix.length));
  if (value === undefined || value === "" || more.length > 0) {
    throw new BadCertificate(`client.pem needs exactly one ${prefix.slice(0, -1)}`);
  }
  return value;
}
