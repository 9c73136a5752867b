import { join } from "node:path";
import { isoUtc } from "../../clock.ts";
import { type JoinedBundle, joinBundles } from "../../importer/accept-bundles.ts";
import { checkFormer } from "../../importer/check-former.ts";
import type { ImporterState } from "../../importer/importer-state.ts";
import { countMissing, type Missing } from "../../importer/join-bundles.ts";
import { readJournal } from "../../importer/journal.ts";
import { keepEvidence } from "../../importer/kept-bundles.ts";
import { type Scan, scanMedium } from "../../importer/scan-medium.ts";
import { listTrust, logDirectory, type Trust } from "../../importer/trust-store.ts";
import type { VerifiedBundle } from "../../importer/verify-bundle.ts";
import { Refusal } from "../../refusal.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { exitCodeFor, UsageError } from "../run-tool.ts";
import { showCheckWords, showEvidence, showGap, showOthers, showRefused } from "./evidence-lines.ts";
import type { Output } from "./output.ts";

/** The bundles of one appliance's log, joined to what is known of it; nothing is stored yet. */
export interface ExaminedLog {
  readonly trust: Trust;
  readonly directory: string;
  readonly joined: readonly JoinedBundle[];
  /** As it would be once the bundles are accepted. */
  readonly after: ImporterState;
  readonly missing: Missing;
}

export interface Examination {
  readonly logs: readonly ExaminedLog[];
  /** What refusals, alarms and gaps ask the program to end with. */
  readonly codes: readonly ExitCode[];
}

export function journalPath(directory: string): string {
  return join(directory, "journal.ndjson");
}

/** Verifies everything under the paths and prints a line for each check. Stores nothing but evidence of an alarm. */
export async function examineMedia(
  state: string,
  paths: readonly string[],
  nowMs: number,
  output: Output,
): Promise<Examination> {
  const pinned = await listTrust(state);
  const scan = await scanMedium(paths, pinned, nowMs);
  if (scan.verified.length + scan.refused.length === 0) {
    throw new UsageError(`there is no bundle (ALB_...) under ${paths.join(", ")}. Is this the right medium?`);
  }
  showOthers(scan, output);
  const logs: ExaminedLog[] = [];
  const codes: ExitCode[] = scan.refused.map(({ refusal }) => exitCodeFor(refusal));
  for (const trust of pinned) {
    const verified = scan.verified.filter(({ manifest }) => manifest.log === trust.log);
    if (verified.length === 0) continue;
    const log = await examineLog(state, pinned, trust, verified, nowMs, output);
    if (log === undefined) codes.push(EXIT.alarm);
    else logs.push(log);
    if (log !== undefined && log.missing.bundles.length > 0) codes.push(EXIT.gap);
  }
  showRefused(scan.refused, output);
  return { logs, codes };
}

async function examineLog(
  state: string,
  pinned: readonly Trust[],
  trust: Trust,
  verified: Scan["verified"],
  nowMs: number,
  output: Output,
): Promise<ExaminedLog | undefined> {
  const directory = logDirectory(state, trust.log);
  output.say(
    `${verified.length === 1 ? "1 bundle" : `${verified.length} bundles`} from ${trust.appliance} (log ${trust.log})`,
  );
  const known = await readJournal(journalPath(directory));
  try {
    const { joined: own, state: after } = joinBundles(known, verified, nowMs);
    const joined = await Promise.all(own.map((one) => withFormer(state, pinned, one)));
    showEvidence(
      joined.map(({ bundle, evidence }) => ({ bundle: bundle.manifest.bundle, evidence })),
      output,
    );
    const missing = countMissing([...after.bundles.values()]);
    showGap(missing, output);
    showCheckWords(
      joined.map(({ bundle }) => ({ bundle: bundle.manifest.bundle, id: bundle.id })),
      output,
    );
    return { trust, directory, joined, after, missing };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    await showAlarm(error, directory, verified, nowMs, output);
    return undefined;
  }
}

/** Adds what is known here of the log that a new one continues. */
async function withFormer(state: string, pinned: readonly Trust[], joined: JoinedBundle): Promise<JoinedBundle> {
  const { continues } = joined.bundle.totals;
  if (continues === undefined || joined.isReplay) return joined;
  const isPinned = pinned.some(({ log }) => log === continues.log);
  const former = isPinned ? await readJournal(journalPath(logDirectory(state, continues.log))) : undefined;
  return { ...joined, evidence: [...joined.evidence, checkFormer(former, continues)] };
}

/** Of a log that contradicts itself nothing is delivered, not even the bundles that would fit. */
async function showAlarm(
  refusal: Refusal,
  directory: string,
  verified: readonly VerifiedBundle[],
  nowMs: number,
  output: Output,
): Promise<void> {
  showEvidence(
    verified.map(({ manifest, evidence }) => ({ bundle: manifest.bundle, evidence })),
    output,
  );
  const evidence = await keepEvidence(directory, verified, isoUtc(nowMs));
  output.emit({ event: "alarm", control: refusal.control, message: refusal.message, evidence });
  output.say(`  ${refusal.message} [${refusal.control}]`);
  output.say(`  Nothing was delivered. Evidence is in ${evidence}`);
}
