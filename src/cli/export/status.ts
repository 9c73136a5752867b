import { systemClock } from "../../clock.ts";
import { hsmWord, type TransferClient } from "../../rpc/transfer-client.ts";
import { EXIT } from "../exit-codes.ts";
import { UsageError } from "../run-tool.ts";
import { encodeJson, formatAge, formatCount } from "../text.ts";
import type { ExportCommand } from "./command.ts";

type Status = Awaited<ReturnType<TransferClient["status"]>>;

const DAY_MS = 24 * 3600 * 1000;

/** `status`: one screen, and what to do next. Exit 10 when a bundle waits longer for its receipt than it should. */
export const statusCommand: ExportCommand = async (_words, values, output, client) => {
  const limitMs = parseDays(values.overdue) * DAY_MS;
  const status = await client.status();
  const nowMs = systemClock.nowMs();
  const lateMs = status.awaitingSince === "" ? -limitMs : nowMs - Date.parse(status.awaitingSince) - limitMs;
  const isOverdue = lateMs > 0;
  output.emit({ ...JSON.parse(encodeJson(status)), hsm: hsmWord(status.hsm), overdue: isOverdue });
  if (!values.json) process.stdout.write(statusScreen(status, nowMs, lateMs));
  return isOverdue ? EXIT.overdue : EXIT.done;
};

function parseDays(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new UsageError("--overdue takes days, 1 to 999");
  return Number(text);
}

/** The screen, at most 80 columns wide. */
export function statusScreen(status: Status, nowMs: number, lateMs: number): string {
  const age = (iso: string) => (iso === "" ? "" : `oldest ${formatAge(iso, nowMs)}`);
  const receipt =
    status.lastReceipt === 0
      ? "no receipt yet"
      : `through ${formatCount(status.deliveredThrough)} (receipt ${status.lastReceipt})`;
  const row = (label: string, count: bigint, more: string) =>
    `  ${label.padEnd(29)} ${formatCount(count).padStart(9)}   ${more}`.trimEnd();
  return [
    ...(status.evaluation ? ["EVALUATION SITE: not for production"] : []),
    `Appliance ${status.appliance}   log ${status.log}   HSM ${hsmWord(status.hsm)}   ${status.clockProblem === "" ? "clock ok" : "clock WRONG"}`,
    `Disks in use: ${diskLine(status)}`,
    ...(status.clockProblem === "" ? [] : [`  ${status.clockProblem}`]),
    ...status.warnings.flatMap((warning) => fold(`! ${warning}`)),
    row("Queued (not yet in a bundle)", status.queued, age(status.queuedSince)),
    row("Waiting for a receipt", status.awaitingReceipt, age(status.awaitingSince)),
    ...waitingLines(status, nowMs, lateMs),
    row("Delivered", status.delivered, receipt),
    row("Rejected, needs a decision", status.rejected, ""),
    ...denyListLines(status, row),
    `Next: ${nextStep(status, lateMs > 0)}`,
    "",
  ].join("\n");
}

/** Words over several lines, the later ones indented. */
function fold(text: string): string[] {
  return (text.match(/.{1,74}(?:\s|$)/g) ?? [text]).map((line, i) => `${i === 0 ? "  " : "    "}${line.trimEnd()}`);
}

const SHOWN = 4;

function waitingLines({ awaitingBundles: bundles }: Status, nowMs: number, lateMs: number): string[] {
  if (bundles.length === 0) return [];
  const more = bundles.length > SHOWN ? ` and ${bundles.length - SHOWN} more` : "";
  const age = formatAge(new Date(nowMs - Math.abs(lateMs)).toISOString(), nowMs);
  const due = lateMs > 0 ? `! OVERDUE by ${age}` : lateMs > -DAY_MS ? `! due in ${age}` : "";
  return [`    bundle ${bundles.slice(0, SHOWN).join(", ")}${more}   ${due}`.trimEnd()];
}

function denyListLines(
  { denyList }: Status,
  row: (label: string, count: bigint, more: string) => string,
): readonly string[] {
  if (denyList === undefined) return [];
  const how = denyList.refuses ? "refused on the line" : "only warned of";
  return [row("Denied by the Factory", BigInt(denyList.count), `${how}; list of ${denyList.issuedAt.slice(0, 10)}`)];
}

function diskLine(status: Status): string {
  const used = ({ availableBytes, totalBytes }: Status["disks"][number]) =>
    totalBytes === 0n ? "?" : `${100 - Number((availableBytes * 100n) / totalBytes)} %`;
  return status.disks.map((disk) => `${disk.name} ${used(disk)}`).join(", ");
}

function nextStep(status: Status, isOverdue: boolean): string {
  if (isOverdue) return "ask the far side for the receipt, or send the bundles again:\n      airlock-export export";
  if (status.rejected > 0n) return "airlock-export rejects";
  if (status.queued > 0n) return "insert an empty stick and run   airlock-export export";
  if (status.awaitingBundles.length > 0)
    return "carry the stick across and bring the receipt back:\n      airlock-export receipt scan   or   airlock-export receipt apply FILE";
  return "nothing; all registrations are delivered";
}
