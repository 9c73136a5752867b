import type { CaCertificate } from "../x509/ca-certificate.ts";
import { isSignedBy, parseCertificate } from "../x509/certificate.ts";
import { parseName } from "../x509/name.ts";
import { OID } from "../x509/oids.ts";

/** One thing that was looked at in a device CA certificate before it is installed. */
export interface CaFinding {
  readonly what: string;
  /** `warn` is shown and does not stop the installation. */
  readonly verdict: "ok" | "warn" | "refused";
  readonly detail: string;
}

export interface DeviceCaExpectation {
  /** The HSM's device-ca key, SPKI DER. */
  readonly spkiDer: Buffer;
  readonly root: CaCertificate;
  readonly factory: string;
  readonly nowMs: number;
}

const KEY_CERT_SIGN = 0x04;

/** Everything that the vendor's PKI asks of a device CA, each as a line that a custodian can read. */
export function examineDeviceCa(ca: CaCertificate, expected: DeviceCaExpectation): CaFinding[] {
  const attributes = parseName(ca.subjectDer);
  const textOf = (type: string) => attributes.find((attribute) => attribute.type === type)?.value ?? "";
  return [
    finding("key", ca.spkiDer.equals(expected.spkiDer), "the public key is the HSM's device-ca key"),
    finding("CA", ca.isCa, "basicConstraints says CA:TRUE"),
    finding("path", ca.pathLen === 0, "path length 0", "warn"),
    finding("usage", (ca.keyUsageBits & KEY_CERT_SIGN) !== 0, "keyUsage has keyCertSign"),
    finding("OU", textOf(OID.organizationalUnitName) === expected.factory, `OU is the factory ${expected.factory}`),
    finding("CN", textOf(OID.commonName).startsWith("fio-"), "CN is fio-<user id>, who will own the devices", "warn"),
    finding("issuer", isIssuedBy(ca, expected.root), "signed by the installed Factory root"),
    finding("dates", ca.notBeforeMs <= expected.nowMs && expected.nowMs < ca.notAfterMs, "valid today"),
  ];
}

function finding(what: string, isGood: boolean, detail: string, otherwise: "warn" | "refused" = "refused"): CaFinding {
  return { what, verdict: isGood ? "ok" : otherwise, detail: isGood ? detail : `NOT: ${detail}` };
}

/** Whether the root's name and key stand behind a CA's certificate. */
export function isIssuedBy(ca: CaCertificate, root: CaCertificate): boolean {
  const certificate = parseCertificate(ca.der);
  return certificate.issuerDer.equals(root.subjectDer) && isSignedBy(certificate, root.spkiDer);
}
