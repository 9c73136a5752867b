import { type ImporterState, sortedBundles } from "../../importer/importer-state.ts";
import { countMissing } from "../../importer/join-bundles.ts";
import { readJournal } from "../../importer/journal.ts";
import { logDirectory, type Trust } from "../../importer/trust-store.ts";
import { EXIT } from "../exit-codes.ts";
import { formatCount } from "../text.ts";
import { journalPath } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import type { Output } from "./output.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `kept`: what is known here of an appliance, for when it is lost. */
export const keptCommand: ImportCommand = async (_words, options, output) => {
  const state = stateDirectory(options);
  const trust = await chooseLog(state, options.log);
  const directory = logDirectory(state, trust.log);
  const known = await readJournal(journalPath(directory));
  if (known.bundles.size === 0) {
    output.say(`Nothing of ${trust.appliance} (log ${trust.log}) was ever imported here.`);
    return EXIT.nothingToDo;
  }
  const through = showKnown(trust, known, output);
  output.say("If the appliance is lost:");
  output.say(`  delivered devices stay as they are; keep its device CA enabled in the Factory`);
  output.say(`  boards registered after record ${formatCount(through)} are unknown here: look for their uuids on`);
  output.say("  the line, or register them again at the new appliance, which is pinned");
  output.say("  beside this one");
  output.say("Next: airlock-import restore --out DIR writes its journal again, for the custodians;");
  output.say("      airlock-import report --out report.html is for whoever investigates");
  return EXIT.done;
};

/** Returns up to which record everything has arrived. */
function showKnown({ appliance, log, factory }: Trust, known: ImporterState, output: Output): number {
  const bundles = sortedBundles(known);
  const newest = bundles.at(-1);
  const [gap] = countMissing(bundles).gaps;
  const through = gap === undefined ? (newest?.last ?? 0) : gap.first - 1;
  const registrations = bundles.reduce((sum, bundle) => sum + bundle.registrations, 0);
  const count = (pattern: RegExp) => [...known.outcomes.values()].filter(({ outcome }) => pattern.test(outcome)).length;
  const delivered = count(/^(?:delivered|duplicate)$/);
  const decided = known.outcomes.size;
  output.emit({ event: "kept", log, bundles: bundles.length, through, registrations, delivered });
  output.say(`${appliance}   log ${log}   factory ${factory}`);
  output.say(
    `  Kept here       ${formatCount(bundles.length)} bundles, records 1 to ${formatCount(through)} without a gap`,
  );
  output.say(
    `  Registrations   ${formatCount(registrations)}: in the Factory ${formatCount(delivered)}, otherwise settled ${formatCount(decided - delivered)}, open ${formatCount(registrations - decided)}`,
  );
  output.say(`  Newest bundle   ${newest?.bundle}, sealed ${newest?.sealedAt.slice(0, 16).replace("T", " ")} UTC`);
  output.say(`  Last receipt    ${known.receipts.at(-1)?.receipt.number ?? "none"}`);
  return through;
}
