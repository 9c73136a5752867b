import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { assembleCertificate, parseCertificate, VERSION_3 } from "../x509/certificate.ts";
import { encodeSequence, encodeUnsignedInteger } from "../x509/der.ts";
import { DIGITAL_SIGNATURE_USAGE, encodeSubjectKeyId } from "../x509/extensions.ts";
import { readKeyBits } from "../x509/key-policy.ts";
import { encodeName, parseName } from "../x509/name.ts";
import { OID } from "../x509/oids.ts";
import { SIGNATURE_ALGORITHM } from "../x509/signature.ts";
import { encodeExtensionList, randomSerial } from "../x509/template.ts";
import { encodeTime } from "../x509/time.ts";

const PREFIX = "airlock-importer-";
const VALID_MS = 20 * 365.25 * 24 * 3600 * 1000;

/** Name of an importer: stands in receipts and in their file names. */
export function isImporterId(id: string): boolean {
  return /^[A-Za-z0-9]{1,12}$/.test(id);
}

/**
 * The importer's self-signed certificate. The appliance pins it by fingerprint, so its dates decide nothing; it has a
 * key identifier because receipts name their signer by it.
 * @param key P-256 private key
 */
export function makeImporterCertificate(id: string, key: KeyObject, nowMs: number): Buffer {
  const spkiDer = createPublicKey(key).export({ format: "der", type: "spki" });
  const name = encodeName([{ type: OID.commonName, value: `${PREFIX}${id}`, string: "utf8" }]);
  const keyId = createHash("sha1").update(readKeyBits(spkiDer)).digest();
  const tbs = encodeSequence(
    VERSION_3,
    encodeUnsignedInteger(randomSerial(randomBytes)),
    SIGNATURE_ALGORITHM["ecdsa-with-SHA256"],
    name,
    encodeSequence(encodeTime(nowMs), encodeTime(nowMs + VALID_MS)),
    name,
    spkiDer,
    encodeExtensionList(DIGITAL_SIGNATURE_USAGE, encodeSubjectKeyId(keyId)),
  );
  return assembleCertificate(tbs, SIGNATURE_ALGORITHM["ecdsa-with-SHA256"], sign("sha256", tbs, key));
}

/**
 * The importer id in such a certificate; undefined when it is another kind of certificate.
 * @throws Refusal CERT-PROFILE when it is none at all
 */
export function readImporterId(certificateDer: Buffer): string | undefined {
  const [name, ...more] = parseName(parseCertificate(certificateDer).subjectDer);
  if (name === undefined || more.length > 0 || !name.value.startsWith(PREFIX)) return undefined;
  const id = name.value.slice(PREFIX.length);
  return isImporterId(id) ? id : undefined;
}
