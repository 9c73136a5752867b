import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { isoUtc } from "../clock.ts";
import { receiptFileName } from "../transfer/receipt.ts";
import { encodeReceiptPem, parseReceipt, signReceipt } from "../transfer/receipt-cms.ts";
import { composeReceipt, type ReceiptInput } from "./compose-receipt.ts";
import { writeDurably } from "./durable-file.ts";
import type { Identity } from "./identity.ts";
import type { IssuedReceipt } from "./importer-state.ts";
import type { Journal } from "./journal.ts";

/**
 * Signs the next receipt, or takes the last one when there is nothing new to say. When it resolves, the receipt is in
 * the journal and its file is written. A number is used once: were we to die between the two, the file is written
 * from the journal, with the same bytes.
 */
export async function issueReceipt(
  journal: Journal,
  identity: Identity,
  input: Omit<ReceiptInput, "state" | "importer">,
): Promise<IssuedReceipt | undefined> {
  const composed = composeReceipt({ ...input, state: journal.state, importer: identity.id });
  if (composed?.isNew) {
    const der = signReceipt(composed.receipt, identity.key, identity.certificateDer);
    const { number } = composed.receipt;
    const at = isoUtc(input.nowMs);
    await journal.append({ t: "receipt", at, number, sha256: parseReceipt(der).sha256, der: der.toString("base64") });
  }
  return journal.state.receipts.at(-1);
}

/** Writes a receipt's file into a directory; returns its path. */
export async function writeReceiptFile(directory: string, { receipt, der }: IssuedReceipt): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, receiptFileName(receipt));
  await writeDurably(path, encodeReceiptPem(der));
  return path;
}
