import { systemClock } from "../../clock.ts";
import { acceptBundles, type JoinedBundle, joinBundles } from "../../importer/accept-bundles.ts";
import { loadIdentity } from "../../importer/identity.ts";
import { type Journal, openJournal } from "../../importer/journal.ts";
import { readOpenRegistrations } from "../../importer/open-registrations.ts";
import { prepareDeliveries } from "../../importer/plan.ts";
import { lockState } from "../../importer/state-lock.ts";
import { logDirectory, type Trust } from "../../importer/trust-store.ts";
import type { VerifiedBundle } from "../../importer/verify-bundle.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode, worstOf } from "../exit-codes.ts";
import { deliver } from "./deliver.ts";
import { examineMedia, journalPath } from "./examine.ts";
import type { ImportCommand, ImportOptions } from "./main.ts";
import type { Output } from "./output.ts";
import { showPlan } from "./plan-lines.ts";
import { writeResults } from "./results.ts";
import { chooseLog, stateDirectory } from "./state-directory.ts";

/** `run [DIR...]`: verify everything, then accept, deliver, write the receipt. Repeatable at any point. */
export const runCommand: ImportCommand = async (words, options, output) => {
  const state = stateDirectory(options);
  const unlock = await lockState(state);
  try {
    if (words.length === 0) return await runLog(state, await chooseLog(state, options.log), [], options, output);
    const { logs, codes } = await examineMedia(state, words, systemClock.nowMs(), output);
    const ends: ExitCode[] = [...codes];
    for (const { trust, joined } of logs) {
      const verified = joined.map(({ bundle }) => bundle);
      ends.push(await runLog(state, trust, verified, options, output));
    }
    return endOf(ends);
  } finally {
    await unlock();
  }
};

/** Nothing to do in one log is no news when another had something. */
function endOf(ends: readonly ExitCode[]): ExitCode {
  const [first = EXIT.nothingToDo] = ends;
  return ends.every((code) => code === first) ? first : worstOf(ends.filter((code) => code !== EXIT.nothingToDo));
}

async function runLog(
  state: string,
  trust: Trust,
  verified: readonly VerifiedBundle[],
  options: ImportOptions,
  output: Output,
): Promise<ExitCode> {
  const directory = logDirectory(state, trust.log);
  const identity = await loadIdentity(state);
  const journal = await openJournal(journalPath(directory));
  try {
    const { joined } = joinBundles(journal.state, verified, systemClock.nowMs());
    const decided = await decide(journal, directory, trust, joined, options, output);
    if (decided === "cancelled") return EXIT.cancelled;
    await acceptBundles(journal, directory, joined, systemClock.nowMs());
    const code =
      decided.deliveries.length + decided.settlements.length === 0
        ? EXIT.done
        : await deliver(journal, directory, trust, decided, options, output);
    const isIdle = code === EXIT.done && joined.every(({ isReplay }) => isReplay) && decided.settlements.length === 0;
    if (code === EXIT.trust || code === EXIT.unreachable) return code;
    await writeResults({ journal, directory, trust, identity, options, output });
    return isIdle && decided.deliveries.length === 0 ? EXIT.nothingToDo : code;
  } finally {
    await journal.close();
  }
}

/** The plan, and a person's yes to it. */
async function decide(
  journal: Journal,
  directory: string,
  trust: Trust,
  joined: readonly JoinedBundle[],
  options: ImportOptions,
  output: Output,
) {
  const how = { isRetryingRejected: options["retry-rejected"] };
  const fresh = joined.filter(({ isReplay }) => !isReplay).map(({ bundle }) => bundle);
  const { state: after } = joinBundles(journal.state, fresh, systemClock.nowMs());
  const registrations = await readOpenRegistrations(directory, trust.log, after, how, fresh);
  const plan = prepareDeliveries(after, registrations, how);
  showPlan(joined, plan, trust.factory, output);
  const question = `Deliver ${plan.deliveries.length} devices to factory "${trust.factory}"?`;
  const isAsked = plan.deliveries.length > 0;
  if (isAsked && !(await confirm(question, options.yes))) return "cancelled" as const;
  return plan;
}
