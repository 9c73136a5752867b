import { Refusal } from "../../refusal.ts";
import type { TransferClient } from "../../rpc/transfer-client.ts";
import { type BundleSource, inspectMedium, writeBundles } from "../../transfer/media.ts";
import { MediumError } from "../../transfer/medium-error.ts";
import { nodeMediumFiles } from "../../transfer/medium-files.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { openProgress } from "../progress.ts";
import { UsageError } from "../run-tool.ts";
import { formatBytes, formatCount } from "../text.ts";
import type { ExportOptions } from "./main.ts";

type Bundle = Awaited<ReturnType<TransferClient["bundles"]>>[number];

const say = (line: string) => process.stdout.write(`${line}\n`);

/** `export`: preflight, plan, seal, write, flush, read back; only then SAFE TO REMOVE. */
export async function exportBundles(client: TransferClient, values: ExportOptions): Promise<ExitCode> {
  if (values.to === undefined) throw new UsageError("name the medium: --to /media/usb0");
  try {
    return await exportTo(client, values, values.to);
  } catch (error) {
    if (!(error instanceof MediumError)) throw error;
    process.stderr.write(`airlock-export: ${error.message}\n`);
    return EXIT.medium;
  }
}

async function exportTo(client: TransferClient, values: ExportOptions, medium: string): Promise<ExitCode> {
  const report = await inspectMedium(nodeMediumFiles, medium);
  say(
    `Medium   ${medium}   ${formatBytes(report.freeBytes)} free${report.foreign.length === 0 ? "" : `, ${report.foreign.length} other files (left alone)`}`,
  );
  const status = await client.status();
  const isSealWanted = values.bundle === undefined && (status.queued > 0n || values.heartbeat === true);
  const again = await chooseAgain(client, values);
  if (!isSealWanted && again.length === 0) return nothingToDo(status.lastBundle);
  say(`Plan     ${isSealWanted ? `new bundle: ${formatCount(status.queued)} registrations` : "no new bundle"}`);
  if (again.length > 0)
    say(
      `         again ${again.map(({ number }) => number).join(", ")}: not acknowledged yet (duplicates are harmless)`,
    );
  if (!(await confirm("Proceed?", values.yes))) return EXIT.cancelled;
  const sealed = isSealWanted ? await sealAll(client, values.heartbeat === true) : { bundles: [], isHsmMissing: false };
  const bundles = [...again, ...sealed.bundles];
  if (bundles.length > 0) await write(client, medium, bundles);
  for (const { number, id } of sealed.bundles) say(`  Bundle ${number}   id ${id.slice(0, 16)}`);
  say("Next: carry the stick across and run   airlock-import run DIR");
  return sealed.isHsmMissing ? EXIT.hsm : EXIT.done;
}

/** Every unacknowledged bundle goes along, so that a lost stick heals on the next trip. */
async function chooseAgain(client: TransferClient, values: ExportOptions): Promise<readonly Bundle[]> {
  const bundles = await client.bundles();
  if (values.bundle === undefined) {
    return values["only-new"] === true ? [] : bundles.filter(({ acknowledged }) => !acknowledged);
  }
  const wanted = bundles.filter(({ number }) => String(number) === values.bundle);
  if (wanted.length === 0) throw new UsageError(`there is no bundle ${values.bundle}; see airlock-export status`);
  return wanted;
}

function nothingToDo(lastBundle: number): ExitCode {
  say(
    lastBundle === 0
      ? "Nothing to export: no board has registered yet. To show the far side that all is well: --heartbeat"
      : `No new registrations since bundle ${lastBundle}, and every bundle is acknowledged. To write one again: --bundle N. To show the far side that all is well: --heartbeat`,
  );
  return EXIT.nothingToDo;
}

/** With the HSM sealed or away, what is sealed already still goes out. */
async function sealAll(
  client: TransferClient,
  isHeartbeat: boolean,
): Promise<{ bundles: Bundle[]; isHsmMissing: boolean }> {
  const bundles: Bundle[] = [];
  try {
    for (let isMore = true; isMore; ) {
      const sealed = await client.seal(isHeartbeat && bundles.length === 0);
      if (sealed.bundle !== undefined) {
        bundles.push(sealed.bundle);
        say(
          `  Sealed   bundle ${sealed.bundle.number}: ${formatCount(sealed.bundle.registrations)} registrations, signed by the HSM's bundle key`,
        );
      }
      isMore = sealed.more && sealed.bundle !== undefined;
    }
  } catch (error) {
    if (!(error instanceof Refusal) || (error.code !== "needs-person" && error.code !== "away")) throw error;
    process.stderr.write(
      `Could not seal: ${error.message} The queued records stay queued; what is sealed already is written.\n`,
    );
    return { bundles, isHsmMissing: true };
  }
  return { bundles, isHsmMissing: false };
}

async function write(client: TransferClient, medium: string, bundles: readonly Bundle[]): Promise<void> {
  const sources: BundleSource[] = bundles.map(({ number, directory, totalBytes }) => ({
    directory,
    totalBytes: Number(totalBytes),
    read: () => client.read(number),
  }));
  const progress = openProgress();
  const labels = {
    writing: "Writing",
    flushing: "Flushing: DO NOT REMOVE",
    comparing: "Reading back and comparing",
  } as const;
  const result = await writeBundles(nodeMediumFiles, medium, sources, {
    phase: (phase) => progress.phase(labels[phase]),
    advance: (done, of) => progress.advance(done, of),
  });
  progress.end();
  if (!result.isReadFromDevice)
    say("  Note: this file system can only be read through memory; the comparison did not reach the device.");
  say("SAFE TO REMOVE");
}
