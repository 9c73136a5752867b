import { createInterface } from "node:readline/promises";
import type { IssuedReceipt } from "../../importer/importer-state.ts";
import { encodeReceiptCodes } from "../../transfer/paper/receipt-codes.ts";
import { terminalCapacity, terminalQrLines } from "../../transfer/paper/terminal-qr.ts";

/** Width and height that every terminal has; without one, lines may run on below each other. */
const PLAIN = { columns: 80, rows: 60 };

/** Shows a receipt's codes on stderr, one after another; a person at a terminal turns the page. */
export async function showTerminalCodes({ receipt, der }: IssuedReceipt): Promise<void> {
  const { isTTY, columns, rows } = process.stderr;
  const size = isTTY ? { columns, rows } : PLAIN;
  const capacity = terminalCapacity(size.columns, size.rows);
  if (capacity === undefined) {
    process.stderr.write(
      "The terminal is too small for a code: at least 41 columns and 24 lines. Print the page instead.\n",
    );
    return;
  }
  const codes = encodeReceiptCodes(der, receipt.number, capacity);
  const isColoured = isTTY && process.env.NO_COLOR === undefined;
  const isPaged = isTTY && process.stdin.isTTY;
  for (const [i, code] of codes.entries()) {
    process.stderr.write(`${terminalQrLines(code, isColoured).join("\n")}\n`);
    const label = `Receipt ${receipt.number}, code ${i + 1} of ${codes.length}.`;
    if (isPaged && i + 1 < codes.length) await waitForEnter(`${label} Scan it, then press Enter.`);
    else process.stderr.write(`${label}\n`);
  }
}

async function waitForEnter(question: string): Promise<void> {
  const dialogue = createInterface({ input: process.stdin, output: process.stderr });
  await dialogue.question(question).finally(() => dialogue.close());
}
