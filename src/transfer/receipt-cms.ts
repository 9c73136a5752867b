import { createHash, type KeyObject, sign, verify } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { expectTag, readTlv, TAG } from "../x509/der.ts";
import { importPublicKey } from "../x509/key-policy.ts";
import { refuseMalformed } from "../x509/malformed.ts";
import { OID } from "../x509/oids.ts";
import { encodePem, parsePem } from "../x509/pem.ts";
import { encodeReceiptText, MAX_RECEIPT_BYTES, parseReceiptText, type Receipt } from "./receipt.ts";
import { encodeSignedData, parseSignedData, type SignedData } from "./signed-data.ts";

const PEM_LABEL = "CMS";

/** A receipt as it was read: whose it claims to be is known, whether it is has yet to be verified. */
export interface UnverifiedReceipt {
  readonly receipt: Receipt;
  readonly signedData: SignedData;
  /** SHA-256 of the CMS, DER: what the next receipt names as `prev`. */
  readonly sha256: string;
}

/**
 * Signs a receipt: an attached CMS without certificate and without attributes, so that it fits on paper. The
 * signature is over the text itself (RFC 5652 §5.4).
 * @param key P-256 private key
 * @param certificateDer its certificate, which the appliance's custodians pinned
 */
export function signReceipt(receipt: Receipt, key: KeyObject, certificateDer: Buffer): Buffer {
  const content = Buffer.from(encodeReceiptText(receipt));
  const signature = sign("sha256", content, key);
  const signer = { by: "key-id", keyId: readKeyId(certificateDer) } as const;
  return encodeSignedData({ content, certificates: [], signer, signature });
}

/** The receipt's file: PEM, which survives mail and every editor. */
export function encodeReceiptPem(der: Buffer): string {
  return encodePem(der, PEM_LABEL);
}

/**
 * Reads a receipt, PEM or DER, without trusting it.
 * @throws Refusal RECEIPT-SIG `malformed`
 */
export function parseReceipt(bytes: Buffer): UnverifiedReceipt {
  if (bytes.length > 2 * MAX_RECEIPT_BYTES) throw refuse(UNREADABLE);
  const der =
    bytes[0] === TAG.sequence ? bytes : parsePem(bytes.toString("latin1"), PEM_LABEL, { control: "RECEIPT-SIG" });
  const signedData = refuseMalformed("RECEIPT-SIG", "receipt", UNREADABLE, () => parseSignedData(der));
  const { content, certificates, signer, signedAttributes } = signedData;
  const isOfThisKind = certificates.length === 0 && signer.by === "key-id" && signedAttributes === undefined;
  const receipt = content === undefined ? undefined : parseReceiptText(content.toString("latin1"));
  if (!isOfThisKind || receipt === undefined) throw refuse(UNREADABLE);
  return { receipt, signedData, sha256: createHash("sha256").update(der).digest("hex") };
}

/**
 * RECEIPT-SIG: the pinned importer's key signed this text. The dates of its certificate do not matter: it was pinned
 * by fingerprint.
 * @throws Refusal RECEIPT-SIG
 */
export function verifyReceipt({ signedData }: UnverifiedReceipt, importerCertificatePem: string): void {
  const certificateDer = parsePem(importerCertificatePem, "CERTIFICATE", { control: "RECEIPT-SIG" });
  const key = importPublicKey(parseCertificate(certificateDer).spkiDer);
  const { signer, content = Buffer.alloc(0), signature } = signedData;
  const isNamed = signer.by === "key-id" && signer.keyId.equals(readKeyId(certificateDer));
  const isP256 = key.asymmetricKeyDetails?.namedCurve === "prime256v1";
  if (isNamed && isP256 && verify("sha256", content, key, signature)) return;
  throw refuse(
    "The receipt was not signed by the importer that it names. Scan or copy it again; if it fails again, do not apply it.",
  );
}

/** The subject key identifier, by which a CMS without a certificate names its signer. */
function readKeyId(certificateDer: Buffer): Buffer {
  const extension = parseCertificate(certificateDer).extensions.find(({ oid }) => oid === OID.subjectKeyIdentifier);
  if (extension === undefined)
    throw refuse("The importer's certificate has no subject key identifier: run airlock-import init.");
  return expectTag(readTlv(extension.value), TAG.octetString).content;
}

const UNREADABLE = "This is not a receipt, or it was damaged on the way. Scan or copy it again.";

function refuse(sentence: string): Refusal {
  return new Refusal("RECEIPT-SIG", "malformed", sentence, { field: "receipt" });
}
