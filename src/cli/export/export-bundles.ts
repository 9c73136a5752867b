import { Refusal } from "../../refusal.ts";
import type { TransferClient } from "../../rpc/transfer-client.ts";
import { checkWords } from "../../transfer/check-words.ts";
import { type BundleSource, inspectMedium, writeBundles } from "../../transfer/media.ts";
import { nodeMediumFiles } from "../../transfer/medium-files.ts";
import { findRemovableMedia } from "../../transfer/removable-media.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Output } from "../import/output.ts";
import { openProgress } from "../progress.ts";
import { UsageError } from "../run-tool.ts";
import { formatBytes, formatCount } from "../text.ts";
import { chooseMedium } from "./choose-medium.ts";
import type { ExportCommand } from "./command.ts";
import { type Bundle, findBundle } from "./find-bundle.ts";
import type { ExportOptions } from "./main.ts";
import { writeTars } from "./write-tar.ts";

/** Where the bundles go: a mounted medium, or archives for a diode. */
type Target = { readonly kind: "medium"; readonly path: string } | { readonly kind: "tar"; readonly path: string };

/** `export`: preflight, plan, seal, write, flush, read back; only then SAFE TO REMOVE. */
export const exportCommand: ExportCommand = async (_words, values, output, client) => {
  const target = await openTarget(values, output);
  const status = await client.status();
  // A decision without a registration must go out too; seals, receipts and counted refusals alone need no bundle.
  const isSealWanted = values.bundle === undefined && (status.hasUnsealedNews || values.heartbeat === true);
  const again = await chooseAgain(client, values);
  if (!isSealWanted && again.length === 0) return nothingToDo(status.lastBundle, output);
  showPlan(isSealWanted ? status.queued : undefined, again, output);
  if (!(await confirm("Proceed?", values.yes))) return EXIT.cancelled;
  const sealed = isSealWanted
    ? await sealAll(client, values.heartbeat === true, output)
    : { bundles: [], isHsmMissing: false };
  const bundles = [...again, ...sealed.bundles];
  if (bundles.length === 0) {
    if (!sealed.isHsmMissing) return nothingToDo(status.lastBundle, output);
    output.say("Nothing was written: no sealed bundle waits. Next: have the custodians look at the HSM, then again");
    return EXIT.hsm;
  }
  await write(client, target, bundles, output);
  for (const bundle of bundles) showBundle(bundle, output);
  output.say(
    target.kind === "medium"
      ? `Next: airlock-export slip ${bundles.at(-1)?.number}; then carry the stick across and run\n      airlock-import run DIR`
      : "Next: send the archives through, unpack them there and run   airlock-import run DIR",
  );
  return sealed.isHsmMissing ? EXIT.hsm : EXIT.done;
};

async function openTarget(values: ExportOptions, output: Output): Promise<Target> {
  if (values.tar !== undefined && values.to !== undefined) throw new UsageError("give --to or --tar, not both");
  if (values.tar !== undefined) return { kind: "tar", path: values.tar };
  const path = values.to ?? chooseMedium(await findRemovableMedia());
  const { freeBytes, foreign, parts } = await inspectMedium(nodeMediumFiles, path);
  const found = values.to === undefined ? "   (1 removable medium found)" : "";
  const others = foreign.length === 0 ? "" : `, ${countOf(foreign.length, "other file")} (left alone)`;
  output.emit({ event: "medium", path, freeBytes, foreign: foreign.length });
  output.say(`Medium   ${path}   ${formatBytes(freeBytes)} free${others}${found}`);
  if (parts.length > 0)
    output.say(`         unfinished copies of an interrupted run: ${parts.join(", ")} (in nobody's way)`);
  return { kind: "medium", path };
}

function showPlan(queued: bigint | undefined, again: readonly Bundle[], output: Output): void {
  output.say(`Plan     ${describeNew(queued)}`);
  if (again.length === 0) return;
  const count = again.reduce((sum, { registrations }) => sum + registrations, 0n);
  const numbers = again.map(({ number }) => number).join(", ");
  const why = again.every(({ acknowledged }) => !acknowledged) ? "no receipt yet" : "as asked";
  output.say(`         again ${numbers}: ${why} (${countOf(count, "registration")}; duplicates are harmless)`);
}

function describeNew(queued: bigint | undefined): string {
  if (queued === undefined) return "no new bundle";
  return queued === 0n
    ? "new bundle: no registration; decisions and acts since the last one"
    : `new bundle: ${countOf(queued, "registration")} queued`;
}

/** Every unacknowledged bundle goes along, so that a lost stick heals on the next trip. */
async function chooseAgain(client: TransferClient, values: ExportOptions): Promise<readonly Bundle[]> {
  if (values.bundle !== undefined) return [await findBundle(client, values.bundle)];
  if (values["only-new"] === true) return [];
  return (await client.bundles()).filter(({ acknowledged }) => !acknowledged);
}

function nothingToDo(lastBundle: number, output: Output): ExitCode {
  output.emit({ event: "nothing-to-do", lastBundle });
  output.say(
    lastBundle === 0
      ? "Nothing to export: no board has registered yet. To show the far side that all is well: --heartbeat"
      : `No new registrations since bundle ${lastBundle}. To write an old bundle again: --bundle N. To show the far side that all is well: --heartbeat`,
  );
  return EXIT.nothingToDo;
}

/** With the HSM sealed or away, what is sealed already still goes out. */
async function sealAll(
  client: TransferClient,
  isHeartbeat: boolean,
  output: Output,
): Promise<{ bundles: Bundle[]; isHsmMissing: boolean }> {
  const bundles: Bundle[] = [];
  try {
    for (let isMore = true; isMore; ) {
      const sealed = await client.seal(isHeartbeat && bundles.length === 0);
      if (sealed.bundle !== undefined) {
        bundles.push(sealed.bundle);
        const { number, firstSequence, lastSequence, registrations } = sealed.bundle;
        output.say(
          `  Sealed   bundle ${number}: records ${formatCount(firstSequence)} to ${formatCount(lastSequence)}, ${countOf(registrations, "registration")}; signed by the HSM`,
        );
      }
      isMore = sealed.more && sealed.bundle !== undefined;
    }
  } catch (error) {
    if (!(error instanceof Refusal) || (error.code !== "needs-person" && error.code !== "away")) throw error;
    output.emit({ event: "not-sealed", control: error.control, message: error.message });
    output.say(`  Could not seal: ${error.message} [${error.control}]`);
    output.say("  The queued records stay queued. What is sealed already goes out all the same.");
    return { bundles, isHsmMissing: true };
  }
  return { bundles, isHsmMissing: false };
}

async function write(
  client: TransferClient,
  target: Target,
  bundles: readonly Bundle[],
  output: Output,
): Promise<void> {
  const sources: BundleSource[] = bundles.map(({ number, directory, totalBytes }) => ({
    directory,
    totalBytes: Number(totalBytes),
    read: () => client.read(number),
  }));
  if (target.kind === "medium") return await writeMedium(target.path, sources, output);
  for (const path of await writeTars(target.path, sources)) {
    output.emit({ event: "archive", path });
    output.say(`  Archive  ${path}`);
  }
}

async function writeMedium(medium: string, sources: readonly BundleSource[], output: Output): Promise<void> {
  const progress = openProgress();
  const labels = {
    writing: `Writing ${countOf(sources.length, "bundle")}`,
    flushing: "Flushing: DO NOT REMOVE",
    comparing: "Reading back and comparing",
  } as const;
  const result = await writeBundles(nodeMediumFiles, medium, sources, {
    phase: (phase) => progress.phase(labels[phase]),
    advance: (done, of) => progress.advance(done, of),
  }).finally(() => progress.end());
  const { written, alreadyThere, isReadFromDevice } = result;
  output.emit({ event: "written", medium, written, alreadyThere, isReadFromDevice });
  if (alreadyThere.length > 0) output.say(`  Was there already, byte for byte: ${alreadyThere.join(", ")}`);
  if (!isReadFromDevice)
    output.say("  Note: this file system can only be read through memory; the comparison did not reach the device.");
  output.say("SAFE TO REMOVE");
}

function showBundle({ number, id, directory }: Bundle, output: Output): void {
  output.emit({ event: "bundle", number, id, directory, words: checkWords(id) });
  output.say(`  Bundle ${number}   id ${id.slice(0, 8)} ${id.slice(8, 16)}   check words  ${checkWords(id)}`);
}

function countOf(count: number | bigint, noun: string): string {
  return `${formatCount(count)} ${noun}${Number(count) === 1 ? "" : "s"}`;
}
