import { generateKeyPairSync } from "node:crypto";
import type { ControlId } from "../../src/controls.ts";
import { encodeExtensionRequest } from "../../src/x509/ca-csr.ts";
import {
  DER_NULL,
  DER_TRUE,
  encodeBitString,
  encodeOctetString,
  encodeOid,
  encodeSequence,
  encodeSetOf,
  encodeTlv,
  encodeUnsignedInteger,
  encodeUtf8String,
  TAG,
} from "../../src/x509/der.ts";
import { encodeExtension, encodeExtKeyUsage } from "../../src/x509/extensions.ts";
import { OID } from "../../src/x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../../src/x509/signature.ts";
import {
  type CsrRecipe,
  FACTORY,
  fixedKey,
  goSubject,
  makeCsr,
  NO_ATTRIBUTES,
  p384Key,
  rsaKey,
  USUAL_ATTRIBUTES,
  UUID,
  VERSION_1,
} from "./make-csr.ts";

/**
 * Hostile CSRs. Wherever it can be, the CSR's own signature is right, so that nothing but the named fault can be the
 * reason for the refusal.
 */
export interface MalformedCsr {
  readonly title: string;
  readonly control: ControlId;
  readonly der: Buffer;
  /** The hostile key alone, where the fault lies in it. */
  readonly spki?: Buffer;
  /** A part of the sentence that the person at the line must get. */
  readonly says?: RegExp;
}

const key = fixedKey("malformed");
const valid = makeCsr(key);

function csr(title: string, control: ControlId, recipe: CsrRecipe, says?: RegExp): MalformedCsr {
  return { title, control, der: makeCsr(key, recipe), ...(says === undefined ? {} : { says }) };
}

function bytes(title: string, der: Buffer): MalformedCsr {
  return { title, control: "CSR-KEY", der };
}

/** The valid CSR's content under another encoding of the outer length. */
function withLength(...length: number[]): Buffer {
  return Buffer.concat([Buffer.of(0x30, ...length), valid.subarray(4)]);
}

const contentLength = valid.length - 4;

// Anything that is not exactly one minimal DER value. BER that openssl takes is among it: two encodings of one request
// would be two hashes of one request.
export const STRUCTURE: readonly MalformedCsr[] = [
  bytes("no bytes at all", Buffer.alloc(0)),
  bytes("a lone tag", Buffer.of(0x30)),
  bytes("an empty SEQUENCE", Buffer.of(0x30, 0x00)),
  bytes("4,097 bytes of a well-formed SEQUENCE", encodeTlv(0x30, Buffer.alloc(4093))),
  bytes("a byte after the request", Buffer.concat([valid, Buffer.of(0)])),
  bytes("the request twice", Buffer.concat([valid, valid])),
  bytes("an indefinite length", Buffer.concat([withLength(0x80), Buffer.alloc(2)])),
  bytes("a length with a leading zero", withLength(0x83, 0x00, contentLength >> 8, contentLength & 0xff)),
  bytes("a length of four octets", withLength(0x84, 0, 0, contentLength >> 8, contentLength & 0xff)),
  bytes("a length beyond the end", withLength(0x82, 0xff, 0xff)),
  bytes("a length of 126 octets", withLength(0xfe, 0xff)),
  bytes("a multi-byte tag", Buffer.concat([Buffer.of(0x3f, 0x10), valid.subarray(1)])),
  bytes("a SET where the SEQUENCE belongs", Buffer.concat([Buffer.of(0x31), valid.subarray(1)])),
  bytes("SEQUENCEs nested 1,300 deep", nested(1300)),
  csr("version 2", "CSR-KEY", { version: encodeUnsignedInteger(1) }),
  csr("a version that is not minimal", "CSR-KEY", { version: Buffer.of(2, 2, 0, 0) }),
  csr("no version", "CSR-KEY", { version: Buffer.alloc(0) }),
  csr("no attributes field", "CSR-KEY", { attributes: Buffer.alloc(0) }),
  csr("attributes under a primitive tag", "CSR-KEY", { attributes: Buffer.of(0x80, 0x00) }),
  csr("attributes under [1]", "CSR-KEY", { attributes: Buffer.of(0xa1, 0x00) }),
  csr("a fifth part in the signed half", "CSR-KEY", { extra: DER_NULL }),
  csr("attributes twice", "CSR-KEY", { extra: NO_ATTRIBUTES }),
  bytes("a fourth part after the signature", encodeTlv(0x30, valid.subarray(4), DER_NULL)),
];

function nested(depth: number): Buffer {
  let value: Buffer = Buffer.alloc(0);
  for (let i = 0; i < depth && value.length < 4000; i++) value = encodeTlv(0x30, value);
  return makeCsr(key, { attributes: encodeTlv(0xa0, value.subarray(0, 3000)) });
}

const one = encodeUnsignedInteger(1);

// A signature in another form than its one DER form, or under an algorithm that does not fit the key.
export const SIGNATURES: readonly MalformedCsr[] = [
  csr("ECDSA parameters NULL", "CSR-KEY", { algorithm: encodeSequence(encodeOid(OID.ecdsaWithSha256), DER_NULL) }),
  csr("ecdsa-with-SHA1", "CSR-KEY", { algorithm: encodeSequence(encodeOid("1.2.840.10045.4.1")), hash: "sha1" }),
  csr("ecdsa-with-SHA384 over P-256", "CSR-KEY", {
    algorithm: SIGNATURE_ALGORITHM["ecdsa-with-SHA384"],
    hash: "sha384",
  }),
  csr("RSA's algorithm over an EC key", "CSR-KEY", { algorithm: SIGNATURE_ALGORITHM.sha256WithRSA }),
  csr("no algorithm", "CSR-KEY", { algorithm: Buffer.alloc(0) }),
  csr("an empty signature", "CSR-KEY", { signature: Buffer.alloc(0) }),
  csr("r = 0", "CSR-KEY", { signature: encodeSequence(encodeUnsignedInteger(0), one) }),
  csr("s = 0", "CSR-KEY", { signature: encodeSequence(one, encodeUnsignedInteger(0)) }),
  csr("r negative", "CSR-KEY", { signature: encodeSequence(Buffer.of(2, 1, 0xff), one) }),
  csr("r not minimal", "CSR-KEY", { signature: encodeSequence(Buffer.of(2, 2, 0, 1), one) }),
  csr("r of 33 octets", "CSR-KEY", { signature: encodeSequence(encodeTlv(2, Buffer.alloc(33, 0x7f)), one) }),
  csr("three integers", "CSR-KEY", { signature: encodeSequence(one, one, one) }),
  csr("one integer", "CSR-KEY", { signature: encodeSequence(one) }),
  csr("r||s instead of DER", "CSR-KEY", { signature: Buffer.alloc(64, 0x11) }),
  {
    title: "a signature with an unused bit",
    control: "CSR-KEY",
    der: encodeTlv(0x30, infoAndAlgorithm(), encodeBitString(Buffer.of(0x30, 0x00), 1)),
  },
];

function infoAndAlgorithm(): Buffer {
  const bitString = valid.lastIndexOf(Buffer.of(0x00, 0x30)) - 2;
  return valid.subarray(4, bitString);
}

type Attribute = [oid: string, value: string | Buffer, tag?: number];

function name(...attributes: Attribute[]): Buffer {
  return encodeSequence(...attributes.map((attribute) => encodeSetOf(attributeOf(attribute))));
}

function attributeOf([oid, value, tag = TAG.utf8String]: Attribute): Buffer {
  return encodeSequence(encodeOid(oid), encodeTlv(tag, Buffer.from(value)));
}

function subject(title: string, der: Buffer, control: ControlId = "CSR-SUBJECT", says?: RegExp): MalformedCsr {
  return csr(title, control, { subject: der }, says);
}

const CN: Attribute = [OID.commonName, UUID];
const OU: Attribute = [OID.organizationalUnitName, FACTORY];
const PRODUCTION: Attribute = [OID.businessCategory, "production"];
const organization = "2.5.4.10";
const bmpUuid = Buffer.from(UUID, "utf16le").swap16();

// Names that two programs could read differently, or that say more than a device may.
export const SUBJECTS: readonly MalformedCsr[] = [
  subject("an empty subject", name()),
  subject("no CN", name(OU), "CSR-SUBJECT", /exactly one CN/),
  subject("two CNs", name(CN, CN, OU), "CSR-SUBJECT", /exactly one CN/),
  subject("two different CNs", name([OID.commonName, "admin"], CN, OU)),
  subject("a CN in upper case", name([OID.commonName, UUID.toUpperCase()], OU), "CSR-SUBJECT", /lower case/),
  subject("a CN that is no UUID", name([OID.commonName, "device-1"], OU)),
  subject("a CN in braces", name([OID.commonName, `{${UUID}}`], OU)),
  subject("a CN with a NUL at its end", name([OID.commonName, `${UUID}\0`], OU)),
  subject("a CN with a line feed at its end", name([OID.commonName, `${UUID}\n`], OU)),
  subject("a CN with a blank before it", name([OID.commonName, ` ${UUID}`], OU)),
  subject("another device's CN", name([OID.commonName, UUID.replace("5", "6")], OU), "CSR-SUBJECT", /not the CSR's CN/),
  subject("an empty CN", name([OID.commonName, ""], OU), "CSR-KEY"),
  subject("no OU", name(CN), "CSR-SUBJECT", /exactly one OU/),
  subject("two OUs", name(CN, OU, OU), "CSR-SUBJECT", /exactly one OU/),
  subject("another factory", name(CN, [OID.organizationalUnitName, "acme2"])),
  subject("the factory in capitals", name(CN, [OID.organizationalUnitName, "ACME"])),
  subject("the factory and a NUL", name(CN, [OID.organizationalUnitName, "acme\0"])),
  subject(
    "the placeholder OU of fio-device-register",
    name(CN, [OID.organizationalUnitName, "fio-device-register"]),
    "CSR-SUBJECT",
    /set DEVICE_FACTORY/,
  ),
  subject("an organization", name(CN, OU, [organization, "acme"]), "CSR-SUBJECT", /more than CN, OU/),
  subject("a serialNumber attribute", name(CN, OU, ["2.5.4.5", "1"])),
  subject("an e-mail address", name(CN, OU, ["1.2.840.113549.1.9.1", "a@b", TAG.ia5String])),
  subject("businessCategory=development", name(CN, OU, [OID.businessCategory, "development"])),
  subject("businessCategory=Production", name(CN, OU, [OID.businessCategory, "Production"])),
  subject("businessCategory twice", name(CN, OU, PRODUCTION, PRODUCTION), "CSR-SUBJECT", /once/),
  subject("CN and OU in one RDN", encodeSequence(encodeSetOf(attributeOf(CN), attributeOf(OU))), "CSR-KEY"),
  subject("an RDN without an attribute", encodeSequence(encodeSetOf(), encodeSetOf(attributeOf(CN))), "CSR-KEY"),
  subject("an RDN that is a SEQUENCE", encodeSequence(encodeSequence(attributeOf(CN))), "CSR-KEY"),
  subject(
    "an attribute with a third part",
    encodeSequence(encodeSetOf(encodeSequence(DER_NULL, DER_NULL, DER_NULL))),
    "CSR-KEY",
  ),
  subject(
    "an attribute without a value",
    encodeSequence(encodeSetOf(encodeSequence(encodeOid(OID.commonName)))),
    "CSR-KEY",
  ),
  subject("CN as BMPString", name([OID.commonName, bmpUuid, 0x1e], OU), "CSR-KEY"),
  subject("CN as TeletexString", name([OID.commonName, UUID, 0x14], OU), "CSR-KEY"),
  subject("CN as IA5String", name([OID.commonName, UUID, TAG.ia5String], OU)),
  subject("CN as a constructed UTF8String", name([OID.commonName, encodeUtf8String(UUID), 0x2c], OU), "CSR-KEY"),
  subject("CN with invalid UTF-8", name([OID.commonName, Buffer.of(0xc0, 0xaf)], OU), "CSR-KEY"),
  subject("OU as PrintableString with an underscore", name(CN, [OID.organizationalUnitName, "a_b", 0x13]), "CSR-KEY"),
  subject("an OU of 257 bytes", name(CN, [OID.organizationalUnitName, "a".repeat(257)]), "CSR-KEY"),
  subject("17 attributes", name(...Array<Attribute>(17).fill(CN)), "CSR-KEY"),
  // 2.5.4.3 as 55 84 03 is not it, but 06 04 55 04 80 03 is a padded spelling of the same arcs.
  subject(
    "a padded OID",
    encodeSequence(
      encodeSetOf(encodeSequence(Buffer.of(6, 4, 0x55, 4, 0x80, 3), encodeUtf8String(UUID))),
      encodeSetOf(attributeOf(OU)),
    ),
    "CSR-KEY",
  ),
  subject(
    "an OID arc of 40 bits",
    encodeSequence(
      encodeSetOf(encodeSequence(Buffer.of(6, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f), encodeUtf8String(UUID))),
    ),
    "CSR-KEY",
  ),
];

const ecAlgorithm = encodeSequence(encodeOid(OID.ecPublicKey), encodeOid(OID.prime256v1));
const point = key.spkiDer.subarray(-65);
const [x, y] = [point.subarray(1, 33), point.subarray(33)];
const P256_PRIME = Buffer.from("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff", "hex");

function ecPoint(...parts: Uint8Array[]): Buffer {
  return encodeSequence(ecAlgorithm, encodeBitString(Buffer.concat(parts)));
}

function spki(title: string, der: Buffer, says?: RegExp): MalformedCsr {
  return { ...csr(title, "CSR-KEY", { spki: der }, says), spki: der };
}

function nodeKey(type: "ed25519" | "x25519"): Buffer {
  const { publicKey } = type === "ed25519" ? generateKeyPairSync("ed25519") : generateKeyPairSync("x25519");
  return publicKey.export({ type: "spki", format: "der" });
}

function ecKey(namedCurve: string): Buffer {
  return generateKeyPairSync("ec", { namedCurve }).publicKey.export({ type: "spki", format: "der" });
}

/** Specified domain parameters: the attacker's own generator, the trick of CVE-2020-0601. */
function explicitCurve(): Buffer {
  const pair = generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" });
  return pair.publicKey.export({ type: "spki", format: "der" });
}

const rsaAlgorithm = encodeSequence(encodeOid(OID.rsaEncryption), DER_NULL);

function rsa(modulus: Buffer, exponent: Uint8Array | number, algorithm = rsaAlgorithm, ...more: Buffer[]): Buffer {
  const parts = [encodeUnsignedInteger(modulus), encodeUnsignedInteger(exponent), ...more];
  return encodeSequence(algorithm, encodeBitString(encodeSequence(...parts)));
}

const modulus = Buffer.concat([Buffer.of(0xc1), Buffer.alloc(254, 0x5a), Buffer.of(0x01)]);

export const KEYS: readonly MalformedCsr[] = [
  spki("a compressed point", ecPoint(Buffer.of(0x02 + (point.readUInt8(64) & 1)), x), /uncompressed/),
  spki("a hybrid point", ecPoint(Buffer.of(0x06 + (point.readUInt8(64) & 1)), x, y), /uncompressed/),
  spki("the point at infinity", ecPoint(Buffer.of(0)), /infinity/),
  spki("an empty point", ecPoint()),
  spki("a point off the curve", ecPoint(Buffer.of(4), x, x), /not a point on its curve/),
  spki("the point (0, 0)", ecPoint(Buffer.of(4), Buffer.alloc(64)), /not a point on its curve/),
  spki("a coordinate that is the prime", ecPoint(Buffer.of(4), P256_PRIME, y)),
  spki("a point with a byte too many", ecPoint(point, Buffer.of(0))),
  spki("explicit curve parameters", explicitCurve(), /not named/),
  spki("no curve", encodeSequence(encodeSequence(encodeOid(OID.ecPublicKey)), encodeBitString(point)), /not named/),
  spki(
    "the implicit curve",
    encodeSequence(encodeSequence(encodeOid(OID.ecPublicKey), DER_NULL), encodeBitString(point)),
  ),
  spki("a key on P-521", ecKey("P-521"), /not named/),
  spki("a key on secp256k1", ecKey("secp256k1"), /not named/),
  spki(
    "P-384's curve with a P-256 point",
    encodeSequence(encodeSequence(encodeOid(OID.ecPublicKey), encodeOid(OID.secp384r1)), encodeBitString(point)),
  ),
  spki("an Ed25519 key", nodeKey("ed25519"), /unsupported type/),
  spki("an X25519 key", nodeKey("x25519"), /unsupported type/),
  spki("a third part in the key", encodeSequence(ecAlgorithm, encodeBitString(point), DER_NULL)),
  spki("a key with unused bits", encodeSequence(ecAlgorithm, encodeBitString(point, 1))),
  spki("a key whose bits are an OCTET STRING", encodeSequence(ecAlgorithm, encodeOctetString(point))),
  spki("RSA of 1,024 bits", rsa(modulus.subarray(128), 65_537), /2048 to 4096/),
  spki("RSA of 2,047 bits", rsa(Buffer.concat([Buffer.of(0x41), modulus.subarray(1)]), 65_537), /2048 to 4096/),
  spki("RSA of 4,097 bits", rsa(Buffer.concat([Buffer.of(1), modulus, modulus]), 65_537), /2048 to 4096/),
  spki("RSA with e = 3", rsa(modulus, 3), /65537/),
  spki("RSA with e = 1", rsa(modulus, 1), /65537/),
  spki("RSA with e = 2^32 + 1", rsa(modulus, Buffer.of(1, 0, 0, 0, 1)), /65537/),
  spki("RSA with an even modulus", rsa(Buffer.concat([modulus.subarray(0, 255), Buffer.of(2)]), 65_537)),
  spki("a third part in an RSA key", encodeTlv(0x30, rsa(modulus, 65_537).subarray(4), DER_NULL)),
  spki("RSA with a third integer", rsa(modulus, 65_537, rsaAlgorithm, one)),
  spki("RSA without NULL parameters", rsa(modulus, 65_537, encodeSequence(encodeOid(OID.rsaEncryption)))),
  spki("RSA-PSS", rsa(modulus, 65_537, encodeSequence(encodeOid("1.2.840.113549.1.1.10"))), /unsupported type/),
  spki(
    "RSA with a negative modulus",
    encodeSequence(rsaAlgorithm, encodeBitString(encodeSequence(encodeTlv(2, modulus), encodeUnsignedInteger(65_537)))),
  ),
  // Right in themselves, but the signature's algorithm is another key's.
  {
    title: "a P-384 key with ecdsa-with-SHA512",
    control: "CSR-KEY",
    der: makeCsr(p384Key(), { algorithm: encodeSequence(encodeOid(OID.ecdsaWithSha512)), hash: "sha512" }),
  },
  csr("an RSA key under an ECDSA signature", "CSR-KEY", { spki: rsaKey().spkiDer }),
];

function requested(title: string, extension: Buffer, says?: RegExp, control: ControlId = "CSR-SUBJECT"): MalformedCsr {
  return csr(title, control, { attributes: encodeExtensionRequest(extension) }, says);
}

function keyUsage(...content: number[]): Buffer {
  return encodeExtension(OID.keyUsage, true, encodeTlv(TAG.bitString, Buffer.from(content)));
}

const request = encodeOid(OID.extensionRequest);
const usual = encodeSequence(keyUsage(7, 0x80), encodeExtKeyUsage(OID.clientAuth));
const basic = (...content: Buffer[]) => encodeExtension(OID.basicConstraints, true, encodeSequence(...content));
const attributes = (...list: Buffer[]) => ({ attributes: encodeTlv(0xa0, ...list) });

// Requests for more than a TLS client's certificate. Nothing that is asked for is ever copied; they are refused so
// that a wrong tool is found at the bench and not in the field.
export const REQUESTS: readonly MalformedCsr[] = [
  requested("CA:TRUE", basic(DER_TRUE), /CA certificate/),
  requested("CA:TRUE with a path length", basic(DER_TRUE, encodeUnsignedInteger(0)), /CA certificate/),
  requested("CA:FALSE written out, which is not DER", basic(Buffer.of(1, 1, 0)), /CA certificate/),
  requested("keyCertSign", keyUsage(2, 0x04), /keyUsage/),
  requested("digitalSignature and keyEncipherment", keyUsage(5, 0xa0), /keyUsage/),
  requested("digitalSignature with named zero bits", keyUsage(0, 0x80), /keyUsage/),
  requested("an empty keyUsage", keyUsage(0), /keyUsage/),
  requested("serverAuth", encodeExtKeyUsage(OID.serverAuth), /extKeyUsage/),
  requested("clientAuth and serverAuth", encodeExtKeyUsage(OID.clientAuth, OID.serverAuth), /extKeyUsage/),
  requested("anyExtendedKeyUsage", encodeExtKeyUsage("2.5.29.37.0"), /extKeyUsage/),
  requested("the bundle signer's purpose", encodeExtKeyUsage(OID.emailProtection, OID.bundleSigner), /extKeyUsage/),
  requested("an empty extKeyUsage", encodeExtKeyUsage(), /extKeyUsage/),
  requested(
    "a subjectAltName",
    encodeExtension(OID.subjectAltName, false, encodeSequence(encodeTlv(0x82, Buffer.from("host")))),
    /do not have/,
  ),
  requested(
    "a subjectKeyIdentifier",
    encodeExtension(OID.subjectKeyIdentifier, false, encodeOctetString(Buffer.alloc(20))),
    /do not have/,
  ),
  requested("an unknown critical extension", encodeExtension("1.2.3.4", true, DER_NULL), /do not have/),
  requested("an unknown extension", encodeExtension("1.2.3.4", false, DER_NULL), /do not have/),
  requested(
    "a critical flag of FALSE",
    encodeSequence(encodeOid(OID.keyUsage), Buffer.of(1, 1, 0), encodeOctetString(Buffer.of(3, 2, 7, 0x80))),
    undefined,
    "CSR-KEY",
  ),
  requested(
    "a critical flag of 01",
    encodeSequence(encodeOid(OID.keyUsage), Buffer.of(1, 1, 1), encodeOctetString(Buffer.of(3, 2, 7, 0x80))),
    undefined,
    "CSR-KEY",
  ),
  requested("an extension without a value", encodeSequence(encodeOid(OID.keyUsage)), undefined, "CSR-KEY"),
  csr("an empty list of extensions", "CSR-KEY", { attributes: encodeExtensionRequest() }),
  csr("an extension twice", "CSR-KEY", { attributes: encodeExtensionRequest(keyUsage(7, 0x80), keyUsage(7, 0x80)) }),
  csr("a harmless and a hostile extension", "CSR-SUBJECT", {
    attributes: encodeExtensionRequest(keyUsage(7, 0x80), basic(DER_TRUE)),
  }),
  csr(
    "extensionRequest twice",
    "CSR-SUBJECT",
    { attributes: encodeTlv(0xa0, USUAL_ATTRIBUTES.subarray(2), USUAL_ATTRIBUTES.subarray(2)) },
    /once/,
  ),
  csr("two values in one extensionRequest", "CSR-KEY", attributes(encodeSequence(request, encodeSetOf(usual, usual)))),
  csr("no value in an extensionRequest", "CSR-KEY", attributes(encodeSequence(request, encodeSetOf()))),
  csr(
    "an extensionRequest with a third part",
    "CSR-KEY",
    attributes(encodeSequence(request, encodeSetOf(usual), DER_NULL)),
  ),
  csr(
    "a challengePassword",
    "CSR-SUBJECT",
    attributes(encodeSequence(encodeOid("1.2.840.113549.1.9.7"), encodeSetOf(encodeUtf8String("x")))),
    /no extension request/,
  ),
  csr(
    "Microsoft's extension request",
    "CSR-SUBJECT",
    attributes(encodeSequence(encodeOid("1.3.6.1.4.1.311.2.1.14"), encodeSetOf(usual))),
  ),
  csr("an attribute that is a SET", "CSR-KEY", attributes(encodeSetOf(request, usual))),
];

export const MALFORMED_CSRS: readonly MalformedCsr[] = [...STRUCTURE, ...SIGNATURES, ...SUBJECTS, ...KEYS, ...REQUESTS];

/** Requests that look odd and ask for nothing more: refusing them would stop honest boards. */
export const ODD_BUT_HARMLESS: readonly { readonly title: string; readonly der: Buffer }[] = [
  { title: "no attributes", der: makeCsr(key, { attributes: NO_ATTRIBUTES }) },
  { title: "CA:FALSE by its default", der: makeCsr(key, { attributes: encodeExtensionRequest(basic()) }) },
  { title: "keyUsage alone", der: makeCsr(key, { attributes: encodeExtensionRequest(keyUsage(7, 0x80)) }) },
  {
    title: "extKeyUsage first and not critical",
    der: makeCsr(key, {
      attributes: encodeExtensionRequest(
        encodeExtension(OID.extKeyUsage, false, encodeSequence(encodeOid(OID.clientAuth))),
        keyUsage(7, 0x80),
      ),
    }),
  },
  { title: "businessCategory before the others", der: makeCsr(key, { subject: name(PRODUCTION, CN, OU) }) },
  {
    title: "mixed string types",
    der: makeCsr(key, { subject: name([OID.commonName, UUID, TAG.printableString], OU) }),
  },
  { title: "fioup's production subject", der: makeCsr(key, { subject: goSubject(UUID, FACTORY, true) }) },
  { title: "version 1 spelled out", der: makeCsr(key, { version: VERSION_1 }) },
];
