import type { RegistrationRecord } from "../log/record.ts";
import { Refusal } from "../refusal.ts";
import { isSignedBy, parseCertificate } from "../x509/certificate.ts";
import { DerError } from "../x509/der.ts";
import { readDeviceSubject } from "../x509/device-subject.ts";
import { parsePem } from "../x509/pem.ts";
import { type Evidence, ok } from "./evidence.ts";
import { deviceCasOf, type Trust } from "./trust-store.ts";

/**
 * CERT-PROFILE: every certificate in the bundle was issued by a pinned device CA, the one that its record names, to the uuid and the Factory that
 * its record names. The bundle's own signature does not say that: a taken-over airlockd writes the records.
 * @throws Refusal CERT-PROFILE
 */
export function verifyRegistrations(registrations: readonly RegistrationRecord[], trust: Trust): Evidence {
  for (const record of registrations) {
    if (!isIssued(record, trust)) {
      throw new Refusal(
        "CERT-PROFILE",
        "malformed",
        `The certificate in record ${record.seq} was not issued by a pinned device CA for that device. Call security.`,
      );
    }
  }
  return ok("CERT-PROFILE", `${registrations.length} certificates`);
}

function isIssued({ device, cert, caSha256 }: RegistrationRecord, trust: Trust): boolean {
  const deviceCa = deviceCasOf(trust).find(({ sha256 }) => sha256 === caSha256);
  if (deviceCa === undefined) return false;
  try {
    const certificate = parseCertificate(parsePem(cert.pem, "CERTIFICATE"));
    const subject = readDeviceSubject(certificate.subjectDer);
    return (
      certificate.sha256 === cert.sha256 &&
      certificate.issuerDer.equals(deviceCa.subjectDer) &&
      subject.uuid === device.uuid &&
      subject.factory === trust.factory &&
      isSignedBy(certificate, deviceCa.publicKey)
    );
  } catch (cause) {
    if (cause instanceof Refusal || cause instanceof DerError) return false;
    throw cause;
  }
}
