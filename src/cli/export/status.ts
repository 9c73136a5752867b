import { systemClock } from "../../clock.ts";
import { hsmWord, type TransferClient } from "../../rpc/transfer-client.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { encodeJson, formatAge, formatCount } from "../text.ts";
import type { ExportOptions } from "./main.ts";

type Status = Awaited<ReturnType<TransferClient["status"]>>;

/** `status`: one screen, and what to do next. */
export async function showStatus(client: TransferClient, values: ExportOptions): Promise<ExitCode> {
  const status = await client.status();
  if (values.json) process.stdout.write(`${encodeJson({ ...status, hsm: hsmWord(status.hsm) })}\n`);
  else process.stdout.write(statusScreen(status, systemClock.nowMs()));
  return EXIT.done;
}

function statusScreen(status: Status, nowMs: number): string {
  const age = (iso: string) => (iso === "" ? "" : `   oldest ${formatAge(iso, nowMs)}`);
  const bundles = status.awaitingBundles.length === 0 ? "" : `bundles ${status.awaitingBundles.join(", ")}`;
  const receipt =
    status.lastReceipt === 0
      ? "no receipt yet"
      : `through ${formatCount(status.deliveredThrough)} (receipt ${status.lastReceipt})`;
  const clock = status.clockProblem === "" ? "clock ok" : "clock WRONG";
  const row = (label: string, count: bigint, more: string) =>
    `  ${label.padEnd(32)} ${formatCount(count).padStart(10)}   ${more}\n`;
  return [
    status.evaluation ? "EVALUATION SITE: not for production\n" : "",
    `Appliance ${status.appliance}   log ${status.log}   HSM ${hsmWord(status.hsm)}   ${clock}   disks ${diskLine(status)}\n`,
    status.clockProblem === "" ? "" : `  ${status.clockProblem}\n`,
    row("Queued (not yet in a bundle)", status.queued, age(status.queuedSince).trim()),
    row("Waiting for a receipt", status.awaitingReceipt, `${bundles}${age(status.awaitingSince)}`),
    row("Delivered", status.delivered, receipt),
    row("Rejected, needs a decision", status.rejected, ""),
    `Next: ${nextStep(status)}\n`,
  ].join("");
}

function diskLine(status: Status): string {
  const used = ({ availableBytes, totalBytes }: Status["disks"][number]) =>
    totalBytes === 0n ? "?" : `${100 - Number((availableBytes * 100n) / totalBytes)} %`;
  return status.disks.map((disk) => `${disk.name} ${used(disk)}`).join(" / ");
}

function nextStep(status: Status): string {
  if (status.rejected > 0n) return "airlock-export list --state rejected";
  if (status.queued > 0n) return "insert an empty stick and run   airlock-export export --to DIR";
  if (status.awaitingBundles.length > 0)
    return "carry the stick across; bring the receipt back:   airlock-export receipt apply FILE";
  return "nothing; all registrations are delivered";
}
