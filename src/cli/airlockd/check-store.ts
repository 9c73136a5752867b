import type { ApplianceConfig } from "../../config/appliance-config.ts";
import type { StoreReport } from "../../log/store-report.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { formatBytes, formatCount } from "../text.ts";
import { proveApart } from "./prove-apart.ts";
import { withStoppedLog } from "./stopped-log.ts";

/** `--check-store`: proves both stores, changes neither. Exit code 0, 5 for damage, 7 for an older copy. */
export async function checkStoreCommand(config: ApplianceConfig): Promise<ExitCode> {
  const report = await withStoppedLog(config, () => proveApart(config, true));
  process.stdout.write(storeReportText(report));
  const { alarms, damages, tally } = report;
  if (alarms + damages === 0) {
    const where = tally.ledgerLines > 0 ? "both stores and the signer's ledger" : "both stores";
    process.stdout.write(`Proven: ${formatCount(tally.records)} records in ${where}\nNext: start airlockd\n`);
  } else
    process.stdout.write(
      `Findings: ${formatCount(alarms + damages)}\nNext: as the findings say; nothing was changed\n`,
    );
  return exitCodeOf(report);
}

export function exitCodeOf({ alarms, damages }: StoreReport): ExitCode {
  if (alarms > 0) return EXIT.alarm;
  return damages > 0 ? EXIT.integrity : EXIT.done;
}

/** The tally, then what is not as it must be. */
export function storeReportText({ tally, findings, alarms, damages, notes }: StoreReport): string {
  const counts = {
    journal: `${formatCount(tally.records)} records in ${formatCount(tally.segments)} segments, ${formatBytes(tally.journalBytes)}: form, numbers, chain`,
    "side file": `${formatCount(tally.sideEntries)} entries`,
    index: `${formatCount(tally.indexLines)} lines and ${formatCount(tally.indexEntries)} entries against the journal`,
    ...(tally.ledgerLines > 0 && {
      ledger: `${formatCount(tally.ledgerLines)} lines of the signer: chain, counts, heads, certificates against the journal`,
    }),
  };
  const lines = Object.entries(counts).map(([store, text]) => `  ${store.padEnd(9)}  ${text}`);
  for (const note of notes) lines.push(`  note       ${note}`);
  for (const { store, control, severity, message } of findings) {
    lines.push(`  ${severity === "alarm" ? "ALARM" : "DAMAGE"} [${control}] ${store}: ${message}`);
  }
  const left = alarms + damages - findings.length;
  if (left > 0) lines.push(`  ... and ${formatCount(left)} more of the same stores`);
  return `${lines.join("\n")}\n`;
}
