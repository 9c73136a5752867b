import { join } from "node:path";
import { systemClock } from "../../clock.ts";
import { writeDurably } from "../../importer/durable-file.ts";
import type { Identity } from "../../importer/identity.ts";
import type { IssuedReceipt } from "../../importer/importer-state.ts";
import { issueReceipt, writeReceiptFile } from "../../importer/issue-receipt.ts";
import type { Journal } from "../../importer/journal.ts";
import { findUndecided, readOpenRegistrations } from "../../importer/open-registrations.ts";
import { encodeRejects } from "../../importer/rejects-csv.ts";
import type { Trust } from "../../importer/trust-store.ts";
import { writeReceiptPages } from "../../importer/write-receipt-pages.ts";
import { checkWords } from "../../transfer/check-words.ts";
import { formatCount } from "../text.ts";
import type { ImportOptions } from "./main.ts";
import type { Output } from "./output.ts";
import { showTerminalCodes } from "./terminal-codes.ts";

export interface ResultParts {
  readonly journal: Journal;
  readonly directory: string;
  readonly trust: Trust;
  readonly identity: Identity;
  readonly options: ImportOptions;
  readonly output: Output;
}

/** The receipt for the way back, and the list of what needs a person. */
export async function writeResults(parts: ResultParts): Promise<void> {
  const { journal, directory, trust, identity, options, output } = parts;
  // Rejected ones count as open here: the list names them all, not only this run's.
  const registrations = await readOpenRegistrations(directory, trust.log, journal.state, { isRetryingRejected: true });
  const open = findUndecided(journal.state, registrations);
  const issued = await issueReceipt(journal, identity, { log: trust.log, open, nowMs: systemClock.nowMs() });
  if (issued === undefined) return output.say("No bundle was ever imported, so there is no receipt to write.");
  const file = await writeReceiptFile(join(directory, "receipts"), issued);
  const copy = options["receipt-to"] === undefined ? undefined : await writeReceiptFile(options["receipt-to"], issued);
  const pages = await writeReceiptPages(options["print-to"] ?? join(directory, "receipts"), issued, trust.appliance);
  showReceipt(issued, copy ?? file, pages, output);
  const rejects = encodeRejects(journal.state, registrations);
  if (rejects.split("\r\n").length > 2) {
    const path = join(directory, `rejects-${issued.receipt.number}.csv`);
    await writeDurably(path, rejects);
    output.say(`Rejected devices, and what to do about each: ${path}`);
  }
  showScrapped(journal, output);
  if (options.qr) await showTerminalCodes(issued);
  output.say(`Next: print ${pages.join(" and ")}`);
  output.say("      carry the paper back and run   airlock-export receipt scan");
  output.say(`   or carry ${copy ?? file} back and run   airlock-export receipt apply FILE`);
}

function showReceipt({ receipt, sha256 }: IssuedReceipt, file: string, pages: readonly string[], output: Output): void {
  const { number, bundles, thru } = receipt;
  output.emit({
    event: "receipt",
    number,
    sha256,
    file,
    pages,
    words: checkWords(sha256),
    through: thru.seq,
    bundles: bundles.map(({ bundle }) => bundle),
  });
  const covered = bundles.length === 0 ? "no new bundle" : `bundle ${bundles.map(({ bundle }) => bundle).join(", ")}`;
  output.say(`Receipt ${number} covers ${covered}, everything through ${formatCount(thru.seq)}.`);
  output.say(`  check words  ${checkWords(sha256)}`);
  output.say(`  file ${file}`);
}

/** Devices are never deleted by us. */
function showScrapped({ state }: Journal, output: Output): void {
  const scrapped = [...state.voided].filter((seq) =>
    /^(delivered|duplicate)$/.test(state.outcomes.get(seq)?.outcome ?? ""),
  );
  if (scrapped.length === 0) return;
  output.emit({ event: "scrapped-after-delivery", records: scrapped });
  output.say(
    `Scrapped after delivery, delete them in the Factory yourself: records ${scrapped.slice(0, 20).join(", ")}`,
  );
}
