import type { KeyObject } from "node:crypto";
import { Refusal } from "../refusal.ts";
import { encodeAttachedPem, parseAttached, signAttached, verifyAttached } from "./attached-text.ts";
import { encodeReceiptText, MAX_RECEIPT_BYTES, parseReceiptText, type Receipt } from "./receipt.ts";
import type { SignedData } from "./signed-data.ts";

/** A receipt as it was read: whose it claims to be is known, whether it is has yet to be verified. */
export interface UnverifiedReceipt {
  readonly receipt: Receipt;
  readonly signedData: SignedData;
  /** SHA-256 of the CMS, DER: what the next receipt names as `prev`. */
  readonly sha256: string;
}

const UNREADABLE = "This is not a receipt, or it was damaged on the way. Scan or copy it again.";
const FORGED =
  "The receipt was not signed by the importer that it names. Scan or copy it again; if it fails again, do not apply it.";

/** The receipt's CMS, DER. See signAttached. */
export function signReceipt(receipt: Receipt, key: KeyObject, certificateDer: Buffer): Buffer {
  return signAttached(encodeReceiptText(receipt), key, certificateDer);
}

/** The receipt's file. */
export function encodeReceiptPem(der: Buffer): string {
  return encodeAttachedPem(der);
}

/**
 * Reads a receipt, PEM or DER, without trusting it.
 * @throws Refusal RECEIPT-SIG `malformed`
 */
export function parseReceipt(bytes: Buffer): UnverifiedReceipt {
  const { text, signedData, sha256 } = parseAttached(bytes, 2 * MAX_RECEIPT_BYTES, UNREADABLE);
  const receipt = parseReceiptText(text);
  if (receipt === undefined) throw new Refusal("RECEIPT-SIG", "malformed", UNREADABLE, { field: "receipt" });
  return { receipt, signedData, sha256 };
}

/**
 * RECEIPT-SIG: the pinned importer's key signed this text.
 * @throws Refusal RECEIPT-SIG
 */
export function verifyReceipt(receipt: UnverifiedReceipt, importerCertificatePem: string): void {
  verifyAttached(receipt, importerCertificatePem, FORGED);
}
