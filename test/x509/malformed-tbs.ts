import type { CaCertificate } from "../../src/x509/ca-certificate.ts";
import {
  DER_NULL,
  DER_TRUE,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeTlv,
  encodeUnsignedInteger,
} from "../../src/x509/der.ts";
import {
  BUNDLE_SIGNER_PURPOSE,
  CERT_SIGN_USAGE,
  CLIENT_AUTH_PURPOSE,
  DIGITAL_SIGNATURE_USAGE,
  encodeAuthorityKeyId,
  encodeExtension,
  encodeExtKeyUsage,
  encodeSubjectKeyId,
  LEAF_CA_CONSTRAINTS,
  SERVER_AUTH_PURPOSE,
} from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../../src/x509/signature.ts";
import { encodeTime } from "../../src/x509/time.ts";
import { cppSubject, FACTORY, UUID } from "./make-csr.ts";
import { DAY_MS, SERIAL, type TbsRecipe } from "./make-tbs.ts";

/** What a taken-over airlockd could send to the gate instead of a device certificate. */
export interface HostileTbs {
  readonly title: string;
  readonly recipe: (ca: CaCertificate) => TbsRecipe;
}

const USUAL = [DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE];

function hostile(title: string, recipe: TbsRecipe | ((ca: CaCertificate) => TbsRecipe)): HostileTbs {
  return { title, recipe: typeof recipe === "function" ? recipe : () => recipe };
}

function extensions(title: string, ...list: Buffer[]): HostileTbs {
  return hostile(title, { extensions: list });
}

const usage = (...content: number[]) => encodeExtension(OID.keyUsage, true, encodeTlv(0x03, Buffer.from(content)));
const nonCritical = (oid: string, value: Buffer) => encodeExtension(oid, false, value);
const clientPurposes = encodeSequence(encodeOid(OID.clientAuth));

function name(...values: [string, string][]): Buffer {
  return encodeName(values.map(([type, value]) => ({ type, value, string: "utf8" as const })));
}

export const HOSTILE_TBS: readonly HostileTbs[] = [
  // Envelope.
  hostile("version 1", { version: Buffer.alloc(0) }),
  hostile("version 2", { version: Buffer.of(0xa0, 3, 2, 1, 1) }),
  hostile("version 4", { version: Buffer.of(0xa0, 3, 2, 1, 3) }),
  hostile("a unique identifier of the subject", { uniqueIds: Buffer.of(0x82, 2, 0, 1) }),
  hostile("a unique identifier of the issuer", { uniqueIds: Buffer.of(0x81, 2, 0, 1) }),
  hostile("a part after the extensions", { extra: DER_NULL }),
  hostile("no extensions", { extensionField: Buffer.alloc(0) }),
  hostile("an empty list of extensions", { extensionField: Buffer.of(0xa3, 2, 0x30, 0) }),
  hostile("two lists of extensions", (ca) => ({
    extensionField: encodeTlv(0xa3, encodeSequence(...USUAL, ca.akiExtensionDer), encodeSequence(LEAF_CA_CONSTRAINTS)),
  })),
  hostile("more than 8,192 bytes", {
    subject: name([OID.commonName, UUID], [OID.organizationalUnitName, "x".repeat(8200)]),
  }),

  // Serial: never zero, negative, chosen or counted.
  hostile("a serial of zero", { serial: encodeUnsignedInteger(0) }),
  hostile("a serial of one", { serial: encodeUnsignedInteger(1) }),
  hostile("a serial of 63 bits", { serial: encodeUnsignedInteger(Buffer.from("7fffffffffffffff", "hex")) }),
  hostile("a negative serial", { serial: encodeTlv(0x02, Buffer.from(`ff${SERIAL.toString("hex", 1)}`, "hex")) }),
  hostile("a serial of 21 octets", { serial: encodeTlv(0x02, Buffer.concat([Buffer.of(0x11), SERIAL])) }),
  hostile("a positive serial of 21 octets with a sign octet", {
    serial: encodeUnsignedInteger(Buffer.alloc(20, 0xee)),
  }),
  hostile("a padded serial", { serial: encodeTlv(0x02, Buffer.concat([Buffer.of(0), SERIAL.subarray(1)])) }),
  hostile("an empty serial", { serial: Buffer.of(2, 0) }),

  // Algorithm and issuer.
  hostile("another signature algorithm", { algorithm: SIGNATURE_ALGORITHM["ecdsa-with-SHA384"] }),
  hostile("NULL parameters", { algorithm: encodeSequence(encodeOid(OID.ecdsaWithSha256), DER_NULL) }),
  hostile("another issuer", { issuer: name([OID.commonName, "fio-1"]) }),
  hostile("an empty issuer", { issuer: encodeSequence() }),
  hostile("the issuer in another string type", {
    issuer: encodeName([
      { type: OID.commonName, value: "fio-6543", string: "printable" },
      { type: OID.organizationalUnitName, value: FACTORY, string: "printable" },
    ]),
  }),

  // Dates.
  hostile("an end before its beginning", (ca) => ({
    notBeforeMs: ca.notBeforeMs + DAY_MS,
    notAfterMs: ca.notBeforeMs,
  })),
  hostile("an end that is the beginning", (ca) => ({ notBeforeMs: ca.notBeforeMs, notAfterMs: ca.notBeforeMs })),
  hostile("more than a hundred years", (ca) => ({ notAfterMs: ca.notBeforeMs + 36_600 * DAY_MS })),
  hostile("no end at all, the year 9999", { notAfterMs: Date.parse("9999-12-31T23:59:59Z") }),
  hostile("a beginning two days before the CA's", (ca) => ({ notBeforeMs: ca.notBeforeMs - 2 * DAY_MS })),
  hostile("a beginning after the CA's end", (ca) => ({ notBeforeMs: ca.notAfterMs + DAY_MS })),
  hostile("a GeneralizedTime before 2050", (ca) => ({
    validity: encodeSequence(encodeTlv(0x18, Buffer.from("20270101000000Z")), encodeTime(ca.notAfterMs)),
  })),
  hostile("a UTCTime without seconds", (ca) => ({
    validity: encodeSequence(encodeTlv(0x17, Buffer.from("2701010000Z")), encodeTime(ca.notAfterMs)),
  })),
  hostile("a UTCTime with an offset", (ca) => ({
    validity: encodeSequence(encodeTlv(0x17, Buffer.from("270101000000+0000")), encodeTime(ca.notAfterMs)),
  })),
  hostile("30 February", (ca) => ({
    validity: encodeSequence(encodeTlv(0x17, Buffer.from("270230000000Z")), encodeTime(ca.notAfterMs)),
  })),
  hostile("a third date", (ca) => ({
    validity: encodeSequence(encodeTime(ca.notBeforeMs), encodeTime(ca.notAfterMs), encodeTime(ca.notAfterMs)),
  })),

  // Subject: everything that CSR-SUBJECT refuses, again, because airlockd may no longer be itself.
  hostile("an empty subject", { subject: encodeSequence() }),
  hostile("the CA's own subject", (ca) => ({ subject: ca.subjectDer })),
  hostile("a CN that is no UUID", { subject: cppSubject("gateway.example.org") }),
  hostile("a CN in upper case", { subject: cppSubject(UUID.toUpperCase()) }),
  hostile("another factory", { subject: cppSubject(UUID, "acme2") }),
  hostile("two CNs", {
    subject: name([OID.commonName, UUID], [OID.commonName, UUID], [OID.organizationalUnitName, FACTORY]),
  }),
  hostile("no OU", { subject: name([OID.commonName, UUID]) }),
  hostile("an organization", {
    subject: name([OID.commonName, UUID], [OID.organizationalUnitName, FACTORY], ["2.5.4.10", "acme"]),
  }),

  // Key.
  hostile("the CA's own key", (ca) => ({ spki: ca.spkiDer })),
  hostile("a point off the curve", (ca) => ({ spki: Buffer.concat([ca.spkiDer.subarray(0, -1), Buffer.of(0)]) })),
  hostile("no key", { spki: Buffer.of(0x30, 0) }),

  // Extensions: exact bytes, exact order.
  extensions("CA:TRUE besides", ...USUAL, LEAF_CA_CONSTRAINTS),
  extensions("CA:TRUE first", LEAF_CA_CONSTRAINTS, ...USUAL),
  extensions(
    "CA:TRUE without a path length",
    ...USUAL,
    encodeExtension(OID.basicConstraints, true, encodeSequence(DER_TRUE)),
  ),
  extensions(
    "CA:FALSE, which the profile does not have",
    ...USUAL,
    encodeExtension(OID.basicConstraints, true, encodeSequence()),
  ),
  extensions("a CA's usage", CERT_SIGN_USAGE, LEAF_CA_CONSTRAINTS),
  extensions("keyCertSign for digitalSignature", CERT_SIGN_USAGE, CLIENT_AUTH_PURPOSE),
  extensions("digitalSignature and keyCertSign", usage(2, 0x84), CLIENT_AUTH_PURPOSE),
  extensions("digitalSignature and cRLSign", usage(1, 0x82), CLIENT_AUTH_PURPOSE),
  extensions("digitalSignature with more named bits", usage(0, 0x80), CLIENT_AUTH_PURPOSE),
  extensions(
    "a keyUsage that is not critical",
    nonCritical(OID.keyUsage, Buffer.of(3, 2, 7, 0x80)),
    CLIENT_AUTH_PURPOSE,
  ),
  extensions(
    "an extKeyUsage that is not critical",
    DIGITAL_SIGNATURE_USAGE,
    nonCritical(OID.extKeyUsage, clientPurposes),
  ),
  extensions("serverAuth", DIGITAL_SIGNATURE_USAGE, SERVER_AUTH_PURPOSE),
  extensions("clientAuth and serverAuth", DIGITAL_SIGNATURE_USAGE, encodeExtKeyUsage(OID.clientAuth, OID.serverAuth)),
  extensions(
    "clientAuth and the bundle signer's purposes",
    DIGITAL_SIGNATURE_USAGE,
    encodeExtKeyUsage(OID.clientAuth, OID.emailProtection, OID.bundleSigner),
  ),
  extensions("the bundle signer's purposes", DIGITAL_SIGNATURE_USAGE, BUNDLE_SIGNER_PURPOSE),
  extensions("anyExtendedKeyUsage", DIGITAL_SIGNATURE_USAGE, encodeExtKeyUsage("2.5.29.37.0")),
  extensions("no extKeyUsage", DIGITAL_SIGNATURE_USAGE),
  extensions("no keyUsage", CLIENT_AUTH_PURPOSE),
  extensions("another order", CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE),
  extensions("an extension twice", DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE, CLIENT_AUTH_PURPOSE),
  extensions(
    "a subjectAltName",
    ...USUAL,
    nonCritical(OID.subjectAltName, encodeSequence(encodeTlv(0x82, Buffer.from("host")))),
  ),
  extensions("a subjectKeyIdentifier", ...USUAL, encodeSubjectKeyId(Buffer.alloc(20, 1))),
  extensions("an unknown extension", ...USUAL, nonCritical("1.2.3.4", DER_NULL)),
  hostile("no AKI", { aki: Buffer.alloc(0) }),
  hostile("another CA's AKI", { aki: encodeAuthorityKeyId(Buffer.alloc(20, 7)) }),
  hostile("a critical AKI", (ca) => ({
    aki: encodeExtension(OID.authorityKeyIdentifier, true, encodeSequence(encodeTlv(0x80, ca.skiKeyId))),
  })),
  hostile("an AKI with a serial", (ca) => ({
    aki: nonCritical(OID.authorityKeyIdentifier, encodeSequence(encodeTlv(0x80, ca.skiKeyId), encodeTlv(0x82, SERIAL))),
  })),
  hostile("an AKI in an OCTET STRING too many", (ca) => ({
    aki: nonCritical(OID.authorityKeyIdentifier, encodeOctetString(ca.skiKeyId)),
  })),
  hostile("a critical flag of FALSE", {
    extensions: [
      DIGITAL_SIGNATURE_USAGE,
      encodeSequence(encodeOid(OID.extKeyUsage), Buffer.of(1, 1, 0), encodeOctetString(clientPurposes)),
    ],
  }),
];
