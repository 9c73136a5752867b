import { createHash, type KeyObject, sign, verify } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { expectTag, readTlv, TAG } from "../x509/der.ts";
import { importPublicKey } from "../x509/key-policy.ts";
import { refuseMalformed } from "../x509/malformed.ts";
import { OID } from "../x509/oids.ts";
import { encodePem, parsePem } from "../x509/pem.ts";
import { encodeSignedData, parseSignedData, type SignedData } from "./signed-data.ts";

const PEM_LABEL = "CMS";

/** A text that claims to be an importer's; whether it is has yet to be verified. */
export interface AttachedText {
  readonly text: string;
  readonly signedData: SignedData;
  /** SHA-256 of the CMS, DER. */
  readonly sha256: string;
}

/**
 * Signs a text of the importer's: an attached CMS without certificate and without attributes, so that it fits on paper.
 * The signature is over the text itself (RFC 5652 §5.4); each kind of text says in its first line which it is.
 * @param key P-256 private key
 * @param certificateDer its certificate, which the appliance's custodians pinned
 */
export function signAttached(text: string, key: KeyObject, certificateDer: Buffer): Buffer {
  const content = Buffer.from(text);
  const signature = sign("sha256", content, key);
  const signer = { by: "key-id", keyId: readKeyId(certificateDer) } as const;
  return encodeSignedData({ content, certificates: [], signer, signature });
}

/** PEM, which survives mail and every editor. */
export function encodeAttachedPem(der: Buffer): string {
  return encodePem(der, PEM_LABEL);
}

/**
 * Reads a signed text, PEM or DER, without trusting it.
 * @param maxBytes of the input
 * @param unreadable the sentence when it is none
 * @throws Refusal RECEIPT-SIG `malformed`
 */
export function parseAttached(bytes: Buffer, maxBytes: number, unreadable: string): AttachedText {
  const refusal = { control: "RECEIPT-SIG", maxBytes } as const;
  if (bytes.length > maxBytes) throw refuse(unreadable);
  const der = bytes[0] === TAG.sequence ? bytes : parsePem(bytes.toString("latin1"), PEM_LABEL, refusal);
  const signedData = refuseMalformed("RECEIPT-SIG", "receipt", unreadable, () => parseSignedData(der));
  const { content, certificates, signer, signedAttributes } = signedData;
  const isOfThisKind = certificates.length === 0 && signer.by === "key-id" && signedAttributes === undefined;
  if (!isOfThisKind || content === undefined) throw refuse(unreadable);
  return { text: content.toString("latin1"), signedData, sha256: createHash("sha256").update(der).digest("hex") };
}

/**
 * RECEIPT-SIG: the pinned importer's key signed this text. The dates of its certificate do not matter: it was pinned
 * by fingerprint.
 * @throws Refusal RECEIPT-SIG
 */
export function verifyAttached(
  { signedData }: Pick<AttachedText, "signedData">,
  importerCertificatePem: string,
  forged: string,
): void {
  const certificateDer = parsePem(importerCertificatePem, "CERTIFICATE", { control: "RECEIPT-SIG" });
  const key = importPublicKey(parseCertificate(certificateDer).spkiDer);
  const { signer, content = Buffer.alloc(0), signature } = signedData;
  const isNamed = signer.by === "key-id" && signer.keyId.equals(readKeyId(certificateDer));
  const isP256 = key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  if (!isNamed || !isP256 || !verify("sha256", content, key, signature)) throw refuse(forged);
}

/** The subject key identifier, by which a CMS without a certificate names its signer. */
function readKeyId(certificateDer: Buffer): Buffer {
  const extension = parseCertificate(certificateDer).extensions.find(({ oid }) => oid === OID.subjectKeyIdentifier);
  if (extension === undefined)
    throw refuse("The importer's certificate has no subject key identifier: run airlock-import init.");
  return expectTag(readTlv(extension.value), TAG.octetString).content;
}

function refuse(sentence: string): Refusal {
  return new Refusal("RECEIPT-SIG", "malformed", sentence, { field: "receipt" });
}
