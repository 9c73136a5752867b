import type { CaCertificate } from "./ca-certificate.ts";
import { DerError } from "./der.ts";
import { BUNDLE_SIGNER_PURPOSE, DIGITAL_SIGNATURE_USAGE } from "./extensions.ts";
import { APPLIANCE_NAME } from "./line-template.ts";
import { encodeName } from "./name.ts";
import { OID } from "./oids.ts";
import { buildDeviceTbs, prepareTemplate } from "./template.ts";

/**
 * The bundle signer's certificate under the device CA. Its dates are the CA's own: openssl checks dates when it
 * verifies, not when it signed, so a bundle stays verifiable for as long as the CA lives.
 * @throws DerError when the appliance's name is not one
 */
export function buildBundleTbs(
  ca: CaCertificate,
  parts: {
    readonly appliance: string;
    readonly factory: string;
    /** SubjectPublicKeyInfo of the token's bundle-sign key. */
    readonly spkiDer: Buffer;
    readonly serial: Buffer;
  },
): Buffer {
  const { appliance, factory, spkiDer, serial } = parts;
  return buildDeviceTbs(prepareTemplate(ca, DIGITAL_SIGNATURE_USAGE, BUNDLE_SIGNER_PURPOSE), {
    subjectDer: bundleSubject(appliance, factory),
    spkiDer,
    serial,
    notBeforeMs: ca.notBeforeMs,
    notAfterMs: ca.notAfterMs,
  });
}

/** A common name that can never be a device's uuid. */
export function bundleSubject(appliance: string, factory: string): Buffer {
  if (!APPLIANCE_NAME.test(appliance)) throw new DerError("not an appliance name");
  return encodeName([
    { type: OID.commonName, value: `airlock-bundle-${appliance}`, string: "utf8" },
    { type: OID.organizationalUnitName, value: factory, string: "utf8" },
  ]);
}
