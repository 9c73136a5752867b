import type { CaCertificate } from "./ca-certificate.ts";
import { VERSION_3 } from "./certificate.ts";
import { contextTag, encodeSequence, encodeTlv, encodeUnsignedInteger } from "./der.ts";
import { CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE } from "./extensions.ts";
import { encodeTime } from "./time.ts";

/** The parts of a certificate that are the same for every one of its profile under one CA. */
export interface DeviceTemplate {
  readonly signatureAlgorithmDer: Buffer;
  readonly issuerDer: Buffer;
  /** `[3]` with the whole list. */
  readonly extensionsDer: Buffer;
}

/** The parts of one certificate. */
export interface CertificateParts {
  readonly subjectDer: Buffer;
  readonly spkiDer: Buffer;
  /** Unsigned, big-endian; from randomSerial. */
  readonly serial: Buffer;
  /** Milliseconds since 1970; certificates hold whole seconds. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Issuer, AKI and algorithm come from the installed certificate, never from the CSR that it was made from. */
export function prepareTemplate(ca: CaCertificate, ...extensions: readonly Buffer[]): DeviceTemplate {
  return {
    signatureAlgorithmDer: ca.signingAlgorithmDer,
    issuerDer: ca.subjectDer,
    extensionsDer: encodeExtensionList(...extensions, ca.akiExtensionDer),
  };
}

/** The device profile: keyUsage, extKeyUsage and authorityKeyIdentifier, in this order. */
export function prepareDeviceTemplate(ca: CaCertificate): DeviceTemplate {
  return prepareTemplate(ca, DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE);
}

/** The exact bytes to sign; subject and key are copied as they stand in the checked CSR. */
export function buildDeviceTbs(template: DeviceTemplate, parts: CertificateParts): Buffer {
  return encodeSequence(
    VERSION_3,
    encodeUnsignedInteger(parts.serial),
    template.signatureAlgorithmDer,
    template.issuerDer,
    encodeSequence(encodeTime(parts.notBeforeMs), encodeTime(parts.notAfterMs)),
    parts.subjectDer,
    parts.spkiDer,
    template.extensionsDer,
  );
}

export function encodeExtensionList(...extensions: readonly Buffer[]): Buffer {
  return encodeTlv(contextTag(3), encodeSequence(...extensions));
}

/**
 * 159 random bits: always positive and at most 20 octets (RFC 5280 §4.1.2.2), never the requester's choice.
 * `randomBytes` must be cryptographically strong.
 */
export function randomSerial(randomBytes: (count: number) => Buffer): Buffer {
  const serial = Buffer.from(randomBytes(20));
  serial.writeUInt8(serial.readUInt8(0) & 0x7f, 0);
  return serial;
}
