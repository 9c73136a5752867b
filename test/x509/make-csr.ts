import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  type KeyObject,
  sign,
} from "node:crypto";
import { assembleCsr, encodeExtensionRequest } from "../../src/x509/ca-csr.ts";
import { encodeSequence, encodeTlv, encodeUnsignedInteger } from "../../src/x509/der.ts";
import { CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE } from "../../src/x509/extensions.ts";
import { encodeName } from "../../src/x509/name.ts";
import { OID } from "../../src/x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../../src/x509/signature.ts";

export const UUID = "5b1d3a52-7f0c-4a6e-9a4c-0c2c3a3b9f10";
export const FACTORY = "acme";

/** What the tests' CSRs are checked against; every kind of key allowed. */
export const RULES = { factory: FACTORY, uuid: UUID, allowedKeys: ["P-256", "P-384", "RSA"] } as const;

export interface TestKey {
  readonly privateKey: KeyObject;
  readonly spkiDer: Buffer;
  /** AlgorithmIdentifier of its signatures. */
  readonly algorithm: Buffer;
  readonly hash: "sha256" | "sha384";
}

/** The same P-256 key in every run, so that a seed finds the same bytes again. */
export function fixedKey(label: string): TestKey {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(hash("sha256", `airlock test key ${label}`, "buffer"));
  const point = ecdh.getPublicKey();
  const x = point.toString("base64url", 1, 33);
  const y = point.toString("base64url", 33);
  const d = ecdh.getPrivateKey("base64url");
  return testKey(createPrivateKey({ key: { kty: "EC", crv: "P-256", x, y, d }, format: "jwk" }));
}

export function p256Key(): TestKey {
  return testKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey);
}

export function p384Key(): TestKey {
  return testKey(generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey);
}

export function rsaKey(modulusLength = 2048, publicExponent = 65_537): TestKey {
  return testKey(generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey);
}

function testKey(privateKey: KeyObject): TestKey {
  const spkiDer = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  const isP384 = privateKey.asymmetricKeyDetails?.namedCurve === "secp384r1";
  const ecdsa = isP384 ? "ecdsa-with-SHA384" : "ecdsa-with-SHA256";
  const name = privateKey.asymmetricKeyType === "rsa" ? "sha256WithRSA" : ecdsa;
  return { privateKey, spkiDer, algorithm: SIGNATURE_ALGORITHM[name], hash: isP384 ? "sha384" : "sha256" };
}

/** Subject of the C++ client: CN, OU, UTF8String. */
export function cppSubject(uuid = UUID, factory = FACTORY, isProduction = false): Buffer {
  return encodeName([
    { type: OID.commonName, value: uuid, string: "utf8" },
    { type: OID.organizationalUnitName, value: factory, string: "utf8" },
    ...(isProduction ? [{ type: OID.businessCategory, value: "production", string: "utf8" } as const] : []),
  ]);
}

/** Subject of fioup: OU, CN, PrintableString. */
export function goSubject(uuid = UUID, factory = FACTORY, isProduction = false): Buffer {
  return encodeName([
    { type: OID.organizationalUnitName, value: factory, string: "printable" },
    { type: OID.commonName, value: uuid, string: "printable" },
    ...(isProduction ? [{ type: OID.businessCategory, value: "production", string: "printable" } as const] : []),
  ]);
}

export const VERSION_1 = encodeUnsignedInteger(0);
export const NO_ATTRIBUTES = encodeTlv(0xa0);
export const USUAL_ATTRIBUTES = encodeExtensionRequest(DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE);

/** The parts of a CSR, each replaceable by hostile bytes; the signature is over whatever they become. */
export interface CsrRecipe {
  readonly version?: Buffer;
  readonly subject?: Buffer;
  readonly spki?: Buffer;
  readonly attributes?: Buffer;
  /** Further bytes at the end of the CertificationRequestInfo. */
  readonly extra?: Buffer;
  readonly algorithm?: Buffer;
  readonly signature?: Buffer;
  readonly hash?: "sha1" | "sha256" | "sha384" | "sha512";
}

export function makeCsr(key: TestKey, recipe: CsrRecipe = {}): Buffer {
  const info = encodeSequence(
    recipe.version ?? VERSION_1,
    recipe.subject ?? cppSubject(),
    recipe.spki ?? key.spkiDer,
    recipe.attributes ?? USUAL_ATTRIBUTES,
    recipe.extra ?? Buffer.alloc(0),
  );
  return signCsrInfo(key, info, recipe);
}

export function signCsrInfo(key: TestKey, info: Buffer, recipe: CsrRecipe = {}): Buffer {
  const signature = recipe.signature ?? sign(recipe.hash ?? key.hash, info, key.privateKey);
  return assembleCsr(info, recipe.algorithm ?? key.algorithm, signature);
}
