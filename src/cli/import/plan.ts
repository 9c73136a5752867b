import { systemClock } from "../../clock.ts";
import { readJournal } from "../../importer/journal.ts";
import { readOpenRegistrations } from "../../importer/open-registrations.ts";
import { prepareDeliveries } from "../../importer/plan.ts";
import { logDirectory } from "../../importer/trust-store.ts";
import { EXIT, worstOf } from "../exit-codes.ts";
import { type ExaminedLog, examineMedia, journalPath } from "./examine.ts";
import type { ImportCommand } from "./main.ts";
import { showPlan } from "./plan-lines.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `plan [DIR...]`: what `run` would do. */
export const planCommand: ImportCommand = async (words, options, output) => {
  const state = stateDirectory(options);
  const { logs, codes } =
    words.length === 0
      ? { logs: [await describeKnown(state, options.log)], codes: [] }
      : await examineMedia(state, words, systemClock.nowMs(), output);
  const how = { isRetryingRejected: options["retry-rejected"] };
  let count = 0;
  for (const { trust, directory, after, joined } of logs) {
    const fresh = joined.filter(({ isReplay }) => !isReplay).map(({ bundle }) => bundle);
    const registrations = await readOpenRegistrations(directory, trust.log, after, how, fresh);
    const plan = prepareDeliveries(after, registrations, how);
    showPlan(joined, plan, trust.factory, output);
    for (const { seq, uuid, name } of plan.deliveries) output.emit({ event: "would-deliver", seq, uuid, name });
    count += plan.deliveries.length + plan.settlements.length + fresh.length;
  }
  if (codes.length > 0) return worstOf(codes);
  output.say(`Next: airlock-import run ${words.join(" ")}`.trimEnd());
  return count === 0 ? EXIT.nothingToDo : EXIT.done;
};

async function describeKnown(state: string, log: string | undefined): Promise<ExaminedLog> {
  const trust = await chooseLog(state, log);
  const directory = logDirectory(state, trust.log);
  const after = await readJournal(journalPath(directory));
  return { trust, directory, joined: [], after, missing: { gaps: [], bundles: [] } };
}
