import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { type CaCertificate, parseCaCertificate } from "../../src/x509/ca-certificate.ts";
import { assembleCertificate, VERSION_3 } from "../../src/x509/certificate.ts";
import { encodeSequence, encodeTlv } from "../../src/x509/der.ts";
import { CLIENT_AUTH_PURPOSE, DIGITAL_SIGNATURE_USAGE } from "../../src/x509/extensions.ts";
import { buildLineCaTbs } from "../../src/x509/line-template.ts";
import { signatureAlgorithmFor } from "../../src/x509/signature.ts";
import { encodeTime } from "../../src/x509/time.ts";
import { cppSubject } from "./make-csr.ts";

export const DAY_MS = 86_400_000;
export const SERIAL = Buffer.from("4d0102030405060708090a0b0c0d0e0f10111213", "hex");

/** The parts of a TBS, each replaceable by hostile bytes. */
export interface TbsRecipe {
  readonly version?: Buffer;
  /** The whole INTEGER. */
  readonly serial?: Buffer;
  readonly algorithm?: Buffer;
  readonly issuer?: Buffer;
  /** The whole SEQUENCE. */
  readonly validity?: Buffer;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
  readonly subject?: Buffer;
  readonly spki?: Buffer;
  /** Between the key and the extensions. */
  readonly uniqueIds?: Buffer;
  /** The list, without the AKI. */
  readonly extensions?: readonly Buffer[];
  readonly aki?: Buffer;
  /** The whole `[3]`. */
  readonly extensionField?: Buffer;
  readonly extra?: Buffer;
}

/** A TBS put together by hand, independent of the package's builders; a device's unless the recipe says otherwise. */
export function makeTbs(ca: CaCertificate, spkiDer: Buffer, recipe: TbsRecipe = {}): Buffer {
  const extensions = recipe.extensions ?? [DIGITAL_SIGNATURE_USAGE, CLIENT_AUTH_PURPOSE];
  const list = encodeSequence(...extensions, recipe.aki ?? ca.akiExtensionDer);
  const notBefore = encodeTime(recipe.notBeforeMs ?? ca.notBeforeMs + DAY_MS);
  const notAfter = encodeTime(recipe.notAfterMs ?? ca.notBeforeMs + 7_300 * DAY_MS);
  return encodeSequence(
    recipe.version ?? VERSION_3,
    recipe.serial ?? encodeTlv(0x02, SERIAL),
    recipe.algorithm ?? ca.signingAlgorithmDer,
    recipe.issuer ?? ca.subjectDer,
    recipe.validity ?? encodeSequence(notBefore, notAfter),
    recipe.subject ?? cppSubject(),
    recipe.spki ?? spkiDer,
    recipe.uniqueIds ?? Buffer.alloc(0),
    recipe.extensionField ?? encodeTlv(0xa3, list),
    recipe.extra ?? Buffer.alloc(0),
  );
}

/** A line CA as the ceremony makes it, with its key in software. */
export function makeLineCa(appliance: string, nowMs: number): { ca: CaCertificate; key: KeyObject; tbs: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const tbs = buildLineCaTbs({
    appliance,
    spkiDer: publicKey.export({ type: "spki", format: "der" }),
    serial: SERIAL,
    notBeforeMs: nowMs,
    notAfterMs: nowMs + 7_300 * DAY_MS,
  });
  const der = assembleCertificate(tbs, signatureAlgorithmFor("P-256"), sign("sha256", tbs, privateKey));
  return { ca: parseCaCertificate(der), key: privateKey, tbs };
}
