import { join, resolve } from "node:path";
import { systemClock } from "../../clock.ts";
import { restoreLog } from "../../importer/restore-log.ts";
import { scanMedium } from "../../importer/scan-medium.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { EXIT, worstOf } from "../exit-codes.ts";
import { exitCodeFor, UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import { showRefused } from "./evidence-lines.ts";
import type { ImportCommand } from "./main.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `restore --out DIR [MEDIUM...]`: a dead appliance's journal from every bundle that was kept, and from further media. */
export const restoreCommand: ImportCommand = async (words, options, output) => {
  if (options.out === undefined) throw new UsageError("name a new directory: airlock-import restore --out DIR");
  const state = stateDirectory(options);
  const trust = await chooseLog(state, options.log);
  const kept = join(logDirectory(state, trust.log), "bundles");
  const nowMs = systemClock.nowMs();
  const { verified, refused } = await scanMedium([kept, ...words], [trust], nowMs);
  showRefused(refused, output);
  const path = resolve(options.out);
  // One that does not verify may be the only copy of its records; the others would then have a gap, or be fewer.
  if (refused.length > 0) {
    output.say("Nothing was written. Next: bring good copies of these bundles and name their medium too");
    return worstOf(refused.map(({ refusal }) => exitCodeFor(refusal)));
  }
  const { bundles, head } = await restoreLog(verified, path, nowMs);
  output.emit({ event: "restored", log: trust.log, directory: path, bundles, head });
  output.say(`Restored log ${trust.log} of ${trust.appliance}: ${formatCount(bundles)} bundles`);
  output.say(`  records   1 to ${formatCount(head.seq)}, ending in ${head.hash}`);
  output.say(`  journal   ${path}`);
  output.say(
    "Next: carry it to the appliance, check it there with sha256sum -c SHA256SUMS, put it in the place of the",
  );
  output.say(
    "      journal, the old database aside, and start airlockd. Where the signer's ledger knows later records,",
  );
  output.say("      airlockd refuses and says so: then airlockd --continue-log with this directory as --former");
  return EXIT.done;
};
