import { isoUtc } from "../clock.ts";
import { type DeliveryParts, type DeliveryResult, deliverDevice } from "./deliver-device.ts";
import type { Delivery, Plan } from "./plan.ts";

/** A delivery that ended in a rejection or is still open, for people. */
export interface Remainder {
  readonly delivery: Delivery;
  readonly result: DeliveryResult;
}

export interface DeliverySummary {
  readonly delivered: number;
  readonly duplicates: number;
  readonly superseded: number;
  readonly voided: number;
  readonly rejected: readonly Remainder[];
  readonly pending: readonly Remainder[];
  /** - `done`: everything was tried. - `stopped`: a person stopped it. - the other two: see the names. */
  readonly end: "done" | "stopped" | "unauthorised" | "server-down";
}

export interface RunOptions {
  /** Calls at the same time. */
  readonly concurrency: number;
  /** Aborted by Ctrl-C: calls in flight are finished and journalled, none is begun. */
  readonly signal: AbortSignal;
  onProgress(done: number, of: number, retrying: number): void;
}

/**
 * Settles what needs no call, then delivers. Whenever it ends, everything that was learned is in the journal, and
 * running again continues there. A refused token stops the run and marks nothing failed.
 */
export async function runDeliveries(
  parts: Omit<DeliveryParts, "isStopping" | "onRetry">,
  { deliveries, settlements }: Plan,
  options: RunOptions,
): Promise<DeliverySummary> {
  const at = isoUtc(parts.clock.nowMs());
  await Promise.all(settlements.map((settlement) => parts.journal.append({ t: "outcome", at, ...settlement })));
  const results = new Map<Delivery, DeliveryResult>();
  let end: DeliverySummary["end"] = "done";
  let retrying = 0;
  const onEnd = (reason: DeliverySummary["end"]) => {
    if (end === "done") end = reason;
  };
  const isStopping = () => {
    if (options.signal.aborted) onEnd("stopped");
    if (parts.backoff.isHopeless()) onEnd("server-down");
    return end !== "done";
  };
  const queue = deliveries[Symbol.iterator]();
  const work = async () => {
    for (const delivery of queue) {
      if (isStopping()) return;
      let retries = 0;
      const onRetry = () => {
        retries++;
        options.onProgress(results.size, deliveries.length, ++retrying);
      };
      const result = await deliverDevice({ ...parts, isStopping, onRetry }, delivery);
      retrying -= retries;
      if (result.result === "unauthorised") onEnd("unauthorised");
      results.set(delivery, result);
      options.onProgress(results.size, deliveries.length, retrying);
    }
  };
  await allWorkers(Array.from({ length: options.concurrency }, work), () => onEnd("stopped"));
  return { ...addUp(deliveries, results), ...countSettled(settlements), end };
}

/** Lets every worker finish its call before a failure (of the journal, above all) is passed on. */
async function allWorkers(workers: readonly Promise<void>[], onFailure: () => void): Promise<void> {
  const watched = workers.map((worker) =>
    worker.catch((error) => {
      onFailure();
      throw error;
    }),
  );
  const failed = (await Promise.allSettled(watched)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

function addUp(deliveries: readonly Delivery[], results: ReadonlyMap<Delivery, DeliveryResult>) {
  const untried: DeliveryResult = { result: "pending", reason: "not tried in this run" };
  const all = deliveries.map((delivery) => ({ delivery, result: results.get(delivery) ?? untried }));
  const outcomeIs =
    (outcome: string) =>
    ({ result }: Remainder) =>
      result.result === "settled" && result.verdict.outcome === outcome;
  return {
    delivered: all.filter(outcomeIs("delivered")).length,
    duplicates: all.filter(outcomeIs("duplicate")).length,
    rejected: all.filter(outcomeIs("rejected")),
    pending: all.filter(({ result }) => result.result !== "settled"),
  };
}

function countSettled(settlements: Plan["settlements"]) {
  return {
    superseded: settlements.filter(({ outcome }) => outcome === "superseded").length,
    voided: settlements.filter(({ outcome }) => outcome === "voided").length,
  };
}
