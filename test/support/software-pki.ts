import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { buildBundleTbs } from "../../src/x509/bundle-template.ts";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { assembleCertificate, VERSION_3 } from "../../src/x509/certificate.ts";
import { DER_TRUE, encodeSequence, encodeUnsignedInteger } from "../../src/x509/der.ts";
import {
  CERT_SIGN_USAGE,
  encodeAuthorityKeyId,
  encodeExtension,
  encodeSubjectKeyId,
  LEAF_CA_CONSTRAINTS,
} from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../../src/x509/signature.ts";
import { buildDeviceTbs, encodeExtensionList, prepareDeviceTemplate, randomSerial } from "../../src/x509/template.ts";
import { encodeTime } from "../../src/x509/time.ts";

/** A P-256 key in software. */
export interface SoftwareKey {
  readonly privateKey: KeyObject;
  readonly spkiDer: Buffer;
}

/** Factory root, device CA and bundle signer with keys in software; only for tests. */
export interface SoftwarePki {
  readonly factory: string;
  readonly appliance: string;
  readonly root: CaCertificate;
  readonly rootKey: SoftwareKey;
  readonly deviceCa: CaCertificate;
  readonly deviceCaKey: SoftwareKey;
  readonly bundleKey: SoftwareKey;
  readonly bundleCertificateDer: Buffer;
  /** A device's certificate; the key is new unless it is given. */
  issueDevice(device: { uuid: string; key?: SoftwareKey; isProduction?: boolean }): { der: Buffer; key: SoftwareKey };
}

export const YEAR_MS = 365 * 24 * 3600 * 1000;

export function makeKey(): SoftwareKey {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, spkiDer: createPublicKey(privateKey).export({ format: "der", type: "spki" }) };
}

export function makePki(
  options: {
    factory?: string;
    appliance?: string;
    notBeforeMs?: number;
    notAfterMs?: number;
    /** A sibling's: the new site's device CA comes from the same Factory root. */
    under?: SoftwarePki;
  } = {},
): SoftwarePki {
  const { factory = "acme", appliance = "FRA2-REG-01" } = options;
  const now = Math.floor(Date.now() / 1000) * 1000;
  const { notBeforeMs = now - YEAR_MS, notAfterMs = now + 9 * YEAR_MS } = options;
  const dates = { notBeforeMs, notAfterMs };
  const rootKey = options.under?.rootKey ?? makeKey();
  const rootName = subject("Factory-CA", factory);
  const self = { issuer: rootName, issuerKey: rootKey, subject: rootName, key: rootKey, isRoot: true, ...dates };
  const root = options.under?.root ?? makeCa(self);
  const deviceCaKey = makeKey();
  const caName = subject("fio-5f1e8a", factory);
  const deviceCa = makeCa({
    issuer: rootName,
    issuerKey: rootKey,
    subject: caName,
    key: deviceCaKey,
    isRoot: false,
    ...dates,
  });
  const bundleKey = makeKey();
  const bundleTbs = buildBundleTbs(deviceCa, {
    appliance,
    factory,
    spkiDer: bundleKey.spkiDer,
    serial: randomSerial(randomBytes),
  });
  const template = prepareDeviceTemplate(deviceCa);
  return {
    factory,
    appliance,
    root,
    rootKey,
    deviceCa,
    deviceCaKey,
    bundleKey,
    bundleCertificateDer: signTbs(bundleTbs, deviceCaKey),
    issueDevice: ({ uuid, key = makeKey(), isProduction = false }) => {
      const tbs = buildDeviceTbs(template, {
        subjectDer: subject(uuid, factory, isProduction),
        spkiDer: key.spkiDer,
        serial: randomSerial(randomBytes),
        notBeforeMs: now,
        notAfterMs: now + 20 * YEAR_MS,
      });
      return { der: signTbs(tbs, deviceCaKey), key };
    },
  };
}

export function signTbs(tbs: Buffer, key: SoftwareKey): Buffer {
  return assembleCertificate(tbs, SIGNATURE_ALGORITHM["ecdsa-with-SHA256"], sign("sha256", tbs, key.privateKey));
}

function subject(commonName: string, factory: string, isProduction = false): Buffer {
  return encodeName([
    { type: OID.commonName, value: commonName, string: "utf8" },
    { type: "2.5.4.11", value: factory, string: "utf8" },
    ...(isProduction ? [{ type: OID.businessCategory, value: "production", string: "utf8" } as const] : []),
  ]);
}

function makeCa(parts: {
  issuer: Buffer;
  issuerKey: SoftwareKey;
  subject: Buffer;
  key: SoftwareKey;
  isRoot: boolean;
  notBeforeMs: number;
  notAfterMs: number;
}): CaCertificate {
  const constraints = parts.isRoot
    ? encodeExtension(OID.basicConstraints, true, encodeSequence(DER_TRUE))
    : LEAF_CA_CONSTRAINTS;
  const tbs = encodeSequence(
    VERSION_3,
    encodeUnsignedInteger(randomSerial(randomBytes)),
    SIGNATURE_ALGORITHM["ecdsa-with-SHA256"],
    parts.issuer,
    encodeSequence(encodeTime(parts.notBeforeMs), encodeTime(parts.notAfterMs)),
    parts.subject,
    parts.key.spkiDer,
    encodeExtensionList(
      CERT_SIGN_USAGE,
      constraints,
      encodeSubjectKeyId(keyId(parts.key)),
      encodeAuthorityKeyId(keyId(parts.issuerKey)),
    ),
  );
  return parseCaCertificate(signTbs(tbs, parts.issuerKey));
}

function keyId({ spkiDer }: SoftwareKey): Buffer {
  return createHash("sha256").update(spkiDer).digest().subarray(0, 20);
}
