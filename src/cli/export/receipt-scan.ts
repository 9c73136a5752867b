import { createInterface, emitKeypressEvents } from "node:readline";
import { Writable } from "node:stream";
import { createReceiptScan, type Scan } from "../../transfer/paper/receipt-scan.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";
import { applyReceipt } from "./receipt-apply.ts";

/** `receipt scan`: a scanner types the printed codes; once they are all there, the receipt is applied. */
export const receiptScanCommand: ExportCommand = async (_words, _values, output, client) => {
  const isPerson = process.stdin.isTTY === true;
  const scan = createReceiptScan();
  const prompt = isPerson ? "Scan the code now (Esc to cancel) ...\n" : "Reading codes, one a line ...\n";
  for await (const line of readLines(isPerson, prompt)) {
    const taken = scan.take(line);
    if (taken.result === "empty") continue;
    output.emit({ event: "scan", result: taken.result, missing: scan.missing() });
    output.say(scanSentence(taken));
    if (taken.result === "complete") return await applyReceipt(client, taken.der, output);
  }
  const missing = scan.missing();
  output.say(
    missing.length === 0
      ? "No receipt was scanned. Nothing changed."
      : `Stopped with ${describeParts(missing)} missing. Nothing changed. Next: airlock-export receipt scan, from the first code`,
  );
  return EXIT.cancelled;
};

/** What happened to a scanned line, and what to do. */
export function scanSentence(scan: Scan): string {
  switch (scan.result) {
    case "complete":
      return `Receipt ${scan.number}: ${scan.parts} of ${scan.parts} scanned, ${formatCount(scan.der.length)} bytes.`;
    case "part":
      return `Part ${scan.code.part} of ${scan.code.parts} of receipt ${scan.code.number}. Now scan ${describeParts(scan.missing)}.`;
    case "repeat":
      return `Part ${scan.code.part} was scanned before. Now scan ${describeParts(scan.missing)}.`;
    case "other-receipt":
      return `This is part ${scan.code.part} of another receipt (number ${scan.code.number}). Receipt ${scan.begun} is begun: finish it, or press Esc and start again.`;
    case "damaged":
      return `Only part of the code arrived, or it was misread (${formatCount(scan.length)} characters). Hold the scanner still and scan the same code again.`;
    case "layout":
      return `The scanner types for another keyboard (${scan.layout}). Nothing was taken. Set the scanner, or this computer, to the US keyboard and scan again.`;
    case "contradiction":
      return "The parts do not belong together. Nothing was taken. Print the receipt again on the other side, or use its file.";
    case "foreign":
      return "This is not a receipt's code. Scan the square code under the heading Airlock receipt.";
    case "empty":
      return "";
  }
}

function describeParts(parts: readonly number[]): string {
  return `${parts.length === 1 ? "part" : "parts"} ${parts.join(", ")}`;
}

/** Lines as they come. At a terminal a thousand characters are not echoed, and Esc ends the reading. */
async function* readLines(isPerson: boolean, prompt: string): AsyncGenerator<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface(
    isPerson
      ? { input: process.stdin, output: silent, terminal: true, escapeCodeTimeout: 50 }
      : { input: process.stdin, crlfDelay: Number.POSITIVE_INFINITY },
  );
  const onKey = (_text: string | undefined, key: { name?: string }) => {
    if (key.name === "escape") lines.close();
  };
  if (isPerson) {
    emitKeypressEvents(process.stdin, lines);
    process.stdin.on("keypress", onKey);
  }
  // Only now: what is scanned before the terminal stops echoing would fill the screen.
  process.stderr.write(prompt);
  try {
    yield* lines;
  } finally {
    process.stdin.off("keypress", onKey);
    lines.close();
  }
}
