import { bundleSubject } from "./bundle-template.ts";
import type { CaCertificate } from "./ca-certificate.ts";
import { CSR_VERSION_1, DEVICE_CA_REQUEST } from "./ca-csr.ts";
import { parseSignedAttributes, type SignedAttributes } from "./cms-attributes.ts";
import { DerError, encodeSequence, expectTag, readChildren, readTlv, TAG } from "./der.ts";
import { readDeviceSubject } from "./device-subject.ts";
import { BUNDLE_SIGNER_PURPOSE, CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE } from "./extensions.ts";
import type { KeyKind } from "./key-kind.ts";
import { lineCaExtensions, lineSubject, withoutPrefix } from "./line-template.ts";
import { parseName } from "./name.ts";
import { OID } from "./oids.ts";
import { checkExtensions, checkIssuedBy, checkIssuer, gate, readCheckedTbs } from "./profile-rules.ts";
import { signatureAlgorithmFor } from "./signature.ts";

// The gate knows one door for all of its profiles.
export { checkClientTbs, checkServerTbs, classifyLineTbs } from "./line-profiles.ts";

/** What narrows the device profile further, where the signer's configuration knows it. */
export interface DeviceProfileLimits {
  /** The only OU that devices may have. */
  readonly factory?: string;
  readonly keyKinds?: readonly KeyKind[];
}

/**
 * SIGNER-GATE, key device-ca: an end-entity certificate of its own issuer for a TLS client and nothing else. Every
 * part is either equal to known bytes or read by the same strict code that checks CSRs.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkDeviceTbs(tbs: Buffer, ca: CaCertificate, limits: DeviceProfileLimits = {}): void {
  gate("The bytes are not a device certificate of this CA: nothing was signed. Check airlockd.", () => {
    const fields = readCheckedTbs(tbs, limits.keyKinds);
    checkIssuedBy(fields, ca, [DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE]);
    const { factory } = readDeviceSubject(fields.subjectDer);
    if (limits.factory !== undefined && factory !== limits.factory) throw new DerError("another factory");
  });
}

/**
 * SIGNER-GATE, key device-ca: the bundle signer's certificate, over the token's own bundle-sign key alone and with the
 * CA's own dates.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkBundleTbs(tbs: Buffer, ca: CaCertificate, bundleSpkiDer: Buffer): void {
  gate("The bytes are not the bundle signer's certificate: nothing was signed. Check airlockd.", () => {
    const fields = readCheckedTbs(tbs);
    checkIssuedBy(fields, ca, [DIGITAL_SIGNATURE_USAGE, BUNDLE_SIGNER_PURPOSE]);
    if (!fields.spkiDer.equals(bundleSpkiDer)) throw new DerError("not the bundle-sign key");
    if (fields.notBeforeMs !== ca.notBeforeMs || fields.notAfterMs !== ca.notAfterMs) throw new DerError("other dates");
    const [cn, ou] = parseName(fields.subjectDer);
    const subjectDer = bundleSubject(withoutPrefix(cn?.value, "airlock-bundle-"), ou?.value ?? "");
    if (!fields.subjectDer.equals(subjectDer)) throw new DerError("another subject");
  });
}

/**
 * SIGNER-GATE, key device-ca: which of its two profiles these bytes are. A device certificate over the token's own
 * bundle-sign key is neither.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function classifyDeviceCaTbs(
  tbs: Buffer,
  ca: CaCertificate,
  bundleSpkiDer: Buffer,
  limits: DeviceProfileLimits = {},
): "device" | "bundle" {
  // The key only chooses which check runs; that check then reads the bytes from the start.
  if (tbs.includes(bundleSpkiDer)) {
    checkBundleTbs(tbs, ca, bundleSpkiDer);
    return "bundle";
  }
  checkDeviceTbs(tbs, ca, limits);
  return "device";
}

/**
 * SIGNER-GATE, key line-ca, ceremony only: its own self-signed certificate.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkLineCaTbs(tbs: Buffer, lineSpkiDer: Buffer): void {
  gate("The bytes are not the line CA's own certificate: nothing was signed. Check the ceremony's tool.", () => {
    const fields = readCheckedTbs(tbs);
    if (!fields.spkiDer.equals(lineSpkiDer)) throw new DerError("not the line-ca key");
    checkIssuer(fields, fields.subjectDer, signatureAlgorithmFor(fields.key.kind));
    checkExtensions(fields, lineCaExtensions(lineSpkiDer));
    const [cn] = parseName(fields.subjectDer);
    const subjectDer = lineSubject("airlock-line", withoutPrefix(cn?.value, "airlock-line-"));
    if (!fields.subjectDer.equals(subjectDer)) throw new DerError("another subject");
  });
}

/**
 * SIGNER-GATE, key device-ca, ceremony only: the CSR for its own certificate (CertificationRequestInfo).
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkDeviceCaCsrInfo(info: Buffer, deviceSpkiDer: Buffer): void {
  gate("The bytes are not the device CA's own CSR: nothing was signed. Check the ceremony's tool.", () => {
    const [, subject] = readChildren(readTlv(info, TAG.sequence), 4);
    const subjectDer = expectTag(subject, TAG.sequence).bytes;
    const types = parseName(subjectDer).map(({ type }) => type);
    if (types.join() !== `${OID.commonName},${OID.organizationalUnitName}`) throw new DerError("another subject");
    const expected = encodeSequence(CSR_VERSION_1, subjectDer, deviceSpkiDer, DEVICE_CA_REQUEST);
    if (!expected.equals(info)) throw new DerError("another CSR");
  });
}

/**
 * SIGNER-GATE, key bundle-sign: signed attributes that state the ledger's own count of device-ca certificates and the
 * hash of its last line. A bundle thus cannot hide how much was signed.
 * @throws Refusal SIGNER-GATE `malformed`
 */
export function checkBundleAttributes(
  der: Buffer,
  ledger: { readonly certificates: number; readonly hash: string },
): SignedAttributes {
  const attributes = parseSignedAttributes(der, "SIGNER-GATE");
  gate("The signed attributes do not state the ledger's own count and hash: nothing was signed. Seal again.", () => {
    const { ledgerCount, ledgerHash } = attributes;
    if (ledgerCount !== ledger.certificates) throw new DerError("another count");
    if (ledgerHash.toString("hex") !== ledger.hash) throw new DerError("another hash");
  });
  return attributes;
}
