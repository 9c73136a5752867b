import { setTimeout as sleep } from "node:timers/promises";
import { isoUtc, systemClock } from "../../clock.ts";
import type { FactoryKnowledge } from "../../importer/attempt-delivery.ts";
import { createBackoff } from "../../importer/backoff.ts";
import type { DeliveryParts } from "../../importer/deliver-device.ts";
import type { FoundriesPort } from "../../importer/foundries-port.ts";
import type { Journal } from "../../importer/journal.ts";
import { KeptCertificates } from "../../importer/kept-certificates.ts";
import { learnFactory } from "../../importer/learn-factory.ts";
import type { Delivery, Plan } from "../../importer/plan.ts";
import { type DeliverySummary, runDeliveries } from "../../importer/run-deliveries.ts";
import type { Trust } from "../../importer/trust-store.ts";
import { confirm } from "../confirm.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { openProgress } from "../progress.ts";
import { UsageError } from "../run-tool.ts";
import { formatCount } from "../text.ts";
import type { ImportOptions } from "./main.ts";
import { openApi } from "./open-api.ts";
import type { Output } from "./output.ts";

const UNAUTHORISED =
  "The Factory refused the token (401 or 403, or it lacks devices:create). No device was marked failed. " +
  "Get a token with devices:create, devices:read and devices:read-update, and run again without the stick.";

/** Delivers a plan out of the bundles kept in `directory`; the exit code says how it ended. Bundles are kept by now: the medium is not needed any more. */
export async function deliver(
  journal: Journal,
  directory: string,
  trust: Trust,
  plan: Plan,
  options: ImportOptions,
  output: Output,
): Promise<ExitCode> {
  const port = await openApi(options, trust.factory);
  const stop = listenForStop(output);
  try {
    const learned = await learnFactory(port);
    if (learned.result === "unauthorised") return end(output, UNAUTHORISED, EXIT.trust);
    if (learned.result === "unreachable") {
      return end(
        output,
        `The Factory's API cannot be reached (${learned.reason}). Nothing was sent. Run again without the stick.`,
        EXIT.unreachable,
      );
    }
    for (const warning of learned.warnings) output.say(`  warning: ${warning}`);
    const factory = await clearDenied(port, journal, plan, learned.factory, options, output);
    const certificates = new KeptCertificates(directory, trust.log, journal.state);
    const parts = { port, journal, factory, certificateOf: (delivery: Delivery) => certificates.of(delivery) };
    const summary = await runPlan(parts, plan, options, stop.signal);
    showSummary(summary, output);
    return codeOf(summary, output);
  } finally {
    stop.forget();
    port.close();
  }
}

async function runPlan(
  parts: Pick<DeliveryParts, "port" | "journal" | "factory" | "certificateOf">,
  plan: Plan,
  options: ImportOptions,
  signal: AbortSignal,
): Promise<DeliverySummary> {
  const clock = systemClock;
  const wait = (ms: number) => sleep(ms, undefined, { signal }).catch(() => undefined);
  const backoff = createBackoff({ clock, wait, random: Math.random, isStopped: () => signal.aborted });
  const progress = openProgress();
  progress.phase("Delivering");
  const onProgress = (done: number, of: number) => progress.advance(done, of);
  const how = { concurrency: parseConcurrency(options.concurrency), signal, onProgress };
  return await runDeliveries({ ...parts, clock, backoff }, plan, how).finally(() => progress.end());
}

function parseConcurrency(text: string): number {
  if (!/^([1-9]|1[0-6])$/.test(text)) throw new UsageError("--concurrency takes 1 to 16");
  return Number(text);
}

/** Takes uuids of this plan off the deny list, after showing them, when that was asked for. */
async function clearDenied(
  port: FoundriesPort,
  journal: Journal,
  plan: Plan,
  factory: FactoryKnowledge,
  options: ImportOptions,
  output: Output,
): Promise<FactoryKnowledge> {
  const denied = plan.deliveries.filter(({ uuid }) => factory.denied?.has(uuid));
  if (denied.length === 0) return factory;
  for (const { uuid, name } of denied) output.say(`  denied by the Factory: ${uuid}  ${name}`);
  if (!options["clear-denied"]) {
    output.say("  They are not delivered. To take them off the deny list first: --clear-denied");
    return factory;
  }
  if (!(await confirm(`Take ${denied.length} devices off the Factory's deny list?`, options.yes))) return factory;
  const left = new Set(factory.denied);
  for (const { uuid } of denied) {
    await journal.append({ t: "clear-denied", at: isoUtc(systemClock.nowMs()), uuid });
    const cleared = await port.deleteDenied(uuid);
    if (cleared.outcome === "done" || cleared.outcome === "absent") left.delete(uuid);
    else output.say(`  warning: ${uuid} stays on the deny list: the API would not remove it`);
  }
  return { ...factory, denied: left };
}

function showSummary(summary: DeliverySummary, output: Output): void {
  const { delivered, duplicates, superseded, voided, rejected, pending } = summary;
  output.emit({
    event: "delivered",
    delivered,
    duplicates,
    superseded,
    voided,
    rejected: rejected.length,
    pending: pending.length,
    end: summary.end,
  });
  output.say(
    `  delivered ${formatCount(delivered)}   already there ${formatCount(duplicates)}   rejected ${formatCount(rejected.length)}   pending ${formatCount(pending.length)}`,
  );
  if (superseded + voided > 0) output.say(`  not delivered: ${superseded} registered again since, ${voided} scrapped`);
  for (const { delivery, result } of rejected.slice(0, 20)) {
    const code = result.result === "settled" ? result.verdict.code : undefined;
    output.emit({ event: "rejected", seq: delivery.seq, uuid: delivery.uuid, name: delivery.name, code });
    output.say(`  rejected  ${formatCount(delivery.seq)}  ${delivery.name}  ${code}`);
  }
  if (rejected.length > 20)
    output.say(`  and ${formatCount(rejected.length - 20)} more rejected; all are in the list below`);
  const [first] = pending;
  if (first?.result.result === "pending") output.say(`  pending: ${first.result.reason}`);
}

function codeOf({ end: how, rejected, pending }: DeliverySummary, output: Output): ExitCode {
  if (how === "unauthorised") return end(output, UNAUTHORISED, EXIT.trust);
  if (how === "stopped")
    return end(output, "Stopped. What was delivered is noted; run again to continue.", EXIT.cancelled);
  if (how === "server-down")
    return end(output, "The Factory's API keeps failing. Nothing is lost: run again later.", EXIT.partial);
  if (pending.length > 0)
    return end(output, "Some devices are still open. Nothing is lost: run again later.", EXIT.partial);
  return rejected.length > 0 ? EXIT.partial : EXIT.done;
}

function end(output: Output, sentence: string, code: ExitCode): ExitCode {
  output.say(sentence);
  return code;
}

/** The first Ctrl-C finishes the calls under way; the second one ends at once, which is safe too. */
function listenForStop(output: Output): { signal: AbortSignal; forget: () => void } {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(EXIT.cancelled);
    output.say("Stopping: finishing the calls under way. Ctrl-C again ends at once.");
    controller.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  return {
    signal: controller.signal,
    forget: () => {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
    },
  };
}
