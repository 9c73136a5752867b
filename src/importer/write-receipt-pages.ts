import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { renderReceiptPages } from "../transfer/paper/receipt-page.ts";
import { receiptPageName } from "../transfer/receipt.ts";
import { writeDurably } from "./durable-file.ts";
import type { IssuedReceipt } from "./importer-state.ts";

/** Writes a receipt's pages, each as SVG and as PNG; returns the paths of the SVG files, which are the ones to print. */
export async function writeReceiptPages(
  directory: string,
  { receipt, der, sha256 }: IssuedReceipt,
  appliance: string,
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  const paths: string[] = [];
  for (const [i, { svg, png }] of renderReceiptPages({ receipt, der, sha256, appliance }).entries()) {
    const path = (extension: "svg" | "png") => join(directory, receiptPageName(receipt.number, i + 1, extension));
    await writeDurably(path("svg"), svg);
    await writeDurably(path("png"), png);
    paths.push(path("svg"));
  }
  return paths;
}
